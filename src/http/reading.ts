/** Whoever reads the log is on record before anything of it is shown. */
import { randomUUID } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { AuditEntry } from '../audit/entry.ts';
import { LogUnavailable } from '../audit/log.ts';
import type { Caller, Clock, Receipt } from '../domain.ts';
import { Problem } from '../problems.ts';

export interface ReadingTools {
  readonly log: { append(entry: AuditEntry, options: { receipt: boolean }): Promise<Receipt> };
  readonly configDigest: string;
  readonly clock: Clock;
}

/** Who reads and why, where they say so, and what. */
export interface Reading {
  /** The person who reads, by the agency's own identifier. */
  readonly auditor?: string | undefined;
  readonly reason?: string | undefined;
  readonly query: NonNullable<AuditEntry['query']>;
}

/** Resolves when the reading is on record. Throws a `Problem` where it cannot be, or where what the reader says of it may not stand there. */
export type OnRecord = (caller: Caller, reading: Reading) => Promise<void>;

export const auditReading =
  (tools: ReadingTools): OnRecord =>
  async (caller, { auditor, reason, query }) => {
    checkReader(caller, auditor, reason);
    const { id: agency } = caller.agency;
    const who = {
      agency,
      client: caller.client,
      ...(auditor === undefined ? {} : { auditor }),
      ...(reason === undefined ? {} : { reason }),
    };
    await putOnRecord(tools, { kind: 'audit-read', ...who, query });
  };

/** The entry's receipt. Asking for one makes the signed head cover every entry before it. */
export async function putOnRecord(
  { log, configDigest, clock }: ReadingTools,
  entry: Omit<AuditEntry, 'v' | 'time' | 'id' | 'config'>,
): Promise<Receipt> {
  const whole: AuditEntry = { v: 1, time: new Date(clock()).toISOString(), id: randomUUID(), ...entry, config: configDigest };
  try {
    return await log.append(whole, { receipt: true });
  } catch (error) {
    if (error instanceof LogUnavailable) throw new Problem('log-unavailable', { retryAfterSeconds: 2, cause: error });
    throw error;
  }
}

const OFFICER = /^[A-Y][0-9]{2}(\.[0-9A-Z]{1,8})*-[0-9A-Z]{1,8}$/;

/** Both stand in the log as they were written, so neither may name a person by number, however it is spelled. */
function checkReader({ agency }: Caller, auditor: string | undefined, reason: string | undefined): void {
  const refuse = (pointer: string, detail: string): never => {
    throw new Problem('invalid-request', { errors: [{ pointer, detail }] });
  };
  if (reason !== undefined && /\p{Nd}{9}/u.test(reason.normalize('NFKC').replace(/[^\p{L}\p{Nd}]/gu, '')))
    refuse('/reason', 'must name nobody by number');
  if (auditor === undefined) return;
  if (auditor.length > 60 || !OFFICER.test(auditor)) refuse('/auditor', `must look like ${OFFICER.source}`);
  if (!auditor.startsWith(`${agency.id}-`) && !auditor.startsWith(`${agency.id}.`)) refuse('/auditor', 'must be of the calling agency');
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

/** What these header fields say. Throws a `Problem` where one cannot be read. */
export function readerOf(request: FastifyRequest): Pick<Reading, 'auditor' | 'reason'> {
  const reason = headerOf(request, 'audit-reason');
  if (reason !== undefined && (reason.length < 3 || reason.length > 500 || /\p{Cc}/u.test(reason)))
    throw new Problem('invalid-request', { errors: [{ pointer: '/reason', detail: 'must be 3 to 500 characters of text' }] });
  return { auditor: headerOf(request, 'audit-officer'), reason };
}

function headerOf({ raw, headers }: FastifyRequest, name: string): string | undefined {
  const value = headers[name];
  if (typeof value !== 'string') return undefined;
  const refuse = (detail: string): never => {
    throw new Problem('invalid-request', { detail: `the header field ${name} ${detail}` });
  };
  if (raw.rawHeaders.filter((other, i) => i % 2 === 0 && other.toLowerCase() === name).length > 1) refuse('stands twice');
  try {
    // Node hands out each byte of a header field as a character of its own.
    return decodeURIComponent(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(value, 'latin1')));
  } catch {
    return refuse('must be UTF-8, with % written as %25');
  }
}
