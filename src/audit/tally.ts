/** Counts what happened, day by day, as the log is followed, so that a summary reads no entries. */
import { type Count, dayNumber, dayText, textOf } from './facts.ts';
import { type DayTally, MAX_TALLIES, type SummaryQuery } from './search.ts';
import { TALLY } from './search-tables.ts';
import type { Row, Sql } from './sql.ts';

type Counts = Pick<DayTally, 'outcomes' | 'sources' | 'fields' | 'papers'>;
/** Where a count stands: scope, day, numbers of agency and procedure. */
type Place = readonly [scope: number, day: number, agency: number, procedure: number];

/** What one transaction counts. */
export class Tallies {
  readonly #counted = new Map<string, { place: Place; tally: Tally }>();

  /** `agency` and `procedure` are the numbers of the count's words, 0 for none. */
  add(count: Count, agency: number, procedure: number): void {
    for (const place of [
      [scopeOf([]), count.day, 0, 0],
      [scopeOf(['agency']), count.day, agency, 0],
      [scopeOf(['procedure']), count.day, 0, procedure],
      [scopeOf(['agency', 'procedure']), count.day, agency, procedure],
    ] as const)
      this.#at(place).count(count);
  }

  /** Adds what was counted to what is stored. */
  async store(sql: Sql): Promise<void> {
    const counted = [...this.#counted.values()];
    const places = counted.map(({ place }) => place);
    for (const row of await sql.find(TALLY, places)) this.#at(placeOf(row)).add(JSON.parse(String(row.counts)) as Counts);
    await sql.put(
      TALLY,
      counted.map(({ place, tally }) => [...place, JSON.stringify(tally)]),
    );
  }

  #at(place: Place): Tally {
    const name = place.join(' ');
    let at = this.#counted.get(name);
    if (at === undefined) this.#counted.set(name, (at = { place, tally: new Tally() }));
    return at.tally;
  }
}

/** Throws a RangeError where there are more than `MAX_TALLIES` rows, or a day is none. */
export async function summarise(sql: Sql, { from, to, by }: SummaryQuery): Promise<DayTally[]> {
  const days = [dayNumber(from), dayNumber(to)];
  if (days.some(Number.isNaN)) throw new RangeError('a day is written YYYY-MM-DD');
  const rows = await sql.all(
    `SELECT t.day, t.counts, a.text AS agency, p.text AS procedure FROM search_tally t
     LEFT JOIN search_word a ON a.id = t.agency LEFT JOIN search_word p ON p.id = t.procedure
     WHERE t.scope = ? AND t.day >= ? AND t.day <= ? ORDER BY t.day LIMIT ?`,
    [scopeOf(by), ...days, MAX_TALLIES + 1],
  );
  if (rows.length > MAX_TALLIES) throw new RangeError(`the summary has more than ${MAX_TALLIES} rows`);
  const named = (name: 'agency' | 'procedure', row: Row) => (typeof row[name] === 'string' ? { [name]: textOf(row[name]) } : {});
  return rows
    .map((row) => ({
      day: dayText(Number(row.day)),
      ...named('agency', row),
      ...named('procedure', row),
      ...(JSON.parse(String(row.counts)) as Counts),
    }))
    .sort(inOrder);
}

const scopeOf = (by: SummaryQuery['by']): number => (by.includes('agency') ? 1 : 0) + (by.includes('procedure') ? 2 : 0);

const placeOf = (row: Row): Place => [Number(row.scope), Number(row.day), Number(row.agency), Number(row.procedure)];

const inOrder = (one: DayTally, other: DayTally): number =>
  order(one.day, other.day) || order(one.agency ?? '', other.agency ?? '') || order(one.procedure ?? '', other.procedure ?? '');
const order = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

/** Counts that grow. Maps, since names come from entries and `__proto__` is a name too. */
class Tally {
  readonly #outcomes = new Map<string, number>();
  readonly #sources = new Map<string, Map<string, number>>();
  readonly #papers = new Map<string, number>();
  #fields = 0;

  count({ outcome, sources, fields, papers }: Count): void {
    if (outcome !== undefined) increase(this.#outcomes, outcome, 1);
    for (const [source, result] of sources) increase(this.#results(source), result, 1);
    for (const verdict of papers) increase(this.#papers, verdict, 1);
    this.#fields += fields;
  }

  add({ outcomes, sources, fields, papers }: Counts): void {
    for (const [outcome, times] of Object.entries(outcomes)) increase(this.#outcomes, outcome, times);
    for (const [source, results] of Object.entries(sources))
      for (const [result, times] of Object.entries(results)) increase(this.#results(source), result, times);
    for (const [verdict, times] of Object.entries(papers)) increase(this.#papers, verdict, times);
    this.#fields += fields;
  }

  #results(source: string): Map<string, number> {
    let results = this.#sources.get(source);
    if (results === undefined) this.#sources.set(source, (results = new Map()));
    return results;
  }

  toJSON(): Counts {
    return {
      outcomes: Object.fromEntries(this.#outcomes),
      sources: Object.fromEntries([...this.#sources].map(([source, results]) => [source, Object.fromEntries(results)])),
      fields: this.#fields,
      papers: Object.fromEntries(this.#papers),
    };
  }
}

const increase = (counts: Map<string, number>, name: string, by: number): void => void counts.set(name, (counts.get(name) ?? 0) + by);
