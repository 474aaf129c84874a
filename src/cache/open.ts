/** The cache of a gateway: in the process alone, or before a Redis that several share. */
import { readFileSync } from 'node:fs';
import type { Clock } from '../domain.ts';
import { memoryCache } from './memory.ts';
import { type RecordCache, recordCache } from './records.ts';
import { type RedisState, redisCache } from './redis.ts';
import { parseRedisAddress } from './redis-address.ts';
import type { RedisSettings } from './redis-client.ts';
import { type CacheKeys, keyRing } from './ring.ts';
import { tieredCache } from './tiered.ts';

export interface CacheSettings {
  readonly limitBytes: number;
  readonly redisUrl: string | undefined;
  /** Path of the CAs that are trusted with Redis. */
  readonly redisCa: string | undefined;
  readonly keys: readonly CacheKeys[];
  /** How long a record is kept at most. */
  readonly keptSeconds: number;
  readonly clock: Clock;
  readonly report: (state: RedisState) => void;
}

/** Throws where the settings of Redis cannot be used. */
export function openCache(settings: CacheSettings): { readonly cache: RecordCache; close(): Promise<void> } {
  const { limitBytes, redisUrl, keys, keptSeconds, clock, report } = settings;
  const redis = redisUrl === undefined ? undefined : redisSettings(redisUrl, settings.redisCa);
  const tiers = tieredCache(memoryCache(limitBytes), redis && redisCache(redis, report, clock), clock);
  return { cache: recordCache(tiers, keyRing(keys, keptSeconds, clock)), close: () => tiers.close() };
}

export function redisSettings(url: string, caPath: string | undefined): RedisSettings {
  const address = parseRedisAddress(url);
  if (caPath === undefined) return { address };
  if (!address.tls) throw new Error('REDIS_CA is set, and REDIS_URL is not of a connection by TLS');
  let ca: string;
  try {
    ca = readFileSync(caPath, 'utf8');
  } catch {
    throw new Error('REDIS_CA leads to no file that can be read');
  }
  if (!ca.includes('-----BEGIN CERTIFICATE-----')) throw new Error('REDIS_CA leads to a file that holds no certificate in PEM');
  return { address, ca };
}
