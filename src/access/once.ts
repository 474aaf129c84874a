/** What may be used once: assertions and proofs, by every gateway that shares a store. */
import { hash } from 'node:crypto';
import { Problem } from '../problems.ts';

export interface Once {
  /**
   * True for the first who uses the name before `until` (milliseconds since the epoch), false for everybody after. MUST hold across all processes
   * that share the store, and be remembered until then when one of them is killed. Rejects where it cannot be known: then nothing may be let in.
   */
  use(name: string, until: number): Promise<boolean>;
}

/** One that can be let go. Every implementation passes the suite in `test/bound.test.ts`. */
export interface OnceStore extends Once {
  close(): Promise<void>;
}

/** Under what a store keeps a name: callers choose a part of it, and could write anything there, a person's number too. */
export const keptName = (name: string): string => hash('sha256', name, 'base64url');

const RETRY_SECONDS = 5;

/** Where it cannot be known whether something was used before, whoever shows it is refused and asked to come back. */
export const orRefused = (once: Once): Once => ({
  async use(name, until) {
    try {
      return await once.use(name, until);
    } catch (cause) {
      throw new Problem('access-unavailable', { retryAfterSeconds: RETRY_SECONDS, cause });
    }
  },
});

/** For one process, and as long as it lives. */
export function onceInMemory(clock: () => number): Once {
  const used = new Map<string, number>();
  return {
    async use(name, until) {
      const now = clock();
      for (const [other, over] of used) {
        if (over >= now) break;
        used.delete(other);
      }
      if ((used.get(name) ?? 0) >= now) return false;
      used.delete(name);
      used.set(name, until);
      return true;
    },
  };
}
