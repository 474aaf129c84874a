/** What stands around a registry: functions around the one that asks it, in an order that is part of the contract. */
import type { Clock, Source } from '../../domain.ts';
import type { Share } from '../../misuse/bucket.ts';
import { Budget } from './budget.ts';
import { type Changed, Circuit } from './circuit.ts';
import { withDoor } from './door.ts';
import { withIntent } from './intent.ts';
import { Calendar } from './maintenance.ts';
import { Meter, withCount, withMeter } from './meter.ts';
import { Places } from './places.ts';
import type { AskOnce, LookUpOnce, Question } from './question.ts';
import { withQueue } from './queue.ts';
import { withRetry } from './retry.ts';
import { type SourceState, stateOf } from './state.ts';
import { withVerdict } from './verdict.ts';

export interface AroundTools {
  readonly clock: Clock;
  /** Numbers in [0, 1): what several gateways do, they do not do at the same moment. */
  readonly random: () => number;
  /** Hears when the registry is left alone, and when it is asked again. */
  readonly changed: Changed;
  /** Tells other gateways what is taken of the budgets; undefined where each counts for itself. */
  readonly share?: Share | undefined;
}

export interface Around {
  /**
   * The same look-up with everything around it: who may not ask is refused at the door, in the order maintenance, circuit, budget;
   * then it waits for a place, passes the door again, and only then is the intent put on record and the registry asked.
   */
  wrap(ask: AskOnce): LookUpOnce;
  /** Whether it has so little to do that a look-up nobody waits for is in nobody's way: one would begin at once, and much would be left. */
  idle(agency: string): boolean;
  /** As an agency sees it. */
  state(agency: string): SourceState;
}

/** What is known of one registry, and shared by those who ask it. */
export interface Known {
  readonly source: Source;
  readonly clock: Clock;
  readonly random: () => number;
  readonly calendar: Calendar;
  readonly circuit: Circuit;
  readonly budget: Budget;
  readonly places: Places;
  readonly meter: Meter;
}

export function around(source: Source, { clock, random, changed, share }: AroundTools): Around {
  const { protection } = source;
  const meter = new Meter(clock);
  const known: Known = {
    source,
    clock,
    random,
    calendar: new Calendar(protection.maintenance, clock),
    circuit: new Circuit(protection.circuit, clock, random, changed),
    budget: new Budget(source, clock, share),
    places: new Places(protection.atOnce, () => mayWait(source, meter.typical)),
    meter,
  };
  return {
    wrap: (ask) => {
      const asking = withRetry(withMeter(ask, known), { ...known, spend: (question) => spend(question, known) });
      const starting = withDoor(withVerdict(withIntent(asking, known), known), known);
      return withCount(withDoor(withQueue(starting, known), known), known);
    },
    idle: (agency) => isIdle(known, agency),
    state: (agency) => stateOf(known, agency),
  };
}

/** Whoever would wait longer than there is time is not to wait at all: by Little's law, `atOnce` are through every `typical` milliseconds. */
function mayWait({ protection: { atOnce, waiting }, timeoutMs }: Source, typical: number): number {
  return typical <= 0 ? waiting : Math.min(waiting, (atOnce * Math.max(0, timeoutMs - typical)) / typical);
}

/** Of its places and budgets, so much at most may be in use where it is asked for something that nobody waits for. */
const IDLE = 0.5;

function isIdle({ calendar, circuit, budget, places, meter, source: { protection } }: Known, agency: string): boolean {
  if (calendar.current() !== undefined || circuit.state().state !== 'closed' || meter.health.troubled) return false;
  const { all, own } = budget.use(agency);
  const used = [all, own].map((rate) => (rate === undefined ? 0 : rate.used + 1 / rate.burst));
  return places.waiting === 0 && Math.max(...used, (places.taken + 1) / protection.atOnce) <= IDLE;
}

/** Asking once more is asking: it needs a closed circuit and a part of the budget. */
function spend({ agency }: Question, { calendar, circuit, budget, meter }: Known): boolean {
  if (calendar.current() !== undefined || circuit.state().state !== 'closed' || budget.wait(agency) > 0) return false;
  budget.take(agency);
  meter.retried();
  return true;
}
