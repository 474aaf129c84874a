/** One call that several wait for: each may leave, and the call is given up when nobody waits any more. */

/** Whoever comes while a call is under way shares it; an outcome is shared by who waited for it and then forgotten. */
export function oneFlight<T>(start: (signal: AbortSignal) => Promise<T>): (signal: AbortSignal) => Promise<T> {
  let flying: { readonly outcome: Promise<T>; readonly giveUp: AbortController; waiting: number } | undefined;
  return async (signal) => {
    signal.throwIfAborted();
    if (flying === undefined) {
      const giveUp = new AbortController();
      flying = { outcome: start(giveUp.signal), giveUp, waiting: 0 };
    }
    const mine = flying;
    mine.waiting += 1;
    try {
      return await orAborted(mine.outcome, signal);
    } finally {
      mine.waiting -= 1;
      if (mine.waiting === 0) {
        if (flying === mine) flying = undefined;
        mine.giveUp.abort();
      }
    }
  };
}

/** Rejects with the signal's reason when it aborts, whatever becomes of the outcome. */
export function orAborted<T>(outcome: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(signal.reason);
    signal.addEventListener('abort', leave, { once: true });
    outcome.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}
