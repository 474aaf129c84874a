/** Asks one source one question: one flight for equal questions, its own deadline, what protects it, an answer that fits its dataset and is about who was asked. */
import type { ValidateFunction } from 'ajv';
import { type Adapter, type JsonValue, SourceError } from '../adapter.ts';
import type { Observed, RecordCache, RecordName } from '../cache/records.ts';
import type { Moment } from '../cache/tiered.ts';
import type { Clock, Opened, Source } from '../domain.ts';
import type { Around } from './around/around.ts';
import { agencyOf } from './around/party.ts';
import { type AskOnce, type LookUpOnce, NotAsked, type Question } from './around/question.ts';
import { orAborted, underDeadline } from './deadline.ts';
import { keptSeconds } from './freshness.ts';

/**
 * Asks for a record on behalf of a party. `open` puts the intent on record and is awaited before the source is asked; it is not called
 * where somebody is asking the same already, or the source is not asked. Rejects with `SourceError` or `NotAsked`, or as `open` does.
 * `ahead`: nobody waits for the answer, so whatever comes of a question under way is enough, and `open` is called at once or never.
 */
export type Ask = (name: RecordName, open: () => Promise<Opened>, party: string, ahead?: boolean) => Promise<Observed>;

export interface AskTools {
  /** By dataset. */
  readonly validators: ReadonlyMap<string, ValidateFunction>;
  readonly cache: RecordCache;
  readonly clock: Clock;
  /** What protects the source. */
  readonly around: Around;
  /** Hears of every failure once. */
  readonly report: (source: string, dataset: string, failure: SourceError) => void;
}

export function askSource(source: Source, adapter: Adapter, { validators, cache, clock, around, report }: AskTools): Ask {
  const once = withNamedFailures(withChecks((lookUp, signal) => adapter.lookUp(lookUp, signal), validators));
  const inTime = withDeadline(around.wrap(once), source.timeoutMs, clock);
  const kept: Ask = async (name, open, party) => {
    const asked = cache.moment();
    const question = { dataset: name.dataset, key: name.key, agency: agencyOf(party), party, open };
    const answer = await inTime(question).catch((error: unknown) => {
      // Who was mixed up once may have been before: what is kept may be of either.
      if (error instanceof SourceError && error.reason === 'wrong-subject') void cache.drop([name]);
      throw error;
    });
    const observed = { answer, observedAt: clock() };
    const limits = source.datasets[name.dataset];
    if (limits !== undefined) {
      cache.set(name, observed, asked, keptSeconds(limits, observed.answer));
    }
    return observed;
  };
  return withOneFlight(withReport(kept, report), cache);
}

/** The source's time begins here: whoever waits for a place waits in it. */
function withDeadline(lookUpOnce: LookUpOnce, milliseconds: number, clock: Clock) {
  return (question: Omit<Question, 'until'>) =>
    underDeadline(milliseconds, (signal) => lookUpOnce({ ...question, until: clock() + milliseconds }, signal));
}

/** An adapter that does not heed its signal is given up; whatever it throws is one of the known failures. */
function withNamedFailures(ask: AskOnce): AskOnce {
  const timeout = (): never => {
    throw new SourceError('timeout', 'no answer in time');
  };
  return async (question, signal) => {
    try {
      return await orAborted(ask(question, signal), signal, timeout);
    } catch (error) {
      if (error instanceof SourceError) throw error;
      if (signal.aborted) return timeout();
      throw new SourceError('error', 'the adapter failed', undefined, error);
    }
  };
}

/** Tells the operator of a failure; the caller hears of it in the reply. */
function withReport(ask: Ask, report: AskTools['report']): Ask {
  return async (name, open, party) => {
    try {
      return await ask(name, open, party);
    } catch (error) {
      if (error instanceof SourceError) report(name.source, name.dataset, error);
      throw error;
    }
  };
}

/**
 * Callers that ask the same at the same time share one answer: a registry is asked once. A failure is shared and then forgotten; that an
 * party has no budget or place left is its own affair, and no other's who happened to ask the same. What was under way when the registry told of
 * a change is not for whoever comes after it.
 */
function withOneFlight(ask: Ask, cache: RecordCache): Ask {
  const flights = new Map<string, Flight>();
  const fly: Ask = (name, open, party, ahead = false) => {
    const place = `${name.dataset} ${name.key}`;
    const underWay = flights.get(place);
    const flying = underWay && !cache.changedSince(underWay.asked, name) ? underWay : undefined;
    if (flying !== undefined && (ahead || flying.party === party)) return flying.observed;
    if (flying !== undefined) {
      return flying.observed.catch((error: unknown) => {
        if (error instanceof NotAsked) return fly(name, open, party);
        throw error;
      });
    }
    const asked = cache.moment();
    const observed = ask(name, open, party).finally(() => {
      if (flights.get(place)?.observed === observed) flights.delete(place);
    });
    flights.set(place, { party, asked, observed });
    return observed;
  };
  return fly;
}

interface Flight {
  readonly party: string;
  readonly asked: Moment;
  readonly observed: Promise<Observed>;
}

/** A record that does not fit its dataset is no answer; one about somebody else is refused. */
function withChecks(ask: AskOnce, validators: ReadonlyMap<string, ValidateFunction>): AskOnce {
  return async (lookUp, signal) => {
    const answer = await ask(lookUp, signal);
    if (!answer.found) {
      const { successor } = answer;
      if (successor !== undefined && (answer.why !== 'cancelled' || !/^[0-9]{12}$/.test(successor) || successor === lookUp.key))
        throw new SourceError('malformed', 'a successor that is no other number');
      return answer;
    }
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
