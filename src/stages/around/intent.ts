/** The intent goes on record, and only then is anybody asked. */
import { orAborted } from '../deadline.ts';
import type { Known } from './around.ts';
import type { AskOnce, LookUpOnce } from './question.ts';
import { crowded } from './queue.ts';

/** Where the log takes longer than there is time, nobody is asked: not even later. */
export function withIntent(ask: AskOnce, known: Known): LookUpOnce {
  const late = (): never => {
    throw crowded(known);
  };
  return async (question, signal) => {
    const opened = await orAborted(question.open(), signal, late);
    return ask({ ...question, opened }, signal);
  };
}
