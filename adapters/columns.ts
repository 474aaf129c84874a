/** Values of a database's columns as JSON: no number rounded, no day shifted, no byte guessed at. */

import type { JsonObject, JsonValue } from '../src/adapter.ts';
import { MOST_DEPTH, within } from './json.ts';
import { malformed } from './reading.ts';
import type { Question } from './sessions.ts';

/** A row, of what its values are by the types of their columns. */
export function rowOf({ columns, json: holding }: Question, valueAt: (place: number, name: string) => JsonValue): JsonObject {
  const entries = columns.map((column, place): [string, JsonValue] => {
    const value = valueAt(place, `/${column}`);
    const holdsJson = typeof value === 'string' && value !== '' && holding.has(column);
    return [column, holdsJson ? json(value, `/${column}`) : value];
  });
  return Object.fromEntries(entries);
}

/** Any decimal number of so many digits comes back from a double as it went in. */
const EXACT_DIGITS = 15;
/** With its zeros on both sides: longer ones are not even counted. */
const MOST_DIGITS = 100;

/** A decimal as a number where a number holds it exactly, and as its digits where not. */
export function decimal(digits: string, name: string): JsonValue {
  if (!/^-?\d+(?:\.\d+)?$/.test(digits)) throw malformed(name, 'is not a number');
  if (digits.length > MOST_DIGITS) return digits;
  const fraction = digits.includes('.') ? digits.replace(/\.?0+$/, '') : digits;
  const significant = fraction.replace(/[-.]/g, '').replace(/^0+/, '');
  return significant.length <= EXACT_DIGITS ? Number(digits) : digits;
}

export function double(value: number, name: string): number {
  if (!Number.isFinite(value)) throw malformed(name, 'is not a finite number');
  return value;
}

/** JSON in a column; its numbers keep their digits as those of columns do. */
export function json(written: string, name: string): JsonValue {
  let value: JsonValue;
  try {
    value = JSON.parse(written, exact);
  } catch {
    // The parser's own message quotes the text.
    throw malformed(name, 'is not valid JSON');
  }
  if (!within(value, MOST_DEPTH)) throw malformed(name, `is nested more than ${MOST_DEPTH} deep`);
  return value;
}

/** The third argument is what the text itself says: by then the value is rounded. */
function exact(name: string, value: JsonValue, written?: { readonly source?: string }): JsonValue {
  if (typeof value !== 'number' || written?.source === undefined) return value;
  return /e/i.test(written.source) ? value : decimal(written.source, name);
}

/** Text that the database fills up with spaces, which it does not count as part of it. */
export function unpadded(written: string): string {
  let end = written.length;
  // A pattern for spaces at the end would try at each of a million spaces that are not.
  while (written[end - 1] === ' ') end -= 1;
  return written.slice(0, end);
}

/** A server that does not check what it stores sends bytes that are no UTF-8, and the driver puts this in their place. */
export function decoded(written: string, name: string): string {
  if (written.includes('\uFFFD')) throw malformed(name, 'is not valid UTF-8');
  return written;
}

/** What a column of this kind holds cannot stand in a record; the view can turn it into something that can. */
export const unfit = (name: string, type: number): Error =>
  malformed(name, `is of a type that records do not have (${type}): cast it in the view`);
