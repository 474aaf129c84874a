/** Reading the log is itself on record, before anything of it is shown. */
import { randomUUID } from 'node:crypto';
import type { AuditEntry } from '../audit/entry.ts';
import { type AuditLog, LogUnavailable } from '../audit/log.ts';
import type { Caller, Clock } from '../domain.ts';
import { Problem } from '../problems.ts';

export interface RecorderTools {
  readonly log: Pick<AuditLog, 'append'>;
  readonly configDigest: string;
  readonly clock: Clock;
}

/** Puts a read on record; resolves when it is durable. Rejects with `log-unavailable`, and then nothing may be shown. */
export type PutOnRecord = (caller: Caller, reason: string | undefined, query: NonNullable<AuditEntry['query']>) => Promise<void>;

export const recorder =
  ({ log, configDigest, clock }: RecorderTools): PutOnRecord =>
  async (caller, reason, query) => {
    const entry: AuditEntry = {
      v: 1,
      time: new Date(clock()).toISOString(),
      kind: 'audit-read',
      id: randomUUID(),
      agency: caller.agency.id,
      client: caller.client,
      ...(reason === undefined ? {} : { reason }),
      query,
      config: configDigest,
    };
    try {
      // A receipt is asked for so that the checkpoint covers every entry there is.
      await log.append(entry, { receipt: true });
    } catch (error) {
      if (error instanceof LogUnavailable) throw new Problem('log-unavailable', { retryAfterSeconds: 2, cause: error });
      throw error;
    }
  };
