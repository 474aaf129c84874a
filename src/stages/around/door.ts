/** The door: nobody passes whom maintenance, circuit or budget forbid to ask. Passing costs nothing yet. */
import type { Known } from './around.ts';
import { type LookUpOnce, NotAsked } from './question.ts';

export function withDoor(next: LookUpOnce, { calendar, circuit, budget }: Known): LookUpOnce {
  return async (question, signal) => {
    calendar.check();
    const closed = circuit.wait();
    if (closed > 0) throw new NotAsked('circuit-open', closed);
    const poor = budget.wait(question.agency);
    if (poor > 0) throw new NotAsked('budget', poor);
    return next(question, signal);
  };
}
