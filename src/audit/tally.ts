/** Counts what happened, day by day, as the log is followed. */
import type { Count } from './facts.ts';
import type { SummaryQuery } from './search.ts';
import { TALLY } from './search-tables.ts';
import type { Row, Sql } from './sql.ts';

/** Where a count stands: scope, day, numbers of agency and procedure. */
export type Place = readonly [scope: number, day: number, agency: number, procedure: number];
/** Number of the word for what is counted → how often. */
export type Counts = Map<number, number>;

export const scopeOf = (by: SummaryQuery['by']): number => (by.includes('agency') ? 1 : 0) + (by.includes('procedure') ? 2 : 0);

/** Counts as they are stored, `<word> <times>` with commas between. */
export const written = (counts: Counts): string => [...counts].map(([word, times]) => `${word} ${times}`).join(',');
export function readCounts(text: string): Counts {
  const counts: Counts = new Map();
  for (const part of text === '' ? [] : text.split(',')) {
    const space = part.indexOf(' ');
    counts.set(Number(part.slice(0, space)), Number(part.slice(space + 1)));
  }
  return counts;
}

/** What one transaction counts. */
export class Tallies {
  readonly #counted = new Map<string, { place: Place; counts: Counts }>();

  /** `number` gives the number of a word. */
  add(count: Count, number: (word: string | undefined) => number): void {
    const counts = this.#at([scopeOf(['agency', 'procedure']), count.day, number(count.agency), number(count.procedure)]);
    for (const [word, times] of count.measures) increase(counts, number(word), times);
  }

  /** Adds what was counted to what is stored. */
  async store(sql: Sql): Promise<void> {
    for (const { place, counts } of [...this.#counted.values()])
      for (const wider of around(place).map((at) => this.#at(at))) for (const [word, times] of counts) increase(wider, word, times);
    const counted = [...this.#counted.values()];
    const places = counted.map(({ place }) => place);
    for (const row of await sql.find(TALLY, places)) {
      const counts = this.#at(placeOf(row));
      for (const [word, times] of readCounts(String(row.counts))) increase(counts, word, times);
    }
    await sql.put(
      TALLY,
      counted.map(({ place, counts }) => [...place, written(counts)]),
    );
  }

  #at(place: Place): Counts {
    const name = place.join(' ');
    let at = this.#counted.get(name);
    if (at === undefined) this.#counted.set(name, (at = { place, counts: new Map() }));
    return at.counts;
  }
}

/** The places that hold another one's counts too. */
const around = ([, day, agency, procedure]: Place): Place[] => [
  [scopeOf([]), day, 0, 0],
  [scopeOf(['agency']), day, agency, 0],
  [scopeOf(['procedure']), day, 0, procedure],
];

const placeOf = (row: Row): Place => [Number(row.scope), Number(row.day), Number(row.agency), Number(row.procedure)];

const increase = (counts: Counts, word: number, by: number): void => void counts.set(word, (counts.get(word) ?? 0) + by);
