/** What a cache of sealed records is. Every implementation passes the suite in `test/cache.test.ts`. */
export interface Cache {
  /** The bytes last set under the key and not yet expired. MUST NOT reject: a cache that is away is a cache without the record. */
  get(key: string): Promise<Buffer | undefined>;
  /** Keeps the bytes for at most `seconds`. MUST NOT throw, and need not have happened when it returns. */
  set(key: string, bytes: Buffer, seconds: number): void;
  close(): Promise<void>;
}

/** The cache of one process. */
export interface NearCache extends Cache {
  drop(key: string): void;
  /** Drops everything. */
  clear(): void;
}

/** A cache that gateways share. Times are milliseconds since the epoch, by the clock of the gateway that says them. */
export interface SharedCache {
  /** The bytes, and for how many seconds more they may be kept. MUST NOT reject. */
  get(key: string): Promise<{ readonly bytes: Buffer; readonly seconds: number } | undefined>;
  /** As above; what was asked for earlier MUST NOT take the place of what was asked for later, or of a drop that was told since. */
  set(key: string, bytes: Buffer, seconds: number, askedAt: number): void;
  /** Drops the keys here, lets nothing return that was asked for by `at`, and tells the other gateways. MUST NOT reject. */
  drop(keys: readonly string[], at: number): Promise<Dropped>;
  /** To be called once, before anything else. */
  hear(hearing: Hearing): void;
  close(): Promise<void>;
}

/** `later`: it is away, and hears of it as soon as it is back. `refused`: it is away, and too much waits for it already; nothing was dropped. */
export type Dropped = 'now' | 'later' | 'refused';

export interface Hearing {
  /** Other gateways, or this one at a second attempt, dropped these. */
  dropped(keys: readonly string[]): void;
  /** From now on what others drop is heard. What they dropped before was not. */
  began(): void;
}

/** How far the clocks of gateways that share a cache may be apart. Milliseconds. */
export const SKEW_MS = 2000;
/** An answer that took longer is not kept: whoever drops a record need not remember it for ever. Milliseconds. */
export const LONGEST_ASKING_MS = 90_000;
