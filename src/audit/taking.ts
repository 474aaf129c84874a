/** Turns entries of the log into the rows by which they are searched. */
import { storeCustoms } from './custom.ts';
import { dayAt, type Facts, factsReader } from './facts.ts';
import { BLOCK, DAY, ENTRY, EPOCH, MENTION, SEEN, SHAPE, SPAN, TRAIT, WORD } from './search-tables.ts';
import type { Row, Sql, Table, Value } from './sql.ts';
import { Tallies } from './tally.ts';
import { Uses } from './uses.ts';
import { Words } from './words.ts';

type Taken = Facts & { readonly idx: number };
type Range = readonly [low: number, high: number];

/** What is remembered from step to step of the numbers that texts have. */
export class Numbers {
  readonly factsOf = factsReader();
  readonly words = new Words(WORD);
  readonly shapes = new Words(SHAPE);

  /** To be called where a step came to nothing. */
  forget(): void {
    this.words.forget();
    this.shapes.forget();
  }
}

/** Takes over the entries from index `from` on, as which these facts were read; one that was pruned leaves no row. */
export async function take(sql: Sql, numbers: Numbers, era: number, from: number, facts: readonly (Facts | undefined)[]): Promise<void> {
  const taken = facts.flatMap((one, i): Taken[] => (one === undefined ? [] : [{ idx: from + i, ...one }]));
  if (taken.length === 0) return;
  const traits = new Map(taken.map(({ shape, traits }) => [shape, traits]));
  const words = (
    await numbers.words.numbers(sql, era, new Set([...taken.flatMap(wordsOf), ...[...traits.values()].flat(), ...taken.flatMap(counted)]))
  ).numbers;
  const shapes = await shapesOf(sql, numbers, era, traits, words);
  const number = (word: string | undefined): number => (word === undefined ? 0 : (words.get(word) ?? 0));

  const tallies = new Tallies();
  const uses = new Uses();
  for (const { count, use } of taken) {
    if (count !== undefined) tallies.add(count, number);
    if (use !== undefined) uses.add(use, number);
  }
  await sql.insert(
    ENTRY,
    taken.map(({ idx, time, columns, shape }) => [idx, time, ...columns.map(number), shapes.get(shape) ?? 0]),
  );
  await sql.insert(MENTION, mentions(taken));
  await sql.insert(
    SEEN,
    [...seen(taken)].flatMap(([block, here]) => [...here].map((word) => [number(word), block])),
  );
  await widen(sql, SPAN, spans(taken));
  await widen(sql, DAY, days(taken));
  await tallies.store(sql);
  await uses.store(sql);
  await storeCustoms(sql, taken, number);
}

const wordsOf = ({ columns, pairs }: Facts): string[] => [...columns.filter((word) => word !== undefined), ...pairs];

const counted = ({ count, use }: Facts): string[] => [
  ...(count?.measures.map(([word]) => word) ?? []),
  ...(use ? [use.grant, ...use.given] : []),
];

async function shapesOf(
  sql: Sql,
  numbers: Numbers,
  era: number,
  traits: ReadonlyMap<string, readonly string[]>,
  words: ReadonlyMap<string, number>,
): Promise<ReadonlyMap<string, number>> {
  const { numbers: shapes, fresh } = await numbers.shapes.numbers(sql, era, new Set(traits.keys()));
  const rows = fresh.flatMap((shape) => (traits.get(shape) ?? []).map((word) => [words.get(word) ?? 0, shapes.get(shape) ?? 0]));
  await sql.insert(TRAIT, rows);
  return shapes;
}

/** Block → the words it has. */
function seen(taken: readonly Taken[]): Map<number, Set<string>> {
  const blocks = new Map<number, { words: Set<string>; traits: Set<readonly string[]> }>();
  for (const entry of taken) {
    const at = Math.floor(entry.idx / BLOCK);
    let block = blocks.get(at);
    if (block === undefined) blocks.set(at, (block = { words: new Set(), traits: new Set() }));
    for (const word of wordsOf(entry)) block.words.add(word);
    block.traits.add(entry.traits);
  }
  return new Map([...blocks].map(([at, { words, traits }]) => [at, new Set([...words, ...[...traits].flat()])]));
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
