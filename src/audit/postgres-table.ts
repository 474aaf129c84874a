/** A table of its own in the gateways' PostgreSQL, made by whichever of them comes first. */
import pg from 'pg';
import { clientConfig, plain, prepare } from './postgres-session.ts';

const PATIENCE_MS = 2000;
const CONNECTIONS = 2;

export interface TableConnection {
  ask<Row extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<pg.QueryResult<Row>>;
  end(): Promise<void>;
}

/**
 * `statements` make what is not there yet; `settings` are of the connections, beside those of the log's. Throws an Error where the server cannot be
 * reached, or does not keep what it was given.
 */
export async function openTable(
  url: string,
  name: string,
  statements: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<TableConnection> {
  const place = { url, patience: PATIENCE_MS };
  const pool = new pg.Pool({ ...clientConfig(place), max: CONNECTIONS, onConnect: (client) => prepare(client, place, settings) });
  // It has let go of the connection, and takes a new one for the next question.
  pool.on('error', () => {});
  const ask: TableConnection['ask'] = async <Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) => {
    try {
      return await pool.query<Row>(text, [...values]);
    } catch (error) {
      throw plain(error, place);
    }
  };
  try {
    const { rows } = await ask<{ made: boolean }>('SELECT to_regclass($1) IS NOT NULL AS made', [name]);
    // Several statements without values are one transaction; the lock is that of the other tables of the schema.
    const lock = `SELECT pg_advisory_xact_lock(hashtextextended('oncegate.log', 0)); CREATE SCHEMA IF NOT EXISTS oncegate;`;
    if (!rows[0]?.made) await pool.query(`${lock} ${statements}`);
  } catch (error) {
    await pool.end();
    throw plain(error, place);
  }
  return { ask, end: () => pool.end() };
}
