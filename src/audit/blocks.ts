/** Reads the entries of some blocks. */
import type { Where } from './question.ts';
import { BLOCK } from './search-tables.ts';

/** As many places for values as there are values. */
export const marks = (values: readonly unknown[]): string => values.map(() => '?').join(', ');

/** The start of a statement that reads the entries `e` of these blocks that stand before an index; undefined where none can. */
export function entriesOf(blocks: readonly number[], before: number): Where | undefined {
  const ranges: [from: number, to: number][] = [];
  for (const block of blocks.toSorted((one, other) => one - other)) {
    const from = block * BLOCK;
    const to = Math.min(before, from + BLOCK);
    const last = ranges.at(-1);
    if (from >= before) break;
    if (last?.[1] === from) last[1] = to;
    else ranges.push([from, to]);
  }
  if (ranges.length === 0) return undefined;
  // A list to join with: were the ranges alternatives of a condition, SQLite would go through the whole table.
  const list = ranges.map(() => '(CAST(? AS bigint), CAST(? AS bigint))').join(', ');
  return {
    sql: [`SELECT e.idx FROM (VALUES ${list}) r CROSS JOIN search_entry e WHERE e.idx >= r.column1`, 'e.idx < r.column2'],
    values: ranges.flat(),
  };
}
