/** Who is kept out, in PostgreSQL: for gateways that share it. */
import pg from 'pg';
import { clientConfig, plain, prepare } from '../audit/postgres-session.ts';
import { inTurn, type ShutOut, type ShutOutStore } from './shut-outs.ts';

const PATIENCE_MS = 4000;
/** One to decide, one to look: whoever looks does not wait for whoever decides. */
const CONNECTIONS = 2;

/** The lock is that of the other tables of the schema. */
const TABLE = `
  SELECT pg_advisory_xact_lock(hashtextextended('oncegate.log', 0));
  CREATE SCHEMA IF NOT EXISTS oncegate;
  CREATE TABLE IF NOT EXISTS oncegate.shut_out (id uuid PRIMARY KEY, change bigint NOT NULL UNIQUE, body text NOT NULL)`;
const ONE_AT_A_TIME = `SELECT pg_advisory_xact_lock(hashtextextended('oncegate.shut-out', 0))`;
const KEEP = `
  INSERT INTO oncegate.shut_out (id, change, body) VALUES ($1, (SELECT coalesce(max(change), 0) + 1 FROM oncegate.shut_out), $2)
  ON CONFLICT (id) DO UPDATE SET change = excluded.change, body = excluded.body`;

/** Throws an Error where the server cannot be reached, or does not keep what it was given. */
export async function openPostgresShutOuts(url: string): Promise<ShutOutStore> {
  const place = { url, patience: PATIENCE_MS };
  const pool = new pg.Pool({ ...clientConfig(place), max: CONNECTIONS, onConnect: (client) => prepare(client, place) });
  // It has let go of the connection, and takes a new one for the next question.
  pool.on('error', () => {});
  try {
    const { rows } = await pool.query<{ made: boolean }>(`SELECT to_regclass('oncegate.shut_out') IS NOT NULL AS made`);
    if (!rows[0]?.made) await pool.query(TABLE);
  } catch (error) {
    await pool.end();
    throw plain(error, place);
  }
  const alone = inTurn();
  /** A server that ends a connection while it is decided on it is met by the next statement. */
  const broken = (): void => {};
  return {
    change: (decide) =>
      alone(async () => {
        let client: pg.PoolClient | undefined;
        let refused: unknown;
        try {
          client = await pool.connect();
          client.on('error', broken);
          await client.query('BEGIN');
          await client.query(ONE_AT_A_TIME);
          const { rows } = await client.query<{ body: string }>('SELECT body FROM oncegate.shut_out ORDER BY change');
          const decided = await decide(rows.map(({ body }) => JSON.parse(body) as ShutOut)).catch((error: unknown) => {
            refused = error;
            throw error;
          });
          if (decided !== undefined) await client.query(KEEP, [decided.id, JSON.stringify(decided)]);
          await client.query('COMMIT');
          client.off('error', broken);
          client.release();
        } catch (error) {
          // With the connection goes whatever was begun on it.
          client?.release(true);
          throw refused ?? plain(error, place);
        }
      }),
    async since(change) {
      try {
        const text = 'SELECT change, body FROM oncegate.shut_out WHERE change > $1 ORDER BY change';
        const { rows } = await pool.query<{ change: string; body: string }>(text, [change]);
        return rows.map((row) => ({ change: Number(row.change), shutOut: JSON.parse(row.body) as ShutOut }));
      } catch (error) {
        throw plain(error, place);
      }
    },
    async close() {
      await alone(async () => {});
      await pool.end();
    },
  };
}
