/** Values of the types of MySQL and MariaDB as JSON. */

import mysql, { type FieldPacket } from 'mysql2';
import type { JsonValue } from '../src/adapter.ts';
import { decimal, decoded, double, json, unfit } from './columns.ts';

const { Types } = mysql;

/** A value as the driver gives it: numbers of up to 32 bits as such, larger ones and times as text. NULL is as good as absent. */
export function jsonOf(given: unknown, field: FieldPacket | undefined, name: string): JsonValue {
  if (given === null || given === undefined || field === undefined) return null;
  const type = field.columnType ?? field.type ?? -1;
  if (Buffer.isBuffer(given) && type === Types.BIT) return decimal(BigInt(`0x${given.toString('hex') || '0'}`).toString(), name);
  if (typeof given === 'number') return numberOf(given, type, name);
  if (typeof given !== 'string') throw unfit(name, type);
  const written = decoded(given, name);
  switch (type) {
    case Types.LONGLONG:
    case Types.DECIMAL:
    case Types.NEWDECIMAL:
      return decimal(written, name);
    case Types.JSON:
      return json(written, name);
    case Types.DATE:
    case Types.NEWDATE:
    case Types.DATETIME:
      return dateOf(written);
    case Types.TIMESTAMP: {
      const date = dateOf(written);
      return date?.includes('T') ? `${date}+07:00` : date;
    }
    default:
      return written;
  }
}

function numberOf(given: number, type: number, name: string): JsonValue {
  // A year is a date of which no more is known.
  if (type === Types.YEAR) return String(given).padStart(4, '0');
  return type === Types.FLOAT ? single(double(given, name)) : double(given, name);
}

/** The shortest decimal that is the same single: as a double, 0.1 would come out as 0.10000000149011612. */
function single(given: number): number {
  for (let digits = 6; digits < 9; digits += 1) {
    const shorter = Number(given.toPrecision(digits));
    if (Math.fround(shorter) === given) return shorter;
  }
  return given;
}

/** These databases write what they do not know of a date as zeros: a date of zeros is none, a day of zeros a month alone. */
function dateOf(given: string): string | null {
  const [, year, month, day, clock] = /^(\d{4})-(\d\d)-(\d\d)(?: (.+))?$/.exec(given) ?? [];
  if (year === undefined || month === undefined || day === undefined) return given;
  if (year === '0000' && month === '00' && day === '00') return null;
  if (month === '00' && day === '00') return year;
  if (day === '00') return `${year}-${month}`;
  return clock === undefined ? `${year}-${month}-${day}` : `${year}-${month}-${day}T${clock}`;
}
