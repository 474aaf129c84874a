/** Answers of sources as the cache keeps them: sealed with AES-256-GCM, under keyed pseudonyms, each with the time it was observed. */
import { createHmac, type KeyObject } from 'node:crypto';
import type { Answer, KeyKind } from '../adapter.ts';
import type { Cache } from './cache.ts';
import { open, seal } from './seal.ts';

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
  set(name: RecordName, observed: Observed, seconds: number): void;
}

/** `sealKey` and `nameKey` are 32-byte secrets; whoever reads the cache without them reads noise. */
export function recordCache(cache: Cache, sealKey: KeyObject, nameKey: KeyObject): RecordCache {
  // A look-up reads and then writes under the same name: its pseudonym is made once.
  const keys = new WeakMap<RecordName, string>();
  const keyOf = (name: RecordName): string => {
    let key = keys.get(name);
    if (key === undefined) {
      const told = `${name.source}|${name.dataset}|${name.kind}|${name.key}`;
      key = createHmac('sha256', nameKey).update(told).digest('base64url');
      keys.set(name, key);
    }
    return key;
  };
  return {
    async get(name) {
      const key = keyOf(name);
      const sealed = await cache.get(key);
      const opened = sealed && open(sealed, key, sealKey);
      return opened === undefined ? undefined : (JSON.parse(opened) as Observed);
    },
    set(name, observed, seconds) {
      const key = keyOf(name);
      cache.set(key, seal(JSON.stringify(observed), key, sealKey), seconds);
    },
  };
}
