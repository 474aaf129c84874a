/** `npm run bench [-- --quick] [-- --only cost,latency]`: what a request costs, bare, by hand and through Oncegate, in one run on one machine. */
import { loadavg } from 'node:os';
import { bound } from './bound.ts';
import { cost } from './cost.ts';
import { crowd } from './crowd.ts';
import { growth } from './growth.ts';
import { latency } from './latency.ts';
import { memory } from './memory.ts';
import { misuse } from './misuse.ts';
import { theMachine } from './report.ts';
import { tokens } from './tokens.ts';
import { startBench, warmUp } from './variants.ts';

/** Those that compare servers share them; the others start their own. */
const ALONE = { growth, memory, misuse };
const COMPARING = { cost, tokens, bound, latency, crowd };

const quick = process.argv.includes('--quick');
const only = process.argv.includes('--only') ? (process.argv[process.argv.indexOf('--only') + 1] ?? '').split(',') : undefined;
const unknown = only?.filter((name) => !(name in COMPARING || name in ALONE)) ?? [];
if (unknown.length > 0) throw new Error(`there is no part ${unknown.join(', ')}: ${Object.keys({ ...COMPARING, ...ALONE }).join(', ')}`);
const wanted = <T>(parts: Readonly<Record<string, T>>): [string, T][] =>
  Object.entries(parts).filter(([name]) => only?.includes(name) ?? true);

const say = (text: string): void => void process.stdout.write(`${text}\n\n`);
const theLoad = (): string =>
  loadavg()
    .map((one) => one.toFixed(1))
    .join(' ');

say(theMachine().trim());
const started = performance.now();
if (wanted(COMPARING).length > 0) {
  const bench = await startBench();
  try {
    await warmUp(bench, quick);
    for (const [name, part] of wanted(COMPARING)) say(`### ${name}\n\n${await part(bench, quick)}`);
  } finally {
    await bench.stop();
  }
}
for (const [name, part] of wanted(ALONE)) say(`### ${name}\n\n${await part(quick)}`);
say(`${Math.round((performance.now() - started) / 1000)} s in all, load of the machine ${theLoad()}`);
