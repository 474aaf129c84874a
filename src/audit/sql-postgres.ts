/** The searchable copy in PostgreSQL, beside the log in the schema `oncegate`, followed and read by every gateway. */
import pg from 'pg';
import { beginning, FORM, PROGRESS, TABLES } from './search-tables.ts';
import type { ColumnType, Database, Row, Sql, Table, Value } from './sql.ts';

const SCHEMA = 'oncegate';
const TYPES: Readonly<Record<ColumnType, string>> = { int: 'integer', long: 'bigint', key: 'uuid', text: 'text' };
const CONNECTIONS = 3;
const CONNECT_MS = 5000;
const QUERY_MS = 60_000;
/** Every question has its index, and every join is of few rows with that: a plan made while the tables were small must not read them whole when they are not. */
const PLANS = ['jit', 'enable_seqscan', 'enable_hashjoin', 'enable_mergejoin'];
/** Whoever holds the copy and is stopped or cut off lets go after this, and whoever waits for it waits somewhat longer. */
const HELD_MS = 10_000;
const WAIT_MS = 15_000;
/** Of the lock under which the tables are made. */
const MAKING = 7_165_912;
const MISSING = ['42P01', '3F000'];
const SCHEMA_MADE = ['23505', '42P06'];

/** Opens the copy; one that is missing in part or of an older form is begun anew, one of a newer form is left alone: a gateway of the next version follows it. */
export async function openPostgresDatabase(url: string): Promise<Database> {
  const pool = new pg.Pool({
    connectionString: url,
    max: CONNECTIONS,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: QUERY_MS,
    keepAlive: true,
    allowExitOnIdle: true,
    application_name: 'oncegate search',
    onConnect: async (client) => void (await client.query(PLANS.map((setting) => `SET ${setting} = off`).join('; '))),
    types: { getTypeParser: (oid, format) => (oid === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(oid, format)) },
  });
  // A connection that breaks while nobody uses it is replaced when somebody needs one.
  pool.on('error', () => {});
  const transaction = async <T>(work: (sql: Sql) => Promise<T>): Promise<T> => {
    const client = await pool.connect();
    let failed: Error | undefined;
    try {
      // synchronous_commit: what a power cut takes from the copy is taken over from the log again.
      await client.query(
        `BEGIN; SET LOCAL synchronous_commit = off; SET LOCAL lock_timeout = ${WAIT_MS}; SET LOCAL idle_in_transaction_session_timeout = ${HELD_MS}`,
      );
      const result = await work(postgresSql(client));
      await client.query('COMMIT');
      return result;
    } catch (error) {
      failed = error as Error;
      await client.query('ROLLBACK').then(
        () => (failed = undefined),
        () => {},
      );
      throw error;
    } finally {
      client.release(failed);
    }
  };
  try {
    // The log may make the schema at the same moment: one of the two fails, and finds it made the next time.
    await transaction(establish).catch((error) => {
      if (!SCHEMA_MADE.includes(String(error.code))) throw error;
      return transaction(establish);
    });
  } catch (error) {
    await pool.end();
    throw error;
  }
  return {
    ...postgresSql(pool),
    transaction,
    async analyse() {
      for (const { name } of TABLES) await pool.query(`ANALYZE ${SCHEMA}.${name}`);
    },
    spoilt: (error) => MISSING.includes(String((error as { code?: unknown }).code)),
    async discard() {},
    close: () => pool.end(),
  };
}

async function establish(sql: Sql): Promise<void> {
  await sql.all('SELECT pg_advisory_xact_lock(?)', [MAKING]);
  const held = await sql.all(`SELECT table_name AS name FROM information_schema.tables WHERE table_schema = '${SCHEMA}'`);
  const names = new Set(held.map(({ name }) => name));
  const [progress] = TABLES.every(({ name }) => names.has(name)) ? await sql.all('SELECT form FROM search_progress') : [];
  if (progress?.form === FORM) return;
  if (Number(progress?.form) > FORM)
    throw new Error(`the searchable copy is of form ${progress?.form}, that of a newer version; this one knows form ${FORM}`);
  // Asked first, since a role may be let make tables in the schema without being let make the schema.
  const [schema] = await sql.all(`SELECT to_regnamespace('${SCHEMA}') IS NOT NULL AS there`);
  if (schema?.there !== true) await sql.all(`CREATE SCHEMA IF NOT EXISTS ${SCHEMA}`);
  for (const table of TABLES) {
    await sql.all(`DROP TABLE IF EXISTS ${table.name}`);
    await sql.all(definition(table));
  }
  await sql.insert(PROGRESS, [beginning()]);
}

