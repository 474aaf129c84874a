/** The cache in the process: node-cache, bounded by bytes. */
import NodeCache from 'node-cache';
import type { Cache } from './cache.ts';

/** What an entry costs beside its bytes: measured with keys of 43 characters. */
const OVERHEAD_BYTES = 400;

/** When `limitBytes` is reached, the entries that were set first go first. */
export function memoryCache(limitBytes: number): Cache & { readonly bytes: number } {
  const store = new NodeCache({ useClones: false, checkperiod: 30 });
  const sizes = new Map<string, number>();
  let bytes = 0;
  const forget = (key: string): void => {
    bytes -= sizes.get(key) ?? 0;
    sizes.delete(key);
  };
  store.on('del', forget);
  return {
    get bytes() {
      return bytes;
    },
    async get(key) {
      return store.get<Buffer>(key);
    },
    set(key, value, seconds) {
      if (sizes.has(key)) store.del(key);
      const size = value.length + OVERHEAD_BYTES;
      if (size > limitBytes || seconds <= 0) return;
      for (const oldest of sizes.keys()) {
        if (bytes + size <= limitBytes) break;
        store.del(oldest);
      }
      store.set(key, value, seconds);
      sizes.set(key, size);
      bytes += size;
    },
    async close() {
      store.close();
      store.flushAll();
      sizes.clear();
      bytes = 0;
    },
  };
}
