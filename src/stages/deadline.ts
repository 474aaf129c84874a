/** Work under a time limit, of which nothing is left when the work is done. */

/**
 * Runs `work` under a signal that aborts after `milliseconds`, or when `gone` does. Neither timer nor listener outlives the work:
 * AbortSignal.timeout would fire, and hold the question, long after the answer.
 */
export async function underDeadline<T>(milliseconds: number, work: (signal: AbortSignal) => Promise<T>, gone?: AbortSignal): Promise<T> {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const timer = setTimeout(abort, milliseconds);
  gone?.addEventListener('abort', abort, { once: true });
  if (gone?.aborted) abort();
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    gone?.removeEventListener('abort', abort);
  }
}

/** Settles as the promise does, or as soon as the signal aborts with `aborted()`: for work that may not heed its signal. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal, aborted: () => T): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => {
      try {
        resolve(aborted());
      } catch (error) {
        reject(error as Error);
      }
    };
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
