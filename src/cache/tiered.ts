/** The process's own cache before the shared one, and neither with what a change has made wrong. */
import type { Clock } from '../domain.ts';
import { type Dropped, LONGEST_ASKING_MS, type NearCache, type SharedCache } from './cache.ts';
import { Heard, type Mark } from './heard.ts';

/** A record found in the shared tier is kept in the near one for this long at most: it carries its own age, so this bounds memory, not freshness. */
const NEAR_SECONDS = 60;

/** When something was asked for: by the clock, for the other gateways, and by what had been heard here. */
export interface Moment {
  readonly at: number;
  readonly heard: Mark;
}

export interface Tiers {
  /** MUST NOT reject. */
  get(key: string): Promise<Buffer | undefined>;
  /** Not where the record has changed since it was asked for. */
  set(key: string, bytes: Buffer, seconds: number, asked: Moment): void;
  moment(): Moment;
  changedSince(moment: Moment, key: string): boolean;
  /** Drops what is kept under the keys, in every gateway, and what is being asked for as soon as it comes. MUST NOT reject. */
  drop(keys: readonly string[]): Promise<Dropped | 'alone'>;
  close(): Promise<void>;
}

export function tieredCache(near: NearCache, shared: SharedCache | undefined, clock: Clock): Tiers {
  const heard = new Heard();
  const dropNear = (keys: readonly string[]): void => {
    for (const key of keys) {
      heard.changed(key);
      near.drop(key);
    }
  };
  shared?.hear({
    dropped: dropNear,
    // What others dropped meanwhile was not heard: nothing that is here can be vouched for.
    began() {
      heard.missed();
      near.clear();
    },
  });
  return {
    async get(key) {
      const here = await near.get(key);
      if (here !== undefined || shared === undefined) return here;
      const mark = heard.now;
      const there = await shared.get(key);
      // It may be what was there before the change.
      if (there === undefined || heard.since(mark, key)) return undefined;
      near.set(key, there.bytes, Math.min(there.seconds, NEAR_SECONDS));
      return there.bytes;
    },
    set(key, bytes, seconds, asked) {
      if (heard.since(asked.heard, key) || clock() - asked.at > LONGEST_ASKING_MS) return;
      near.set(key, bytes, seconds);
      shared?.set(key, bytes, seconds, asked.at);
    },
    moment: () => ({ at: clock(), heard: heard.now }),
    changedSince: (moment, key) => heard.since(moment.heard, key),
    async drop(keys) {
      dropNear(keys);
      if (shared === undefined) return 'alone';
      const dropped = await shared.drop(keys, clock());
      // Meanwhile somebody may have taken the old record from there.
      dropNear(keys);
      return dropped;
    },
    close: async () => void (await Promise.all([near.close(), shared?.close()])),
  };
}
