/** `npm run bench [-- --quick]`: what a request costs, bare, by hand and through Oncegate, in one run on one machine. */
import { loadavg } from 'node:os';
import { load } from './load.ts';
import { type Measurement, measure, medianOf } from './measure.ts';
import { FAMILIES } from './people.ts';
import { aims, perRequest, sharing, type Table, theMachine, waiting } from './report.ts';
import { measureSlowRegistry } from './slow-registry.ts';
import { type Name, startBench } from './variants.ts';

const CALLERS = [1, 8, 64];
const quick = process.argv.includes('--quick');
const { rounds, seconds, warmUp } = quick
  ? { rounds: 1, seconds: 0.25, warmUp: { seconds: 2, requests: FAMILIES } }
  : { rounds: 5, seconds: 1.2, warmUp: { seconds: 9, requests: 4000 } };

const say = (text: string): void => void process.stdout.write(`${text}\n`);

const started = performance.now();
const bench = await startBench();
try {
  say(theMachine());
  // At least every person once: after that (d) knows them all.
  for (const { target } of bench.variants) await load(target, 8, warmUp.seconds, warmUp.requests);

  const measured = new Map<string, Measurement[]>();
  // Every variant in every round, and each round beginning with another: what else the machine does hits all alike.
  for (let round = 0; round < rounds; round++) {
    for (const callers of CALLERS) {
      for (const i of bench.variants.keys()) {
        const variant = bench.variants[(i + round) % bench.variants.length];
        if (variant === undefined) continue;
        const key = `${callers} ${variant.name}`;
        measured.set(key, [...(measured.get(key) ?? []), await measure(bench, variant, callers, seconds)]);
      }
    }
  }
  const table: Table = CALLERS.map((callers) => ({
    callers,
    rows: new Map(bench.variants.map(({ name }) => [name as Name, medianOf(measured.get(`${callers} ${name}`) ?? [])])),
  }));
  const slow = await measureSlowRegistry(bench, quick ? 1 : 3, quick ? 0.3 : 1);
  say([perRequest(table), sharing(table), waiting(slow), aims(table)].join('\n\n'));
} finally {
  await bench.stop();
}
say(
  `\n${rounds} rounds of ${seconds} s, medians; ${Math.round((performance.now() - started) / 1000)} s in all, load of the machine ${theLoad()}`,
);

function theLoad(): string {
  return loadavg()
    .map((one) => one.toFixed(1))
    .join(' ');
}
