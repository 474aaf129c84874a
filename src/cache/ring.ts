/** The cache's keys, in pairs that follow each other: under which a record is kept now, and under which it may still be found. */
import type { KeyObject } from 'node:crypto';
import type { Clock, Source } from '../domain.ts';
import { hmacOf } from '../hmac.ts';
import { SKEW_MS } from './cache.ts';
import type { RecordName } from './records.ts';

/** `from` is the time it is used from (milliseconds since the epoch), so that all gateways that share a cache change to it at once. */
export interface CacheKeys {
  readonly from: number;
  /** AES-256-GCM. */
  readonly seal: KeyObject;
  /** HMAC-SHA256. */
  readonly name: KeyObject;
}

export interface Pair {
  readonly seal: KeyObject;
  /** The name under which a record is kept; it says nothing to whoever has not the key. */
  nameOf(record: RecordName): string;
}

export interface Ring {
  /** What a record is kept under now. */
  current(): Pair;
  /** What one that is alive may be found under, newest first. */
  readable(): readonly Pair[];
  /** The same, and the pairs to come: the clock of another gateway may be ahead. */
  all(): readonly Pair[];
}

/** The longest that an answer of any source is kept. */
export const longestKept = (sources: ReadonlyMap<string, Pick<Source, 'datasets'>>): number =>
  Math.max(
    0,
    ...[...sources.values()].flatMap(({ datasets }) =>
      Object.values(datasets).map(({ maxAgeSeconds, staleSeconds = 0 }) => maxAgeSeconds + staleSeconds),
    ),
  );

/** Whether nothing that was sealed before `replaced` is alive any more. */
export const isOver = (replaced: number, longestSeconds: number, now: number): boolean => replaced + 1000 * longestSeconds + SKEW_MS < now;

/** `keys` newest first. */
export function keyRing(keys: readonly CacheKeys[], longestSeconds: number, clock: Clock): Ring {
  const pairs = keys.map(({ from, seal, name }, i) => ({ from, replaced: keys[i - 1]?.from, seal, nameOf: naming(name) }));
  const alive = ({ replaced }: (typeof pairs)[number]): boolean => replaced === undefined || !isOver(replaced, longestSeconds, clock());
  const begun = ({ from }: (typeof pairs)[number]): boolean => from <= clock();
  return {
    current() {
      const current = pairs.find(begun);
      if (current === undefined) throw new Error('no key of the cache is in use yet');
      return current;
    },
    readable: () => pairs.filter((pair) => begun(pair) && alive(pair)),
    all: () => pairs.filter(alive),
  };
}

/** A look-up reads and then writes under the same name: it is made once. */
function naming(key: KeyObject): Pair['nameOf'] {
  const names = new WeakMap<RecordName, string>();
  const pseudonymOf = hmacOf(key);
  return (record) => {
    let name = names.get(record);
    if (name === undefined) {
      const told = `${record.source}|${record.dataset}|${record.kind}|${record.key}`;
      name = pseudonymOf(told);
      names.set(record, name);
    }
    return name;
  };
}
