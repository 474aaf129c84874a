/** Days from and to: what is in force when, and what of it is wrong in a file. Pure. */
import type { Validity } from '../domain.ts';
import type { ConfigFile } from './files.ts';

export const days = (validity: Validity): string => `${validity.validFrom} to ${validity.validTo ?? 'no known end'}`;

export function overlap(a: Validity, b: Validity): boolean {
  return a.validFrom <= (b.validTo ?? '9999') && b.validFrom <= (a.validTo ?? '9999');
}

/** Whether `outer` is in force on every day of `inner`. */
export function covers(outer: Validity, inner: Validity): boolean {
  return outer.validFrom <= inner.validFrom && (inner.validTo ?? '9999') <= (outer.validTo ?? '9999');
}

/** Adds a fault where a validity ends before it begins; `at` is where it stands in the file. */
export function checkOrder(file: ConfigFile, validity: Validity, at: string): void {
  if (validity.validTo !== undefined && validity.validTo < validity.validFrom)
    file.fault(`${at}/validTo`, 'validity', 'ends before it begins');
}
