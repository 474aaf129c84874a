/** Where the log is kept. Every implementation passes the suite in `test/audit.test.ts`. */

export interface Batch {
  /** Index of the first entry: the length the log must have for the batch to fit. */
  readonly from: number;
  /** Canonical JSON of each entry. */
  readonly entries: readonly string[];
  /** Every tile that the entries change or complete, whole. */
  readonly tiles: readonly { readonly level: number; readonly index: number; readonly hashes: Buffer }[];
  /** The signed checkpoint over the log with the batch, or undefined to keep the one before. */
  readonly checkpoint: string | undefined;
}

export interface Head {
  readonly size: number;
  /** The newest signed checkpoint, over `size` entries or fewer; undefined on a new log. */
  readonly checkpoint: string | undefined;
}

/** The log is not as long as the batch supposes: another process wrote to it. Nothing was stored. */
export class LogMoved extends Error {}

export interface LogStore {
  /** MUST store the batch whole or not at all, and MUST resolve only when it would survive a power cut. Rejects with `LogMoved` where it does not fit. */
  append(batch: Batch): Promise<void>;
  head(): Promise<Head>;
  /** The entries [from, to) in order; fewer only where the log ends. */
  read(from: number, to: number): Promise<string[]>;
  /** A tile with the hashes it has so far. Rejects where there is none. */
  tile(level: number, index: number): Promise<Buffer>;
  close(): Promise<void>;
}

/** What does not hold, and of which entry where one can be named. */
export class LogBroken extends Error {
  /** Index of the first entry that is wrong; undefined where only the whole is. */
  readonly index: number | undefined;

  constructor(message: string, index?: number) {
    super(message);
    this.name = 'LogBroken';
    this.index = index;
  }
}
