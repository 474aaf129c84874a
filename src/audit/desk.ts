/** The search on a thread of its own: following the log and searching it take nothing from those who wait for a reply. */
import { Worker } from 'node:worker_threads';
import type { FollowerModule } from './follower.ts';
import type { LogSearch } from './search.ts';
import { LogBroken } from './store.ts';

/** Where the log is, and the copy that is searched. */
export type DeskLocation = { readonly sqlite: { readonly log: string; readonly search: string } } | { readonly postgres: string };

export interface DeskOptions {
  /** Milliseconds after which the copy follows by itself, so that a search finds little left to do. */
  readonly followEvery?: number;
  /** Told when the copy cannot follow, and when the thread died. */
  readonly onTrouble?: (error: Error) => void;
  /** Who follows the log on the same thread. */
  readonly follower?: FollowerModule | undefined;
}

/** What the thread is given. */
export interface DeskSettings {
  readonly location: DeskLocation;
  readonly followEvery: number;
  readonly follower: { readonly module: string; readonly settings: unknown } | undefined;
}

export interface DeskCall {
  readonly id: number;
  readonly method: keyof LogSearch;
  readonly args: readonly unknown[];
}

/** Errors as they cross between threads: what those who catch them tell them by. */
export interface DeskError {
  readonly name: string;
  readonly message: string;
  readonly index?: number;
}
/** A result is JSON: for a long summary half the work, on this side, of the clone that would be made of it. */
export type DeskReply =
  | { readonly id: number; readonly result?: string; readonly error?: DeskError }
  | { readonly trouble: DeskError }
  | { readonly said: unknown };

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

const FOLLOW_EVERY_MS = 1000;
/** A step under way is waited for; one that takes longer is cut off, and leaves nothing. */
const CLOSE_MS = 2000;
/** While it takes over a long log the thread would grow as far as it is let; beyond this it dies alone, and comes back. */
const LIMITS = { maxYoungGenerationSizeMb: 16, maxOldGenerationSizeMb: 256 };

/** Opens the desk. Its thread keeps no process alive but while it is asked something, and is started again by the next question should it die. */
export function openDesk(
  location: DeskLocation,
  { followEvery = FOLLOW_EVERY_MS, onTrouble = () => {}, follower }: DeskOptions = {},
): LogSearch {
  const settings: DeskSettings = {
    location,
    followEvery,
    follower: follower && { module: follower.module.href, settings: follower.settings },
  };
  let closed = false;
  let calls = 0;
  let again: NodeJS.Timeout | undefined;
  let desk: { thread: Worker; waiting: Map<number, Waiting> } | undefined;

  const start = (): { thread: Worker; waiting: Map<number, Waiting> } => {
    const thread = new Worker(new URL('./desk-worker.ts', import.meta.url), {
      name: 'oncegate-desk',
      workerData: settings,
      resourceLimits: LIMITS,
    });
    const waiting = new Map<number, Waiting>();
    thread.unref();
    thread.on('message', (reply: DeskReply) => {
      if ('said' in reply) return follower?.onSaid(reply.said);
      if ('trouble' in reply) return onTrouble(revived(reply.trouble));
      const { id, result, error } = reply;
      const asked = waiting.get(id);
      waiting.delete(id);
      if (waiting.size === 0) thread.unref();
      if (error === undefined) asked?.resolve(result === undefined ? undefined : JSON.parse(result));
      else asked?.reject(revived(error));
    });
    let cause: unknown;
    thread.on('error', (error) => {
      cause = error;
    });
    thread.on('exit', () => {
      if (desk?.thread === thread) desk = undefined;
      const died = new Error('the thread that searches the log died', { cause });
      for (const { reject } of waiting.values()) reject(died);
      if (closed) return;
      onTrouble(died);
      // Whoever follows is not asked anything: nobody else would start it again.
      if (follower !== undefined) again = setTimeout(() => void (desk ??= start()), FOLLOW_EVERY_MS).unref();
    });
    return { thread, waiting };
  };

  const ask = <T>(method: keyof LogSearch, ...args: readonly unknown[]): Promise<T> => {
    if (closed) return Promise.reject(new Error('the search is closed'));
    const { thread, waiting } = (desk ??= start());
    return new Promise<T>((resolve, reject) => {
      const call: DeskCall = { id: ++calls, method, args };
      waiting.set(call.id, { resolve: (result) => resolve(result as T), reject });
      thread.ref();
      thread.postMessage(call);
    });
  };

  desk = start();
  return {
    search: (query) => ask('search', query),
    summary: (query) => ask('summary', query),
    users: () => ask('users'),
    uses: (query) => ask('uses', query),
    expired: (kind, before, limit) => ask('expired', kind, before, limit),
    forget: (indexes) => ask('forget', indexes),
    progress: () => ask('progress'),
    async close() {
      clearTimeout(again);
      const thread = desk?.thread;
      if (closed || thread === undefined) {
        closed = true;
        return;
      }
      const gone = new Promise((resolve) => thread.once('exit', resolve));
      void ask('close').catch(() => {});
      closed = true;
      const patience = setTimeout(() => void thread.terminate(), CLOSE_MS);
      await gone;
      clearTimeout(patience);
    },
  };
}

function revived({ name, message, index }: DeskError): Error {
  if (name === 'LogBroken') return new LogBroken(message, index);
  if (name === 'RangeError') return new RangeError(message);
  return Object.assign(new Error(message), { name });
}
