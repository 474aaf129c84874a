/** The cache in the process: bounded by bytes; what was not used for longest goes first. */
import type { NearCache } from './cache.ts';

/** What an entry costs beside its bytes, in memory of every kind: measured with keys of 43 characters. */
const OVERHEAD_BYTES = 400;
/** Every so often some entries are looked at, lest what is over stays until its place is needed. Milliseconds. */
const SWEEP_MS = 250;
const SWEPT_AT_ONCE = 2000;

export function memoryCache(limitBytes: number): NearCache & { readonly bytes: number } {
  /** In the order of last use. */
  const entries = new Map<string, { readonly bytes: Buffer; readonly until: number }>();
  let held = 0;
  const drop = (key: string): void => {
    const entry = entries.get(key);
    if (entry === undefined) return;
    held -= entry.bytes.length + OVERHEAD_BYTES;
    entries.delete(key);
  };
  // Names, and no iterator: one that waits keeps in memory whatever was in the map since.
  let toSweep: string[] = [];
  const sweep = (): void => {
    const now = Date.now();
    if (toSweep.length === 0) toSweep = [...entries.keys()];
    for (const key of toSweep.splice(-SWEPT_AT_ONCE)) {
      const entry = entries.get(key);
      if (entry !== undefined && entry.until < now) drop(key);
    }
  };
  const sweeper = setInterval(sweep, SWEEP_MS).unref();
  const clear = (): void => {
    entries.clear();
    held = 0;
  };
  let closed = false;
  return {
    get bytes() {
      return held;
    },
    async get(key) {
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      if (entry.until < Date.now()) {
        drop(key);
        return undefined;
      }
      entries.delete(key);
      entries.set(key, entry);
      return entry.bytes;
    },
    set(key, bytes, seconds) {
      drop(key);
      const size = bytes.length + OVERHEAD_BYTES;
      if (closed || size > limitBytes || !(seconds > 0)) return;
      for (const oldest of entries.keys()) {
        if (held + size <= limitBytes) break;
        drop(oldest);
      }
      entries.set(key, { bytes: alone(bytes), until: Date.now() + 1000 * seconds });
      held += size;
    },
    drop,
    clear,
    async close() {
      closed = true;
      clearInterval(sweeper);
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
