/** What is to be completed later, in PostgreSQL: for gateways that work it off together. */
import { randomUUID } from 'node:crypto';
import { openTable } from '../audit/postgres-table.ts';
import type { LaterStore, Task, TaskState } from './store.ts';

const TABLE = `
  CREATE TABLE IF NOT EXISTS oncegate.later (
    id uuid PRIMARY KEY, agency text NOT NULL, state text NOT NULL, created bigint NOT NULL, due bigint, ends bigint NOT NULL,
    sealed bytea NOT NULL, lease uuid, leased bigint NOT NULL DEFAULT 0
  );
  CREATE INDEX IF NOT EXISTS later_due ON oncegate.later (due) WHERE due IS NOT NULL;
  CREATE INDEX IF NOT EXISTS later_over ON oncegate.later (ends) WHERE due IS NULL;
  CREATE INDEX IF NOT EXISTS later_state ON oncegate.later (state);
  CREATE INDEX IF NOT EXISTS later_agency ON oncegate.later (agency);
`;
/** Those who add at once may be a few over: it is a bound on growth and no count. */
const INSERT = `
  INSERT INTO oncegate.later (id, agency, state, created, due, ends, sealed) SELECT $1::uuid, $2::text, $3, $4::bigint, $5::bigint, $6::bigint, $7::bytea
  WHERE (SELECT count(*) FROM oncegate.later WHERE agency = $2) < $8`;
const TAKE = `
  UPDATE oncegate.later SET lease = $4, leased = $2 WHERE id IN (
    SELECT id FROM oncegate.later WHERE due <= $1 AND leased <= $1 ORDER BY due LIMIT $3 FOR UPDATE SKIP LOCKED
  ) RETURNING *`;
const PUT = `
  UPDATE oncegate.later SET state = $3, due = $4, ends = $5, sealed = $6, lease = NULL, leased = 0 WHERE id = $1 AND lease = $2`;
const COUNT = `
  SELECT count(*) FILTER (WHERE state = 'pending') AS pending, count(*) FILTER (WHERE state = 'failing') AS failing
  FROM oncegate.later WHERE state IN ('pending', 'failing')`;

interface Row {
  readonly id: string;
  readonly agency: string;
  readonly state: TaskState;
  /** 64 bits come as text. */
  readonly created: string;
  readonly due: string | null;
  readonly ends: string;
  readonly sealed: Buffer;
}

/** Throws an Error as `openTable` does. */
export async function openPostgresLater(url: string): Promise<LaterStore> {
  const { ask, end } = await openTable(url, 'oncegate.later', TABLE);
  return {
    async add({ id, agency, state, created, due, ends, sealed }, most) {
      return (await ask(INSERT, [id, agency, state, created, due ?? null, ends, sealed, most])).rowCount === 1;
    },
    async get(id) {
      const { rows } = await ask<Row>('SELECT * FROM oncegate.later WHERE id = $1', [id]);
      return rows[0] && toTask(rows[0]);
    },
    async take(now, until, most) {
      // One name for all that one statement takes: each is put back by itself.
      const lease = randomUUID();
      const { rows } = await ask<Row>(TAKE, [now, until, most, lease]);
      return rows.map((row) => ({ task: toTask(row), lease })).sort((a, b) => (a.task.due ?? 0) - (b.task.due ?? 0));
    },
    async put({ task: { id, state, due, ends, sealed }, lease }) {
      return (await ask(PUT, [id, lease, state, due ?? null, ends, sealed])).rowCount === 1;
    },
    async remove(id) {
      await ask('DELETE FROM oncegate.later WHERE id = $1', [id]);
    },
    async forget(now) {
      return (await ask('DELETE FROM oncegate.later WHERE due IS NULL AND ends <= $1', [now])).rowCount ?? 0;
    },
    async counts() {
      const { rows } = await ask<{ pending: string; failing: string }>(COUNT);
      return { pending: Number(rows[0]?.pending), failing: Number(rows[0]?.failing) };
    },
    close: end,
  };
}

const toTask = ({ id, agency, state, created, due, ends, sealed }: Row): Task => ({
  id,
  agency,
  state,
  created: Number(created),
  due: due === null ? undefined : Number(due),
  ends: Number(ends),
  sealed,
});
