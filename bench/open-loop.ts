/** An open loop: questions arrive when they arrive, whether or not those before were answered, and each waits from the moment it was meant for. */
import { setTimeout as after } from 'node:timers/promises';
import { numbers } from '../test/support/chance.ts';

export interface OpenLoad {
  /** Milliseconds from the moment that was meant, not from when it was sent: who could not be asked in time waited all the same. Ascending. */
  readonly latencies: Float64Array;
  /** By how much the questions were sent too late, because the callers' own process was: ascending. */
  readonly late: Float64Array;
  readonly refused: number;
}

/** Arrivals of a Poisson process of so many a second; `ask` says whether it was answered. Equal seeds give equal arrivals. Rejects where `ask` does. */
export async function openLoop(ask: (n: number) => Promise<boolean>, perSecond: number, seconds: number, seed: number): Promise<OpenLoad> {
  const random = numbers(seed);
  const meant: number[] = [];
  for (let at = 0; at < seconds * 1000; at += (-Math.log(1 - random()) * 1000) / perSecond) meant.push(at);
  const late = new Float64Array(meant.length);
  const latencies: number[] = [];
  const start = performance.now();
  const asking: Promise<void>[] = [];
  for (const [n, at] of meant.entries()) {
    const early = at - (performance.now() - start);
    if (early > 0) await after(early);
    late[n] = performance.now() - start - at;
    asking.push(
      ask(n).then((answered) => {
        if (answered) latencies.push(performance.now() - start - at);
      }),
    );
  }
  await Promise.all(asking);
  return { latencies: Float64Array.from(latencies).sort(), late: late.sort(), refused: meant.length - latencies.length };
}
