/** What all the words are made of: texts, days, pointers, the clock. */
declare const brand: unique symbol;
/** A type that only the function which establishes the fact may produce. */
export type Brand<Name extends string> = { readonly [brand]: Name };

/** A text for people; Vietnamese is the text of record. */
export interface Text {
  readonly vi: string;
  readonly en: string;
  readonly fr?: string;
}

/** A name as an official text has it: it may have no translation. */
export type OfficialText = Pick<Text, 'vi'> & Partial<Text>;

/** Days YYYY-MM-DD in Viet Nam's time, both inclusive; no `validTo` means no known end. */
export interface Validity {
  readonly validFrom: string;
  readonly validTo?: string;
}

/** A provision of a legal instrument, with how it is cited to people. */
export interface Provision extends Validity {
  readonly ref: string;
  readonly citation: string;
  readonly databases: readonly string[];
  readonly procedures: readonly string[];
  readonly rule?: string;
}

/** A JSON Pointer split into its members; `*` is every item of a list. */
export type Pointer = readonly string[];

/** `/a/b` as ['a', 'b']. */
export const splitPointer = (pointer: string): Pointer => pointer.slice(1).split('/');

/** Milliseconds since the epoch; injected everywhere, so that tests own the time. */
export type Clock = () => number;

/** The calendar day in Viet Nam (UTC+7, no daylight saving) at `now`. */
export function dayInVietnam(now: number): string {
  return new Date(now + 7 * 3_600_000).toISOString().slice(0, 10);
}

/** Whether `day` lies within the validity. */
export function inForce(validity: Validity, day: string): boolean {
  return validity.validFrom <= day && (validity.validTo === undefined || day <= validity.validTo);
}
