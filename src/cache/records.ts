/** Answers of sources as the cache keeps them: sealed, under keyed pseudonyms, each with the time it was observed. */
import type { Answer, KeyKind } from '../adapter.ts';
import type { Dropped } from './cache.ts';
import type { Ring } from './ring.ts';
import { open, seal } from './seal.ts';
import type { Moment, Tiers } from './tiered.ts';

/** An answer and when the gateway had it from the source (milliseconds since the epoch). */
export interface Observed {
  readonly answer: Answer;
  readonly observedAt: number;
}

/** What an answer is the answer to. */
export interface RecordName {
  readonly source: string;
  readonly dataset: string;
  readonly kind: KeyKind;
  readonly key: string;
}

export interface RecordCache {
  get(name: RecordName): Promise<Observed | undefined>;
  /** To be taken before the source is asked. */
  moment(): Moment;
  /** Keeps what was asked for at that moment, unless its registry has told of a change since. */
  set(name: RecordName, observed: Observed, asked: Moment, seconds: number): void;
  /** Whether the registry may have told of a change of it since. */
  changedSince(moment: Moment, name: RecordName): boolean;
  /** Forgets the records, here and in every gateway that shares the cache; `alone` where none does. MUST NOT reject. */
  drop(names: readonly RecordName[]): Promise<Dropped | 'alone'>;
}

/** Whoever reads the cache without the keys of the ring reads noise. */
export function recordCache(tiers: Tiers, ring: Ring): RecordCache {
  return {
    async get(name) {
      for (const { nameOf, seal: key } of ring.readable()) {
        const told = nameOf(name);
        const sealed = await tiers.get(told);
        const opened = sealed && open(sealed, told, key);
        if (opened !== undefined) return JSON.parse(opened) as Observed;
      }
      return undefined;
    },
    moment: () => tiers.moment(),
    set(name, observed, asked, seconds) {
      const { nameOf, seal: key } = ring.current();
      const told = nameOf(name);
      tiers.set(told, seal(JSON.stringify(observed), told, key), seconds, asked);
    },
    changedSince: (moment, name) => tiers.changedSince(moment, ring.current().nameOf(name)),
    drop: (names) => tiers.drop(ring.all().flatMap(({ nameOf }) => names.map(nameOf))),
  };
}
