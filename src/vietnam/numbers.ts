/**
 * The structure of a personal number: place of birth registration, century and sex, year (Decree 137/2015/NĐ-CP, article 13). It has no checksum,
 * and a correction of sex or birth does not always change it: what does not fit is a hint for an officer, never a refusal. Pure.
 */
import type { JsonObject, JsonValue } from '../adapter.ts';
import type { UnusualNumber } from '../domain.ts';
import type { Places } from './places/places.ts';
import { LAST_DAY } from './places/tables.ts';

/** Given to nobody: numbers of made-up people begin with these. */
const SYNTHETIC = new Set(['000', '003', '099']);

/** What of a number does not fit the record of the person whose it is; undefined where it fits, or the record is of somebody else. */
export function unusualIn(record: JsonObject, number: string | undefined, places: Places): UnusualNumber | undefined {
  const person = [record, record.child].filter(isObject).find(({ personalId }) => personalId === number);
  if (number === undefined || person === undefined) return undefined;
  const prefix = number.slice(0, 3);
  // Codes of provinces stay as they were when the number was set. Those of countries, which begin otherwise, were not found.
  if (prefix.startsWith('0') && !SYNTHETIC.has(prefix) && places.unit(prefix.slice(1), LAST_DAY) === undefined) return 'place';
  const { gender, dateOfBirth } = person;
  const digit = Number(number[3]);
  if ((gender === 'male' || gender === 'female') && gender !== (digit % 2 === 0 ? 'male' : 'female')) return 'sex';
  const year = `${19 + Math.floor(digit / 2)}${number.slice(4, 6)}`;
  return typeof dateOfBirth === 'string' && !dateOfBirth.startsWith(year) ? 'year' : undefined;
}

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
