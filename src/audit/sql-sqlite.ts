/** The searchable copy in an SQLite file of its own, which is thrown away rather than mended. */
import { mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { setTimeout as after } from 'node:timers/promises';
import { alone } from './alone.ts';
import { beginning, FORM, PROGRESS, TABLES } from './search-tables.ts';
import type { ColumnType, Database, Row, Sql, Table, Value } from './sql.ts';

const TYPES: Readonly<Record<ColumnType, string>> = { int: 'INTEGER', long: 'INTEGER', key: 'BLOB', text: 'TEXT' };
/** "once", so that no other database is taken for a copy of ours. */
const APPLICATION = 0x6f6e6365;
/** How long to wait for another process that follows into the same file, for which a step is a fraction of a second, and how long between tries. */
const BUSY_MS = 15_000;
const RETRY_MS = 10;
/** How long a statement may block the thread for a lock that is held for a moment. */
const BLOCKED_MS = 100;
const BUSY = 5;
/** Kept in memory for each connection: the epoch that is being written, and the upper pages of the rest. */
const CACHE_KIB = 32 * 1024;
/** Pages in the write-ahead log that are moved into the file at once: the same page is often written again before. */
const AUTOCHECKPOINT_PAGES = 4000;
const MAX_STATEMENTS = 200;
/** Rows that one statement inserts: each call costs about as much as a row does. */
const TOGETHER = 32;
const CORRUPT = 11;
const NOT_A_DATABASE = 26;

/** Opens the copy at `path`; a file that is damaged, foreign or of another form is begun anew. */
export function openSqliteDatabase(path: string): Database {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  try {
    return open(path);
  } catch (error) {
    if (!spoilt(error)) throw error;
    remove(path);
    return open(path);
  }
}

class Foreign extends Error {}

const spoilt = (error: unknown): boolean => error instanceof Foreign || [CORRUPT, NOT_A_DATABASE].includes(codeOf(error));

const codeOf = (error: unknown): number => Number((error as { errcode?: unknown }).errcode ?? 0) & 0xff;

/** Waits without blocking: it may be this very thread that has to finish first. */
async function begin(db: DatabaseSync): Promise<void> {
  for (const end = Date.now() + BUSY_MS; ; await after(RETRY_MS)) {
    try {
      return db.exec('BEGIN IMMEDIATE');
    } catch (error) {
      if (codeOf(error) !== BUSY || Date.now() > end) throw error;
    }
  }
}

const remove = (path: string): void => {
  for (const file of [path, `${path}-wal`, `${path}-shm`]) rmSync(file, { force: true });
};

function open(path: string): Database {
  const db = connect(path);
  let beside: DatabaseSync | undefined;
  try {
    establish(db);
    // What is read outside a transaction must not see into one, though both are of this process: hence a connection of its own.
    beside = connect(path);
    const within = sqliteSql(db);
    const serially = alone();
    const both = [db, beside];
    return {
      ...sqliteSql(beside),
      transaction: (work) =>
        serially(async () => {
          await begin(db);
          try {
            const result = await work(within);
            db.exec('COMMIT');
            return result;
          } catch (error) {
            if (db.isTransaction) db.exec('ROLLBACK');
            throw error;
          }
        }),
      async analyse() {},
      spoilt,
      discard: async () => remove(path),
      close: () =>
        serially(async () => {
          for (const each of both) each.close();
        }),
    };
  } catch (error) {
    for (const each of [db, beside]) each?.close();
    throw error;
  }
}

function connect(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: BLOCKED_MS });
  try {
    // NORMAL: what a power cut takes from the copy is taken over from the log again.
    db.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      PRAGMA cache_size = -${CACHE_KIB};
      PRAGMA wal_autocheckpoint = ${AUTOCHECKPOINT_PAGES};
    `);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function establish(db: DatabaseSync): void {
  const pragma = (name: string): number => Number(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0]);
  db.exec('BEGIN IMMEDIATE');
  try {
    if (pragma('schema_version') !== 0 && (pragma('application_id') !== APPLICATION || pragma('user_version') !== FORM))
      throw new Foreign(`the file is no searchable copy of form ${FORM}`);
    for (const table of TABLES) db.exec(definition(table));
    insertInto(db.prepare.bind(db), 'IGNORE', PROGRESS, [beginning()]);
    db.exec(`PRAGMA application_id = ${APPLICATION}; PRAGMA user_version = ${FORM}; COMMIT`);
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

function definition({ name, columns, key, unique }: Table): string {
  const typed = Object.entries(columns).map(([column, type]) => `${column} ${TYPES[type]}${column === unique ? ' UNIQUE' : ''}`);
  // A single number as the key is the row's own place; any other key is the order of the rows.
  const options = key.length === 1 ? 'STRICT' : 'STRICT, WITHOUT ROWID';
  return `CREATE TABLE IF NOT EXISTS ${name} (${typed.join(', ')}, PRIMARY KEY (${key.join(', ')})) ${options}`;
}

function sqliteSql(db: DatabaseSync): Sql {
  const statements = new Map<string, StatementSync>();
  const prepared = (sql: string): StatementSync => {
    let statement = statements.get(sql);
    if (statement === undefined) {
      if (statements.size >= MAX_STATEMENTS) statements.clear();
      statements.set(sql, (statement = db.prepare(sql)));
    }
    return statement;
  };
  return {
    lock: '',
    all: async (sql, values = []) => prepared(sql).all(...values) as Row[],
    // A list to join with: ranges that are alternatives of a condition make it go through the whole table.
    among: ({ name, key }, ranges) => ({
      from: `(VALUES ${Array(ranges).fill('(?, ?)').join(', ')}) r CROSS JOIN ${name} e`,
      holds: `e.${key} >= r.column1 AND e.${key} < r.column2`,
    }),
    insert: async (table, rows) => insertInto(prepared, 'IGNORE', table, rows),
    put: async (table, rows) => insertInto(prepared, 'REPLACE', table, rows),
    async find(table, keys) {
      const statement = prepared(`SELECT * FROM ${table.name} WHERE ${table.key.map((column) => `${column} = ?`).join(' AND ')}`);
      return keys.flatMap((key) => statement.all(...key) as Row[]);
    },
    empty: async (table) => db.exec(`DELETE FROM ${table.name}`),
  };
}

function insertInto(
  prepare: (sql: string) => StatementSync,
  how: 'IGNORE' | 'REPLACE',
  table: Table,
  rows: readonly (readonly Value[])[],
): void {
  const one = `(${Object.keys(table.columns).map(() => '?')})`;
  const into = (count: number): StatementSync => prepare(`INSERT OR ${how} INTO ${table.name} VALUES ${Array(count).fill(one)}`);
  const whole = rows.length - (rows.length % TOGETHER);
  for (let i = 0; i < whole; i += TOGETHER) into(TOGETHER).run(...rows.slice(i, i + TOGETHER).flat());
  for (const row of rows.slice(whole)) into(1).run(...row);
}
