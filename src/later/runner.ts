/** Works off what is due, a few at a time, until it is told to stop. */
import { setTimeout as after } from 'node:timers/promises';
import type { Clock } from '../domain.ts';
import type { Report } from './keeper.ts';
import type { Due, Taken, Work } from './store.ts';

export interface RunnerTools<Task extends Due> {
  readonly store: Work<Task>;
  /** The task as it is after what was due. */
  readonly step: (task: Task, stop: AbortSignal) => Promise<Task>;
  /** What is worked off, as the operator knows it. */
  readonly what: string;
  readonly clock: Clock;
  readonly report: Report;
  /** Longer than one step takes: only from a process that is gone is a task taken away. Milliseconds. */
  readonly leaseMs: number;
}

/** Requests of callers come first: so few are worked on at once. */
const AT_ONCE = 4;
/** How often it is looked at what is due. Milliseconds. */
const EVERY_MS = 250;
const FORGET_MS = 60_000;

/** Begins. What it returns ends it, and resolves when nothing is under way any more. */
export function run<Task extends Due>({ store, step, what, clock, report, leaseMs }: RunnerTools<Task>): () => Promise<void> {
  const stopping = new AbortController();
  const atWork = new Set<Promise<void>>();
  let pause = new AbortController();
  let forgotten = Number.NEGATIVE_INFINITY;

  const work = async ({ task, lease }: Taken<Task>): Promise<void> => {
    const next = await step(task, stopping.signal);
    // Whose time was over is worked on by another already: what this one did, that one does again.
    if (!(await store.put({ task: next, lease }))) report(`a step of ${what} took longer than its time, or came too late`, undefined, task);
  };
  const look = async (): Promise<void> => {
    const now = clock();
    if (now - forgotten >= FORGET_MS) {
      await store.forget(now);
      forgotten = now;
    }
    const free = AT_ONCE - atWork.size;
    for (const taken of free > 0 ? await store.take(now, now + leaseMs, free) : []) {
      const working = work(taken)
        .catch((error: unknown) => report(`what came of ${what} could not be kept`, error))
        .finally(() => {
          atWork.delete(working);
          pause.abort();
        });
      atWork.add(working);
    }
  };
  const loop = async (): Promise<void> => {
    for (let troubled = false; !stopping.signal.aborted; ) {
      pause = new AbortController();
      try {
        await look();
        troubled = false;
      } catch (error) {
        // Told once, however long the store is away.
        if (!troubled) report(`what is to be done of ${what} cannot be read`, error);
        troubled = true;
      }
      if (stopping.signal.aborted) break;
      await after(EVERY_MS, undefined, { ref: false, signal: pause.signal }).catch(() => undefined);
    }
    await Promise.all(atWork);
  };
  const ended = loop();
  return () => {
    stopping.abort();
    pause.abort();
    return ended;
  };
}
