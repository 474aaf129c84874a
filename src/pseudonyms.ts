/** How the log names people: by a keyed hash. Without the key nobody can tell whom a pseudonym stands for, or try numbers out. */
import { createHmac, type KeyObject } from 'node:crypto';
import type { KeyKind } from './adapter.ts';
import type { Clock } from './domain.ts';

export interface Pseudonyms {
  /** The one that is written now. */
  of(kind: KeyKind, value: string): string;
  /** All that were ever written for it, newest first: keys rotate, and the log stays. */
  all(kind: KeyKind, value: string): string[];
}

/** `keys` newest first, each with the time it is used from. One that is thrown away leaves pseudonyms that nobody can tell the owner of any more. */
export function pseudonyms(keys: readonly { readonly from: number; readonly key: KeyObject }[], clock: Clock): Pseudonyms {
  const made = (key: KeyObject, kind: KeyKind, value: string): string =>
    createHmac('sha256', key).update(`${kind}:${value}`).digest('base64url');
  return {
    of(kind, value) {
      const now = clock();
      const current = keys.find(({ from }) => from <= now);
      if (current === undefined) throw new Error('no key of pseudonyms is in use yet');
      return made(current.key, kind, value);
    },
    all: (kind, value) => keys.map(({ key }) => made(key, kind, value)),
  };
}
