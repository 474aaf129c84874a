/** Waiting for a stream to do something, for so long at most. */
import type { EventEmitter } from 'node:events';
import { underDeadline } from '../stages/deadline.ts';

/** True once one of the events came; false where the time was over before, or `halt` aborted. */
export function happening(emitter: EventEmitter, events: readonly string[], milliseconds: number, halt: AbortSignal): Promise<boolean> {
  const wait = (signal: AbortSignal): Promise<boolean> =>
    new Promise((resolve) => {
      const settle = (happened: boolean): void => {
        for (const event of events) emitter.off(event, came);
        signal.removeEventListener('abort', over);
        resolve(happened);
      };
      const came = (): void => settle(true);
      const over = (): void => settle(false);
      for (const event of events) emitter.on(event, came);
      signal.addEventListener('abort', over);
      if (signal.aborted) over();
    });
  return underDeadline(milliseconds, wait, halt);
}
