/** The reason why an auditor reads: it stands in the log as it was written, so it must name nobody. */
import type { IncomingHttpHeaders } from 'node:http';
import { Problem } from '../problems.ts';

/** Of a search's `reason` its schema checks the rest. */
export function checkReason(reason: string, where: Parameters<typeof fault>[0]): string {
  // However it is spelled.
  if (/\p{Nd}{9}/u.test(reason.normalize('NFKC').replace(/[^\p{L}\p{Nd}]/gu, ''))) throw fault(where, 'must name nobody by number');
  return reason;
}

/** The reason in an `Audit-Reason` header, where there is one: UTF-8, and as long as that of a search. */
export function reasonIn(headers: IncomingHttpHeaders): string | undefined {
  const value = headers['audit-reason'];
  if (value === undefined) return undefined;
  // Node reads each byte of a header as one character, and joins what was sent twice.
  const bytes = Buffer.from(String(value), 'latin1');
  const reason = bytes.toString('utf8');
  if (!Buffer.from(reason).equals(bytes)) throw fault('header', 'must be UTF-8');
  const length = [...reason].length;
  if (length < 3 || length > 500 || /\p{Cc}/u.test(reason)) throw fault('header', 'must be of 3 to 500 characters');
  return checkReason(reason, 'header');
}

const fault = (where: 'body' | 'header', detail: string): Problem =>
  new Problem('invalid-request', where === 'body' ? { errors: [{ pointer: '/reason', detail }] } : { detail: `Audit-Reason ${detail}` });
