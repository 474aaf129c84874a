/** Finds the entries that meet conditions, newest first, by looking only where all of them may be met. */
import { setImmediate as turn } from 'node:timers/promises';
import { entriesOf, marks } from './blocks.ts';
import { type Question, questionOf, type Where } from './question.ts';
import type { Conditions } from './search.ts';
import { BLOCK, EPOCH } from './search-tables.ts';
import type { Sql } from './sql.ts';

/** How many blocks, and epochs, one statement goes through: few at first, since the newest entries mostly suffice. */
const BLOCKS = { first: 8, times: 2, most: 256 };
const EPOCHS = { first: 1, times: 4, most: 256 };

/** A piece of the log to look through: how entries `e` before `last` are read from it. Undefined where it holds none. */
type Piece = (last: number) => Where | undefined;

/** Indexes of entries before index `last`, newest first, in portions of up to `portion`. */
export async function* candidates(sql: Sql, conditions: Conditions, last: number, portion: number): AsyncGenerator<number[]> {
  const question = await questionOf(sql, conditions, last);
  if (question === undefined) return;
  for await (const piece of question.keys.length > 0 ? byKeys(question) : byBlocks(sql, question)) {
    for (let before = question.last, more = true; more; ) {
      const read = piece(before);
      if (read === undefined) break;
      const text = [...read.sql, ...question.where.sql].join(' AND ');
      const rows = await sql.all(`${text} ORDER BY e.idx DESC LIMIT ?`, [...read.values, ...question.where.values, portion]);
      const found = rows.map(({ idx }) => Number(idx));
      if (found.length > 0) yield found;
      more = found.length === portion;
      before = found.at(-1) ?? 0;
    }
  }
}

/** Epoch by epoch, as the rarest key leads. */
function* byKeys({ keys: [leading = [], ...others], first, last }: Question): Generator<Piece> {
  const oldest = Math.floor(first / EPOCH);
  for (let newest = Math.floor((last - 1) / EPOCH), { first: size } = EPOCHS; newest >= oldest; ) {
    const epochs = Array.from({ length: Math.min(size, newest - oldest + 1) }, (_, i) => newest - i);
    const sql = [
      `SELECT DISTINCT e.idx FROM search_mention m CROSS JOIN search_entry e WHERE e.idx = m.idx AND m.epoch IN (${marks(epochs)})`,
      `m.key IN (${marks(leading)})`,
      ...others.map(
        (keys) => `EXISTS (SELECT 1 FROM search_mention x WHERE x.epoch = m.epoch AND x.idx = m.idx AND x.key IN (${marks(keys)}))`,
      ),
      'm.idx >= ?',
      'm.idx < ?',
    ];
    yield (before) => ({ sql, values: [...epochs, ...leading, ...others.flat(), first, before] });
    newest -= size;
    size = Math.min(EPOCHS.most, size * EPOCHS.times);
  }
}

/** Through those blocks that have every word, and a time, that is asked for. */
async function* byBlocks(sql: Sql, { words: [leading, ...others], span, first, last }: Question): AsyncGenerator<Piece> {
  const text = [
    leading === undefined
      ? 'SELECT s.block FROM search_span s WHERE s.block >= ? AND s.block < ?'
      : 'SELECT s.block FROM search_seen l CROSS JOIN search_span s WHERE s.block = l.block AND l.block >= ? AND l.block < ? AND l.word = ?',
    ...others.map(() => 'EXISTS (SELECT 1 FROM search_seen o WHERE o.word = ? AND o.block = s.block)'),
    ...span.sql,
  ].join(' AND ');
  const order = leading === undefined ? 's.block' : 'l.block';
  for (let end = Math.ceil(last / BLOCK), { first: size } = BLOCKS, more = true; more; ) {
    const values = [Math.floor(first / BLOCK), end, ...(leading === undefined ? [] : [leading]), ...others, ...span.values, size];
    const rows = await sql.all(`${text} ORDER BY ${order} DESC LIMIT ?`, values);
    const blocks = rows.map(({ block }) => Number(block));
    yield (before) => entriesOf(blocks, before);
    more = blocks.length === size;
    // So long a way is not gone at one stretch: others ask too.
    if (size === BLOCKS.most) await turn();
    end = blocks.at(-1) ?? 0;
    size = Math.min(BLOCKS.most, size * BLOCKS.times);
  }
}
