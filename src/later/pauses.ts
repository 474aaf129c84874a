/** How long it is before something is tried again: longer each time, never before it is worth it, and not all at the same moment. */

/** Milliseconds. */
const FIRST_MS = 5000;
const LONGEST_MS = 30 * 60_000;
const JITTER = 0.2;

/** When to try again what came to nothing `tries` times, no sooner than after `seconds`. Milliseconds since the epoch. */
export function later(now: number, tries: number, seconds: number, random: () => number): number {
  const pause = Math.max(seconds * 1000, Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(tries, 20)));
  return Math.ceil(now + pause * (1 + JITTER * random()));
}
