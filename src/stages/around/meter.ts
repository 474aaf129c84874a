/** What a registry did in the last minutes: how long its answers took, what failed and why, whom it was not asked for. In constant memory. */
import { SourceError, type SourceFailure } from '../../adapter.ts';
import type { Clock, NotAskedReason } from '../../domain.ts';
import { type AskOnce, type LookUpOnce, NotAsked } from './question.ts';
import { Slices } from './slices.ts';

const SLICES = 5;
const SLICE_MS = 60_000;
/** How much the newest look-up weighs in what is typical. */
const WEIGHT = 0.1;
/** Shares of failures above which a registry counts as troubled, and below which it does no longer. */
const TROUBLED = { from: 0.2, to: 0.05 };

interface Slice {
  asked: number;
  failed: number;
  retried: number;
  readonly reasons: Map<SourceFailure | NotAskedReason, number>;
  readonly latencies: Uint32Array;
}

export interface Recent {
  readonly seconds: number;
  readonly asked: number;
  readonly failed: number;
  readonly retried: number;
  /** Milliseconds; undefined where nothing was answered. */
  readonly p50: number | undefined;
  readonly p95: number | undefined;
  /** Why it failed or was not asked → how often. */
  readonly reasons: Readonly<Record<string, number>>;
}

export class Meter {
  readonly #clock: Clock;
  readonly #slices = new Slices<Slice>(SLICES, SLICE_MS, make, clear);
  #typical: number | undefined;
  #failing = 0;
  #troubled = false;
  #since: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#since = clock();
  }

  /** Milliseconds that an answer takes, of late, a refusal too; 0 where nothing came yet. */
  get typical(): number {
    return this.#typical ?? 0;
  }

  /** Whether a considerable share of the latest look-ups failed, and since when it is so or not. */
  get health(): { readonly troubled: boolean; readonly since: number } {
    return { troubled: this.#troubled, since: this.#since };
  }

  answered(took: number): void {
    const milliseconds = Math.max(0, took);
    const slice = this.#slices.at(this.#clock());
    slice.asked++;
    const bucket = bucketOf(milliseconds);
    slice.latencies[bucket] = (slice.latencies[bucket] as number) + 1;
    this.#took(milliseconds);
    this.#feel(0);
  }

  failed(reason: SourceFailure, took: number): void {
    const slice = this.#slices.at(this.#clock());
    slice.asked++;
    slice.failed++;
    slice.reasons.set(reason, (slice.reasons.get(reason) ?? 0) + 1);
    // How long nothing came says how long was waited, not how long an answer takes.
    if (reason !== 'timeout' && reason !== 'unreachable') this.#took(Math.max(0, took));
    this.#feel(1);
  }

  retried(): void {
    this.#slices.at(this.#clock()).retried++;
  }

  notAsked(reason: NotAskedReason): void {
    const { reasons } = this.#slices.at(this.#clock());
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }

  recent(): Recent {
    const slices = this.#slices.recent(this.#clock());
    const sum = (member: 'asked' | 'failed' | 'retried'): number => slices.reduce((total, slice) => total + slice[member], 0);
    const reasons: Record<string, number> = {};
    for (const slice of slices) for (const [reason, count] of slice.reasons) reasons[reason] = (reasons[reason] ?? 0) + count;
    const latencies = new Uint32Array(BUCKETS);
    for (const slice of slices)
      for (const [bucket, count] of slice.latencies.entries()) latencies[bucket] = (latencies[bucket] as number) + count;
    return {
      seconds: (SLICES * SLICE_MS) / 1000,
      asked: sum('asked'),
      failed: sum('failed'),
      retried: sum('retried'),
      p50: quantile(latencies, 0.5),
      p95: quantile(latencies, 0.95),
      reasons,
    };
  }

  #took(milliseconds: number): void {
    this.#typical = this.#typical === undefined ? milliseconds : this.#typical + WEIGHT * (milliseconds - this.#typical);
  }

  #feel(failed: 0 | 1): void {
    this.#failing += WEIGHT * (failed - this.#failing);
    const troubled = this.#failing > (this.#troubled ? TROUBLED.to : TROUBLED.from);
    if (troubled === this.#troubled) return;
    this.#troubled = troubled;
    this.#since = this.#clock();
  }
}

/** Buckets of a millisecond to 16, then eight for each doubling: never more than an eighth too high, up to a minute. */
const BUCKETS = 16 + 8 * 12;

export function bucketOf(milliseconds: number): number {
  const value = Math.floor(milliseconds);
  if (value < 16) return value;
  const doubling = 31 - Math.clz32(value);
  return Math.min(BUCKETS - 1, 16 + 8 * (doubling - 4) + ((value >> (doubling - 3)) & 7));
}

/** The longest that falls into a bucket. */
export function upperEnd(bucket: number): number {
  if (bucket < 16) return bucket;
  const doubling = 4 + ((bucket - 16) >> 3);
  return 2 ** doubling + (((bucket - 16) & 7) + 1) * 2 ** (doubling - 3) - 1;
}

function quantile(latencies: Uint32Array, share: number): number | undefined {
  const all = latencies.reduce((total, count) => total + count, 0);
  let below = 0;
  for (const [bucket, count] of latencies.entries()) {
    below += count;
    if (count > 0 && below >= share * all) return upperEnd(bucket);
  }
  return undefined;
}

const make = (): Slice => ({ asked: 0, failed: 0, retried: 0, reasons: new Map(), latencies: new Uint32Array(BUCKETS) });

function clear(slice: Slice): void {
  slice.asked = slice.failed = slice.retried = 0;
  slice.reasons.clear();
  slice.latencies.fill(0);
}

interface Measuring {
  readonly meter: Meter;
  readonly clock: Clock;
}

/** Measures whoever is asked. */
export function withMeter(ask: AskOnce, { meter, clock }: Measuring): AskOnce {
  return async (question, signal) => {
    const from = clock();
    try {
      const answer = await ask(question, signal);
      meter.answered(clock() - from);
      return answer;
    } catch (error) {
      if (error instanceof SourceError) meter.failed(error.reason, clock() - from);
      throw error;
    }
  };
}

/** Counts for whom nobody was asked. */
export function withCount(next: LookUpOnce, { meter }: Measuring): LookUpOnce {
  return async (question, signal) => {
    try {
      return await next(question, signal);
    } catch (error) {
      if (error instanceof NotAsked) meter.notAsked(error.reason);
      throw error;
    }
  };
}
