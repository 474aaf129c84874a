/** Logs to test with: a key, entries of no meaning, and a store whose writes can be watched and broken. */
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { type Checkpoint, formatVerifierKey, parseVerifierKey, type VerifierKey } from '../../src/audit/checkpoint.ts';
import type { AuditEntry } from '../../src/audit/entry.ts';
import { AuditLog, type LogSigner } from '../../src/audit/log.ts';
import type { Batch, LogStore } from '../../src/audit/store.ts';
import { checkpointSigner } from './signing.ts';

export const ORIGIN = 'oncegate.test/log';

export interface LogKey {
  readonly sign: (checkpoint: Checkpoint) => string;
  readonly key: VerifierKey;
}

export const makeLogKey = (name = ORIGIN): LogKey => logKeyOf(generateKeyPairSync('ed25519').privateKey, name);

export const logKeyOf = (privateKey: KeyObject, name = ORIGIN): LogKey => ({
  sign: checkpointSigner(name, privateKey),
  key: parseVerifierKey(formatVerifierKey(name, createPublicKey(privateKey))),
});

/** A log with one key for all its life. */
export const openLog = (store: LogStore, { sign, key }: LogKey, more: { origin?: string; queue?: number } = {}): Promise<AuditLog> => {
  const signer: LogSigner = { sign, takeOver: undefined };
  return AuditLog.open({ store, origin: ORIGIN, keys: [key], signer: () => signer, ...more });
};

export const entryOf = (n: number | string, kind: AuditEntry['kind'] = 'outcome'): AuditEntry => ({
  v: 1,
  time: '2026-11-22T20:10:00.123Z',
  kind,
  id: `entry-${n}`,
  agency: 'X01.1',
  client: 'X01.1',
  config: 'none',
});

/** What `append` of a store does with a batch: `write` stores it, and resolves or rejects as the store does. */
export type Hook = (batch: Batch, write: () => Promise<void>) => Promise<void>;

/**
 * The same store, but each batch goes through `hook` once it is composed. A hook that throws before it calls `write` keeps the batch from being
 * stored; one that throws after leaves it stored and told as failed.
 */
export const around = (inner: LogStore, hook: Hook): LogStore => ({
  ...inner,
  async append(compose) {
    const stored = Promise.withResolvers<void>();
    let hooked: Promise<void> | undefined;
    const whole = inner.append(async (head) => {
      const batch = await compose(head);
      const wanted = Promise.withResolvers<void>();
      hooked = hook(batch, () => {
        wanted.resolve();
        return stored.promise;
      });
      hooked.then(() => wanted.reject(new Error('the hook let nothing be stored')), wanted.reject);
      await wanted.promise;
      return batch;
    });
    whole.then(stored.resolve, stored.reject);
    stored.promise.catch(() => {});
    await whole;
    await hooked;
  },
});

/** What a promise was rejected with, or undefined. */
export const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );
