/** What each variant adds to its slowest registry: the civil registry is made slow, and asked beside them without anybody between. */
import { load, quantile, type Target } from './load.ts';
import { median } from './measure.ts';
import { persons } from './people.ts';
import { always, type Bench } from './variants.ts';

export const DELAY_MS = 50;
export const CALLERS = 8;

export interface Latency {
  readonly name: string;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

export async function measureSlowRegistry(bench: Bench, rounds: number, seconds: number): Promise<Latency[]> {
  const { registries, variants } = bench;
  const direct: Target = {
    address: new URL(registries.ready.addresses['civil-registry'] ?? '').origin,
    path: '/api/v2/births/search',
    headers: always({ authorization: `Bearer ${registries.ready.credentials['civil-registry']}`, 'content-type': 'application/json' }),
    body: (n) => JSON.stringify({ personal_id: persons(n).subject }),
  };
  const targets = new Map([
    ['registry', direct],
    ...variants.filter(({ name }) => /[bc]/.test(name)).map(({ name, target }) => [name, target] as const),
  ]);
  const found = new Map([...targets.keys()].map((name) => [name, { p50: [] as number[], p99: [] as number[] }]));
  await registries.ask('delay', DELAY_MS);
  for (let round = 0; round < rounds; round++) {
    for (const [name, target] of targets) {
      await load(target, CALLERS, 0.2);
      const done = await load(target, CALLERS, seconds);
      found.get(name)?.p50.push(quantile(done, 0.5));
      found.get(name)?.p99.push(quantile(done, 0.99));
    }
  }
  await registries.ask('delay', 0);
  return [...found].map(([name, { p50, p99 }]) => ({ name, p50: median(p50), p99: median(p99) }));
}