function definition({ name, columns, key, unique }: Table): string {
  const typed = Object.entries(columns).map(([column, type]) => `${column} ${TYPES[type]}${column === unique ? ' UNIQUE' : ''}`);
  return `CREATE TABLE ${name} (${typed.join(', ')}, PRIMARY KEY (${key.join(', ')}))`;
}

/** Statements as PostgreSQL wants them: values numbered, tables with their schema. */
const inPostgres = (sql: string): string => {
  let values = 0;
  return sql.replace(/\?|\bsearch_[a-z]+\b/g, (found) => (found === '?' ? `$${++values}` : `${SCHEMA}.${found}`));
};

const asValue = (value: Value): number | string | null => (Buffer.isBuffer(value) ? value.toString('hex') : value);

function postgresSql(db: pg.Pool | pg.ClientBase): Sql {
  const all = async (sql: string, values: readonly Value[] = []): Promise<Row[]> =>
    (await db.query<Record<string, unknown>>(inPostgres(sql), values.map(asValue))).rows;
  const insertInto = async (table: Table, rows: readonly (readonly Value[])[], onConflict: string): Promise<void> => {
    if (rows.length === 0) return;
    const columns = Object.keys(table.columns);
    await all(
      `INSERT INTO ${table.name} (${columns.join(', ')}) SELECT * FROM ${lists(table, columns)} ON CONFLICT ${onConflict}`,
      asLists(table, columns, rows),
    );
  };
  return {
    lock: ' FOR UPDATE',
    all,
    // Alternatives of a condition, which it knows the size of: with a list to join with it goes through the whole table.
    among: ({ name, key }, ranges) => ({
      from: `${name} e`,
      holds: `(${Array(ranges).fill(`e.${key} >= ? AND e.${key} < ?`).join(' OR ')})`,
    }),
    insert: (table, rows) => insertInto(table, rows, 'DO NOTHING'),
    put: (table, rows) => {
      const rest = Object.keys(table.columns).filter((column) => !table.key.includes(column));
      return insertInto(
        table,
        rows,
        `(${table.key.join(', ')}) DO UPDATE SET ${rest.map((column) => `${column} = excluded.${column}`).join(', ')}`,
      );
    },
    async find(table, keys) {
      if (keys.length === 0) return [];
      return all(
        `SELECT t.* FROM ${lists(table, table.key)} AS k (${table.key.join(', ')}) JOIN ${table.name} t USING (${table.key.join(', ')})`,
        asLists(table, table.key, keys),
      );
    },
    // Emptied in one stroke; a search that began before waits or begins again, since the era is another then.
    empty: async (table) => void (await all(`TRUNCATE ${table.name}`)),
  };
}

const lists = (table: Table, columns: readonly string[]): string =>
  `unnest(${columns.map((column) => `?::${TYPES[table.columns[column] as ColumnType]}[]`).join(', ')})`;

/** Rows as one list for each column, as PostgreSQL writes lists: one statement however many rows there are. */
function asLists(table: Table, columns: readonly string[], rows: readonly (readonly Value[])[]): string[] {
  return columns.map((column, i) => {
    const quoted = table.columns[column] === 'text';
    const items = rows.map((row) => {
      const value = asValue(row[i] ?? null);
      if (value === null) return 'NULL';
      return quoted ? `"${String(value).replace(/["\\]/g, '\\$&')}"` : String(value);
    });
    return `{${items.join(',')}}`;
  });
}
