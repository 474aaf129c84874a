/** Who is kept out: what is known of each, and what a store of them is. Every store passes the suite in `test/shut-outs.test.ts`. */

export const SHUT_OUT_KINDS = ['agency', 'key', 'token', 'supplier', 'officer'] as const;
export type ShutOutKind = (typeof SHUT_OUT_KINDS)[number];

export interface Target {
  readonly kind: ShutOutKind;
  /** The agency or the supplier; of a key and of an official, whose they are. A token is nobody's here: only its identifier is known. */
  readonly whose?: string;
  /** The key's identifier, the token's (`jti`), or the official. */
  readonly value?: string;
  /** Of an official: slowed to so many requests a minute, not stopped. */
  readonly perMinute?: number;
}

export interface Doer {
  /** The operator's own agency, or `gateway` where the gateway itself saw misuse. */
  readonly agency: string;
  readonly officer?: string;
}

/** Times are milliseconds since the epoch. */
export interface ShutOut extends Target {
  readonly id: string;
  readonly reason: string;
  readonly by: Doer;
  readonly from: number;
  readonly until?: number;
  readonly lifted?: { readonly by: Doer; readonly at: number; readonly reason: string };
}

export interface Changed {
  /** Counts up with each change that the store keeps. */
  readonly change: number;
  readonly shutOut: ShutOut;
}

export interface ShutOutStore {
  /**
   * Calls `decide` with all that are kept, and keeps what it resolves with, in place of the one of the same id; nothing where that is undefined or it
   * rejects. MUST let one decide at a time across all processes that share the store, and resolve only when what it kept would survive a power cut.
   */
  change(decide: (kept: readonly ShutOut[]) => Promise<ShutOut | undefined>): Promise<void>;
  /** Those that changed after a change, in order. Asked several times a second, so it MUST be cheap where nothing did. */
  since(change: number): Promise<Changed[]>;
  close(): Promise<void>;
}

/** Whom the log and the store name where no operator acted. */
export const GATEWAY = 'gateway';

/**
 * Whether it is about what this agency asks. Who its officials are an agency says itself: what the gateway saw there keeps the official out there alone, or any
 * agency could have those of another stopped.
 */
export const concerns = ({ by, whose }: ShutOut, agency: string): boolean => by.agency !== GATEWAY || whose === agency;

/** Whether it keeps somebody out at that moment. */
export const holds = ({ lifted, until = Number.POSITIVE_INFINITY }: ShutOut, now: number): boolean => lifted === undefined && now < until;

/** What it is looked up by. An official is the same one whichever unit asks in their name, where an operator shut them out. */
export function nameOf({ kind, whose, value }: Target): string {
  if (kind === 'key') return `key ${whose} ${value}`;
  return `${kind} ${kind === 'agency' || kind === 'supplier' ? whose : value}`;
}

/** The returned function begins a piece of work when the one before it has ended, well or not. */
export function inTurn(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return <T>(work: () => Promise<T>) => {
    const done = last.then(work);
    last = done.catch(() => undefined);
    return done;
  };
}
