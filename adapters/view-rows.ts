/** From the rows that a view has for one key to the answer: one record, whose lists may be the rows themselves. */

import { type Answer, type JsonObject, SourceError } from '../src/adapter.ts';
import type { MemberMap, Pointer, Rule } from './description.ts';
import { at, recordOf } from './mapping.ts';
import { type Given, malformed, text, time } from './reading.ts';
import { ROWS, type ViewDescription } from './view-description.ts';

/** As many as a dataset's list takes. */
const MOST_ROWS = 1000;

export interface Reading {
  readonly columns: readonly string[];
  /** The columns that the description goes into: they hold JSON. */
  readonly json: ReadonlySet<string>;
  /** Rows to ask for: one more than may come, so that too many are seen and never cut. */
  readonly limit: number;
  answerOf(rows: readonly JsonObject[], key: string): Answer;
}

/** No column has an empty name: here the rows stand beside the columns of the record that they make. */
const BESIDE = '';

export function readingOf({ answer, map, codes = {} }: ViewDescription): Reading {
  const list = Object.values(map).filter(isEach).find(isRows);
  const shared = new Set<Pointer>([answer.about, ...pointersOf(map)]);
  if (answer.cancelled !== undefined) shared.add(answer.cancelled.at);
  const own = list === undefined ? [] : pointersOf(list.each);
  const all = [...shared, ...own, ...(answer.recordedAt === undefined ? [] : [answer.recordedAt.from])];
  const sharedColumns = columnsOf(shared);
  const ownColumns = columnsOf(own).filter((column) => !sharedColumns.includes(column));
  const rules: MemberMap = Object.fromEntries(
    Object.entries(map).map(([target, rule]) => [target, isEach(rule) && isRows(rule) ? { ...rule, from: `/${BESIDE}` } : rule]),
  );

  const answerOf: Reading['answerOf'] = (rows, key) => {
    const [first] = rows;
    if (first === undefined) return { found: false };
    if (rows.length > (list === undefined ? 1 : MOST_ROWS))
      throw malformed(
        'the view',
        list === undefined ? 'has several rows for one key, and the map no list of them' : `has more than ${MOST_ROWS} rows`,
      );
    for (const column of sharedColumns) {
      const value = JSON.stringify(first[column]);
      if (rows.some((row) => JSON.stringify(row[column]) !== value))
        throw malformed(`/${column}`, 'is not the same in all rows of one key');
    }
    const about = text(at(first, answer.about), answer.about);
    if (about === undefined) throw malformed(answer.about, 'is missing');
    if (answer.cancelled !== undefined && isSame(at(first, answer.cancelled.at), answer.cancelled.equals)) {
      // Where there is no record, nobody else can see that a database which ignores case or spaces found another's row.
      if (about !== key) throw new SourceError('wrong-subject', 'the answer is about another than was asked');
      return { found: false, why: 'cancelled' };
    }
    // An outer join writes "none" as a row of nothing.
    const items = rows.filter((row) => ownColumns.length === 0 || ownColumns.some((column) => row[column] !== null));
    const source = { ...first, [BESIDE]: items };
    return { found: true, about, record: recordOf(rules, source, codes), recordedAt: recordedAt(rows) };
  };

  /** A list is no fresher than its oldest part. */
  const recordedAt = (rows: readonly JsonObject[]): string | null => {
    const said = answer.recordedAt;
    if (said === undefined) return null;
    const times = rows.map((row) => time(said.date, at(row, said.from), said.from));
    return times.includes(null) ? null : (times.sort()[0] ?? null);
  };

  return {
    columns: columnsOf(all),
    json: new Set(columnsOf([...all.filter(goesInto), ...lists(map), ...(list === undefined ? [] : lists(list.each))])),
    limit: list === undefined ? 2 : MOST_ROWS + 1,
    answerOf,
  };
}

/** Whatever type a database has for it: that a number was withdrawn must not be missed because 1 is not true. */
const isSame = (given: Given, expected: string | number | boolean | null): boolean =>
  given === expected || (given !== null && expected !== null && asWord(given) === asWord(expected));

const asWord = (value: Given): string => String(typeof value === 'boolean' ? Number(value) : value);

type Each = Extract<Rule, { each: MemberMap }>;

const isEach = (rule: Rule): rule is Each => typeof rule === 'object' && 'each' in rule;
const isRows = (rule: Rule): boolean => isEach(rule) && rule.from === ROWS;

/** Where the rules of a map begin, but for a list of the rows. */
const pointersOf = (map: MemberMap): Pointer[] =>
  Object.values(map).flatMap((rule) => (isRows(rule) ? [] : typeof rule === 'string' ? rule : 'with' in rule ? rule.with : rule.from));

/** What must be a list within one row. */
const lists = (map: MemberMap): Pointer[] => Object.values(map).flatMap((rule) => (isEach(rule) && !isRows(rule) ? rule.from : []));

const goesInto = (pointer: Pointer): boolean => pointer.split('/').length > 2;

const columnsOf = (pointers: Iterable<Pointer>): string[] => [...new Set([...pointers].map((pointer) => pointer.split('/')[1] ?? ''))];
