/** The two kinds of database that views are looked up in, as a test sees them: what the server is doing, and who may read. */
import { chownSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import mysql from 'mysql2';
import pg from 'pg';
import type { Issued } from './certificates.ts';
import { findMariadb, type Proof, tell } from './mariadb.ts';
import { command, findPostgres } from './postgres.ts';
import { SQL, type Sql } from './registers.ts';

const READER = 'oncegate_reader';
export const PASSWORD = 'a secret: of the reader’s @';

export interface Kind {
  readonly adapter: 'postgres' | 'mysql';
  readonly sql: Sql;
  /** As the reader reaches it, with nothing that protects the connection. */
  readonly address: URL;
  /** As one who may do everything, on a connection of its own. */
  run(...statements: string[]): Promise<Record<string, unknown>[]>;
  /** What the server does for the reader just now. */
  busy(): Promise<number>;
  /** How many connections the reader has. */
  connected(): Promise<number>;
  /** Ends the reader's connections from the server's side. */
  kill(): Promise<void>;
  /** Lets the reader read those views, and nothing else. */
  admit(views: readonly string[]): Promise<void>;
  /** Locks tables until what it gives is called. */
  lock(tables: readonly string[]): Promise<() => Promise<void>>;
  /** Undefined where the server is not the test's own. */
  readonly server: OwnKind | undefined;
  stop(): Promise<void>;
}

export interface OwnKind {
  restart(): Promise<void>;
  crash(): Promise<void>;
  start(): Promise<void>;
  /** From now on the server proves itself by this. */
  show(issued: Issued): Promise<void>;
  /** From now on the reader must prove itself too. */
  demand(ca: string): Promise<void>;
}

const count = (rows: Record<string, unknown>[]): number => Number(rows[0]?.n);

function readersAddress(admin: string): URL {
  const address = new URL(`${admin}?sslmode=disable`);
  address.username = READER;
  address.password = '';
  return address;
}

export async function postgresKind(): Promise<Kind | string> {
  const found = await findPostgres();
  if (typeof found === 'string') return found;
  const admin = await found.fresh();
  const run: Kind['run'] = (...statements) => command(admin, statements.join(';\n'));
  await run(`DROP ROLE IF EXISTS ${READER}`, `CREATE ROLE ${READER} LOGIN PASSWORD '${PASSWORD}'`);
  /** Done when new connections are under what was changed. */
  const reload = async (): Promise<void> => {
    const loaded = async () => String((await run('SELECT pg_conf_load_time()::text AS at'))[0]?.at);
    const before = await loaded();
    await run('SELECT pg_reload_conf()');
    while ((await loaded()) === before) await after(5);
  };
  const rules = found.server === undefined ? '' : String((await run('SHOW hba_file'))[0]?.hba_file);
  const directory = dirname(rules);
  const give = (name: string, text: string): void => {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
    const { uid, gid } = statSync(directory);
    if (process.getuid?.() === 0) chownSync(join(directory, name), uid, gid);
  };
  const admitBy = async (way: string): Promise<void> => {
    writeFileSync(rules, `${way}\n${readFileSync(rules, 'utf8')}`);
    await reload();
  };
  if (found.server !== undefined) await admitBy(`host all ${READER} all scram-sha-256`);
  const readers = `FROM pg_stat_activity WHERE usename = '${READER}'`;
  return {
    adapter: 'postgres',
    sql: SQL.postgres,
    address: readersAddress(admin),
    run,
    busy: async () => count(await run(`SELECT count(*) AS n ${readers} AND state = 'active'`)),
    connected: async () => count(await run(`SELECT count(*) AS n ${readers}`)),
    kill: async () => void (await run(`SELECT pg_terminate_backend(pid) ${readers}`)),
    admit: async (views) => void (await run(`GRANT SELECT ON ${views.join(', ')} TO ${READER}`)),
    async lock(tables) {
      const client = new pg.Client(admin);
      await client.connect();
      await client.query(`BEGIN; LOCK TABLE ${tables.join(', ')}`);
      return () => client.end();
    },
    server: found.server && {
      ...found.server,
      async show({ certificate, key }) {
        give('server.crt', certificate);
        give('server.key', key);
        await run('ALTER SYSTEM SET ssl = on');
        await reload();
      },
      async demand(ca) {
        give('root.crt', ca);
        await run(`ALTER SYSTEM SET ssl_ca_file = 'root.crt'`);
        await admitBy(`hostssl all ${READER} all scram-sha-256 clientcert=verify-ca`);
      },
    },
    async stop() {
      await run(`DROP OWNED BY ${READER}`, `DROP ROLE ${READER}`);
      await found.stop();
    },
  };
}

export async function mysqlKind(proof: Proof | undefined): Promise<Kind | string> {
  const found = await findMariadb(proof);
  if (typeof found === 'string') return found;
  const admin = await found.fresh();
  const run: Kind['run'] = (...statements) => tell(admin, statements.join(';\n'));
  await run(`DROP USER IF EXISTS '${READER}'@'%'`, `CREATE USER '${READER}'@'%' IDENTIFIED BY '${PASSWORD}'`);
  const readers = `FROM information_schema.processlist WHERE user = '${READER}'`;
  return {
    adapter: 'mysql',
    sql: SQL.mysql,
    address: readersAddress(admin),
    run,
    busy: async () => count(await run(`SELECT count(*) AS n ${readers} AND command <> 'Sleep'`)),
    connected: async () => count(await run(`SELECT count(*) AS n ${readers}`)),
    kill: async () => void (await run(...(await run(`SELECT id AS n ${readers}`)).map(({ n }) => `KILL ${n}`), 'SELECT 1')),
    admit: async (views) => void (await run(...views.map((view) => `GRANT SELECT ON ${view} TO '${READER}'@'%'`))),
    async lock(tables) {
      const connection = mysql.createConnection(admin).promise();
      await connection.query(`LOCK TABLES ${tables.map((table) => `${table} WRITE`).join(', ')}`);
      return () => connection.end();
    },
    server: found.server && {
      ...found.server,
      demand: async () => void (await run(`ALTER USER '${READER}'@'%' REQUIRE X509`)),
    },
    async stop() {
      await run(`DROP USER '${READER}'@'%'`);
      await found.stop();
    },
  };
}
