/** Failures of databases by the names of the contract. What a server says in words may quote what it holds, so only its codes are passed on. */

import { SourceError, type SourceFailure } from '../src/adapter.ts';

/** What each code means; what is not here is an `error`. A pattern of several is for a class of codes. */
export type Meanings = readonly (readonly [codes: RegExp, reason: SourceFailure])[];

/** The failure of a server that answers, with its code for the operator's log. */
export function serverFailure(code: string, meanings: Meanings): SourceError {
  const reason = meanings.find(([codes]) => codes.test(code))?.[1] ?? 'error';
  return new SourceError(reason, `the database answered with the error ${code}`, undefined, coded(code));
}

/** The failure of a connection: its code is that of Node or of the driver, both of which know nothing of what was asked. */
export function connectionFailure(error: unknown): SourceError {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown';
  return new SourceError('unreachable', `no connection (${code})`, undefined, coded(code));
}

const coded = (code: string): Error => Object.assign(new Error('of the database'), { code });
