/** Asks one source one question: its own deadline, one flight for equal questions, an answer that fits its dataset and is about who was asked. */
import type { ValidateFunction } from 'ajv';
import { type Adapter, type Answer, type LookUp, SourceError } from '../adapter.ts';
import type { Opened, Source } from '../domain.ts';

/** Asking takes the proof that the intent is on record; the pipeline cannot ask without it. */
export type Ask = (lookUp: LookUp, opened: Opened) => Promise<Answer>;
type LookUpOnce = (lookUp: LookUp, signal: AbortSignal) => Promise<Answer>;

/** `validators` by dataset. Rejects with `SourceError` alone. */
export function askSource(source: Source, adapter: Adapter, validators: ReadonlyMap<string, ValidateFunction>): Ask {
  const checked = withChecks((lookUp, signal) => adapter.lookUp(lookUp, signal), validators);
  const shared = withOneFlight(withDeadline(checked, source.timeoutMs));
  return (lookUp) => shared(lookUp);
}

/** A source that does not answer in its time is given up; whatever else it throws is one of the known failures. */
function withDeadline(lookUpOnce: LookUpOnce, milliseconds: number): (lookUp: LookUp) => Promise<Answer> {
  return async (lookUp) => {
    const signal = AbortSignal.timeout(milliseconds);
    try {
      return await lookUpOnce(lookUp, signal);
    } catch (error) {
      if (error instanceof SourceError) throw error;
      if (signal.aborted) throw new SourceError('timeout', `no answer within ${milliseconds} ms`);
      throw new SourceError('error', 'the adapter failed', undefined);
    }
  };
}

/** Callers that ask the same at the same time share one answer: a registry is asked once. A failure is shared and then forgotten. */
function withOneFlight(lookUpOnce: (lookUp: LookUp) => Promise<Answer>): (lookUp: LookUp) => Promise<Answer> {
  const flights = new Map<string, Promise<Answer>>();
  return (lookUp) => {
    const name = `${lookUp.dataset} ${lookUp.key}`;
    const flying = flights.get(name);
    if (flying !== undefined) return flying;
    const flight = lookUpOnce(lookUp).finally(() => flights.delete(name));
    flights.set(name, flight);
    return flight;
  };
}

/** A record that does not fit its dataset is no answer; one about somebody else is refused. */
function withChecks(lookUpOnce: LookUpOnce, validators: ReadonlyMap<string, ValidateFunction>): LookUpOnce {
  return async (lookUp, signal) => {
    const answer = await lookUpOnce(lookUp, signal);
    if (!answer.found) return answer;
    if (answer.about !== lookUp.key) throw new SourceError('wrong-subject', 'the answer is about another than was asked');
    if (validators.get(lookUp.dataset)?.(answer.record) !== true)
      throw new SourceError('malformed', `a record that is not a ${lookUp.dataset}`);
    return answer;
  };
}
