/** The audit log with all that belongs to it: where it is kept, who signs it, and who searches it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AuditLog } from './audit/log.ts';
import { type LogKeyRing, logKeyRing } from './audit/signer.ts';
import { openSqliteLog } from './audit/sqlite.ts';
import type { LogStore } from './audit/store.ts';
import type { Clock } from './domain.ts';
import type { GatewayKeys } from './keys.ts';

export interface LogbookOptions {
  readonly dataDirectory: string;
  readonly databaseUrl: string | undefined;
  readonly origin: string;
  readonly keys: GatewayKeys;
  readonly configDigest: string;
  readonly clock: Clock;
  /** Put around the store by tests that break it. */
  readonly aroundStore?: (store: LogStore) => LogStore;
}

export interface Logbook {
  readonly store: LogStore;
  readonly log: AuditLog;
  readonly ring: LogKeyRing;
}

/** Where the log of a data directory is, unless a database has it. */
export const logPath = (dataDirectory: string): string => join(dataDirectory, 'log.db');

/** What is opened is put on the stack. Throws an Error where the log is not the one that its keys signed. */
export async function openLogbook(options: LogbookOptions, opened: AsyncDisposableStack): Promise<Logbook> {
  const { dataDirectory, origin, keys, configDigest, clock, aroundStore = (store) => store } = options;
  const ring = logKeyRing(origin, keys.log, configDigest, clock);
  const store = aroundStore(openSqliteLog(logPath(dataDirectory)));
  opened.defer(() => store.close());
  const log = await AuditLog.open({ store, origin, keys: ring.keys, signer: ring.signer });
  writeFileSync(join(dataDirectory, 'log.vkey'), `${ring.texts.join('\n')}\n`);
  opened.defer(() => log.settled());
  return { store, log, ring };
}
