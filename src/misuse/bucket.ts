/** How often something may be done: one count, of this process or of all gateways together. */
import type { Rate } from '../domain.ts';

/** Hears of a bucket of which so much was taken since it was told that it is worth telling, and again once it is so much that it does not bear waiting. */
export type Share = (bucket: Bucket, urgent: boolean) => void;

/** What was taken and not told yet, as others add it to what they know. Milliseconds. */
export interface Tale {
  readonly debt: number;
  /** Since the first of it was taken. */
  readonly age: number;
  /** What is owed as far as is known here: never more than is true. */
  readonly owed: number;
  /** More is believed of nobody. */
  readonly most: number;
}

/** A third of a second, three times, is not quite a second: what is missing, in milliseconds, is nothing. */
const ROUNDING = 1e-6;
/** Less of the whole than this is not worth telling: who asks once in a while costs no exchange at all. */
const WORTH = 0.02;
/** More of the whole than this is told as soon as may be. */
const URGENT = 0.1;
/** What gateways may take beside each other before they hear of it, and more. Milliseconds. */
const BESIDE_MS = 60_000;

/**
 * One count, as the milliseconds until it will be whole again (a leaky bucket; GCRA of ITU-T I.371): in any while of `w` seconds no more
 * than burst + w × perSecond are taken. Where it is shared, no more than that and, for each gateway, what it takes before it has heard or found worth telling.
 */
export class Bucket {
  /** Of all that are shared, the only one of this name in this process. */
  readonly name: string;
  readonly #interval: number;
  readonly #whole: number;
  readonly #share: Share | undefined;
  #owed = 0;
  #at = Number.NEGATIVE_INFINITY;
  #untold = 0;
  #since = 0;

  constructor({ perSecond, burst }: Rate, share?: Share, name = '') {
    this.#interval = 1000 / perSecond;
    this.#whole = this.#interval * burst;
    this.#share = share;
    this.name = name;
  }

  /** Milliseconds until one can be taken so that of the whole the share `left` is there still; 0 for now. */
  wait(now: number, left = 0): number {
    return Math.max(0, Math.ceil(this.#owedAt(now) + this.#interval - Math.max(this.#interval, this.#whole * (1 - left)) - ROUNDING));
  }

  /** To be called where `wait` is 0. More than one, or than there is, is owed and waited for by whoever comes next. */
  take(now: number, count = 1): void {
    const debt = count * this.#interval;
    this.#owed = this.#owedAt(now) + debt;
    if (this.#share === undefined) return;
    if (this.#untold === 0) this.#since = now;
    const before = this.#untold;
    this.#untold += debt;
    const comes = (part: number): boolean => before < part * this.#whole && this.#untold >= part * this.#whole;
    if (comes(URGENT)) this.#share(this, true);
    else if (comes(WORTH)) this.#share(this, false);
  }

  /** The share of it, from 0 to 1, that is not there just now. */
  used(now: number): number {
    return Math.min(1, this.#owedAt(now) / this.#whole);
  }

  /** What is to be told. It counts as told from now on, and is not told again where it got lost: it would count twice where it did not. */
  tell(now: number): Tale {
    const debt = this.#untold;
    this.#untold = 0;
    return { debt, age: Math.max(0, now - this.#since), owed: this.#owedAt(now), most: this.#most };
  }

  /** All gateways together owed so much, at some moment since `asked`. */
  hear(owed: number, asked: number, now: number): void {
    const since = Math.max(0, now - asked);
    this.#owed = Math.max(this.#owedAt(now), Math.min(owed, this.#most) - since + this.#untold);
  }

  get #most(): number {
    return 2 * this.#whole + BESIDE_MS;
  }

  /** While a clock is set back, time stands still. */
  #owedAt(now: number): number {
    this.#owed = Math.max(0, this.#owed - Math.max(0, now - this.#at));
    this.#at = now;
    return this.#owed;
  }
}
