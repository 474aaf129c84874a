/** What the detector needs of whoever can slow officials and shut them out. */

export interface Stop {
  readonly agency: string;
  readonly officer: string;
  /** Requests a minute that are left; absent where none are. */
  readonly perMinute?: number;
  /** Milliseconds since the epoch. */
  readonly until: number;
  /** The rule, never a text of a caller. */
  readonly reason: string;
}

export interface Act {
  /** Resolves when it is on record and holds, on whatever gateway. Said twice it MUST be as though it were said once. */
  stop(what: Stop): Promise<unknown>;
}
