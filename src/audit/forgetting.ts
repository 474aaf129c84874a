/** Which entries were kept long enough, and the copy without them. */
import { entriesOf, marks } from './blocks.ts';
import type { EntryKind } from './entry.ts';
import { wordOf } from './facts.ts';
import { milliseconds, type Where } from './question.ts';
import { BLOCK, EPOCH, WORD } from './search-tables.ts';
import type { Sql } from './sql.ts';
import { stored } from './words.ts';

/** Blocks gone through, and entries forgotten, in one statement. */
const BLOCKS = 64;
const FORGOTTEN = 500;

/** Entries of a kind before a time, oldest first. */
export async function expired(sql: Sql, kind: EntryKind, before: string, limit: number): Promise<number[]> {
  const time = milliseconds(before);
  const [word] = (await stored(sql, WORD, [wordOf('kind', kind)])).values();
  const found: number[] = [];
  if (word === undefined) return found;
  const where: Where = { sql: ['e.kind = ?', 'e.time < ?'], values: [word, time] };
  for (let from = 0, more = true; more && found.length < limit; ) {
    const rows = await sql.all(
      `SELECT l.block FROM search_seen l WHERE l.word = ? AND l.block >= ?
       AND (SELECT 1 FROM search_span s WHERE s.block = l.block AND s.low < ?) = 1 ORDER BY l.block LIMIT ?`,
      [word, from, time, BLOCKS],
    );
    const blocks = rows.map(({ block }) => Number(block));
    const before = Number.MAX_SAFE_INTEGER;
    found.push(...(await entriesOf(sql, blocks, { before, where, limit: limit - found.length, order: 'ASC' })));
    more = blocks.length === BLOCKS;
    from = (blocks.at(-1) ?? 0) + 1;
  }
  return found;
}

/** Takes entries out of all by which they could be found. MUST run in a transaction. */
export async function forget(sql: Sql, indexes: readonly number[]): Promise<void> {
  // Nobody follows meanwhile, and puts back into a block what is taken out of it here.
  await sql.all(`SELECT next FROM search_progress${sql.lock}`);
  for (let i = 0; i < indexes.length; i += FORGOTTEN) {
    const part = indexes.slice(i, i + FORGOTTEN);
    const kinds = await sql.all(`SELECT DISTINCT idx / ${BLOCK} AS block, kind FROM search_entry WHERE idx IN (${marks(part)})`, part);
    await sql.all(`DELETE FROM search_entry WHERE idx IN (${marks(part)})`, part);
    // Not by their keys, which would have to be read from bodies that may be gone or wrong.
    for (const epoch of new Set(part.map((index) => Math.floor(index / EPOCH))))
      await sql.all(`DELETE FROM search_mention WHERE epoch = ? AND idx IN (${marks(part)})`, [epoch, ...part]);
    for (const { block, kind } of kinds) await leaveOut(sql, Number(block), Number(kind));
  }
}

/** A block without any entry of a kind, or without any at all, is not gone through again. */
async function leaveOut(sql: Sql, block: number, kind: number): Promise<void> {
  const here = [block * BLOCK, (block + 1) * BLOCK];
  const none = 'NOT EXISTS (SELECT 1 FROM search_entry e WHERE e.idx >= ? AND e.idx < ?';
  await sql.all(`DELETE FROM search_seen WHERE word = ? AND block = ? AND ${none} AND e.kind = ?)`, [kind, block, ...here, kind]);
  await sql.all(`DELETE FROM search_span WHERE block = ? AND ${none})`, [block, ...here]);
}
