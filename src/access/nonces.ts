/** Nonces that proofs must hold (RFC 9449 §8): each is of a minute and of no caller, so every gateway with the same keys takes it and none keeps any. */
import type { KeyObject } from 'node:crypto';
import type { Clock } from '../domain.ts';
import { hmacOf } from '../hmac.ts';

/** A nonce is taken for at least so long after it was handed out, and for at most twice that. Milliseconds. */
const SLICE_MS = 60_000;
/** So much may the clock of the gateway that handed it out be ahead. Milliseconds. */
const AHEAD_MS = 5000;
/** 132 bits. */
const CHARACTERS = 22;

export interface Nonces {
  /** The one to hand out. */
  current(): string;
  /** Whether it is ours, and of now. */
  fresh(nonce: unknown): boolean;
}

export function nonces(key: KeyObject, clock: Clock): Nonces {
  const hmac = hmacOf(key);
  let made = new Map<number, string>();
  const ofSlice = (slice: number): string => {
    const known = made.get(slice);
    if (known !== undefined) return known;
    const nonce = hmac(`dpop ${slice}`).slice(0, CHARACTERS);
    made = new Map([...[...made].filter(([other]) => Math.abs(other - slice) <= 1), [slice, nonce]]);
    return nonce;
  };
  const sliceAt = (time: number): number => Math.floor(time / SLICE_MS);
  return {
    current: () => ofSlice(sliceAt(clock())),
    fresh(nonce) {
      const now = clock();
      const slice = sliceAt(now);
      // Everybody is told them: how long it takes to compare one tells nothing that is not known.
      if (nonce === ofSlice(slice) || nonce === ofSlice(slice - 1)) return true;
      const next = sliceAt(now + AHEAD_MS);
      return next > slice && nonce === ofSlice(next);
    },
  };
}
