/** Gateways tell each other through Redis what was taken of their buckets: some times a second, all at once, and nobody waits for it. */
import type { KeyObject } from 'node:crypto';
import { connectRedis, type RedisSettings } from '../cache/redis-client.ts';
import type { Clock } from '../domain.ts';
import { hmacOf } from '../hmac.ts';
import type { Bucket, Share } from './bucket.ts';

export interface ExchangeSettings {
  readonly redis: RedisSettings;
  /** HMAC-SHA256, the same in all gateways. */
  readonly key: KeyObject;
  readonly clock: Clock;
}

/** How often, where much was taken. What a gateway takes meanwhile the others do not know of. Milliseconds. */
const EVERY_MS = 200;
/** How many times as long what is worth telling and not much waits for more: where little is asked, an exchange would cost more than the requests. */
const UNHURRIED = 5;
/** Buckets in one command: Redis does nothing else meanwhile. */
const AT_ONCE = 256;
/** In a cluster a command goes to one node: names are spread over so many slots, and go together where they share one. */
const SLOTS = 16;
/** Officials are whom callers say. Beyond so many in an exchange, the rest is counted here alone. */
const MOST = 65_536;

/**
 * A value is the time at which the bucket is whole again (TAT of GCRA), by Redis's clock. What was taken `age` ago is added as though it had come
 * then; what a gateway knows to be owed is the least, should Redis have forgotten. What is no number counts for nothing.
 */
const SETTLE = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local owed = {}
for i, key in ipairs(KEYS) do
  local debt, age, known, most = tonumber(ARGV[4 * i - 3]), tonumber(ARGV[4 * i - 2]), tonumber(ARGV[4 * i - 1]), tonumber(ARGV[4 * i])
  local whole = tonumber(redis.call('GET', key) or 0) or 0
  if whole ~= whole then whole = 0 end
  whole = math.min(whole, now + most)
  whole = math.max(math.max(whole, now - age) + debt, now + known)
  if whole > now then redis.call('SET', key, string.format('%.3f', whole), 'PX', math.ceil(whole - now)) end
  owed[i] = math.floor((whole - now) * 1000)
end
return owed`;

/** Without an answer each gateway goes on by what it knows. */
export function shareThroughRedis({ redis: settings, key, clock }: ExchangeSettings): { readonly share: Share; close(): void } {
  const redis = connectRedis(settings);
  const keyOf = naming(key);
  const slotOf = (bucket: Bucket): number => (settings.address.kind === 'cluster' ? keyOf(bucket).slot : 0);
  // Without a listener an error event would end the process.
  redis.on('error', () => {});

  let taken = new Set<Bucket>();
  let telling = false;
  let urgent = false;
  let rounds = 0;
  const settle = async (slot: readonly Bucket[]): Promise<void> => {
    const asked = clock();
    const tales = slot.map((bucket) => bucket.tell(asked)).flatMap(({ debt, age, owed, most }) => [debt, age, owed, most]);
    const keys = slot.map((bucket) => keyOf(bucket).key);
    // A command that ioredis is taught would go to a node by its first argument, which is no key.
    const owed = (await redis.eval(SETTLE, keys.length, ...keys, ...tales)) as number[];
    const now = clock();
    for (const [i, bucket] of slot.entries()) bucket.hear((owed[i] ?? 0) / 1000, asked, now);
  };
  const exchange = async (): Promise<void> => {
    rounds++;
    if (telling || taken.size === 0 || !(urgent || taken.size >= AT_ONCE || rounds >= UNHURRIED)) return;
    urgent = false;
    rounds = 0;
    const some = taken;
    taken = new Set();
    if (redis.status !== 'ready') {
      for (const bucket of some) bucket.tell(clock());
      return;
    }
    telling = true;
    await Promise.allSettled(bySlot(some, slotOf).map(settle));
    telling = false;
  };
  const timer = setInterval(() => void exchange(), EVERY_MS).unref();
  return {
    share(bucket, much) {
      if (taken.size >= MOST && !taken.has(bucket)) return void bucket.tell(clock());
      taken.add(bucket);
      urgent ||= much;
    },
    close() {
      clearInterval(timer);
      redis.disconnect();
    },
  };
}

interface Name {
  readonly key: string;
  readonly slot: number;
}

/** Names say nothing to whoever has not the key, and are made once. */
function naming(key: KeyObject): (bucket: Bucket) => Name {
  const pseudonymOf = hmacOf(key);
  const names = new WeakMap<Bucket, Name>();
  return (bucket) => {
    let name = names.get(bucket);
    if (name === undefined) {
      const pseudonym = pseudonymOf(`limit|${bucket.name}`);
      const slot = pseudonym.charCodeAt(0) % SLOTS;
      names.set(bucket, (name = { key: `oncegate:{limits-${slot}}:${pseudonym}`, slot }));
    }
    return name;
  };
}

function bySlot(buckets: Iterable<Bucket>, slotOf: (bucket: Bucket) => number): Bucket[][] {
  const slots = Array.from({ length: SLOTS }, (): Bucket[][] => [[]]);
  for (const bucket of buckets) {
    const parts = slots[slotOf(bucket)] as Bucket[][];
    const part = parts.at(-1) as Bucket[];
    if (part.length < AT_ONCE) part.push(bucket);
    else parts.push([bucket]);
  }
  return slots.flat().filter((part) => part.length > 0);
}
