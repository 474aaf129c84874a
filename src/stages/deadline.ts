/** Work under a time limit, of which nothing is left when the work is done. */

/** Why work was given up whose time was over. */
export class TimeUp extends Error {
  /** This process was so busy that it noticed much too late: whoever was waited for may have answered long ago. */
  readonly late: boolean;

  constructor(late: boolean) {
    super('the time is over');
    this.name = 'TimeUp';
    this.late = late;
  }
}

/** The share of its time by which it may be noticed too late. */
const LATE = 0.2;

/**
 * Runs `work` under a signal that aborts after `milliseconds`, or when `gone` does. Neither timer nor listener outlives the work:
 * AbortSignal.timeout would fire, and hold the question, long after the answer. In a busy process the timer comes before answers that are
 * there already: those are read first.
 */
export async function underDeadline<T>(milliseconds: number, work: (signal: AbortSignal) => Promise<T>, gone?: AbortSignal): Promise<T> {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const began = performance.now();
  let reading: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => {
    const late = performance.now() - began > milliseconds * (1 + LATE);
    reading = setImmediate(() => controller.abort(new TimeUp(late)));
  }, milliseconds);
  gone?.addEventListener('abort', abort, { once: true });
  if (gone?.aborted) abort();
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    clearImmediate(reading);
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
    const settled = (): void => signal.removeEventListener('abort', abort);
    promise.then(
      (value) => {
        settled();
        resolve(value);
      },
      (error: unknown) => {
        settled();
        reject(error as Error);
      },
    );
  });
}
