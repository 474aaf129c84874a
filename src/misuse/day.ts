/** What is remembered of one day: who had how many people in which dossier, who read whom, and how much everybody did. */
import type { Customs } from '../audit/custom.ts';
import { Sketches } from './sketches.ts';

/** Dossiers, persons and officials of a day, of each. Some 55 megabytes where all are there and none is like the other. */
const MOST = 50_000;

export interface Dossier {
  /** Beginnings of pseudonyms. */
  readonly people: string[];
  /** Who asked about each of them first. */
  readonly by: Officer[];
  /** The most that any of its procedures lets it have. */
  more: number;
}

export interface Officer {
  readonly name: string;
  readonly number: number;
  requests: number;
  /** Of them, those in the hours off. */
  off: number;
}

export class Day {
  readonly dossiers: Sketches<Dossier>;
  /** Person → numbers of the agency's officials who read them. */
  readonly persons: Sketches<number[]>;
  readonly officers: Sketches<Officer>;
  /** Person → officials of all agencies who read them. */
  readonly readers = new Map<string, number>();
  /** Agency → requests of all its officials. */
  readonly agencies = new Map<string, number>();
  /** What is usual in an agency, once it was asked for. */
  readonly customs = new Map<string, Customs>();
  #officers = 0;

  constructor(most = MOST) {
    this.dossiers = new Sketches(most);
    this.officers = new Sketches(most);
    this.persons = new Sketches(most, (person, readers) => {
      const left = (this.readers.get(person) ?? 0) - readers.length;
      if (left > 0) this.readers.set(person, left);
      else this.readers.delete(person);
    });
  }

  officer(agency: string, name: string): Officer {
    return this.officers.touch(agency, name, () => ({ name, number: this.#officers++, requests: 0, off: 0 }));
  }
}
