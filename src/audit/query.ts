/** Finds the entries that meet conditions, newest first, by looking only where all of them may be met. */
import { setImmediate as turn } from 'node:timers/promises';
import { entriesOf, marks } from './blocks.ts';
import { type Question, questionOf } from './question.ts';
import type { Conditions } from './search.ts';
import { BLOCK, EPOCH } from './search-tables.ts';
import type { Sql } from './sql.ts';

/** How many blocks, and epochs, one statement goes through: few at first, since the newest entries mostly suffice. */
const BLOCKS = { first: 8, times: 2, most: 128 };
const EPOCHS = { first: 1, times: 4, most: 256 };

/** A piece of the log to look through: the newest entries before an index that are found in it, as many as are wanted. */
type Piece = (before: number, limit: number) => Promise<number[]>;

/**
 * Indexes of entries before index `last`, newest first, in portions of up to `portion`. What must hold besides is asked by subqueries that give one value, not by
 * joins: these both databases put to each row in turn, where of a join they may begin at the wrong end.
 */
export async function* candidates(sql: Sql, conditions: Conditions, last: number, portion: number): AsyncGenerator<number[]> {
  const question = await questionOf(sql, conditions, last);
  if (question === undefined) return;
  for await (const piece of question.keys.length > 0 ? byKeys(sql, question) : byBlocks(sql, question)) {
    for (let before = question.last, more = true; more; ) {
      const found = await piece(before, portion);
      if (found.length > 0) yield found;
      more = found.length === portion;
      before = found.at(-1) ?? 0;
    }
  }
}

/** Epoch by epoch, as the rarest key leads. */
function* byKeys(sql: Sql, { keys: [leading = [], ...others], where, first, last }: Question): Generator<Piece> {
  const oldest = Math.floor(first / EPOCH);
  for (let newest = Math.floor((last - 1) / EPOCH), { first: size } = EPOCHS; newest >= oldest; ) {
    const epochs = Array.from({ length: Math.min(size, newest - oldest + 1) }, (_, i) => newest - i);
    const text = [
      `SELECT DISTINCT m.idx FROM search_mention m WHERE m.epoch IN (${marks(epochs)}) AND m.key IN (${marks(leading)}) AND m.idx >= ? AND m.idx < ?`,
      ...others.map(
        (keys) => `EXISTS (SELECT 1 FROM search_mention x WHERE x.epoch = m.epoch AND x.idx = m.idx AND x.key IN (${marks(keys)}))`,
      ),
      `(SELECT 1 FROM search_entry e WHERE ${['e.idx = m.idx', ...where.sql].join(' AND ')}) = 1`,
    ].join(' AND ');
    yield async (before, limit) => {
      const values = [...epochs, ...leading, first, before, ...others.flat(), ...where.values, limit];
      return (await sql.all(`${text} ORDER BY m.idx DESC LIMIT ?`, values)).map(({ idx }) => Number(idx));
    };
    newest -= size;
    size = Math.min(EPOCHS.most, size * EPOCHS.times);
  }
}

/** Through those blocks that have every word, and a time, that is asked for. */
async function* byBlocks(sql: Sql, { words: [leading, ...others], where, span, first, last }: Question): AsyncGenerator<Piece> {
  const text =
    leading === undefined
      ? `SELECT s.block FROM search_span s WHERE ${['s.block >= ? AND s.block < ?', ...span.sql].join(' AND ')} ORDER BY s.block DESC LIMIT ?`
      : [
          'SELECT l.block FROM search_seen l WHERE l.block >= ? AND l.block < ? AND l.word = ?',
          ...others.map(() => '(SELECT 1 FROM search_seen o WHERE o.word = ? AND o.block = l.block) = 1'),
          `(SELECT 1 FROM search_span s WHERE ${['s.block = l.block', ...span.sql].join(' AND ')}) = 1 ORDER BY l.block DESC LIMIT ?`,
        ].join(' AND ');
  for (let end = Math.ceil(last / BLOCK), { first: size } = BLOCKS, more = true; more; ) {
    const words = leading === undefined ? [] : [leading, ...others];
    const rows = await sql.all(text, [Math.floor(first / BLOCK), end, ...words, ...span.values, size]);
    const blocks = rows.map(({ block }) => Number(block));
    yield (before, limit) => entriesOf(sql, blocks, { before, where, limit, order: 'DESC' });
    more = blocks.length === size;
    end = blocks.at(-1) ?? 0;
    // So long a way is not gone at one stretch: others ask too.
    if (size === BLOCKS.most) await turn();
    size = Math.min(BLOCKS.most, size * BLOCKS.times);
  }
}
