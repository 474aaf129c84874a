/** The cache that gateways share: Redis, through ioredis. */
import { Redis } from 'ioredis';
import type { Cache } from './cache.ts';

const PREFIX = 'oncegate:';

/** `report` is told once each time Redis goes away or comes back; its text holds no address and no key. */
export function redisCache(url: string, report: (state: 'connected' | 'away') => void): Cache {
  const redis = new Redis(url, {
    // Commands of one turn of the event loop travel together.
    enableAutoPipelining: true,
    // While Redis is away a command fails at once, instead of waiting with the request.
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    commandTimeout: 100,
    connectTimeout: 2000,
    retryStrategy: (attempt) => Math.min(100 * 2 ** attempt, 5000),
  });
  let connected: boolean | undefined;
  const become = (state: boolean): void => {
    if (connected !== state) report(state ? 'connected' : 'away');
    connected = state;
  };
  redis.on('ready', () => become(true));
  redis.on('close', () => become(false));
  // Without a listener an error event would end the process; `close` tells what matters.
  redis.on('error', () => {});
  return {
    async get(key) {
      if (redis.status !== 'ready') return undefined;
      try {
        return (await redis.getBuffer(PREFIX + key)) ?? undefined;
      } catch {
        return undefined;
      }
    },
    set(key, bytes, seconds) {
      if (redis.status !== 'ready') return;
      const name = PREFIX + key;
      (seconds > 0 ? redis.set(name, bytes, 'PX', Math.ceil(seconds * 1000)) : redis.del(name)).catch(() => {});
    },
    async close() {
      connected = undefined;
      redis.removeAllListeners('close');
      redis.disconnect();
    },
  };
}
