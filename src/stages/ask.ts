/** Asks one source one question: its own deadline, one flight for equal questions, an answer that fits its dataset and is about who was asked. */
import type { ValidateFunction } from 'ajv';
import { type Adapter, type Answer, type LookUp, SourceError } from '../adapter.ts';
import type { Observed, RecordCache, RecordName } from '../cache/records.ts';
import type { Clock, Opened, Source } from '../domain.ts';

/**
 * Asks for a record. `open` puts the intent on record and is awaited before the source is asked, unless somebody is asking the
 * same already. Rejects with `SourceError`, or as `open` does.
 */
export type Ask = (name: RecordName, open: () => Promise<Opened>) => Promise<Observed>;
type LookUpOnce = (lookUp: LookUp, signal: AbortSignal) => Promise<Answer>;

export interface AskTools {
  /** By dataset. */
  readonly validators: ReadonlyMap<string, ValidateFunction>;
  readonly cache: RecordCache;
  readonly clock: Clock;
}

export function askSource(source: Source, adapter: Adapter, { validators, cache, clock }: AskTools): Ask {
  const checked = withChecks((lookUp, signal) => adapter.lookUp(lookUp, signal), validators);
  const inTime = withDeadline(checked, source.timeoutMs);
  return withOneFlight(async (name, opened) => {
    const observed = { answer: await inTime({ dataset: name.dataset, key: name.key }, opened), observedAt: clock() };
    const limits = source.datasets[name.dataset];
    if (limits !== undefined) {
      cache.set(name, observed, observed.answer.found ? limits.maxAgeSeconds : Math.min(limits.maxAgeSeconds, limits.absentMaxAgeSeconds));
    }
    return observed;
  });
}

/** A source that does not answer in its time is given up; whatever else it throws is one of the known failures. */
function withDeadline(lookUpOnce: LookUpOnce, milliseconds: number): (lookUp: LookUp, opened: Opened) => Promise<Answer> {
  return async (lookUp) => {
    // A timer that is cleared: AbortSignal.timeout would fire, and hold the question, long after the answer.
    const controller = new AbortController();
    const { signal } = controller;
    const timer = setTimeout(() => controller.abort(), milliseconds);
    try {
      return await lookUpOnce(lookUp, signal);
    } catch (error) {
      if (error instanceof SourceError) throw error;
      if (signal.aborted) throw new SourceError('timeout', `no answer within ${milliseconds} ms`);
      throw new SourceError('error', 'the adapter failed', undefined);
    } finally {
      clearTimeout(timer);
    }
  };
}

/** Callers that ask the same at the same time share one answer: a registry is asked once. A failure is shared and then forgotten. */
function withOneFlight(fetch: (name: RecordName, opened: Opened) => Promise<Observed>): Ask {
  const flights = new Map<string, Promise<Observed>>();
  return (name, open) => {
    const place = `${name.dataset} ${name.key}`;
    const flying = flights.get(place);
    if (flying !== undefined) return flying;
    const flight = open()
      .then((opened) => fetch(name, opened))
      .finally(() => flights.delete(place));
    flights.set(place, flight);
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
