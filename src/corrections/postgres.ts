/** Reports of wrong values, in PostgreSQL: for gateways that share them. */
import { randomUUID } from 'node:crypto';
import { openTable } from '../audit/postgres-table.ts';
import type { Ticket, TicketState, TicketStore } from './store.ts';

const TABLE = `
  CREATE TABLE IF NOT EXISTS oncegate.correction (
    id uuid PRIMARY KEY, agency text NOT NULL, source text NOT NULL, dataset text NOT NULL, record text NOT NULL, "values" text NOT NULL,
    state text NOT NULL, created bigint NOT NULL, due bigint, ends bigint NOT NULL, sealed bytea NOT NULL, lease uuid,
    leased bigint NOT NULL DEFAULT 0
  );
  CREATE UNIQUE INDEX IF NOT EXISTS correction_open ON oncegate.correction (agency, record, "values") WHERE state = 'reported';
  CREATE INDEX IF NOT EXISTS correction_list ON oncegate.correction (source, state, created);
  CREATE INDEX IF NOT EXISTS correction_state ON oncegate.correction (state, created);
  CREATE INDEX IF NOT EXISTS correction_due ON oncegate.correction (due) WHERE due IS NOT NULL;
  CREATE INDEX IF NOT EXISTS correction_over ON oncegate.correction (ends) WHERE due IS NULL;
`;
const INSERT = `
  INSERT INTO oncegate.correction (id, agency, source, dataset, record, "values", state, created, due, ends, sealed)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (agency, record, "values") WHERE state = 'reported' DO NOTHING`;
const TAKE = `
  UPDATE oncegate.correction SET lease = $4, leased = $2 WHERE id IN (
    SELECT id FROM oncegate.correction WHERE due <= $1 AND leased <= $1 ORDER BY due LIMIT $3 FOR UPDATE SKIP LOCKED
  ) RETURNING *`;
const AS_NOW = 'UPDATE oncegate.correction SET state = $3, due = $4, ends = $5, sealed = $6, lease = NULL, leased = 0 WHERE id = $1';
const MARK = `SELECT count(*) AS count, sum(created) AS sum FROM oncegate.correction WHERE state = 'reported'`;

interface Row {
  readonly id: string;
  readonly agency: string;
  readonly source: string;
  readonly dataset: string;
  readonly record: string;
  readonly values: string;
  readonly state: TicketState;
  /** 64 bits come as text. */
  readonly created: string;
  readonly due: string | null;
  readonly ends: string;
  readonly sealed: Buffer;
}

/** Throws an Error as `openTable` does. */
export async function openPostgresTickets(url: string): Promise<TicketStore> {
  const { ask, end } = await openTable(url, 'oncegate.correction', TABLE);
  const tickets = async (where: string, values: readonly unknown[] = []): Promise<Ticket[]> =>
    (await ask<Row>(`SELECT * FROM oncegate.correction WHERE ${where}`, values)).rows.map(toTicket);
  const counted = async (text: string, values: readonly unknown[]): Promise<number> => (await ask(text, values)).rowCount ?? 0;
  return {
    add: async ({ id, agency, source, dataset, record, values, state, created, due, ends, sealed }) =>
      (await counted(INSERT, [id, agency, source, dataset, record, values, state, created, due ?? null, ends, sealed])) === 1,
    get: async (id) => (await tickets('id = $1', [id]))[0],
    same: async ({ agency, record, values }) =>
      (await tickets(`agency = $1 AND record = $2 AND "values" = $3 AND state = 'reported'`, [agency, record, values]))[0],
    async openOf(agency) {
      const text = `SELECT count(*) AS count FROM oncegate.correction WHERE agency = $1 AND state = 'reported'`;
      return Number((await ask<{ count: string }>(text, [agency])).rows[0]?.count);
    },
    list: (source, state, most) => tickets('source = $1 AND state = $2 ORDER BY created, id LIMIT $3', [source, state, most]),
    change: async ({ id, state, due, ends, sealed }, before) =>
      (await counted(`${AS_NOW} AND state = $2`, [id, before, state, due ?? null, ends, sealed])) === 1,
    async openMark() {
      const [row] = (await ask<{ count: string; sum: string | null }>(MARK)).rows;
      return `${row?.count} ${row?.sum}`;
    },
    open: () => tickets(`state = 'reported'`),
    async take(now, until, most) {
      // One name for all that one statement takes: each is put back by itself.
      const lease = randomUUID();
      const { rows } = await ask<Row>(TAKE, [now, until, most, lease]);
      return rows.map((row) => ({ task: toTicket(row), lease })).sort((a, b) => (a.task.due ?? 0) - (b.task.due ?? 0));
    },
    put: async ({ task: { id, state, due, ends, sealed }, lease }) =>
      (await counted(`${AS_NOW} AND lease = $2`, [id, lease, state, due ?? null, ends, sealed])) === 1,
    forget: (now) => counted('DELETE FROM oncegate.correction WHERE due IS NULL AND ends <= $1', [now]),
    close: end,
  };
}

const toTicket = ({ id, agency, source, dataset, record, values, state, created, due, ends, sealed }: Row): Ticket => ({
  id,
  agency,
  source,
  dataset,
  record,
  values,
  state,
  created: Number(created),
  due: due === null ? undefined : Number(due),
  ends: Number(ends),
  sealed,
});
