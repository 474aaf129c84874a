/** What is to be completed later, in an SQLite file beside the log's. */
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { LaterStore, Task, TaskState } from './store.ts';

/** How long a change waits for that of another process. The wait blocks this one, so it is short. Milliseconds. */
const BUSY_MS = 500;

const TABLE = `
  CREATE TABLE IF NOT EXISTS later (
    id TEXT PRIMARY KEY, agency TEXT NOT NULL, state TEXT NOT NULL, created INTEGER NOT NULL, due INTEGER, ends INTEGER NOT NULL,
    sealed BLOB NOT NULL, lease TEXT, leased INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX IF NOT EXISTS later_due ON later (due) WHERE due IS NOT NULL;
  CREATE INDEX IF NOT EXISTS later_over ON later (ends) WHERE due IS NULL;
  CREATE INDEX IF NOT EXISTS later_state ON later (state);
  CREATE INDEX IF NOT EXISTS later_agency ON later (agency);
`;

export function openSqliteLater(path: string): LaterStore {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const db = new DatabaseSync(path, { timeout: BUSY_MS });
  // FULL: a commit is synced before anybody is told of it. What is removed is overwritten.
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; ${TABLE}`);
  const insert = db.prepare('INSERT INTO later (id, agency, state, created, due, ends, sealed) VALUES (?, ?, ?, ?, ?, ?, ?)');
  const held = db.prepare('SELECT count(*) AS count FROM later WHERE agency = ?');
  const select = db.prepare('SELECT * FROM later WHERE id = ?');
  const due = db.prepare('SELECT * FROM later WHERE due <= ? AND leased <= ? ORDER BY due LIMIT ?');
  const lease = db.prepare('UPDATE later SET lease = ?, leased = ? WHERE id = ?');
  const update = db.prepare(
    'UPDATE later SET state = ?, due = ?, ends = ?, sealed = ?, lease = NULL, leased = 0 WHERE id = ? AND lease = ?',
  );
  const remove = db.prepare('DELETE FROM later WHERE id = ?');
  const forget = db.prepare('DELETE FROM later WHERE due IS NULL AND ends <= ?');
  const count = db.prepare('SELECT count(*) AS count FROM later WHERE state = ?');
  const write = together(db);
  const counted = (state: TaskState): number => Number(count.get(state)?.count);

  return {
    add: ({ id, agency, state, created, due: at, ends, sealed }, most) =>
      write(() => {
        if (Number(held.get(agency)?.count) >= most) return false;
        insert.run(id, agency, state, created, at ?? null, ends, sealed);
        return true;
      }),
    async get(id) {
      const row = select.get(id);
      return row && toTask(row);
    },
    // Most of the time nothing is due, and nothing need be written.
    take: async (now, until, most) =>
      due.get(now, now, 1) === undefined
        ? []
        : write(() =>
            due.all(now, now, most).map((row) => {
              const taken = { task: toTask(row), lease: randomUUID() };
              lease.run(taken.lease, until, taken.task.id);
              return taken;
            }),
          ),
    put: ({ task: { id, state, due: at, ends, sealed }, lease: by }) =>
      write(() => update.run(state, at ?? null, ends, sealed, id, by).changes === 1),
    remove: (id) => write(() => void remove.run(id)),
    forget: (now) => write(() => Number(forget.run(now).changes)),
    counts: async () => ({ pending: counted('pending'), failing: counted('failing') }),
    async close() {
      db.close();
    },
  };
}

/** What is written in one turn of the event loop shares one transaction, and so one sync. */
export function together(db: DatabaseSync): <T>(change: () => T) => Promise<T> {
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

const toTask = (row: Record<string, SQLOutputValue>): Task => ({
  id: String(row.id),
  agency: String(row.agency),
  state: String(row.state) as TaskState,
  created: Number(row.created),
  due: row.due === null ? undefined : Number(row.due),
  ends: Number(row.ends),
  sealed: Buffer.from(row.sealed as Uint8Array),
});
