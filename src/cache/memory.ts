/** The cache in the process: node-cache, bounded by bytes; what was not used for longest goes first. */
import NodeCache from 'node-cache';
import type { NearCache } from './cache.ts';

/** What an entry costs beside its bytes, in memory of every kind: measured with keys of 43 characters. */
const OVERHEAD_BYTES = 600;
/** Every so often some entries are looked at, lest what is over stays until its place is needed. Milliseconds. */
const SWEEP_MS = 250;
const SWEPT_AT_ONCE = 2000;

export function memoryCache(limitBytes: number): NearCache & { readonly bytes: number } {
  // Its own check looks at every entry in one turn of the loop.
  const store = new NodeCache({ useClones: false, checkperiod: 0 });
  /** What each entry costs, in the order of last use. */
  const sizes = new Map<string, number>();
  let held = 0;
  store.on('del', (key: string) => {
    held -= sizes.get(key) ?? 0;
    sizes.delete(key);
  });
  // Names, and no iterator: one that waits keeps in memory whatever was in the map since.
  let toSweep: string[] = [];
  const sweep = (): void => {
    if (toSweep.length === 0) toSweep = [...sizes.keys()];
    // Whatever is over goes when it is looked at.
    for (const key of toSweep.splice(-SWEPT_AT_ONCE)) store.has(key);
  };
  const sweeper = setInterval(sweep, SWEEP_MS).unref();
  const clear = (): void => {
    store.flushAll();
    sizes.clear();
    held = 0;
  };
  let closed = false;
  return {
    get bytes() {
      return held;
    },
    async get(key) {
      const bytes = store.get<Buffer>(key);
      const size = sizes.get(key);
      if (bytes === undefined || size === undefined) return undefined;
      sizes.delete(key);
      sizes.set(key, size);
      return bytes;
    },
    set(key, bytes, seconds) {
      store.del(key);
      const size = bytes.length + OVERHEAD_BYTES;
      if (closed || size > limitBytes || !(seconds > 0)) return;
      for (const oldest of sizes.keys()) {
        if (held + size <= limitBytes) break;
        store.del(oldest);
      }
      store.set(key, alone(bytes), seconds);
      sizes.set(key, size);
      held += size;
    },
    drop: (key) => void store.del(key),
    clear,
    async close() {
      closed = true;
      clearInterval(sweeper);
      store.close();
      clear();
    },
  };
}

/** A piece of a larger buffer, such as one that came from a socket, would keep all of that in memory. */
function alone(bytes: Buffer): Buffer {
  if (bytes.length === bytes.buffer.byteLength) return bytes;
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}
