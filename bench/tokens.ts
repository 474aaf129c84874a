/** What a token costs that is shown for the first time: its signature is verified then, and remembered until it expires. */
import { load } from './load.ts';
import { median } from './measure.ts';
import { markdown } from './report.ts';
import { always, type Bench, TITLES } from './variants.ts';

const CALLERS = 64;

export async function tokens({ variants }: Bench, quick: boolean): Promise<string> {
  const { rounds, requests } = quick ? { rounds: 1, requests: 200 } : { rounds: 5, requests: 1500 };
  const costs = new Map<string, number[]>();
  for (let round = 0; round < rounds; round++) {
    for (const { name, target, child } of variants.filter(({ name }) => name !== 'a')) {
      const fresh = name === 'c' || name === 'd' ? await child.ask<string[]>('freshTokens', requests) : [];
      for (const [kind, headers] of [
        ['recurring', target.headers],
        ...(fresh.length === 0 ? [] : [['fresh', (n: number) => bearing(fresh, n)] as const]),
      ] as const) {
        await load(target, CALLERS, 0.1);
        const before = await child.ask<number>('cpu');
        const done = await load({ ...target, headers }, CALLERS, Number.POSITIVE_INFINITY, requests);
        const key = `${name} ${kind}`;
        costs.set(key, [...(costs.get(key) ?? []), ((await child.ask<number>('cpu')) - before) / done.requests]);
      }
    }
  }
  const of = (name: string, kind: string): number => median(costs.get(`${name} ${kind}`) ?? []);
  const rows = variants
    .filter(({ name }) => name !== 'a')
    .map(({ name }) => {
      const [recurring, fresh] = [of(name, 'recurring'), of(name, name === 'c' || name === 'd' ? 'fresh' : 'recurring')];
      return [
        TITLES[name],
        recurring.toFixed(0),
        fresh.toFixed(0),
        (fresh - recurring).toFixed(0),
        (fresh / of('b', 'recurring')).toFixed(2),
      ];
    });
  const head = [`${CALLERS} callers, CPU µs`, 'recurring token', 'fresh tokens', 'added', 'fresh × (b)'];
  return `${markdown(head, rows)}\n\nBy hand every token is verified every time.`;
}

/** Each token once, whatever number the run begins at. */
const bearing = (fresh: readonly string[], n: number): Readonly<Record<string, string>> =>
  always({ authorization: `Bearer ${fresh[n % fresh.length]}`, 'content-type': 'application/json' })(n);
