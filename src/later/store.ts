/** What a store of prefills to be completed is. Every implementation passes the suite in `test/completion.test.ts`. */

/**
 * `pending` is asked for again; `ready` waits to be fetched; `delivering` is to be delivered, `failing` was not taken by its receiver so far. Of
 * the others only the fact is kept: `delivered` the receiver has it, `refused` it may not be had any more, `expired` it could not be had in time.
 */
export type TaskState = 'pending' | 'ready' | 'delivering' | 'failing' | 'delivered' | 'refused' | 'expired';

/** What there is something to do for. */
export interface Due {
  readonly id: string;
  readonly agency: string;
  /** When there is something to do for it; undefined where there is not. */
  readonly due: number | undefined;
}

/** All of it but `sealed` stands there in the clear, so none of it may be of a person. Times are milliseconds since the epoch. */
export interface Task extends Due {
  /** Of the exchange that began it. */
  readonly id: string;
  readonly agency: string;
  readonly state: TaskState;
  readonly created: number;
  /** When its state ends at the latest. */
  readonly ends: number;
  readonly sealed: Buffer;
}

/** A task that was taken, by a name that nobody else has. */
export interface Taken<One extends Due = Task> {
  readonly task: One;
  readonly lease: string;
}

/** What is worked off when it is due. */
export interface Work<One extends Due> {
  /**
   * Tasks that are due at `now`, those that are so the longest first. MUST give a task to one taker among all processes, until `until` or until the
   * taker put it back: one that was killed with it is only late.
   */
  take(now: number, until: number, most: number): Promise<Taken<One>[]>;
  /**
   * Puts a task back as it is now; false, and nothing changed, where it is not the taker's any more. MUST resolve only when it would survive a power
   * cut.
   */
  put(taken: Taken<One>): Promise<boolean>;
  /** Removes those that have nothing to do and ended before `now`; how many they were. */
  forget(now: number): Promise<number>;
}

export interface Counts {
  readonly pending: number;
  readonly failing: number;
}

export interface LaterStore extends Work<Task> {
  /** False, and nothing kept, where the agency has `most` already. MUST resolve only when it would survive a power cut. */
  add(task: Task, most: number): Promise<boolean>;
  get(id: string): Promise<Task | undefined>;
  remove(id: string): Promise<void>;
  counts(): Promise<Counts>;
  close(): Promise<void>;
}
