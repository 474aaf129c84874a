/** How the log names people: by a keyed hash. Without the key nobody can tell whom a pseudonym stands for, or try numbers out. */
import type { KeyObject } from 'node:crypto';
import type { KeyKind } from './adapter.ts';
import type { Clock } from './domain.ts';
import { hmacOf } from './hmac.ts';

export interface Pseudonyms {
  /** The one that is written now. */
  of(kind: KeyKind, value: string): string;
  /** All that were ever written for it, newest first: keys rotate, and the log stays. */
  all(kind: KeyKind, value: string): string[];
}

/** `keys` newest first, each with the time it is used from. One that is thrown away leaves pseudonyms that nobody can tell the owner of any more. */
export function pseudonyms(keys: readonly { readonly from: number; readonly key: KeyObject }[], clock: Clock): Pseudonyms {
  const dated = keys.map(({ from, key }) => ({ from, made: hmacOf(key) }));
  return {
    of(kind, value) {
      const now = clock();
      const current = dated.find(({ from }) => from <= now);
      if (current === undefined) throw new Error('no key of pseudonyms is in use yet');
      return current.made(`${kind}:${value}`);
    },
    all: (kind, value) => dated.map(({ made }) => made(`${kind}:${value}`)),
  };
}
