/** `node bench/against.ts <other checkout> [c|d|cd] [callers] [rounds]`: what a request costs here and there, in one run, by turns: for judging a change. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { load } from './load.ts';
import { median } from './measure.ts';
import { FAMILIES } from './people.ts';
import { startChild } from './process.ts';
import type { Registries } from './registries.ts';
import { markdown } from './report.ts';
import { targetOf } from './variants.ts';

const [other = '.', variants = 'cd', callers = '64', rounds = '15'] = process.argv.slice(2);
const SECONDS = 0.6;

const directory = mkdtempSync(join(tmpdir(), 'oncegate-against-'));
process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
const registries = await startChild<Registries>('registries.ts');
const start = async (checkout: string, name: string) => {
  const file = relative(import.meta.dirname, join(checkout, 'bench/servers/gateway.ts'));
  const settings = { registries: registries.ready, dataDirectory: join(directory, name) };
  return startChild<{ address: string; token: string }>(file, settings);
};
const contestants = [
  { child: await start(join(import.meta.dirname, '..'), 'here'), costs: new Map<string, number[]>() },
  { child: await start(other, 'there'), costs: new Map<string, number[]>() },
];
const targetFor = ({ ready }: (typeof contestants)[number]['child'], variant: string) =>
  targetOf(ready.address, ready.token, variant === 'c' ? 0 : undefined);

try {
  for (const { child } of contestants) for (const variant of variants) await load(targetFor(child, variant), 8, 6, 4 * FAMILIES);
  for (let round = 0; round < Number(rounds); round++) {
    for (const variant of variants) {
      for (const { child, costs } of round % 2 === 0 ? contestants : contestants.toReversed()) {
        const target = targetFor(child, variant);
        await load(target, Number(callers), SECONDS / 20);
        const before = await child.ask<number>('cpu');
        const { requests } = await load(target, Number(callers), SECONDS);
        costs.set(variant, [...(costs.get(variant) ?? []), ((await child.ask<number>('cpu')) - before) / requests]);
      }
    }
  }
  const rows = [...variants].map((variant) => {
    const [here = [], there = []] = contestants.map(({ costs }) => costs.get(variant));
    const ratios = here.map((cost, i) => cost / (there[i] ?? Number.NaN));
    return [`(${variant})`, median(here).toFixed(0), median(there).toFixed(0), median(ratios).toFixed(3)];
  });
  process.stdout.write(`${markdown([`${callers} callers, ${rounds} rounds`, 'here, CPU µs', 'there', 'ratio'], rows)}\n`);
} finally {
  await Promise.all([...contestants.map(({ child }) => child), registries].map((child) => child.stop()));
}
