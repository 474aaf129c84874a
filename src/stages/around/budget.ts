/** Budgets: how many look-ups a registry takes in a second, all together and for one agency. */
import type { Clock, Protection, Rate, Source } from '../../domain.ts';
import { Bucket, type Share } from '../../misuse/bucket.ts';

export class Budget {
  readonly #name: string;
  readonly #settings: Protection['budget'];
  readonly #clock: Clock;
  readonly #share: Share | undefined;
  readonly #all: Bucket | undefined;
  /** Agencies come from verified tokens: there are never more than the catalogue has. */
  readonly #agencies = new Map<string, Bucket>();

  /** Without `share` this gateway counts for itself. */
  constructor({ id, protection: { budget } }: Pick<Source, 'id' | 'protection'>, clock: Clock, share?: Share) {
    this.#name = `budget|${id}`;
    this.#settings = budget;
    this.#clock = clock;
    this.#share = share;
    this.#all = budget.all && new Bucket(budget.all, share, this.#name);
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
    if (rate !== undefined) this.#agencies.set(agency, (bucket = new Bucket(rate, this.#share, `${this.#name}|${agency}`)));
    return bucket;
  }
}
