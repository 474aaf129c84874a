/** How many prefills may be at work: as many as this process can work off in time. A caller for whom there is no time left hears so at once. */
import { Problem } from '../problems.ts';

/** Milliseconds that the event loop has worked and waited since it began; Node's own `performance.eventLoopUtilization`. */
export type LoopTimes = () => { readonly active: number; readonly idle: number };

export interface AdmissionSettings {
  /** Within which every prefill is answered. Milliseconds. */
  readonly deadlineMs: number;
  readonly loopTimes: LoopTimes;
}

/** A third of a request's time is for what this process does for it and for those before it; the rest is for the registries, one after another. */
const OWN_SHARE = 1 / 3;
/** So few are always taken: an estimate that went wrong would otherwise never be put right, since nothing is measured where nothing is done. */
const ALWAYS = 64;
/** More are never taken, whatever is estimated: each holds some memory while it waits for registries or the log. */
const NEVER = 2000;
/** How long the loop is watched before it is judged. Milliseconds. */
const WATCH_MS = 100;
/** A loop that works for so much of its time has a queue; one that does not is only waiting for others, however many are at work. */
const SATURATED = 0.9;
/** From so much on its work is that of requests, and tells what one costs. */
const WORKING = 0.5;
/** Requests whose cost is taken together, and how much the newest of such weigh. */
const ENOUGH = 20;
const WEIGHT = 0.3;
/** What a request costs, as long as nothing was measured: a process that has just started is slow. Milliseconds. */
const FIRST_COST_MS = 3;

/**
 * Where the loop is saturated, those at work (N) are worked off one after the other, each at the cost of `c` milliseconds of the loop:
 * by Little's law a new one is through after N × c. It is refused where that is more than the process's share of the deadline. Where the
 * loop has time to spare, N only says how slow the registries are, and each of those has its own limits (`src/stages/around/`).
 */
export class Admission {
  readonly #deadlineMs: number;
  readonly #loopTimes: LoopTimes;
  #atWork = 0;
  #costMs = FIRST_COST_MS;
  #saturated = false;
  #watched: { active: number; idle: number };
  /** Work and requests whose cost was not taken yet. */
  #worked = 0;
  #done = 0;
  #doneBefore = 0;
  /** When the last one left, by the loop's own time. */
  #lastLeft = 0;

  constructor({ deadlineMs, loopTimes }: AdmissionSettings) {
    this.#deadlineMs = deadlineMs;
    this.#loopTimes = loopTimes;
    this.#watched = loopTimes();
  }

  /** Undefined where a request can be taken; or the seconds after which it is worth trying again. */
  wait(): number | undefined {
    const { active, idle } = this.#loopTimes();
    this.#watch(active, idle);
    if (this.#atWork === 0) this.#lastLeft = active + idle;
    const wait = this.#atWork * this.#costMs;
    if (this.#atWork >= ALWAYS) {
      const tooLong = this.#saturated && wait > OWN_SHARE * this.#deadlineMs;
      const stuck = active + idle - this.#lastLeft > this.#deadlineMs;
      if (tooLong || stuck || this.#atWork >= NEVER) return Math.max(1, Math.ceil((stuck ? this.#deadlineMs : wait) / 1000));
    }
    return undefined;
  }

  /** Throws where a request would not be answered in time. */
  admit(): void {
    const retryAfterSeconds = this.wait();
    if (retryAfterSeconds !== undefined) throw new Problem('overloaded', { retryAfterSeconds });
  }

  /** Whether one who can wait is to wait: the loop is saturated, and there are enough to keep it so; or a single request would be refused. */
  crowded(): boolean {
    return this.wait() !== undefined || (this.#saturated && this.#atWork >= ALWAYS);
  }

  /** To be called where there is nothing to wait for, and followed by `leave`. */
  enter(): void {
    this.#atWork++;
  }

  leave(): void {
    const { active, idle } = this.#loopTimes();
    this.#lastLeft = active + idle;
    this.#atWork--;
    this.#done++;
  }

  #watch(active: number, idle: number): void {
    const [worked, waited] = [active - this.#watched.active, idle - this.#watched.idle];
    if (worked + waited < WATCH_MS) return;
    this.#watched = { active, idle };
    const share = worked / (worked + waited);
    this.#saturated = share >= SATURATED;
    // Where the loop is idle its little work is that of timers and collections, and there is nobody to divide it by.
    if (share < WORKING) {
      this.#doneBefore = this.#done;
      return;
    }
    this.#worked += worked;
    const done = this.#done - this.#doneBefore;
    if (done < ENOUGH) return;
    this.#costMs += WEIGHT * (this.#worked / done - this.#costMs);
    this.#worked = 0;
    this.#doneBefore = this.#done;
  }
}
