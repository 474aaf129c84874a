/** What stands around a registry: functions around the one that asks it, in an order that is part of the contract. */
import { SourceError, type SourceFailure } from '../../adapter.ts';
import type { Clock, Source } from '../../domain.ts';
import { orAborted, TimeUp } from '../deadline.ts';
import { Budget } from './budget.ts';
import { type Changed, Circuit, type Finding } from './circuit.ts';
import { Calendar } from './maintenance.ts';
import { Meter } from './meter.ts';
import { Places } from './places.ts';
import { type AskOnce, type LookUpOnce, NotAsked } from './question.ts';
import { withRetry } from './retry.ts';
import { type SourceState, stateOf } from './state.ts';

export interface AroundTools {
  readonly clock: Clock;
  /** Numbers in [0, 1): what several gateways do, they do not do at the same moment. */
  readonly random: () => number;
  /** Hears when the registry is left alone, and when it is asked again. */
  readonly changed: Changed;
}

export interface Around {
  /**
   * The same look-up with everything around it: who may not ask is refused at the door, in the order maintenance, circuit, budget;
   * then it waits for a place, passes the door again, and only then is the intent put on record and the registry asked.
   */
  wrap(ask: AskOnce): LookUpOnce;
  /** As an agency sees it. */
  state(agency: string): SourceState;
}

/**
 * Which failures speak against a registry. Who refuses, answers nonsense or answers about another is there, and fast: to stop asking would
 * cost everybody the answers that are good, and hide what is wrong.
 */
const AGAINST: Readonly<Record<SourceFailure, boolean>> = {
  unreachable: true,
  timeout: true,
  error: true,
  refused: false,
  malformed: false,
  'wrong-subject': false,
};

/** Whoever would wait longer than there is time is not to wait at all: by Little's law, `atOnce` are through every `typical` milliseconds. */
function mayWait({ protection: { atOnce, waiting }, timeoutMs }: Source, typical: number): number {
  return typical <= 0 ? waiting : Math.min(waiting, (atOnce * Math.max(0, timeoutMs - typical)) / typical);
}

export function around(source: Source, { clock, random, changed }: AroundTools): Around {
  const { protection, timeoutMs } = source;
  const calendar = new Calendar(protection.maintenance, clock);
  const circuit = new Circuit(protection.circuit, clock, random, changed);
  const budget = new Budget(protection.budget, clock);
  const meter = new Meter(clock);
  const places = new Places(protection.atOnce, () => mayWait(source, meter.typical));
  /** How long those who wait now take to get through. Milliseconds. */
  const queue = (): number => ((places.waiting + 1) * meter.typical) / protection.atOnce;

  const checkDoor = (agency: string): void => {
    calendar.check();
    const closed = circuit.wait();
    if (closed > 0) throw new NotAsked('circuit-open', closed);
    const poor = budget.wait(agency);
    if (poor > 0) throw new NotAsked('budget', poor);
  };

  /** Counts whom nobody asked for. */
  const counted =
    (next: LookUpOnce): LookUpOnce =>
    async (question, signal) => {
      try {
        return await next(question, signal);
      } catch (error) {
        if (error instanceof NotAsked) meter.notAsked(error.reason);
        throw error;
      }
    };

  const atTheDoor =
    (next: LookUpOnce): LookUpOnce =>
    async (question, signal) => {
      checkDoor(question.agency);
      return next(question, signal);
    };

  /** Whoever waited so long that no answer can come in time any more is not asked for: it would take the place of one who can be answered. */
  const placed =
    (next: LookUpOnce): LookUpOnce =>
    async (question, signal) => {
      const waited = places.enter(question.agency, signal);
      if (waited !== undefined && !(await waited)) throw new NotAsked('overloaded', queue());
      try {
        if (waited !== undefined && question.until - clock() < meter.typical) throw new NotAsked('overloaded', queue());
        return await next(question, signal);
      } finally {
        places.leave();
      }
    };

  let lastError = '';
  /**
   * An error about the same record again is about that record: one that no registry can read must not close the registry for all. Nor must
   * this process when it is itself too busy.
   */
  const findingOf = (error: unknown, record: string, hadItsTime: boolean): Finding => {
    if (!(error instanceof SourceError)) return 'nothing';
    if (!AGAINST[error.reason]) return 'answered';
    if (error.reason === 'timeout' && !hadItsTime) return 'nothing';
    if (error.reason !== 'error') return 'failed';
    const again = record === lastError;
    lastError = record;
    return again ? 'nothing' : 'failed';
  };

  /** From the door on it counts, for circuit and budget: nothing can come between, since nothing is awaited between. */
  const watched =
    (next: LookUpOnce): LookUpOnce =>
    async (question, signal) => {
      const passage = circuit.enter();
      budget.take(question.agency);
      const inTime = question.until - clock() >= timeoutMs / 2;
      let finding: Finding = 'nothing';
      try {
        const answer = await next(question, signal);
        finding = 'answered';
        return answer;
      } catch (error) {
        if (error instanceof SourceError && error.retryAfterSeconds) circuit.leaveAlone(error.retryAfterSeconds);
        finding = findingOf(
          error,
          `${question.dataset} ${question.key}`,
          inTime && !(signal.reason instanceof TimeUp && signal.reason.late),
        );
        throw error;
      } finally {
        circuit.leave(passage, finding);
      }
    };

  /** Where the log takes longer than there is time, nobody is asked: not even later. */
  const onRecord =
    (next: AskOnce): LookUpOnce =>
    async (question, signal) => {
      const late = (): never => {
        throw new NotAsked('overloaded', queue());
      };
      const opened = await orAborted(question.open(), signal, late);
      return next({ ...question, opened }, signal);
    };

  const metered =
    (next: AskOnce): AskOnce =>
    async (question, signal) => {
      const from = clock();
      try {
        const answer = await next(question, signal);
        meter.answered(clock() - from);
        return answer;
      } catch (error) {
        if (error instanceof SourceError) meter.failed(error.reason);
        throw error;
      }
    };

  const spend = ({ agency }: { agency: string }): boolean => {
    if (calendar.current() !== undefined || circuit.state().state !== 'closed' || budget.wait(agency) > 0) return false;
    budget.take(agency);
    meter.retried();
    return true;
  };
  const retried = (next: AskOnce): AskOnce => withRetry(next, protection.retry, { clock, random, typical: () => meter.typical, spend });

  return {
    wrap: (ask) => counted(atTheDoor(placed(atTheDoor(watched(onRecord(retried(metered(ask)))))))),
    state: (agency) => stateOf({ protection, calendar, circuit, budget, places, meter, agency, clock }),
  };
}
