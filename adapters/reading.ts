/** Reads the members of an answer that nobody has vouched for: absent stays absent, the unknown is refused, nothing is guessed. */

import { type JsonObject, type JsonValue, SourceError } from '../src/adapter.ts';

/** What an answer has at some place; a registry writes "nothing" as a missing member, null or an empty text. */
export type Given = JsonValue | undefined;

/** Names the member and never its value, which is personal data. */
export const malformed = (member: string, fault: string): SourceError => new SourceError('malformed', `${member} ${fault}`);

const isNothing = (value: Given): value is undefined | null | '' => value === undefined || value === null || value === '';

/** More than any dataset takes, and little enough that hostile text is normalised in milliseconds. */
const MOST_CHARACTERS = 4000;

/** Texts up to here are normalised without a further look: whatever they hold, it takes microseconds. */
const SHORT = 200;

/** Beyond what Unicode calls safe to stream (UAX #15 §13): normalising sorts each pile of marks in quadratic time. */
const PILE_OF_MARKS = /\p{M}{31}/u;

/** More than any record lists. */
const MOST_ITEMS = 1000;

/** A day: a registry that wants to be left alone for longer is asked again all the same. */
const LONGEST_WAIT = 86_400;

/** Text in NFC, as the canonical records hold it. */
export function text(value: Given, name: string): string | undefined {
  if (isNothing(value)) return undefined;
  if (typeof value !== 'string') throw malformed(name, 'is not text');
  if (value.length > MOST_CHARACTERS) throw malformed(name, `is longer than ${MOST_CHARACTERS} characters`);
  if (PILE_OF_MARKS.test(value)) throw malformed(name, 'piles more marks on a letter than any script does');
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
  if (typeof value === 'number') {
    // JSON.parse makes Infinity of 1e999, and JSON.stringify null of that.
    if (!Number.isFinite(value)) throw malformed(name, 'is not a finite number');
    return value;
  }
  if (typeof value !== 'string' || !/^-?\d{1,15}(\.\d{1,6})?$/.test(value)) throw malformed(name, 'is not a number');
  return Number(value);
}

/** Items that nobody has looked at yet; the list's length is judged before anything is made of them. */
export function list(value: Given, name: string, most = MOST_ITEMS): readonly JsonValue[] | undefined {
  if (isNothing(value)) return undefined;
  if (!Array.isArray(value)) throw malformed(name, 'is not a list');
  if (value.length > most) throw malformed(name, `has more than ${most} items`);
  return value;
}

/** Whole seconds after which to ask again, up to a day. Anything else is as good as not said: the failure it came with stands. */
export function retryAfter(value: Given): number | undefined {
  const seconds = typeof value === 'string' && /^\d{1,6}$/.test(value) ? Number(value) : value;
  return typeof seconds === 'number' && Number.isInteger(seconds) && seconds >= 0 && seconds <= LONGEST_WAIT ? seconds : undefined;
}

const HOUR = /(?:[01]\d|2[0-3])/.source;
const CLOCK = `${HOUR}(?::[0-5]\\d(?::[0-5]\\d(?:\\.\\d{1,9})?)?)?`;
const OFFSET = `(?:Z|[+-]${HOUR}:[0-5]\\d)`;

/** Ways of writing a date. Each also takes a year alone and a month with its year, where the registry knows no more. */
const DATE_FORMS = {
  iso: new RegExp(`^(?<year>\\d{4})(?:-(?<month>\\d\\d)(?:-(?<day>\\d\\d)(?:T${CLOCK}${OFFSET}?)?)?)?$`),
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

/** A year before 1000 is a slip of the pen or a default such as 0000 and 0001, never a date in a register. */
function isDate(year: number, month: number, day: number): boolean {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return year >= 1000 && day >= 1 && day <= (DAYS[month - 1] ?? 0) + (month === 2 && leap ? 1 : 0);
}

/** RFC 3339, as far as its shape goes; whether there is such a day and hour, the form `iso` knows. */
const DATE_TIME = /^[\d-]+T\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;

/** A time that a registry vouches for: an RFC 3339 date-time as it stands, or any date of the form. */
export function time(form: DateForm, value: Given, name: string): string | null {
  const written = text(value, name);
  if (written === undefined) return null;
  if (!DATE_TIME.test(written)) return date(form, written, name) ?? null;
  // Date.parse would make 2 March of 30 February.
  date('iso', written, name);
  return written;
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
    const plain = typeof value === 'string' && value !== '' && value.length <= SHORT;
    return plain ? value.normalize('NFC') : text(value, this.#path(member));
  }

  number(member: string): number | undefined {
    return number(this.#of(member), this.#path(member));
  }

  /** Never throws: see `retryAfter`. */
  retryAfter(member: string): number | undefined {
    return retryAfter(this.#of(member));
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
  list(member: string, most?: number): Members[] | undefined {
    const name = this.#path(member);
    return list(this.#of(member), name, most)?.map((item, place) => new Members(item, `${name}/${place}`));
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

  needList(member: string, most?: number): Members[] {
    return this.list(member, most) ?? this.#missing(member);
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
