/** Budgets: how many look-ups a registry takes in a second, all together and for one agency. */
import type { Clock, Protection, Rate } from '../../domain.ts';

/**
 * One budget, as the milliseconds until it will be whole again (a leaky bucket; GCRA of ITU-T I.371): in any while of `w` seconds no more
 * than burst + w × perSecond are taken.
 */
export class Bucket {
  readonly #interval: number;
  readonly #whole: number;
  #owed = 0;
  #at = Number.NEGATIVE_INFINITY;

  constructor({ perSecond, burst }: Rate) {
    this.#interval = 1000 / perSecond;
    this.#whole = this.#interval * burst;
  }

  /** Milliseconds until one can be taken; 0 for now. */
  wait(now: number): number {
    return Math.max(0, Math.ceil(this.#owedAt(now) + this.#interval - this.#whole - ROUNDING));
  }

  /** To be called where `wait` is 0. */
  take(now: number): void {
    this.#owed = this.#owedAt(now) + this.#interval;
  }

  /** The share of it, from 0 to 1, that is not there just now. */
  used(now: number): number {
    return Math.min(1, this.#owedAt(now) / this.#whole);
  }

  /** While a clock is set back, time stands still. */
  #owedAt(now: number): number {
    this.#owed = Math.max(0, this.#owed - Math.max(0, now - this.#at));
    this.#at = now;
    return this.#owed;
  }
}

/** A third of a second, three times, is not quite a second: what is missing, in milliseconds, is nothing. */
const ROUNDING = 1e-6;

export class Budget {
  readonly #settings: Protection['budget'];
  readonly #clock: Clock;
  readonly #all: Bucket | undefined;
  /** Agencies come from verified tokens: there are never more than the catalogue has. */
  readonly #agencies = new Map<string, Bucket>();

  constructor(settings: Protection['budget'], clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
    this.#all = settings.all && new Bucket(settings.all);
  }

  /** Milliseconds until the agency may have the registry asked; 0 for now. */
  wait(agency: string): number {
    const now = this.#clock();
    return Math.max(this.#all?.wait(now) ?? 0, this.#of(agency)?.wait(now) ?? 0);
  }

  /** To be called where `wait` is 0. */
  take(agency: string): void {
    const now = this.#clock();
    this.#all?.take(now);
    this.#of(agency)?.take(now);
  }

  /** Of the whole budget, and of the agency's own: the rate and the share that is used just now. */
  use(agency: string): { all: (Rate & { used: number }) | undefined; own: (Rate & { used: number }) | undefined } {
    const now = this.#clock();
    const { all } = this.#settings;
    const [own, bucket] = [this.#rateOf(agency), this.#of(agency)];
    return {
      all: all && { ...all, used: this.#all?.used(now) ?? 0 },
      own: own && { ...own, used: bucket?.used(now) ?? 0 },
    };
  }

  #rateOf(agency: string): Rate | undefined {
    return this.#settings.agencies.get(agency) ?? this.#settings.eachAgency;
  }

  #of(agency: string): Bucket | undefined {
    let bucket = this.#agencies.get(agency);
    const rate = bucket === undefined ? this.#rateOf(agency) : undefined;
    if (rate !== undefined) this.#agencies.set(agency, (bucket = new Bucket(rate)));
    return bucket;
  }
}
