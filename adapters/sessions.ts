/** Sessions with a database server: few, kept for the next question, and ended at once where a question fails or is given up. */

import type { JsonObject } from '../src/adapter.ts';

export interface Question {
  /** With one placeholder. */
  readonly statement: string;
  /** Bound to the placeholder as a parameter: it is never a part of the statement. */
  readonly key: string;
  /** The columns in the order of the statement. */
  readonly columns: readonly string[];
  /** Those that hold JSON, whatever type the database says they are of. */
  readonly json: ReadonlySet<string>;
}

export interface Session {
  /** Settles when it may be asked. Rejects with `SourceError`. */
  readonly ready: Promise<void>;
  readonly alive: boolean;
  /** One question at a time. Rejects with `SourceError`; of a session that was cut it may stay open for ever. */
  ask(question: Question): Promise<JsonObject[]>;
  /** Ends it as the server likes it, when it has nothing to do. */
  leave(): void;
  /** Ends it now, and what it was asked with it. */
  cut(): void;
}

export interface Sessions {
  /** Rejects with `SourceError` or the signal's reason, and with nothing else. */
  ask(question: Question, signal: AbortSignal): Promise<JsonObject[]>;
  close(): Promise<void>;
}

/** A registry's database has other work to do: what more is asked at a time waits here. */
const MOST = 8;
/** Shorter than a firewall forgets a connection. */
const IDLE_MS = 30_000;

/** Not the drivers' own pools: who waits for a connection there cannot leave, and who leaves does not end what the server is doing. */
export function sessions(open: () => Session, idleMs = IDLE_MS): Sessions {
  const idle: { session: Session; expiry: NodeJS.Timeout }[] = [];
  const used = new Set<Session>();
  const waiting = new Set<() => void>();
  let closed = false;

  const wake = (): void => waiting.values().next().value?.();

  const turn = (signal: AbortSignal): Promise<void> | undefined => {
    if (used.size < MOST) return;
    return new Promise((resolve, reject) => {
      const next = (): void => {
        waiting.delete(next);
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        waiting.delete(next);
        reject(signal.reason);
      };
      waiting.add(next);
      signal.addEventListener('abort', leave, { once: true });
    });
  };

  const take = (): Session => {
    for (let kept = idle.pop(); kept !== undefined; kept = idle.pop()) {
      clearTimeout(kept.expiry);
      if (kept.session.alive) return kept.session;
      kept.session.cut();
    }
    return open();
  };

  const keep = (session: Session): void => {
    const leave = (): void => {
      idle.splice(
        idle.findIndex((kept) => kept.session === session),
        1,
      );
      session.leave();
    };
    idle.push({ session, expiry: setTimeout(leave, idleMs).unref() });
  };

  const ask: Sessions['ask'] = async (question, signal) => {
    signal.throwIfAborted();
    while (used.size >= MOST) await turn(signal);
    if (signal.aborted) {
      wake();
      throw signal.reason;
    }
    const session = take();
    used.add(session);
    const given = Promise.withResolvers<never>();
    const giveUp = (): void => {
      session.cut();
      given.reject(signal.reason);
    };
    signal.addEventListener('abort', giveUp, { once: true });
    let kept = false;
    try {
      const rows = await Promise.race([session.ready.then(() => session.ask(question)), given.promise]);
      kept = session.alive && !closed;
      return rows;
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    } finally {
      signal.removeEventListener('abort', giveUp);
      used.delete(session);
      if (kept) keep(session);
      else session.cut();
      wake();
    }
  };

  const close = async (): Promise<void> => {
    closed = true;
    for (const session of used) session.cut();
    for (const { session, expiry } of idle.splice(0)) {
      clearTimeout(expiry);
      session.leave();
    }
  };
  return { ask, close };
}
