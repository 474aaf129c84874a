/** What a witness remembers, in PostgreSQL: for gateways that are one witness together. */
import type { Pool, PoolClient } from 'pg';
import type { WitnessStore } from './witness.ts';

const FIRST = `INSERT INTO oncegate.witnessed AS here VALUES ($1, $2, $3)
  ON CONFLICT (origin) DO UPDATE SET size = excluded.size, note = excluded.note WHERE here.size = 0`;
const NEXT = 'UPDATE oncegate.witnessed SET size = $2, note = $3 WHERE origin = $1 AND size = $4';

/** Makes the table where there is none. The pool is the caller's, and stays open. */
export async function openPostgresWitness(pool: Pool): Promise<WitnessStore> {
  await inTransaction(pool, async (client) => {
    // Two that make the same thing at once would hinder each other, "if not exists" or not.
    await client.query(`SELECT pg_advisory_xact_lock(hashtextextended('oncegate.log', 0))`);
    await client.query('CREATE SCHEMA IF NOT EXISTS oncegate');
    await client.query('CREATE TABLE IF NOT EXISTS oncegate.witnessed (origin text PRIMARY KEY, size bigint NOT NULL, note text NOT NULL)');
  });
  return {
    async last(origin) {
      // 64 bits come as text.
      const { rows } = await pool.query<{ size: string; note: string }>('SELECT size, note FROM oncegate.witnessed WHERE origin = $1', [
        origin,
      ]);
      const [row] = rows;
      return row && { size: Number(row.size), note: row.note };
    },
    replace: (origin, oldSize, newSize, note) =>
      inTransaction(pool, async (client) => {
        const { rowCount } =
          oldSize === 0 ? await client.query(FIRST, [origin, newSize, note]) : await client.query(NEXT, [origin, newSize, note, oldSize]);
        return rowCount === 1;
      }),
    async close() {},
  };
}

/** Resolves when what was done would survive a power cut. */
async function inTransaction<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let doubt: string | undefined;
  const heed = ({ code, message }: { code?: string | undefined; message?: string | undefined }): void => {
    if (code === '01000') doubt = message;
  };
  client.on('notice', heed);
  let failed: Error | undefined;
  try {
    await client.query('BEGIN');
    // Whatever the server is told otherwise: what was committed is on its disk.
    await client.query('SET LOCAL synchronous_commit TO on');
    const result = await work(client);
    await client.query('COMMIT');
    // PostgreSQL warns, and reports success, where it stopped waiting for the standby that was to confirm.
    if (doubt !== undefined) throw new Error(`the witness’s database is not sure of a commit: ${doubt}`);
    return result;
  } catch (error) {
    failed = error as Error;
    throw error;
  } finally {
    client.off('notice', heed);
    // A connection within a broken transaction is thrown away; the server rolls back.
    client.release(failed);
  }
}
