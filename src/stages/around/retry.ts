/** A connection that broke may be made again once, where there is time for it; not so often that a storm is multiplied. */
import { setTimeout as after } from 'node:timers/promises';
import { SourceError } from '../../adapter.ts';
import type { Known } from './around.ts';
import type { AskOnce, Question } from './question.ts';

export interface RetryTools extends Pick<Known, 'source' | 'clock' | 'random' | 'meter'> {
  /** Whether the registry may be asked once more, on behalf of this agency; if so, it counts. */
  readonly spend: (question: Question) => boolean;
}

/** A registry that restarts has cut many at once: they do not come back at the same moment. Milliseconds. */
const SPREAD_MS = 100;
/** How much of the share of retries can be saved up. */
const MOST_SAVED = 10;

/** Looking up has no effect, so even a question that may have arrived can be asked again; but only a broken connection says that the answer would be another. */
export function withRetry(ask: AskOnce, { source, clock, random, meter, spend }: RetryTools): AskOnce {
  const { most, percent } = source.protection.retry;
  let saved = Math.min(1, most);
  return async (question, signal) => {
    saved = Math.min(MOST_SAVED, saved + percent / 100);
    for (let retries = 0; ; retries++) {
      try {
        return await ask(question, signal);
      } catch (error) {
        if (!(error instanceof SourceError) || error.reason !== 'unreachable' || error.retryAfterSeconds) throw error;
        const pause = random() * SPREAD_MS;
        const inTime = clock() + pause + meter.typical < question.until;
        if (retries >= most || saved < 1 || !inTime || signal.aborted) throw error;
        await after(pause, undefined, { signal }).catch(() => undefined);
        if (signal.aborted || saved < 1 || !spend(question)) throw error;
        saved--;
      }
    }
  };
}
