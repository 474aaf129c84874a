/** The memory tier with a million records about: how many it holds of them, what the process takes, and how often a draw by Zipf's law finds one. */
import type { Child } from './process.ts';
import { startChild } from './process.ts';
import { markdown } from './report.ts';

const MEBIBYTE = 1024 * 1024;

export interface Filled {
  /** Bytes that the tier counts. */
  readonly bytes: number;
  /** By which the process grew, after a collection. */
  readonly resident: number;
  readonly heap: number;
  readonly held: number;
  readonly hits: number;
  /** Microseconds of CPU for a draw: a look, and the record put in where it was not there. */
  readonly cpu: number;
}

export async function memory(quick: boolean): Promise<string> {
  const records = quick ? 20_000 : 1_000_000;
  const limits = quick ? [8, 64] : [64, 512, 3072];
  const rows: string[][] = [];
  for (const limit of limits) {
    // A process for each: what one left behind would count for the next.
    const child: Child<object> = await startChild('memory-tier.ts');
    const { bytes, resident, heap, held, hits, cpu } = await child.ask<Filled>('fill', { limit: limit * MEBIBYTE, records });
    await child.stop();
    const [counted, grown, onHeap] = [bytes, resident, heap].map((size) => (size / MEBIBYTE).toFixed(0));
    rows.push([
      `${limit} MiB`,
      `${counted}`,
      `${grown}`,
      `${onHeap}`,
      held.toLocaleString('en'),
      `${(100 * hits).toFixed(1)} %`,
      cpu.toFixed(1),
    ]);
  }
  const head = ['configured', 'counted, MiB', 'RSS grown by', 'heap by', 'records held', 'hits', 'CPU µs a draw'];
  return `${markdown(head, rows)}\n\n${records.toLocaleString('en')} records of 0.5 to 3 kB sealed, each put in once; then two draws for each by Zipf's law (exponent 1), the latter half counted.`;
}
