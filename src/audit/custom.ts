/** What officials do on their days: counted as the log is followed, so that a day unlike the others can be told. */
import { type AuditEntry, OF_REPORTS } from './entry.ts';
import { dayAt, type Facts, textOf, wordOf } from './facts.ts';
import { COLUMNS, CUSTOM, WORD } from './search-tables.ts';
import type { Sql } from './sql.ts';
import { stored, wordsNumbered } from './words.ts';

/** Requests a day of an agency's officials, in the mean of the days on which they made any. */
export interface Customs {
  readonly officers: ReadonlyMap<string, number>;
  /** Of one in the middle; undefined where nobody has a custom yet. */
  readonly median: number | undefined;
  /** Of all of them together; undefined as long as the agency has no custom. */
  readonly agency: number | undefined;
}

/** On fewer days nobody has a custom, and no agency. */
const DAYS = 3;
/** Names of officials are what callers say: of more of them the least active have no custom of their own. */
const MOST = 5000;

/** Whether an entry ends a request of an official, made by themselves: the gateway asks again at night, and a report of a wrong value reads nothing. */
export const endsRequest = ({ kind, officer, completes, outcome }: AuditEntry): boolean =>
  (kind === 'outcome' || kind === 'refusal') && officer !== undefined && completes === undefined && !OF_REPORTS.has(outcome ?? '');

const AGENCY = COLUMNS.indexOf('agency');
const OFFICER = COLUMNS.indexOf('officer');

/** Adds the requests of these entries to what is stored. */
export async function storeCustoms(sql: Sql, taken: readonly Facts[], number: (word: string | undefined) => number): Promise<void> {
  const counted = new Map<string, number[]>();
  for (const { time, entry, columns } of taken) {
    if (time === null || entry === undefined || !endsRequest(entry)) continue;
    const place = [number(columns[AGENCY]), dayAt(time), number(columns[OFFICER])];
    const name = place.join(' ');
    const row = counted.get(name);
    if (row === undefined) counted.set(name, [...place, 1]);
    else row[3] = (row[3] ?? 0) + 1;
  }
  const rows = [...counted.values()];
  const before = await sql.find(
    CUSTOM,
    rows.map((row) => row.slice(0, 3)),
  );
  for (const { agency, day, officer, requests } of before) {
    const row = counted.get(`${agency} ${day} ${officer}`);
    if (row !== undefined) row[3] = (row[3] ?? 0) + Number(requests);
  }
  await sql.put(CUSTOM, rows);
}

/** Of the days [from, to). */
export async function customsOf(sql: Sql, agency: string, from: number, to: number): Promise<Customs> {
  const word = wordOf('agency', agency);
  const place = (await stored(sql, WORD, [word])).get(word);
  const rows =
    place === undefined
      ? []
      : await sql.all(
          'SELECT officer, count(*) AS days, sum(requests) AS requests FROM search_custom WHERE agency = ? AND day >= ? AND day < ? GROUP BY officer ORDER BY 3 DESC LIMIT ?',
          [place, from, to, MOST],
        );
  const means = rows.flatMap(({ officer, days, requests }) =>
    Number(days) < DAYS ? [] : [{ officer: Number(officer), mean: Number(requests) / Number(days) }],
  );
  const [all] =
    place === undefined
      ? []
      : await sql.all(
          'SELECT count(DISTINCT day) AS days, sum(requests) AS requests FROM search_custom WHERE agency = ? AND day >= ? AND day < ?',
          [place, from, to],
        );
  const words = await wordsNumbered(
    sql,
    means.map(({ officer }) => officer),
  );
  const sorted = means.map(({ mean }) => mean).sort((one, other) => one - other);
  return {
    officers: new Map(means.map(({ officer, mean }) => [textOf(words.get(officer) ?? ''), mean])),
    median: sorted[Math.floor(sorted.length / 2)],
    agency: all === undefined || Number(all.days) < DAYS ? undefined : Number(all.requests) / Number(all.days),
  };
}
