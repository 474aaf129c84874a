/** What is to be completed later, in an SQLite file beside the log's. */
import { randomUUID } from 'node:crypto';
import type { SQLOutputValue } from 'node:sqlite';
import { openTableFile } from '../audit/sqlite-table.ts';
import type { LaterStore, Task, TaskState } from './store.ts';

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
  const { db, write } = openTableFile(path, TABLE);
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

const toTask = (row: Record<string, SQLOutputValue>): Task => ({
  id: String(row.id),
  agency: String(row.agency),
  state: String(row.state) as TaskState,
  created: Number(row.created),
  due: row.due === null ? undefined : Number(row.due),
  ends: Number(row.ends),
  sealed: Buffer.from(row.sealed as Uint8Array),
});
