/** A table of its own in an SQLite file beside the log's, which several processes of one machine may change. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** How long a change waits for that of another process. The wait blocks this one, so it is short. Milliseconds. */
const BUSY_MS = 500;

export interface TableFile {
  readonly db: DatabaseSync;
  /** Resolves when it was committed. */
  readonly write: <T>(change: () => T) => Promise<T>;
}

/**
 * `statements` make what is not there yet. `FULL`: a commit is synced before anybody is told of it; `NORMAL`: it survives the process, and a power cut
 * may take the last ones. What is removed is overwritten.
 */
export function openTableFile(path: string, statements: string, synchronous: 'FULL' | 'NORMAL' = 'FULL'): TableFile {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const db = new DatabaseSync(path, { timeout: BUSY_MS });
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}; PRAGMA secure_delete = ON; ${statements}`);
  return { db, write: together(db) };
}

/** What is written in one turn of the event loop shares one transaction, and so one sync. */
function together(db: DatabaseSync): <T>(change: () => T) => Promise<T> {
  let waiting: { readonly run: () => void; readonly settle: () => void; readonly refuse: (error: Error) => void }[] = [];
  const commit = async (): Promise<void> => {
    await nextTurn();
    const batch = waiting;
    waiting = [];
    try {
      db.exec('BEGIN IMMEDIATE');
      for (const { run } of batch) run();
      db.exec('COMMIT');
    } catch (error) {
      if (db.isOpen && db.isTransaction) db.exec('ROLLBACK');
      for (const { refuse } of batch) refuse(error as Error);
      return;
    }
    for (const { settle } of batch) settle();
  };
  return <T>(change: () => T) =>
    new Promise<T>((resolve, refuse) => {
      let made: T;
      if (waiting.length === 0) void commit();
      waiting.push({
        run: () => {
          made = change();
        },
        settle: () => resolve(made),
        refuse,
      });
    });
}
