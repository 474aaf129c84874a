/** Where the log is kept. Every implementation passes the suite in `test/audit.test.ts`. */

export interface Batch {
  /** Canonical JSON of each entry, to stand from the end of the log on. */
  readonly entries: readonly string[];
  /** Every tile that the entries change or complete, whole. */
  readonly tiles: readonly Tile[];
  /** The signed checkpoint over the log with the batch; undefined for an empty batch, which keeps the one before. */
  readonly checkpoint: string | undefined;
}

export interface Tile {
  readonly level: number;
  readonly index: number;
  readonly hashes: Buffer;
}

export interface Head {
  readonly size: number;
  /** The newest signed checkpoint, over all `size` entries; undefined on a new log. */
  readonly checkpoint: string | undefined;
  /** The newest checkpoint that witnesses cosigned, with their signatures. */
  readonly cosigned: string | undefined;
  /** Index of the newest entry that says up to where bodies were pruned; undefined where none ever was. */
  readonly retention: number | undefined;
}

/** What reads a log, wherever it is kept: all that a verifier needs. */
export interface LogReader {
  head(): Promise<Head>;
  /** The bodies of the entries [from, to) in order, undefined for one that is not there any more; fewer only where the log ends. */
  read(from: number, to: number): Promise<(string | undefined)[]>;
  /** A tile with the hashes it has so far. Rejects where there is none. */
  tile(level: number, index: number): Promise<Buffer>;
}

export interface LogStore extends LogReader {
  /**
   * Runs `compose` with the head of the log while no other process can append, and stores its batch. MUST store it whole or not at all, and
   * MUST resolve only when it would survive a power cut; where it rejects, the batch may be stored or not, and the next `compose` is told.
   * No process may keep others waiting for longer than a few seconds, though it be killed or stopped within.
   */
  append(compose: (head: Head) => Batch | Promise<Batch>): Promise<void>;
  /** Keeps a cosigned checkpoint, unless a longer one is kept already. */
  publish(cosigned: string, size: number): Promise<void>;
  /** Forgets the bodies of these entries. `retention` is the index of the entry that says so, on record before. */
  prune(indexes: readonly number[], retention: number): Promise<void>;
  close(): Promise<void>;
}

/** What does not hold, and of which entry where one can be named. */
export class LogBroken extends Error {
  /** Index of the first entry that is wrong; undefined where only the whole is. */
  readonly index: number | undefined;

  /** Whether it is a body that is not there. */
  readonly missing: boolean;

  constructor(message: string, index?: number, missing = false) {
    super(message);
    this.name = 'LogBroken';
    this.index = index;
    this.missing = missing;
  }
}
