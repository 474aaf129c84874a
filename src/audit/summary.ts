/** Reads what was counted, as rows for auditors. */
import { dayNumber, dayText, textOf } from './facts.ts';
import { type DayTally, MAX_TALLIES, type SummaryQuery } from './search.ts';
import type { Row, Sql } from './sql.ts';
import { type Counts, readCounts, scopeOf } from './tally.ts';
import { wordsNumbered } from './words.ts';

/** Throws a RangeError where there are more than `MAX_TALLIES` rows, or a day is none. */
export async function summarise(sql: Sql, { from, to, by }: SummaryQuery): Promise<DayTally[]> {
  const days = [dayNumber(from), dayNumber(to)];
  if (days.some(Number.isNaN)) throw new RangeError('a day is written YYYY-MM-DD');
  const rows = await sql.all(
    'SELECT day, agency, procedure, counts FROM search_tally WHERE scope = ? AND day >= ? AND day <= ? ORDER BY day LIMIT ?',
    [scopeOf(by), ...days, MAX_TALLIES + 1],
  );
  if (rows.length > MAX_TALLIES) throw new RangeError(`the summary has more than ${MAX_TALLIES} rows`);
  const read = rows.map((row) => ({ row, counts: readCounts(String(row.counts)) }));
  const used = new Set(read.flatMap(({ row, counts }) => [Number(row.agency), Number(row.procedure), ...counts.keys()]));
  const words = await wordsNumbered(sql, [...used]);
  const measures = new Map([...words].map(([number, word]) => [number, textOf(word).split('\n')]));
  return read.map(({ row, counts }) => ({ ...placed(row, words), ...told(counts, measures) })).sort(inOrder);
}

type Words = ReadonlyMap<number, string>;

function placed(row: Row, words: Words): Pick<DayTally, 'day' | 'agency' | 'procedure'> {
  const named = (name: 'agency' | 'procedure') => {
    const word = words.get(Number(row[name]));
    return word === undefined ? {} : { [name]: textOf(word) };
  };
  return { day: dayText(Number(row.day)), ...named('agency'), ...named('procedure') };
}

/** By way of maps, since names come from entries, and `__proto__` is a name too. */
function told(counts: Counts, measures: ReadonlyMap<number, readonly string[]>): Omit<DayTally, 'day'> {
  const groups = { outcomes: new Map<string, number>(), unfilled: new Map<string, number>(), papers: new Map<string, number>() };
  const sources = new Map<string, Map<string, number>>();
  const sums = { fields: 0, conflicts: 0 };
  for (const [number, times] of counts) {
    const [group, name = '', result = ''] = measures.get(number) ?? [];
    if (group === 'fields' || group === 'conflicts') sums[group] = times;
    else if (group === 'sources') sources.set(name, (sources.get(name) ?? new Map<string, number>()).set(result, times));
    else if (group === 'outcomes' || group === 'unfilled' || group === 'papers') groups[group].set(name, times);
  }
  return {
    outcomes: Object.fromEntries(groups.outcomes),
    sources: Object.fromEntries([...sources].map(([source, results]) => [source, Object.fromEntries(results)])),
    fields: sums.fields,
    unfilled: Object.fromEntries(groups.unfilled),
    conflicts: sums.conflicts,
    papers: Object.fromEntries(groups.papers),
  };
}

const inOrder = (one: DayTally, other: DayTally): number =>
  order(one.day, other.day) || order(one.agency ?? '', other.agency ?? '') || order(one.procedure ?? '', other.procedure ?? '');
const order = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);
