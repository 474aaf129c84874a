/** One measurement of one variant: what the callers saw, and what the server's process and the registries did meanwhile. */
import { load, quantile } from './load.ts';
import type { Bench, Variant } from './variants.ts';

export interface Measurement {
  readonly requestsPerSecond: number;
  /** Microseconds of CPU, all threads, user and system, of the server's process alone. */
  readonly cpu: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly lookUps: number;
  /** Commits of the log, each one synced, for a thousand requests; NaN where there is no log. */
  readonly commits: number;
  readonly bytes: number;
}

/** Connections are opened before the clock starts: a twentieth of the time is not counted. */
export async function measure(
  { registries }: Bench,
  { name, target, child }: Variant,
  callers: number,
  seconds: number,
): Promise<Measurement> {
  await load(target, callers, seconds / 20);
  const logs = name === 'c' || name === 'd';
  const count = async () => ({
    cpu: await child.ask<number>('cpu'),
    lookUps: await registries.ask<number>('lookUps'),
    commits: logs ? await child.ask<number>('commits') : Number.NaN,
  });
  const before = await count();
  const done = await load(target, callers, seconds);
  const after = await count();
  return {
    requestsPerSecond: done.requests / done.seconds,
    cpu: (after.cpu - before.cpu) / done.requests,
    p50: quantile(done, 0.5),
    p99: quantile(done, 0.99),
    lookUps: (after.lookUps - before.lookUps) / done.requests,
    commits: (1000 * (after.commits - before.commits)) / done.requests,
    bytes: done.bytes,
  };
}

/** Member by member, over the rounds. */
export function medianOf(rounds: readonly Measurement[]): Measurement {
  const members = Object.keys(rounds[0] ?? {}) as (keyof Measurement)[];
  return Object.fromEntries(members.map((member) => [member, median(rounds.map((round) => round[member]))])) as unknown as Measurement;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}
