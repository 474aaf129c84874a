/** Keeps anybody from finding a value by guessing: so many wrong claims about a person, and the agency waits until the next day. */
import type { AuditEntry } from '../audit/entry.ts';
import type { LogSearch } from '../audit/search.ts';
import type { Caller, Clock } from '../domain.ts';
import { Problem } from '../problems.ts';
import type { Pseudonyms } from '../pseudonyms.ts';

const DAY_MS = 86_400_000;

export interface GuessTools {
  /** The log is the memory: it is one for all gateways, and outlives a restart. */
  readonly search: LogSearch;
  readonly pseudonyms: Pseudonyms;
  readonly clock: Clock;
  /** Wrong claims about one person that an agency has in a day. */
  readonly mismatchesADay: number;
  /** Whoever waited longer for their turn is refused when it comes: behind a registry that hangs, a line would grow without end. Milliseconds. */
  readonly patienceMs: number;
}

/** One after the other for each agency and person: else many guesses at once would all pass before the first is on record. */
export class Guesses {
  readonly #tools: GuessTools;
  readonly #lines = new Map<string, Promise<unknown>>();

  constructor(tools: GuessTools) {
    this.#tools = tools;
  }

  /** Does the work when nobody else of the agency asks about one of the persons, and its wrong claims are not too many. Else throws a `Problem`. */
  bounded<T>({ agency }: Caller, persons: readonly string[], work: () => Promise<T>): Promise<T> {
    const { clock, patienceMs } = this.#tools;
    const until = clock() + patienceMs;
    const next = async ([person, ...others]: readonly string[]): Promise<T> => {
      if (person === undefined) return work();
      return this.#inLine(`${agency.id} ${person}`, async () => {
        if (clock() > until) throw new Problem('overloaded', { retryAfterSeconds: Math.ceil(patienceMs / 1000) });
        await this.#check(agency.id, person);
        return next(others);
      });
    };
    return next([...new Set(persons)].sort());
  }

  /** The same for who was found on the way, where nobody stands in line: a parent through a child, a number that took another's place. */
  async checkFound({ agency }: Caller, persons: readonly string[]): Promise<void> {
    for (const person of new Set(persons)) await this.#check(agency.id, person);
  }

  async #check(agency: string, person: string): Promise<void> {
    const { search, pseudonyms, clock, mismatchesADay } = this.#tools;
    const from = new Date(clock() - DAY_MS).toISOString();
    const names = pseudonyms.all('person', person);
    const found = await search.search({ pseudonyms: names, agency, outcome: 'mismatch', from, limit: mismatchesADay });
    let guesses = 0;
    for (const { body } of found) {
      const { time, subjects = {} } = JSON.parse(body) as AuditEntry;
      // Who is named in two roles has each value in two fields, and so is guessed twice.
      guesses += Math.max(1, Object.values(subjects).filter((name) => names.includes(name)).length);
      if (guesses < mismatchesADay) continue;
      const wait = Date.parse(time) + DAY_MS - clock();
      throw new Problem('too-many-mismatches', { retryAfterSeconds: Math.max(1, Math.ceil(wait / 1000)) });
    }
  }

  async #inLine<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#lines.get(name);
    const mine = (before ?? Promise.resolve()).then(work, work);
    this.#lines.set(name, mine);
    try {
      return await mine;
    } finally {
      if (this.#lines.get(name) === mine) this.#lines.delete(name);
    }
  }
}
