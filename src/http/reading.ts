/** Whoever reads the log is on record before anything of it is shown. */
import { randomUUID } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { AuditEntry } from '../audit/entry.ts';
import { type AuditLog, LogUnavailable } from '../audit/log.ts';
import type { Caller, Clock, Receipt } from '../domain.ts';
import { Problem } from '../problems.ts';
import { checkStanding, type Standing } from '../stages/authenticate.ts';
import { callerOf } from './operation.ts';

export interface ReadingTools {
  readonly log: Pick<AuditLog, 'append'>;
  readonly configDigest: string;
  readonly clock: Clock;
}

/** Who reads and why, as far as they say; the query is what they read by. */
export interface Reading {
  /** The person who reads, by the agency's own identifier. */
  readonly auditor?: string;
  readonly reason?: string;
  readonly query: NonNullable<AuditEntry['query']>;
}

/** Resolves when the reading is on record. Rejects with `log-unavailable`, and then nothing may be shown. */
export type OnRecord = (caller: Caller, reading: Reading) => Promise<void>;

export const auditReading =
  (tools: ReadingTools & { readonly standing: Standing }): OnRecord =>
  async (caller, reading) => {
    const { agency, client } = caller;
    try {
      checkStanding(tools.standing, caller, reading.auditor);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      await putOnRecord(tools, { kind: 'refusal', agency: agency.id, client, ...reading, outcome: error.code });
      throw error;
    }
    await putOnRecord(tools, { kind: 'audit-read', agency: agency.id, client, ...reading });
  };

/** Resolves with the entry's receipt. Asking for one makes the signed head cover every entry before it. */
export async function putOnRecord(tools: ReadingTools, entry: Omit<AuditEntry, 'v' | 'time' | 'id' | 'config'>): Promise<Receipt> {
  const { log, configDigest, clock } = tools;
  const whole: AuditEntry = { v: 1, time: new Date(clock()).toISOString(), id: randomUUID(), ...entry, config: configDigest };
  try {
    return await log.append(whole, { receipt: true });
  } catch (error) {
    if (error instanceof LogUnavailable) throw new Problem('log-unavailable', { retryAfterSeconds: 2, cause: error });
    throw error;
  }
}

/** The header fields by which a request without a body says who reads and why. */
export const READER_HEADERS = {
  'audit-reason': {
    type: 'string',
    description:
      'Why the auditor looks, 3 to 500 characters: it goes on record, so it must name nobody. UTF-8, or percent-encoded where it is not ASCII.',
  },
  'audit-officer': {
    type: 'string',
    description: 'The inspector who looks: agency identifier and staff number, of the agency that calls. It goes on record.',
  },
};

/** The same reason as a member of a query string. */
export const REASON_IN_QUERY = {
  type: 'string',
  minLength: 3,
  maxLength: 500,
  not: { pattern: '[0-9]{9}' },
  description: 'Why the auditor looks: it goes on record, so it must name nobody. Instead of the header field `Audit-Reason`.',
};

/**
 * Who reads and why: as the body or the query string says, which a schema checked, or else the header fields. Both stand in the log as they
 * were written, so neither may name a person. Throws a `Problem` where it does, or is said twice, or cannot be read.
 */
export function readerOf(request: FastifyRequest, said: Pick<Reading, 'auditor' | 'reason'> = {}): Pick<Reading, 'auditor' | 'reason'> {
  const caller = callerOf(request);
  type Wrong = (value: string) => string | undefined;
  const one = (member: 'auditor' | 'reason', name: string, wrong: Wrong, unsaid?: string): string | undefined => {
    const header = headerOf(request, name);
    const value = said[member] ?? header ?? unsaid;
    if (value === undefined) return undefined;
    const detail = said[member] !== undefined && header !== undefined ? 'is said twice, by a header field too' : wrong(value);
    if (detail === undefined) return value;
    throw new Problem(
      'invalid-request',
      header === undefined ? { errors: [{ pointer: `/${member}`, detail }] } : { detail: `${name} ${detail}` },
    );
  };
  const reason = one('reason', 'audit-reason', wrongReason);
  // Whom the token names acts, said or not.
  const auditor = one('auditor', 'audit-officer', (value) => wrongActing(value, caller), caller.officer);
  return { ...(reason === undefined ? {} : { reason }), ...(auditor === undefined ? {} : { auditor }) };
}

/** What is wrong with a reason that goes on record. */
export function wrongReason(reason: string): string | undefined {
  const { length } = [...reason];
  if (length < 3 || length > 500 || /\p{Cc}/u.test(reason)) return 'must be of 3 to 500 characters';
  // However it is spelled.
  return /\p{Nd}{9}/u.test(reason.normalize('NFKC').replace(/[^\p{L}\p{Nd}]/gu, '')) ? 'must name nobody by number' : undefined;
}

const OFFICER = /^[A-Y][0-9]{2}(\.[0-9A-Z]{1,8})*-[0-9A-Z]{1,8}$/;

/** What is wrong with an official who is to act for an agency. */
export function wrongOfficer(officer: string, agency: string): string | undefined {
  if (officer.length > 60 || !OFFICER.test(officer)) return 'must be an agency identifier and a staff number';
  return officer.startsWith(`${agency}-`) || officer.startsWith(`${agency}.`) ? undefined : 'must be of the calling agency';
}

/** The same of one who acts for the caller: where the token says who acts, nobody else does. */
export function wrongActing(officer: string, { agency, officer: vouchedFor }: Caller): string | undefined {
  return officer === (vouchedFor ?? officer) ? wrongOfficer(officer, agency.id) : 'must be the official whom the token names';
}

function headerOf({ raw, headers }: FastifyRequest, name: string): string | undefined {
  const value = headers[name];
  if (value === undefined) return undefined;
  const refuse = (detail: string): Problem => new Problem('invalid-request', { detail: `${name} ${detail}` });
  if (raw.rawHeaders.filter((other, i) => i % 2 === 0 && other.toLowerCase() === name).length > 1) throw refuse('stands twice');
  try {
    // Node hands out each byte of a header field as a character of its own.
    return decodeURIComponent(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(String(value), 'latin1')));
  } catch {
    throw refuse('must be UTF-8, with % written as %25');
  }
}
