/** What was found that honest work does not look like, and its name: the same whoever finds it. */
import { hash } from 'node:crypto';
import type { Action, MisuseRules } from '../catalogue/misuse.ts';

/** Rule of the configuration → its code in the log. Codes are never reused. */
export const CODES = {
  peopleOfDossier: 'many-people-of-a-dossier',
  sequence: 'numbers-in-sequence',
  offHours: 'outside-hours',
  readByMany: 'person-read-by-many',
  overCustom: 'over-custom',
  agencyOverCustom: 'agency-over-custom',
} as const satisfies Record<keyof MisuseRules, string>;

export interface Finding {
  /** Of its entry in the log. */
  readonly id: string;
  readonly code: (typeof CODES)[keyof MisuseRules];
  readonly agency: string;
  /** Absent where it is about all of an agency. */
  readonly officer?: string;
  readonly procedure?: string;
  readonly dossier?: string;
  /** Pseudonym of the person. */
  readonly subject?: string;
  readonly count: number;
  readonly threshold: number;
  readonly action: Exclude<Action, 'off'>;
  /** Of an official who is slowed or stopped. */
  readonly hours?: number;
  readonly perMinute?: number;
}

/** A UUID of a form of our own (RFC 9562, version 8), made of what the finding is about: an alert that is on record already is found by it. */
export function nameOf(...about: readonly (string | number)[]): string {
  const hex = hash('sha256', JSON.stringify(['alert', ...about]), 'hex');
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 3) | 8).toString(16);
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `${variant}${hex.slice(17, 20)}`, hex.slice(20, 32)].join('-');
}

/** Whether a count that grows by one is where there is something to say: as soon as it is remarkable, and each time that it is twice as much. */
export function remarkable(count: number, least: number): boolean {
  if (count < least || count % least !== 0) return false;
  const times = count / least;
  return (times & (times - 1)) === 0;
}
