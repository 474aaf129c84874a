/** Reads the entries of some blocks. */
import type { Where } from './question.ts';
import { BLOCK, ENTRY } from './search-tables.ts';
import type { Sql } from './sql.ts';

/** As many places for values as there are values. */
export const marks = (values: readonly unknown[]): string => values.map(() => '?').join(', ');

/** Indexes of entries `e` of these blocks that stand before an index and for which `where` holds; the first or the last `limit` of them, in that order. */
export async function entriesOf(
  sql: Sql,
  blocks: readonly number[],
  { before, where, limit, order }: { before: number; where: Where; limit: number; order: 'ASC' | 'DESC' },
): Promise<number[]> {
  const ranges = rangesOf(blocks, before);
  if (ranges.length === 0) return [];
  const one = ranges.length === 1;
  const { from, holds } = one ? { from: `${ENTRY.name} e`, holds: 'e.idx >= ? AND e.idx < ?' } : sql.among(ENTRY, ranges.length);
  // Several ranges are read and then sorted: by the order of the index, planners would rather go through all that lies between them.
  const text = `SELECT e.idx FROM ${from} WHERE ${[holds, ...where.sql].join(' AND ')} ORDER BY e.idx ${one ? '' : '+ 0'} ${order} LIMIT ?`;
  const rows = await sql.all(text, [...ranges.flat(), ...where.values, limit]);
  return rows.map(({ idx }) => Number(idx));
}

/** Neighbours are one range. */
function rangesOf(blocks: readonly number[], before: number): [from: number, to: number][] {
  const ranges: [from: number, to: number][] = [];
  for (const block of blocks.toSorted((one, other) => one - other)) {
    const from = block * BLOCK;
    const to = Math.min(before, from + BLOCK);
    const last = ranges.at(-1);
    if (from >= before) break;
    if (last?.[1] === from) last[1] = to;
    else ranges.push([from, to]);
  }
  return ranges;
}
