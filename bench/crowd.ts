/** What becomes of a crowd: 256 callers at once, those that are refused coming back when they were told to. */
import { load, quantile } from './load.ts';
import { median } from './measure.ts';
import { markdown } from './report.ts';
import { type Bench, TITLES } from './variants.ts';

const CALLERS = 256;

export async function crowd({ variants }: Bench, quick: boolean): Promise<string> {
  const { rounds, seconds } = quick ? { rounds: 1, seconds: 0.5 } : { rounds: 3, seconds: 2.5 };
  const rows: string[][] = [];
  for (const { name, target } of variants) {
    const done: { rate: number; p50: number; p99: number; refused: number }[] = [];
    for (let round = 0; round < rounds; round++) {
      const loaded = await load({ ...target, refusable: true }, CALLERS, seconds);
      const refused = loaded.refused / (loaded.requests + loaded.refused);
      done.push({ rate: loaded.requests / loaded.seconds, p50: quantile(loaded, 0.5), p99: quantile(loaded, 0.99), refused });
    }
    const middle = (of: keyof (typeof done)[number]): number => median(done.map((one) => one[of]));
    rows.push([
      TITLES[name],
      middle('rate').toFixed(0),
      middle('p50').toFixed(0),
      middle('p99').toFixed(0),
      `${(100 * middle('refused')).toFixed(1)} %`,
    ]);
  }
  return markdown([`${CALLERS} callers at once`, 'answers/s', 'p50 ms', 'p99 ms', 'refused (5xx)'], rows);
}
