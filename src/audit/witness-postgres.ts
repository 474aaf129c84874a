/** What a witness remembers, in PostgreSQL: for gateways that are one witness together. */
import pg from 'pg';
import { clientConfig, type Place, plain, prepare } from './postgres-session.ts';
import type { WitnessStore } from './witness.ts';

const CONNECTIONS = 2;
const PATIENCE_MS = 2000;

/** Two that make the same thing at once would hinder each other, "if not exists" or not. */
const SCHEMA = `
  BEGIN;
  SELECT pg_advisory_xact_lock(hashtextextended('oncegate.log', 0));
  CREATE SCHEMA IF NOT EXISTS oncegate;
  CREATE TABLE IF NOT EXISTS oncegate.witnessed (origin text PRIMARY KEY, size bigint NOT NULL, note text NOT NULL);
  COMMIT`;
const LAST = 'SELECT size, note FROM oncegate.witnessed WHERE origin = $1';
const FIRST = `INSERT INTO oncegate.witnessed AS here VALUES ($1, $2, $3)
  ON CONFLICT (origin) DO UPDATE SET size = excluded.size, note = excluded.note WHERE here.size = 0`;
const NEXT = 'UPDATE oncegate.witnessed SET size = $2, note = $3 WHERE origin = $1 AND size = $4';

/** Throws an Error where the server cannot be reached, or does not keep what it was given. */
export async function openPostgresWitness(url: string): Promise<WitnessStore> {
  const place: Place = { url, patience: PATIENCE_MS };
  const pool = new pg.Pool({ ...clientConfig(place), max: CONNECTIONS, onConnect: (client) => prepare(client, place) });
  // The pool has let go of it, and the next question goes over a new connection.
  pool.on('error', () => {});
  try {
    await pool.query(SCHEMA);
  } catch (error) {
    await pool.end();
    throw plain(error, place);
  }
  return {
    async last(origin) {
      try {
        // 64 bits come as text.
        const { rows } = await pool.query<{ size: string; note: string }>(LAST, [origin]);
        const [row] = rows;
        return row && { size: Number(row.size), note: row.note };
      } catch (error) {
        throw plain(error, place);
      }
    },
    async replace(origin, oldSize, newSize, note) {
      try {
        return (await surely(pool, oldSize === 0 ? FIRST : NEXT, [origin, newSize, note, ...(oldSize === 0 ? [] : [oldSize])])) === 1;
      } catch (error) {
        throw plain(error, place);
      }
    },
    close: () => pool.end(),
  };
}

/** How many rows it changed. PostgreSQL only warns where it stopped waiting for the standby that was to confirm a commit: then it rejects. */
async function surely(pool: pg.Pool, text: string, values: readonly unknown[]): Promise<number | null> {
  const client = await pool.connect();
  let doubt: string | undefined;
  const heed = ({ code, message }: { code?: string | undefined; message?: string | undefined }): void => {
    if (code === '01000') doubt = message;
  };
  client.on('notice', heed);
  let failed: Error | undefined;
  try {
    const { rowCount } = await client.query(text, [...values]);
    if (doubt !== undefined) throw new Error(`it is not sure of a commit: ${doubt}`);
    return rowCount;
  } catch (error) {
    failed = error as Error;
    throw error;
  } finally {
    client.off('notice', heed);
    client.release(failed);
  }
}
