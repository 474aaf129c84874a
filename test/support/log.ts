/** Logs to test with: a key, entries of no meaning, and a store whose writes can be watched and broken. */
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { type Checkpoint, checkpointSigner, formatVerifierKey, parseVerifierKey, type VerifierKey } from '../../src/audit/checkpoint.ts';
import type { AuditEntry } from '../../src/audit/entry.ts';
import { AuditLog } from '../../src/audit/log.ts';
import type { Batch, LogStore } from '../../src/audit/store.ts';

export const ORIGIN = 'oncegate.test/log';

export interface LogKey {
  readonly sign: (checkpoint: Checkpoint) => string;
  readonly key: VerifierKey;
}

export function makeLogKey(name = ORIGIN): LogKey {
  const { privateKey } = generateKeyPairSync('ed25519');
  return { sign: checkpointSigner(name, privateKey), key: parseVerifierKey(formatVerifierKey(name, createPublicKey(privateKey))) };
}

export const openLog = (store: LogStore, { sign, key }: LogKey, more: { origin?: string; queue?: number } = {}): Promise<AuditLog> =>
  AuditLog.open({ store, origin: ORIGIN, sign, key, ...more });

export const entryOf = (n: number | string, kind: AuditEntry['kind'] = 'outcome'): AuditEntry => ({
  v: 1,
  time: '2026-11-22T20:10:00.123Z',
  kind,
  id: `entry-${n}`,
  agency: 'X01.1',
  client: 'X01.1',
  config: 'none',
});

/** The same store, but `append` goes through `around`, which calls `write` or does not. */
export const around = (inner: LogStore, append: (batch: Batch, write: () => Promise<void>) => Promise<void>): LogStore => ({
  append: (batch) => append(batch, () => inner.append(batch)),
  head: () => inner.head(),
  read: (from, to) => inner.read(from, to),
  tile: (level, index) => inner.tile(level, index),
  close: () => inner.close(),
});
