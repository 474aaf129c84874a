/** The tables of the log in PostgreSQL: made once, by whichever gateway comes first; entries in partitions that come and go. */
import type pg from 'pg';
import type { Session } from './postgres-session.ts';

/** Entries in a partition: some gigabytes, few enough of them for a thousand million entries. */
export const PARTITION = 2 ** 22;
/** How long a partition that is to go may keep readers and writers waiting. */
const DROP_MS = 200;

const partition = (first: number): string => `oncegate.entries_${first}`;

/** Entries of more than 2 kB would be squeezed and cut into a table of their own, at three times the cost of keeping them as they are. */
const INLINE = 'WITH (toast_tuple_target = 8160)';

/**
 * `entries` has no index but its key; what is searched is projected elsewhere. `tiles` holds a tile in as many pieces as it grew by, since
 * writing it anew with each batch would leave a dead copy each time. `head` is one row, found by its size and not by a constant key: then the
 * newest version is the first one found, however many older ones a long backup keeps alive.
 */
const schema = (size: number): string => `
  SELECT pg_advisory_xact_lock(hashtextextended('oncegate.log', 0));
  CREATE SCHEMA IF NOT EXISTS oncegate;
  CREATE TABLE IF NOT EXISTS oncegate.entries (idx bigint PRIMARY KEY, body text NOT NULL) PARTITION BY RANGE (idx);
  CREATE TABLE IF NOT EXISTS ${partition(0)} PARTITION OF oncegate.entries FOR VALUES FROM (0) TO (${size}) ${INLINE};
  CREATE TABLE IF NOT EXISTS oncegate.tiles (
    level int, index bigint, start int, hashes bytea NOT NULL, PRIMARY KEY (level, index, start)
  ) ${INLINE};
  ALTER TABLE oncegate.tiles ALTER hashes SET STORAGE EXTERNAL;
  CREATE TABLE IF NOT EXISTS oncegate.head (
    size bigint PRIMARY KEY, checkpoint text, cosigned text, cosigned_size bigint, retention bigint, room bigint NOT NULL
  );
  INSERT INTO oncegate.head (size, room) SELECT 0, ${size} WHERE NOT EXISTS (SELECT FROM oncegate.head);
`;

/** Makes the tables where there are none. A role that may not make any can still use those that are there. */
export async function makeSchema({ ask, commit }: Session, size: number): Promise<void> {
  const { rows } = await ask<{ made: boolean }>(`SELECT to_regclass('oncegate.head') IS NOT NULL AS made`);
  if (rows[0]?.made) return;
  await ask('BEGIN');
  await ask(schema(size));
  await commit(undefined);
}

/**
 * One partition more, for entries from `room` on; to be run with the head locked. A table made first and attached then takes no lock that
 * readers, writers or a backup would notice; made as a partition at once, it would wait for them and they for it.
 */
export const grow = (room: number, size: number): pg.QueryConfig => ({
  text: `
    CREATE TABLE ${partition(room)} (LIKE oncegate.entries INCLUDING ALL) ${INLINE};
    ALTER TABLE oncegate.entries ATTACH PARTITION ${partition(room)} FOR VALUES FROM (${room}) TO (${room + size});
    UPDATE oncegate.head SET room = ${room + size};
  `,
});

/** Drops the partitions below `size` that have no entry any more. One that is in use just then stays until the next time. */
export async function dropEmptied({ ask }: Session, size: number): Promise<void> {
  const { rows } = await ask<{ name: string }>(
    `SELECT relname AS name FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 'oncegate.entries'::regclass`,
  );
  const firsts = rows.map(({ name }) => Number(name.slice('entries_'.length))).sort((a, b) => a - b);
  // A partition is full where the next one begins within the log.
  const full = firsts.filter((_, i) => (firsts[i + 1] ?? Number.POSITIVE_INFINITY) <= size);
  if (full.length === 0) return;
  // The newest entry is asked for: pruning goes upwards, so of a partition that is not done yet it is found at once.
  const newest = full.map((first) => `SELECT ${first} AS first, max(idx) AS idx FROM ${partition(first)}`);
  const left = await ask<{ first: number; idx: string | null }>(newest.join(' UNION ALL '));
  for (const { first, idx } of left.rows) {
    if (idx !== null) continue;
    await ask(`BEGIN; SET LOCAL lock_timeout = ${DROP_MS}; DROP TABLE ${partition(first)}; COMMIT`).catch(() => ask('ROLLBACK'));
  }
}
