/** Reports of wrong values, in an SQLite file beside the log's. */
import { randomUUID } from 'node:crypto';
import type { SQLOutputValue } from 'node:sqlite';
import { openTableFile } from '../audit/sqlite-table.ts';
import type { Ticket, TicketState, TicketStore } from './store.ts';

const TABLE = `
  CREATE TABLE IF NOT EXISTS correction (
    id TEXT PRIMARY KEY, agency TEXT NOT NULL, source TEXT NOT NULL, dataset TEXT NOT NULL, record TEXT NOT NULL, "values" TEXT NOT NULL,
    state TEXT NOT NULL, created INTEGER NOT NULL, due INTEGER, ends INTEGER NOT NULL, sealed BLOB NOT NULL, lease TEXT,
    leased INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE UNIQUE INDEX IF NOT EXISTS correction_open ON correction (agency, record, "values") WHERE state = 'reported';
  CREATE INDEX IF NOT EXISTS correction_list ON correction (source, state, created);
  CREATE INDEX IF NOT EXISTS correction_state ON correction (state, created);
  CREATE INDEX IF NOT EXISTS correction_due ON correction (due) WHERE due IS NOT NULL;
  CREATE INDEX IF NOT EXISTS correction_over ON correction (ends) WHERE due IS NULL;
`;

export function openSqliteTickets(path: string): TicketStore {
  const { db, write } = openTableFile(path, TABLE);
  const insert = db.prepare(
    'INSERT INTO correction (id, agency, source, dataset, record, "values", state, created, due, ends, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (agency, record, "values") WHERE state = \'reported\' DO NOTHING',
  );
  const select = db.prepare('SELECT * FROM correction WHERE id = ?');
  const same = db.prepare(`SELECT * FROM correction WHERE agency = ? AND record = ? AND "values" = ? AND state = 'reported'`);
  const openOf = db.prepare(`SELECT count(*) AS count FROM correction WHERE agency = ? AND state = 'reported'`);
  const list = db.prepare('SELECT * FROM correction WHERE source = ? AND state = ? ORDER BY created, id LIMIT ?');
  const mark = db.prepare(`SELECT count(*) AS count, CAST(sum(created) AS TEXT) AS sum FROM correction WHERE state = 'reported'`);
  const open = db.prepare(`SELECT * FROM correction WHERE state = 'reported'`);
  const due = db.prepare('SELECT * FROM correction WHERE due <= ? AND leased <= ? ORDER BY due LIMIT ?');
  const lease = db.prepare('UPDATE correction SET lease = ?, leased = ? WHERE id = ?');
  const AS_NOW = 'UPDATE correction SET state = ?, due = ?, ends = ?, sealed = ?, lease = NULL, leased = 0';
  const update = db.prepare(`${AS_NOW} WHERE id = ? AND lease = ?`);
  const change = db.prepare(`${AS_NOW} WHERE id = ? AND state = ?`);
  const forget = db.prepare('DELETE FROM correction WHERE due IS NULL AND ends <= ?');
  const one = (row: Record<string, SQLOutputValue> | undefined): Ticket | undefined => row && toTicket(row);

  return {
    add: ({ id, agency, source, dataset, record, values, state, created, due: at, ends, sealed }) =>
      write(() => insert.run(id, agency, source, dataset, record, values, state, created, at ?? null, ends, sealed).changes === 1),
    get: async (id) => one(select.get(id)),
    same: async ({ agency, record, values }) => one(same.get(agency, record, values)),
    openOf: async (agency) => Number(openOf.get(agency)?.count),
    list: async (source, state, most) => list.all(source, state, most).map(toTicket),
    change: ({ id, state, due: at, ends, sealed }, before) =>
      write(() => change.run(state, at ?? null, ends, sealed, id, before).changes === 1),
    async openMark() {
      const row = mark.get();
      return `${row?.count} ${row?.sum}`;
    },
    open: async () => open.all().map(toTicket),
    // Most of the time nothing is due, and nothing need be written.
    take: async (now, until, most) =>
      due.get(now, now, 1) === undefined
        ? []
        : write(() =>
            due.all(now, now, most).map((row) => {
              const taken = { task: toTicket(row), lease: randomUUID() };
              lease.run(taken.lease, until, taken.task.id);
              return taken;
            }),
          ),
    put: ({ task: { id, state, due: at, ends, sealed }, lease: by }) =>
      write(() => update.run(state, at ?? null, ends, sealed, id, by).changes === 1),
    forget: (now) => write(() => Number(forget.run(now).changes)),
    async close() {
      db.close();
    },
  };
}

const toTicket = (row: Record<string, SQLOutputValue>): Ticket => ({
  id: String(row.id),
  agency: String(row.agency),
  source: String(row.source),
  dataset: String(row.dataset),
  record: String(row.record),
  values: String(row.values),
  state: String(row.state) as TicketState,
  created: Number(row.created),
  due: row.due === null ? undefined : Number(row.due),
  ends: Number(row.ends),
  sealed: Buffer.from(row.sealed as Uint8Array),
});
