/** The process's own cache before the shared one. */
import type { Cache } from './cache.ts';

/** A record found in the shared tier is kept in the near one for this long: it carries its own age, so this bounds memory, not freshness. */
const NEAR_SECONDS = 60;

export function tieredCache(near: Cache, shared: Cache): Cache {
  return {
    async get(key) {
      const here = await near.get(key);
      if (here !== undefined) return here;
      const there = await shared.get(key);
      if (there !== undefined) near.set(key, there, NEAR_SECONDS);
      return there;
    },
    set(key, bytes, seconds) {
      near.set(key, bytes, seconds);
      shared.set(key, bytes, seconds);
    },
    async close() {
      await Promise.all([near.close(), shared.close()]);
    },
  };
}
