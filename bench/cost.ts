/** What a request costs: every variant at 1, 8 and 64 callers by turns, and once with a slow registry. */
import { type Measurement, measure, medianOf } from './measure.ts';
import { aims, perRequest, sharing, type Table, waiting } from './report.ts';
import { measureSlowRegistry } from './slow-registry.ts';
import type { Bench, Name } from './variants.ts';

const CALLERS = [1, 8, 64];

export async function cost(bench: Bench, quick: boolean): Promise<string> {
  const { rounds, seconds } = quick ? { rounds: 1, seconds: 0.25 } : { rounds: 5, seconds: 1.2 };
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
  return [perRequest(table), sharing(table), waiting(slow), aims(table), `${rounds} rounds of ${seconds} s, medians`].join('\n\n');
}
