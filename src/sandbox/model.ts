/** The made-up country that all four sandbox registries draw from, so that what one says agrees with what the others say. */

export type Sex = 'male' | 'female';

export type Relation = 'head' | 'wife' | 'husband' | 'child' | 'child-in-law' | 'father' | 'mother' | 'grandchild' | 'sibling' | 'other';

/** A commune with its codes in the list of `listDate`: the same code names another commune before and after 1 July 2025. */
export interface Commune {
  readonly province: string;
  readonly code: string;
  readonly listDate: string;
  readonly text: string;
}

export interface Address {
  readonly commune: Commune;
  readonly detail?: string;
}

export interface Card {
  readonly kind: 'can-cuoc' | 'cccd';
  readonly issuedOn: string;
  readonly issuedBy: string;
  readonly expiresOn?: string;
}

/** A parent as the books know them: someone with a number, or only a name and a year. */
export type Parent = { readonly id: string } | { readonly name: string; readonly born?: string };

/** An entry in a civil-status book. */
export interface BookEntry {
  readonly number: string;
  readonly book: string;
  readonly registeredOn: string;
  readonly authority: string;
}

export interface Person {
  readonly id: string;
  readonly name: string;
  /** As far as it is known: YYYY, YYYY-MM or YYYY-MM-DD. */
  readonly born: string;
  readonly sex: Sex;
  /** Code of Decision 121-TCTK/PPCĐ. */
  readonly ethnicity: string;
  readonly birthPlace: Address;
  readonly nativePlace: Address;
  readonly home: Address;
  readonly homeSince: string;
  readonly temporaryHome?: Address;
  readonly father?: Parent;
  readonly mother?: Parent;
  readonly card?: Card;
  readonly oldId9?: string;
  readonly phone?: string;
  readonly email?: string;
  readonly birthEntry: BookEntry;
  readonly death?: BookEntry & { readonly diedOn: string };
  /** What the civil registry has otherwise than the population database; absent where they agree. */
  readonly inCivilBooks?: { readonly name?: string; readonly born?: string };
  /** False where the civil registry does not hold this person's birth at all. */
  readonly birthDigitised: boolean;
  /** Whether the civil registry vouches that every book that may name this person is digitised. */
  readonly booksComplete: boolean;
  /** The day each registry vouches for its record. */
  readonly populationAsOf: string;
  readonly civilAsOf: string;
}

export interface Marriage extends BookEntry {
  readonly husband: string;
  readonly wife: string;
  readonly effectiveOn?: string;
  readonly end?: { readonly kind: 'divorce' | 'death'; readonly number: string; readonly date: string; readonly authority: string };
}

export interface Household {
  readonly head: string;
  readonly members: ReadonlyMap<string, Relation>;
}

/** A holder on a certificate: by number, or on old certificates by name and 9-digit number only. */
export type Holder = { readonly id: string } | { readonly name: string; readonly oldId9: string };

export interface Certificate {
  readonly serial: string;
  readonly registerNumber: string;
  readonly issuedOn: string;
  readonly issuer: string;
  readonly mapSheet: string;
  readonly parcel: string;
  readonly address: Address;
  readonly uses: readonly { readonly code: string; readonly area: number; readonly term: string }[];
  readonly holders: readonly Holder[];
  readonly floorArea?: number;
  readonly restrictions?: readonly string[];
  readonly asOf: string;
}

export interface BirthNotice {
  /** Eighteen characters: facility, `GCS`, serial, year. */
  readonly code: string;
  readonly mother: string;
  readonly bornOn: string;
  readonly sex: Sex | 'undetermined';
  readonly intendedName?: string;
  readonly facility: Address;
  readonly children: number;
  readonly signedAt: string;
}

/** Everything there is. Filled by `people.ts`, read-only for the registries. */
export class World {
  readonly people = new Map<string, Person>();
  /** Withdrawn number → the number that followed it. */
  readonly cancelled = new Map<string, string>();
  readonly certificates = new Map<string, Certificate>();
  /** By the mother's number. */
  readonly notices = new Map<string, BirthNotice>();
  readonly #marriages = new Map<string, Marriage[]>();
  readonly #households = new Map<string, Household>();
  readonly #holdings = new Map<string, Certificate[]>();

  addPerson(person: Person): Person {
    if (this.people.has(person.id)) throw new Error('a sandbox number is used twice');
    this.people.set(person.id, person);
    return person;
  }

  addMarriage(marriage: Marriage): void {
    for (const spouse of [marriage.husband, marriage.wife]) push(this.#marriages, spouse, marriage);
  }

  addHousehold(head: string, others: Readonly<Record<string, Relation>>): void {
    const household: Household = { head, members: new Map([[head, 'head' as Relation], ...Object.entries(others)]) };
    for (const member of household.members.keys()) this.#households.set(member, household);
  }

  addCertificate(certificate: Certificate): void {
    this.certificates.set(certificate.serial, certificate);
    for (const holder of certificate.holders) if ('id' in holder) push(this.#holdings, holder.id, certificate);
  }

  /** In the order of the books, oldest first. */
  marriagesOf(id: string): readonly Marriage[] {
    return this.#marriages.get(id) ?? [];
  }

  householdOf(id: string): Household | undefined {
    return this.#households.get(id);
  }

  /** Only the certificates that name the 12-digit number, as a registry's index would. */
  holdingsOf(id: string): readonly Certificate[] {
    return this.#holdings.get(id) ?? [];
  }

  person(id: string): Person {
    const person = this.people.get(id);
    if (person === undefined) throw new Error('a sandbox record names a person who was never made');
    return person;
  }
}

function push<T>(index: Map<string, T[]>, key: string, value: T): void {
  const list = index.get(key);
  if (list === undefined) index.set(key, [value]);
  else list.push(value);
}
