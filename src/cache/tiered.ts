/** The process's own cache before the shared one. */
import type { Cache } from './cache.ts';

/** A record found in the shared tier is kept in the near one for this long at most: it carries its own age, so this bounds memory, not freshness. */
const NEAR_SECONDS = 60;
/** Before the bytes in the shared tier stands when they expire (milliseconds since the epoch), lest the near tier outlive it. */
const EXPIRY_BYTES = 8;

export function tieredCache(near: Cache, shared: Cache): Cache {
  return {
    async get(key) {
      const here = await near.get(key);
      if (here !== undefined) return here;
      const stamped = await shared.get(key);
      if (stamped === undefined || stamped.length < EXPIRY_BYTES) return undefined;
      const seconds = (stamped.readDoubleBE(0) - Date.now()) / 1000;
      if (!(seconds > 0)) return undefined;
      const there = stamped.subarray(EXPIRY_BYTES);
      near.set(key, there, Math.min(seconds, NEAR_SECONDS));
      return there;
    },
    set(key, bytes, seconds) {
      near.set(key, bytes, seconds);
      const expiry = Buffer.alloc(EXPIRY_BYTES);
      expiry.writeDoubleBE(Date.now() + 1000 * seconds);
      shared.set(key, Buffer.concat([expiry, bytes]), seconds);
    },
    async close() {
      await Promise.all([near.close(), shared.close()]);
    },
  };
}
