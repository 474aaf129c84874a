/** Who is told of every entry on the thread that follows the log: a module of its own, loaded there. */
import type { Customs } from './custom.ts';
import type { Told } from './projection.ts';
import type { LogReader } from './store.ts';

export interface Follower {
  /** Entries from an index on, in order, which were read for the search anyway; some come again, and some that other gateways took over never come. */
  readonly told: Told;
  /** To take in what is on record by now, from wherever it was left. Called again and again, never twice at once. */
  catchUp(sources: FollowerSources): Promise<void>;
}

export interface FollowerSources {
  readonly reader: Pick<LogReader, 'head' | 'read'>;
  /** Days since 1970 in Viet Nam, `to` exclusive. */
  customs(agency: string, from: number, to: number): Promise<Customs>;
}

/** What the module exports as `follower`. `say` brings data to the thread that the gateway runs on. */
export type StartFollower<Settings> = (settings: Settings, say: (said: unknown) => void) => Follower;

export interface FollowerModule {
  readonly module: URL;
  /** Data that another thread can be given. */
  readonly settings: unknown;
  readonly onSaid: (said: unknown) => void;
}
