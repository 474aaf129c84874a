/** What is done about a report goes on record: who was told of it, and what came of it. */
import type { AuditEntry } from '../audit/entry.ts';
import { LogUnavailable } from '../audit/log.ts';
import type { Receipt } from '../domain.ts';
import { Problem } from '../problems.ts';
import type { RecordTools } from '../stages/record.ts';

/** What of the entry of the report its further entries repeat. */
const REPEATED = ['v', 'id', 'procedure', 'dossier', 'purpose', 'legalBasis', 'subjects', 'fields', 'withheldUntil'] as const;
export type Repeated = Pick<AuditEntry, (typeof REPEATED)[number]>;

export const repeatedOf = ({ entry }: Receipt): Repeated =>
  Object.fromEntries(REPEATED.flatMap((member) => (entry[member] === undefined ? [] : [[member, entry[member]]]))) as unknown as Repeated;

/** Resolves when it is on record. Rejects with `log-unavailable`, and then it may not be done. */
export async function onRecord(
  { log, configDigest, clock }: Pick<RecordTools, 'log' | 'configDigest' | 'clock'>,
  repeated: Repeated,
  own: Pick<AuditEntry, 'kind' | 'agency' | 'client' | 'outcome'> & Partial<Pick<AuditEntry, 'id' | 'completes' | 'actor'>>,
): Promise<void> {
  try {
    await log.append({ ...repeated, ...own, time: new Date(clock()).toISOString(), config: configDigest }, { receipt: true });
  } catch (error) {
    if (error instanceof LogUnavailable) throw new Problem('log-unavailable', { retryAfterSeconds: 2, cause: error });
    throw error;
  }
}
