/** What may be used once: assertions and proofs, by every gateway that shares a store. */

export interface Once {
  /**
   * True for the first who uses the name before `until` (milliseconds since the epoch), false for everybody after. MUST hold across all processes
   * that share the store, and be remembered until then when one of them is killed. Rejects where it cannot be known: then nothing may be let in.
   */
  use(name: string, until: number): Promise<boolean>;
}

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
