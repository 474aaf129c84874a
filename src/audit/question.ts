/** What an auditor asks for, in the terms of the searchable copy. */
import { dayAt, keyOf, pairsOf, type WordRole, wordOf } from './facts.ts';
import type { Conditions } from './search.ts';
import { BLOCK, COLUMNS, WORD } from './search-tables.ts';
import type { Sql, Value } from './sql.ts';
import { stored } from './words.ts';

/** SQL that must hold, all of it. */
export interface Where {
  readonly sql: readonly string[];
  readonly values: readonly Value[];
}

export interface Question {
  /** The rarest first. An entry must have one key of each list. */
  readonly keys: readonly (readonly Buffer[])[];
  /** The rarest first. A block must have each. */
  readonly words: readonly number[];
  /** Of an entry `e`. */
  readonly where: Where;
  /** Of a block `s`. */
  readonly span: Where;
  /** Indexes, first inclusive, last exclusive: beyond them nothing can be found. */
  readonly first: number;
  readonly last: number;
}

/** Undefined where nothing can be found. Throws a RangeError for a time that is none. */
export async function questionOf(sql: Sql, conditions: Conditions, last: number): Promise<Question | undefined> {
  const keys = keysOf(conditions);
  if (keys.some((list) => list.length === 0)) return undefined;
  const from = conditions.from === undefined ? undefined : milliseconds(conditions.from);
  const to = conditions.to === undefined ? undefined : milliseconds(conditions.to);
  const range = await between(sql, from, to);
  if (range === undefined) return undefined;
  const asked = wordsOf(conditions);
  const pairs = pairsOf(conditions);
  const texts = [...pairs, ...asked.map(([role, text]) => wordOf(role, text))];
  const numbers = await stored(sql, WORD, texts);
  if (numbers.size < texts.length) return undefined;
  const words = texts.map((text) => numbers.get(text) as number);
  const has = asked.map(([role], i) => of(role, words[pairs.length + i] as number));
  return {
    keys,
    words,
    where: all([...has, ...bound('e.time >= ?', from), ...bound('e.time < ?', to)]),
    span: all([...bound('s.high >= ?', from), ...bound('s.low < ?', to)]),
    first: range.first,
    last: Math.min(last, range.last),
  };
}

type Condition = readonly [sql: string, value: number];

const all = (conditions: readonly Condition[]): Where => ({
  sql: conditions.map(([sql]) => sql),
  values: conditions.map(([, value]) => value),
});

const bound = (sql: string, value: number | undefined): Condition[] => (value === undefined ? [] : [[sql, value]]);

const of = (role: WordRole, word: number): Condition =>
  (COLUMNS as readonly string[]).includes(role)
    ? [`e.${role} = ?`, word]
    : ['(SELECT 1 FROM search_trait t WHERE t.word = ? AND t.shape = e.shape) = 1', word];

function keysOf({ id, dossier, concerns, pseudonyms }: Conditions): Buffer[][] {
  const keys: Buffer[][] = [];
  if (id !== undefined) keys.push([keyOf('id', id)]);
  if (dossier !== undefined) keys.push([keyOf('dossier', dossier)]);
  if (concerns !== undefined) keys.push([keyOf('concerned', concerns)]);
  if (pseudonyms !== undefined) keys.push(pseudonyms.map((pseudonym) => keyOf('subject', pseudonym)));
  return keys;
}

function wordsOf({
  officer,
  actor,
  procedure,
  agency,
  field,
  legalBasis,
  source,
  outcome,
  kind,
}: Conditions): (readonly [WordRole, string])[] {
  const rarestFirst = { officer, actor, procedure, agency, field, legalBasis, source, outcome, kind };
  return Object.entries(rarestFirst).flatMap(([role, text]) => (text === undefined ? [] : [[role as WordRole, text] as const]));
}

const TIME = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:)(\d\d)(?:\.(\d+))?Z$/i;

/** The milliseconds of an RFC 3339 time, rounded up: entries bear whole milliseconds, so what lies between two belongs to the next. */
export function milliseconds(time: string): number {
  const [, day, minute, second, fraction = ''] = TIME.exec(time) ?? [];
  // A leap second, which clocks here do not know, is where the next minute begins.
  const leap = second === '60';
  const start = Date.parse(`${day}T${minute}${leap ? '59.999' : `${second}.${fraction.slice(0, 3).padEnd(3, '0')}`}Z`);
  if (day === undefined || Number.isNaN(start)) throw new RangeError('a time is written as RFC 3339 has it, in UTC');
  return leap || /[1-9]/.test(fraction.slice(3)) ? start + 1 : start;
}

/** The indexes between which every entry of this time lies, and others. */
async function between(sql: Sql, from: number | undefined, to: number | undefined): Promise<{ first: number; last: number } | undefined> {
  if (from === undefined && to === undefined) return { first: 0, last: Number.MAX_SAFE_INTEGER };
  const dayOf = (time: number | undefined): number | undefined => (time === undefined ? undefined : dayAt(time));
  const days = all([...bound('day >= ?', dayOf(from)), ...bound('day <= ?', dayOf(to))]);
  const [row] = await sql.all(`SELECT min(first) AS first, max(last) AS last FROM search_day WHERE ${days.sql.join(' AND ')}`, days.values);
  if (row === undefined || row.first === null) return undefined;
  return { first: Number(row.first) * BLOCK, last: (Number(row.last) + 1) * BLOCK };
}
