/** Caches of records for tests: one in the process alone, and one that keeps nothing. */
import { createSecretKey, randomBytes } from 'node:crypto';
import { memoryCache } from '../../src/cache/memory.ts';
import { type RecordCache, recordCache } from '../../src/cache/records.ts';
import { type CacheKeys, keyRing } from '../../src/cache/ring.ts';
import { tieredCache } from '../../src/cache/tiered.ts';

export const secretKey = () => createSecretKey(randomBytes(32));
export const cacheKeys = (from = 0): CacheKeys => ({ from, seal: secretKey(), name: secretKey() });

export const memoryRecords = (clock = Date.now, keys: readonly CacheKeys[] = [cacheKeys()]): RecordCache =>
  recordCache(tieredCache(memoryCache(1_000_000), undefined, clock), keyRing(keys, 86_400, clock));

export const noRecords: RecordCache = {
  get: async () => undefined,
  moment: () => ({ at: 0, heard: 0 }),
  set: () => {},
  changedSince: () => false,
  drop: async () => 'alone',
};
