/** How a registry stands just now, as its owner and developers may know it: no address, no secret, nobody's data. */
import type { Interval } from '../../vietnam/windows.ts';
import type { Known } from './around.ts';
import type { Budget } from './budget.ts';
import type { Circuit } from './circuit.ts';
import type { Calendar } from './maintenance.ts';
import type { Meter, Recent } from './meter.ts';

export interface SourceState {
  /** `degraded`: tried again after a pause, or a considerable share of its latest answers failed. */
  readonly state: 'ok' | 'degraded' | 'open' | 'maintenance';
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** Where nobody is asked: seconds until somebody may be. */
  readonly retryAfterSeconds: number | undefined;
  readonly atOnce: { readonly used: number; readonly allowed: number };
  readonly waiting: { readonly used: number; readonly allowed: number };
  readonly recent: Recent;
  /** Of all agencies together, and of the one that asks; `used` is the share that is not there just now. */
  readonly budget: ReturnType<Budget['use']>;
  readonly nextMaintenance: Interval | undefined;
}

export function stateOf({ source: { protection }, calendar, circuit, budget, places, meter, clock }: Known, agency: string): SourceState {
  const standing = standingOf(calendar, circuit, meter);
  const until = calendar.current()?.to;
  const wait = until === undefined ? circuit.wait() : until - clock();
  return {
    ...standing,
    retryAfterSeconds: wait > 0 ? Math.ceil(wait / 1000) : undefined,
    atOnce: { used: places.taken, allowed: protection.atOnce },
    waiting: { used: places.waiting, allowed: protection.waiting },
    recent: meter.recent(),
    budget: budget.use(agency),
    nextMaintenance: calendar.next(),
  };
}

function standingOf(calendar: Calendar, circuit: Circuit, { health }: Meter): Pick<SourceState, 'state' | 'since'> {
  const window = calendar.current();
  if (window !== undefined) return { state: 'maintenance', since: window.from };
  const { state, since } = circuit.state();
  if (state === 'open') return { state: 'open', since };
  if (state === 'trying') return { state: 'degraded', since };
  if (health.troubled) return { state: 'degraded', since: health.since };
  return { state: 'ok', since: Math.max(since, health.since, calendar.lastEnd() ?? 0) };
}
