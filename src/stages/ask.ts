/** Asks one source one question: its own deadline, one flight for equal questions, an answer that fits its dataset and is about who was asked. */
import type { ValidateFunction } from 'ajv';
import { type Adapter, type Answer, type JsonValue, type LookUp, SourceError } from '../adapter.ts';
import type { Observed, RecordCache, RecordName } from '../cache/records.ts';
import type { Clock, Opened, Source } from '../domain.ts';
import { orAborted, underDeadline } from './deadline.ts';

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
  /** Hears of every failure once. */
  readonly report: (source: string, dataset: string, failure: SourceError) => void;
}

type Fetch = (name: RecordName, opened: Opened) => Promise<Observed>;

export function askSource(source: Source, adapter: Adapter, { validators, cache, clock, report }: AskTools): Ask {
  const checked = withChecks((lookUp, signal) => adapter.lookUp(lookUp, signal), validators);
  const inTime = withDeadline(checked, source.timeoutMs);
  const kept: Fetch = async (name, opened) => {
    const observed = { answer: await inTime({ dataset: name.dataset, key: name.key }, opened), observedAt: clock() };
    const limits = source.datasets[name.dataset];
    if (limits !== undefined) {
      cache.set(name, observed, observed.answer.found ? limits.maxAgeSeconds : Math.min(limits.maxAgeSeconds, limits.absentMaxAgeSeconds));
    }
    return observed;
  };
  return withOneFlight(withReport(kept, report));
}

/** A source that does not answer in its time is given up, even by an adapter that does not heed its signal; whatever else it throws is one of the known failures. */
function withDeadline(lookUpOnce: LookUpOnce, milliseconds: number): (lookUp: LookUp, opened: Opened) => Promise<Answer> {
  const timeout = (): never => {
    throw new SourceError('timeout', `no answer within ${milliseconds} ms`);
  };
  return (lookUp) =>
    underDeadline(milliseconds, async (signal) => {
      try {
        return await orAborted(lookUpOnce(lookUp, signal), signal, timeout);
      } catch (error) {
        if (error instanceof SourceError) throw error;
        if (signal.aborted) return timeout();
        throw new SourceError('error', 'the adapter failed', undefined, error);
      }
    });
}

/** Tells the operator of a failure; the caller hears of it in the reply. */
function withReport(fetch: Fetch, report: AskTools['report']): Fetch {
  return async (name, opened) => {
    try {
      return await fetch(name, opened);
    } catch (error) {
      if (error instanceof SourceError) report(name.source, name.dataset, error);
      throw error;
    }
  };
}

/** Callers that ask the same at the same time share one answer: a registry is asked once. A failure is shared and then forgotten. */
function withOneFlight(fetch: Fetch): Ask {
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
    if (!isWellFormed(answer.record)) throw new SourceError('malformed', 'a text with half a surrogate pair');
    if (validators.get(lookUp.dataset)?.(answer.record) !== true)
      throw new SourceError('malformed', `a record that is not a ${lookUp.dataset}`);
    return answer;
  };
}

/** Half a surrogate pair passes JSON.parse and has no canonical JSON: it would fail the whole answer, not its field. */
function isWellFormed(value: JsonValue): boolean {
  if (typeof value === 'string') return value.isWellFormed();
  if (typeof value !== 'object' || value === null) return true;
  return Object.values(value).every(isWellFormed);
}
