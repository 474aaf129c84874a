/** What a cache of sealed records is. Every implementation passes the suite in `test/cache.test.ts`. */
export interface Cache {
  /** The bytes last set under the key and not yet expired. MUST NOT reject: a cache that is away is a cache without the record. */
  get(key: string): Promise<Buffer | undefined>;
  /** Keeps the bytes for at most `seconds`. MUST NOT throw, and need not have happened when it returns. */
  set(key: string, bytes: Buffer, seconds: number): void;
  close(): Promise<void>;
}
