/** Turns entries of the log into the rows by which they are searched. */
import { dayAt, type Facts, factsOf } from './facts.ts';
import { BLOCK, DAY, ENTRY, EPOCH, MENTION, SEEN, SHAPE, SPAN, TRAIT, WORD } from './search-tables.ts';
import type { Row, Sql, Table, Value } from './sql.ts';
import { Tallies } from './tally.ts';
import { Words } from './words.ts';

type Taken = Facts & { readonly idx: number };
type Range = readonly [low: number, high: number];

/** What is remembered from step to step of the numbers that texts have. */
export class Numbers {
  readonly words = new Words(WORD);
  readonly shapes = new Words(SHAPE);

  /** To be called where a step came to nothing. */
  forget(): void {
    this.words.forget();
    this.shapes.forget();
  }
}

/** Takes over the entries from index `from` on, whose bodies these are; one that was pruned leaves no row. */
export async function take(sql: Sql, numbers: Numbers, era: number, from: number, bodies: readonly (string | undefined)[]): Promise<void> {
  const taken = bodies.flatMap((body, i): Taken[] => (body === undefined ? [] : [{ idx: from + i, ...factsOf(body) }]));
  if (taken.length === 0) return;
  const words = await wordsOf(sql, numbers, era, taken);
  const shapes = await shapesOf(sql, numbers, era, taken, words);
  const number = (word: string | undefined): number => (word === undefined ? 0 : (words.get(word) ?? 0));

  const tallies = new Tallies();
  const seen = new Map<number, Set<number>>();
  for (const { idx, columns, traits, count } of taken) {
    const block = Math.floor(idx / BLOCK);
    let here = seen.get(block);
    if (here === undefined) seen.set(block, (here = new Set()));
    for (const word of columns) if (word !== undefined) here.add(number(word));
    for (const word of traits) here.add(number(word));
    if (count !== undefined) tallies.add(count, number(count.agency), number(count.procedure));
  }
  await sql.insert(
    ENTRY,
    taken.map(({ idx, time, columns, shape }) => [idx, time, ...columns.map(number), shapes.get(shape) ?? 0]),
  );
  await sql.insert(MENTION, mentions(taken));
  await sql.insert(
    SEEN,
    [...seen].flatMap(([block, here]) => [...here].sort((one, other) => one - other).map((word) => [word, block])),
  );
  await widen(sql, SPAN, spans(taken));
  await widen(sql, DAY, days(taken));
  await tallies.store(sql);
}

async function wordsOf(sql: Sql, numbers: Numbers, era: number, taken: readonly Taken[]): Promise<ReadonlyMap<string, number>> {
  const texts = new Set<string>();
  for (const { columns, traits } of taken) {
    for (const word of columns) if (word !== undefined) texts.add(word);
    for (const word of traits) texts.add(word);
  }
  return (await numbers.words.numbers(sql, era, texts)).numbers;
}

async function shapesOf(
  sql: Sql,
  numbers: Numbers,
  era: number,
  taken: readonly Taken[],
  words: ReadonlyMap<string, number>,
): Promise<ReadonlyMap<string, number>> {
  const traits = new Map(taken.map((entry) => [entry.shape, entry.traits]));
  const { numbers: shapes, fresh } = await numbers.shapes.numbers(sql, era, new Set(traits.keys()));
  const rows = fresh.flatMap((shape) => (traits.get(shape) ?? []).map((word) => [words.get(word) ?? 0, shapes.get(shape) ?? 0]));
  await sql.insert(TRAIT, rows);
  return shapes;
}

/** In the order of the index that they go into, so that neighbours are written together. */
function mentions(taken: readonly Taken[]): Value[][] {
  const rows = taken.flatMap(({ idx, keys }) => keys.map((key) => [Math.floor(idx / EPOCH), key, idx] as const));
  return rows.sort((one, other) => one[0] - other[0] || Buffer.compare(one[1], other[1])).map((row) => [...row]);
}

function spans(taken: readonly Taken[]): Map<number, Range> {
  const ranges = new Map<number, Range>();
  // A block without any time stands there too, since a search that asks for no time goes through it.
  for (const { idx, time } of taken) enlarge(ranges, Math.floor(idx / BLOCK), ...(time === null ? NEVER : ([time, time] as const)));
  return ranges;
}

function days(taken: readonly Taken[]): Map<number, Range> {
  const ranges = new Map<number, Range>();
  for (const { idx, time } of taken) {
    const block = Math.floor(idx / BLOCK);
    if (time !== null) enlarge(ranges, dayAt(time), block, block);
  }
  return ranges;
}

/** A range that widens no other. */
const NEVER: Range = [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER];

function enlarge(ranges: Map<number, Range>, at: number, low: number, high: number): void {
  const range = ranges.get(at) ?? NEVER;
  ranges.set(at, [Math.min(range[0], low), Math.max(range[1], high)]);
}

/** Stores ranges so that they hold what they held before as well. */
async function widen(sql: Sql, table: Table, ranges: Map<number, Range>): Promise<void> {
  const [at, low, high] = Object.keys(table.columns) as [string, string, string];
  const rows = await sql.find(
    table,
    [...ranges.keys()].map((key) => [key]),
  );
  const value = (row: Row, column: string): number => Number(row[column]);
  for (const row of rows) enlarge(ranges, value(row, at), value(row, low), value(row, high));
  await sql.put(
    table,
    [...ranges].map(([key, [least, most]]) => [key, least, most]),
  );
}
