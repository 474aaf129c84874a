/** Nobody is asked in a window of maintenance that the registry's owner announced. */
import type { Clock, Maintenance } from '../../domain.ts';
import { type Interval, windowsAround } from '../../vietnam/windows.ts';
import { NotAsked } from './question.ts';

const DAY = 86_400_000;

export class Calendar {
  readonly #maintenance: Maintenance;
  readonly #clock: Clock;
  #windows: readonly Interval[] = [];
  /** The day for which the windows were made. */
  #day: number | undefined;
  /** A while in which there is no window: a look-up costs two comparisons. */
  #free: Interval = { from: 0, to: 0 };

  constructor(maintenance: Maintenance, clock: Clock) {
    this.#maintenance = maintenance;
    this.#clock = clock;
  }

  /** Throws `NotAsked` within a window. */
  check(): void {
    const now = this.#clock();
    if (now >= this.#free.from && now < this.#free.to) return;
    const current = this.current();
    if (current !== undefined) throw new NotAsked('maintenance', current.to - now);
    const next = this.next();
    this.#free = { from: now, to: Math.min(next?.from ?? Number.POSITIVE_INFINITY, now + DAY) };
  }

  current(): Interval | undefined {
    const now = this.#clock();
    return this.#around(now).find(({ from, to }) => from <= now && now < to);
  }

  next(): Interval | undefined {
    const now = this.#clock();
    return this.#around(now).find(({ from }) => from > now);
  }

  /** When the last window ended. */
  lastEnd(): number | undefined {
    const now = this.#clock();
    return this.#around(now).findLast(({ to }) => to <= now)?.to;
  }

  #around(now: number): readonly Interval[] {
    const day = Math.floor(now / DAY);
    if (day !== this.#day) {
      this.#day = day;
      this.#windows = windowsAround(this.#maintenance, now);
    }
    return this.#windows;
  }
}
