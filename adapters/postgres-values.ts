/** Values of PostgreSQL's types as JSON. */

import pg from 'pg';
import type { JsonValue } from '../src/adapter.ts';
import { decimal, decoded, double, json, unfit, unpadded } from './columns.ts';

/** The driver's own reading makes times of dates and rounds. */
export const AS_WRITTEN: pg.CustomTypesConfig = { getTypeParser: () => (written: string) => written };

const { builtins } = pg.types;
/** The first number of a type that somebody made: an enumeration or an extension's text, and always written as text. */
const FIRST_MADE = 16_384;
const CHAR = 18,
  NAME = 19,
  UNKNOWN = 705;
const TEXTS: readonly number[] = [builtins.TEXT, builtins.VARCHAR, builtins.UUID, builtins.DATE, builtins.TIME, CHAR, NAME, UNKNOWN];
const DECIMALS: readonly number[] = [builtins.INT2, builtins.INT4, builtins.INT8, builtins.NUMERIC];

/** NULL is as good as absent. */
export function jsonOf(given: string | null | undefined, type: number | undefined, name: string): JsonValue {
  if (given === null || given === undefined || type === undefined) return null;
  const written = decoded(given, name);
  if (TEXTS.includes(type) || type >= FIRST_MADE) return written;
  if (DECIMALS.includes(type)) return decimal(written, name);
  switch (type) {
    case builtins.BPCHAR:
      return unpadded(written);
    case builtins.BOOL:
      return written === 't';
    case builtins.FLOAT4:
    case builtins.FLOAT8:
      return double(Number(written), name);
    case builtins.JSON:
    case builtins.JSONB:
      return json(written, name);
    case builtins.TIMESTAMP:
    case builtins.TIMESTAMPTZ:
      return written.replace(' ', 'T').replace(/([+-]\d\d)$/, '$1:00');
    default:
      throw unfit(name, type);
  }
}
