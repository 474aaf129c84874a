/** Reads the members of an answer that nobody has vouched for: absent stays absent, the unknown is refused, nothing is guessed. */

import { type JsonObject, type JsonValue, SourceError } from '../src/adapter.ts';

/** What an answer has at some place; a registry writes "nothing" as a missing member, null or an empty text. */
export type Given = JsonValue | undefined;

/** Names the member and never its value, which is personal data. */
export const malformed = (member: string, fault: string): SourceError => new SourceError('malformed', `${member} ${fault}`);

const isNothing = (value: Given): value is undefined | null | '' => value === undefined || value === null || value === '';

/** Text in NFC, as the canonical records hold it. */
export function text(value: Given, name: string): string | undefined {
  if (isNothing(value)) return undefined;
  if (typeof value !== 'string') throw malformed(name, 'is not text');
  return value.normalize('NFC');
}

/** A code of the registry's own list; one that is not in the table is not guessed at. */
export function coded<T>(table: Readonly<Record<string, T>>, value: Given, name: string): T | undefined {
  if (isNothing(value)) return undefined;
  const code = typeof value === 'number' ? String(value) : value;
  if (typeof code !== 'string' || !Object.hasOwn(table, code)) throw malformed(name, 'is not a code of the known list');
  return table[code];
}

/** A decimal number, written as one or as text. */
export function number(value: Given, name: string): number | undefined {
  if (isNothing(value)) return undefined;
  if (typeof value === 'number') return value;
  if (typeof value !== 'string' || !/^-?\d{1,15}(\.\d{1,6})?$/.test(value)) throw malformed(name, 'is not a number');
  return Number(value);
}

/** Ways of writing a date. Each also takes a year alone and a month with its year, where the registry knows no more. */
const DATE_FORMS = {
  iso: /^(?<year>\d{4})(?:-(?<month>\d\d)(?:-(?<day>\d\d)(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d)?)?)?)?$/,
  yyyymmdd: /^(?<year>\d{4})(?:(?<month>\d\d)(?<day>\d\d)?)?$/,
  ddmmyyyy: /^(?:(?:(?<day>\d\d))?(?<month>\d\d))?(?<year>\d{4})$/,
  'dd/mm/yyyy': /^(?:(?:(?<day>\d\d?)\/)?(?<month>\d\d?)\/)?(?<year>\d{4})$/,
} as const;

export type DateForm = keyof typeof DATE_FORMS;

export const DATE_FORM_NAMES = Object.keys(DATE_FORMS) as readonly DateForm[];

/** As much of the date as the registry knows: YYYY, YYYY-MM or YYYY-MM-DD. */
export function date(form: DateForm, value: Given, name: string): string | undefined {
  const written = text(value, name);
  if (written === undefined) return undefined;
  const { year, month, day } = DATE_FORMS[form].exec(written)?.groups ?? {};
  if (year === undefined || !isDate(Number(year), Number(month ?? 1), Number(day ?? 1)))
    throw malformed(name, 'is not a date in the expected form');
  if (month === undefined) return year;
  return day === undefined ? `${year}-${month.padStart(2, '0')}` : `${year}-${month.padStart(2, '0')}-${day.padStart(2, '0')}`;
}

const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function isDate(year: number, month: number, day: number): boolean {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return day >= 1 && day <= (DAYS[month - 1] ?? 0) + (month === 2 && leap ? 1 : 0);
}

/** A time that a registry vouches for: an RFC 3339 date-time as it stands, or any date of the form. */
export function time(form: DateForm, value: Given, name: string): string | null {
  const written = text(value, name);
  if (written === undefined) return null;
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(written) ? written : (date(form, written, name) ?? null);
}

/** A record without the members that have no value. */
export function record(members: Readonly<Record<string, Given>>): JsonObject {
  const known: JsonObject = {};
  for (const name of Object.keys(members)) {
    const value = members[name];
    if (value !== undefined) known[name] = value;
  }
  return known;
}

/** The members of one object of an answer, each read by its name; `need…` throws where there is none. */
export class Members {
  readonly #object: JsonObject;
  readonly #name: string;

  constructor(value: Given, name: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(name, 'is not an object');
    this.#object = value;
    this.#name = name;
  }

  text(member: string): string | undefined {
    const value = this.#of(member);
    // The path is made up only where something is wrong: most members are the text they should be.
    return typeof value === 'string' && value !== '' ? value.normalize('NFC') : text(value, this.#path(member));
  }

  number(member: string): number | undefined {
    return number(this.#of(member), this.#path(member));
  }

  flag(member: string): boolean | undefined {
    const value = this.#of(member);
    if (isNothing(value)) return undefined;
    if (typeof value !== 'boolean') throw malformed(this.#path(member), 'is neither true nor false');
    return value;
  }

  date(form: DateForm, member: string): string | undefined {
    return date(form, this.#of(member), this.#path(member));
  }

  time(form: DateForm, member: string): string | null {
    return time(form, this.#of(member), this.#path(member));
  }

  coded<T>(table: Readonly<Record<string, T>>, member: string): T | undefined {
    return coded(table, this.#of(member), this.#path(member));
  }

  object(member: string): Members | undefined {
    const value = this.#of(member);
    return isNothing(value) ? undefined : new Members(value, this.#path(member));
  }

  /** Absent is not empty: who has no list has not said that there is nothing. */
  list(member: string): Members[] | undefined {
    const value = this.#of(member);
    if (isNothing(value)) return undefined;
    if (!Array.isArray(value)) throw malformed(this.#path(member), 'is not a list');
    return value.map((item, place) => new Members(item, `${this.#path(member)}/${place}`));
  }

  needText(member: string): string {
    return this.text(member) ?? this.#missing(member);
  }

  needCoded<T extends {}>(table: Readonly<Record<string, T>>, member: string): T {
    return this.coded(table, member) ?? this.#missing(member);
  }

  needNumber(member: string): number {
    return this.number(member) ?? this.#missing(member);
  }

  needObject(member: string): Members {
    return this.object(member) ?? this.#missing(member);
  }

  needList(member: string): Members[] {
    return this.list(member) ?? this.#missing(member);
  }

  #of(member: string): Given {
    return Object.hasOwn(this.#object, member) ? this.#object[member] : undefined;
  }

  #path(member: string): string {
    return `${this.#name}/${member}`;
  }

  #missing(member: string): never {
    throw malformed(this.#path(member), 'is missing');
  }
}
