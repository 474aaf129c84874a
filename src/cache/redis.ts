/** The cache that gateways share: Redis. Away, slow, full or emptied, it costs a request nothing but its records. */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../domain.ts';
import { Breaker } from './breaker.ts';
import { type Hearing, LONGEST_ASKING_MS, type SharedCache, SKEW_MS } from './cache.ts';
import { listen, messageOf } from './listening.ts';
import { Owed } from './owed.ts';
import { connectRedis, type RedisSettings } from './redis-client.ts';
import { DROP, KEEP } from './scripts.ts';

const PREFIX = 'oncegate:';
/** No key is called so: a pseudonym is longer. */
const CHANNEL = `${PREFIX}dropped`;
/** Before the bytes stand when they were asked for and when they expire, lest a near tier outlive them. */
const HEADER_BYTES = 16;
/** How long a request waits for a record. Milliseconds. */
const READ_MS = 25;
/** How long whoever tells of a change waits for it to be told on. Milliseconds. */
const DROP_MS = 1000;
const DROPPED_AT_ONCE = 1000;
const AGAIN_MS = 1000;
/** After which a record that was held up on its way is not taken any more; a drop is remembered until then and some more. Milliseconds. */
const ON_ITS_WAY_MS = 20_000;
const REMEMBERED_MS = LONGEST_ASKING_MS + ON_ITS_WAY_MS + 5 * SKEW_MS;

/** `clocks-apart`: it keeps nothing, because by its clock everything comes too late. */
export type RedisState = 'connected' | 'slow' | 'away' | 'clocks-apart';

interface Scripts {
  keepRecord(key: string, header: Buffer, body: Buffer, px: number, believed: number, deadline: number): Promise<number>;
  dropRecord(key: string, header: Buffer, px: number, believed: number): Promise<number>;
}

/** `report` is told once each time its state changes; its text holds no address and no key. */
export function redisCache(settings: RedisSettings, report: (state: RedisState) => void, clock: Clock = Date.now): SharedCache {
  const redis = connectRedis(settings);
  redis.defineCommand('keepRecord', { numberOfKeys: 1, lua: KEEP });
  redis.defineCommand('dropRecord', { numberOfKeys: 1, lua: DROP });
  const scripts = redis as unknown as Scripts;
  const channel = { name: CHANNEL, self: randomUUID() };
  const owed = new Owed();
  let hearing: Hearing | undefined;
  let listening: { close(): void } | undefined;

  let state: RedisState | undefined;
  const become = (): void => {
    const now = redis.status !== 'ready' ? 'away' : breaker.open ? 'slow' : 'connected';
    if (now !== state) report(now);
    state = now;
  };
  let tooLate = false;
  const kept = (done: number): void => {
    if (done === -1 && !tooLate) report('clocks-apart');
    tooLate = done === -1;
  };
  const breaker = new Breaker({
    waitMs: READ_MS,
    probe: () => redis.ping(),
    changed: (open) => {
      become();
      if (!open) void repeat();
    },
  });
  const usable = (): boolean => redis.status === 'ready' && !breaker.open;

  const drop = async (keys: readonly string[], at: number): Promise<boolean> => {
    if (!usable()) return false;
    const header = headerOf(at + SKEW_MS, 0);
    const done = (async () => {
      await Promise.all(keys.map((key) => scripts.dropRecord(PREFIX + key, header, REMEMBERED_MS, clock() + 2 * SKEW_MS)));
      // Not before: whoever hears of it asks for the record again.
      await redis.publish(CHANNEL, messageOf(channel, keys));
    })();
    if (!(await confirmed(done))) return false;
    owed.confirm(keys, at);
    return true;
  };
  const repeat = async (): Promise<void> => {
    for (const [at, keys] of owed.all()) {
      for (let i = 0; i < keys.length; i += DROPPED_AT_ONCE) {
        const some = keys.slice(i, i + DROPPED_AT_ONCE);
        if (!(await drop(some, at))) return;
        hearing?.dropped(some);
      }
    }
  };
  const again = setInterval(() => usable() && owed.pressing && void repeat(), AGAIN_MS).unref();

  redis.on('ready', () => {
    become();
    breaker.wake();
    void repeat();
  });
  redis.on('+node', () => void repeat());
  redis.on('close', become);
  // Without a listener an error event would end the process; `close` tells what matters.
  redis.on('error', () => {});
  return {
    async get(key) {
      if (!usable()) return undefined;
      const value = await breaker.within(redis.getBuffer(PREFIX + key));
      if (!value || value.length < HEADER_BYTES) return undefined;
      const seconds = (value.readDoubleBE(8) - Date.now()) / 1000;
      return seconds > 0 ? { bytes: value.subarray(HEADER_BYTES), seconds } : undefined;
    },
    set(key, bytes, seconds, askedAt) {
      if (!usable()) return;
      const now = Date.now();
      const header = headerOf(askedAt, seconds > 0 ? now + 1000 * seconds : 0);
      const body = seconds > 0 ? bytes : Buffer.alloc(0);
      const px = seconds > 0 ? Math.ceil(1000 * seconds) : REMEMBERED_MS;
      scripts.keepRecord(PREFIX + key, header, body, px, clock() + 2 * SKEW_MS, now + ON_ITS_WAY_MS).then(kept, () => {});
    },
    async drop(keys, at) {
      if (!owed.add(keys, at)) return 'refused';
      const parts = Array.from({ length: Math.ceil(keys.length / DROPPED_AT_ONCE) }, (_, i) => i * DROPPED_AT_ONCE);
      const done = await Promise.all(parts.map((i) => drop(keys.slice(i, i + DROPPED_AT_ONCE), at)));
      return done.every(Boolean) ? 'now' : 'later';
    },
    hear(whoHears) {
      hearing = whoHears;
      listening = listen(settings, redis, channel, whoHears);
    },
    async close() {
      redis.removeListener('close', become);
      clearInterval(again);
      breaker.close();
      listening?.close();
      redis.disconnect();
    },
  };
}

function headerOf(askedAt: number, expiresAt: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeDoubleBE(askedAt, 0);
  header.writeDoubleBE(expiresAt, 8);
  return header;
}

function confirmed(done: Promise<void>): Promise<boolean> {
  return new Promise((resolve) => {
    const late = setTimeout(() => resolve(false), DROP_MS);
    const end = (is: boolean): void => {
      clearTimeout(late);
      resolve(is);
    };
    done.then(
      () => end(true),
      () => end(false),
    );
  });
}
