/** Failures of databases by the names of the contract. What a server says in words may quote what it holds, so only its codes are passed on. */

import { SourceError, type SourceFailure } from '../src/adapter.ts';

/** What each code means; what is not here is an `error`. A pattern of several is for a class of codes. */
export type Meanings = readonly (readonly [codes: RegExp, reason: SourceFailure])[];

/** The failure of a server that answers, with its code for the operator's log. */
export function serverFailure(code: string, meanings: Meanings): SourceError {
  const reason = meanings.find(([codes]) => codes.test(code))?.[1] ?? 'error';
  const detail = `the database answered with the error ${code}`;
  return new SourceError(reason, detail, undefined, Object.assign(new Error(detail), { name: 'DatabaseError', code }));
}
