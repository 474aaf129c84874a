/** Counts how grants are used, month by month, as the log is followed. */
import type { Use } from './facts.ts';
import { MANY_OFFICERS } from './search.ts';
import { USE } from './search-tables.ts';
import type { Row, Sql } from './sql.ts';

/** Numbers of agency, grant and supplier (0 where the agency acted itself), and the month. */
type Place = readonly [agency: number, grant: number, actor: number, month: number];

interface Used {
  readonly place: Place;
  times: number;
  last: number;
  /** Numbers of words. */
  readonly officers: Set<number>;
  readonly given: Set<number>;
}

/** A set of numbers as it is stored, with commas between. */
const written = (numbers: ReadonlySet<number>): string => [...numbers].join(',');
export const readNumbers = (text: string): number[] => (text === '' ? [] : text.split(',').map(Number));

/** What one transaction counts. */
export class Uses {
  readonly #used = new Map<string, Used>();

  /** `number` gives the number of a word. */
  add({ agency, grant, actor, month, time, officer, given }: Use, number: (word: string | undefined) => number): void {
    const used = this.#at([number(agency), number(grant), number(actor), month]);
    used.times++;
    used.last = Math.max(used.last, time);
    if (officer !== undefined) addOfficer(used, number(officer));
    for (const word of given) used.given.add(number(word));
  }

  /** Adds what was counted to what is stored. */
  async store(sql: Sql): Promise<void> {
    const all = [...this.#used.values()];
    const rows = await sql.find(
      USE,
      all.map(({ place }) => place),
    );
    for (const row of rows) {
      const used = this.#at(placeOf(row));
      used.times += Number(row.times);
      used.last = Math.max(used.last, Number(row.last));
      for (const officer of readNumbers(String(row.officers))) addOfficer(used, officer);
      for (const word of readNumbers(String(row.given))) used.given.add(word);
    }
    await sql.put(
      USE,
      all.map(({ place, times, last, officers, given }) => [...place, times, last, written(officers), written(given)]),
    );
  }

  #at(place: Place): Used {
    const name = place.join(' ');
    let used = this.#used.get(name);
    if (used === undefined)
      this.#used.set(name, (used = { place, times: 0, last: Number.MIN_SAFE_INTEGER, officers: new Set(), given: new Set() }));
    return used;
  }
}

/** Beyond so many it does not matter how many: a row that is written again and again must not grow with whatever an agency calls its officers. */
function addOfficer({ officers }: Used, officer: number): void {
  if (officers.size < MANY_OFFICERS) officers.add(officer);
}

const placeOf = (row: Row): Place => [Number(row.agency), Number(row.grant_word), Number(row.actor), Number(row.month)];
