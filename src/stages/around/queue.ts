/** A place at the registry for each look-up, or a turn in the queue for one. */
import type { Known } from './around.ts';
import { type LookUpOnce, NotAsked } from './question.ts';

export function withQueue(next: LookUpOnce, known: Known): LookUpOnce {
  const { places, meter, clock } = known;
  return async (question, signal) => {
    const waited = places.enter(question.party, signal);
    if (waited !== undefined && !(await waited)) throw crowded(known);
    try {
      // It waited so long that no answer can come in time any more: it would take the place of one who can be answered.
      if (waited !== undefined && question.until - clock() < meter.typical) throw crowded(known);
      return await next(question, signal);
    } finally {
      places.leave();
    }
  };
}

/** It is worth asking again when those who wait now are through. */
export const crowded = ({ places, meter, source }: Known): NotAsked =>
  new NotAsked('overloaded', ((places.waiting + 1) * meter.typical) / source.protection.atOnce);
