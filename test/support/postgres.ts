/** A PostgreSQL to test with: the one of DATABASE_URL, or a server of this machine's binaries, started for the test. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import pg from 'pg';
import { databasesOf, keepServer, newHome, whoRuns } from './kept-server.ts';
import { freePort } from './ports.ts';

export interface TestPostgres {
  /** The address of a new, empty database. */
  fresh(): Promise<string>;
  /** Undefined where the server is not the test's own to stop. */
  readonly server: OwnServer | undefined;
  stop(): Promise<void>;
}

export interface OwnServer {
  readonly directory: string;
  /** What it wrote into its own log. */
  said(): string;
  /** Stops as an operator stops it, with everything written back, and starts again; as a standby, until it is promoted, where asked to. */
  restart(as?: 'standby'): Promise<void>;
  /** Stops as a crash stops it: nothing is written back, and what was promised is in the journal or lost. */
  crash(): Promise<void>;
  start(): Promise<void>;
}

/** The reason where there is none. With `CI` set that is an error: a suite that skips there tests nothing. */
export async function findPostgres(settings: Readonly<Record<string, string>> = {}): Promise<TestPostgres | string> {
  const { DATABASE_URL, CI } = process.env;
  if (DATABASE_URL) return databasesIn(DATABASE_URL);
  const binaries = findBinaries();
  if (binaries !== undefined) return startCluster(binaries, settings);
  const reason = 'postgres: no PostgreSQL server on this machine and no DATABASE_URL';
  if (CI) throw new Error(reason);
  return reason;
}

/** Debian keeps the server's programs off the path, one directory a version. */
function findBinaries(): string | undefined {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const directories = [...(process.env.PATH ?? '').split(delimiter), ...versions.map((version) => join(debian, version, 'bin'))];
  return directories.find((directory) => ['postgres', 'initdb'].every((program) => existsSync(join(directory, program))));
}

async function startCluster(binaries: string, more: Readonly<Record<string, string>>): Promise<TestPostgres> {
  const who = whoRuns('postgres');
  const directory = newHome('postgres', who);
  const initdb = ['-D', directory, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync', '--no-instructions'];
  const made = spawnSync(join(binaries, 'initdb'), initdb, { ...who, cwd: directory });
  if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`);
  const port = await freePort();
  const settings = { listen_addresses: '127.0.0.1', port, unix_socket_directories: '', shared_buffers: '32MB', ...more };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const address = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const program = [join(binaries, 'postgres'), '-D', directory, ...flags];
  const { said, start, signal, stop } = await keepServer(directory, program, who, () => command(address, 'SELECT'));
  return {
    ...databasesIn(address),
    server: {
      directory,
      said,
      async restart(as) {
        await signal('INT');
        if (as === 'standby') writeFileSync(join(directory, 'standby.signal'), '');
        await start();
      },
      crash: () => signal('QUIT'),
      start,
    },
    stop,
  };
}

const databasesIn = (address: string): TestPostgres =>
  databasesOf(
    address,
    (sql) => command(address, sql),
    (name) => `DROP DATABASE ${name} WITH (FORCE)`,
  );

/** Runs one command on a connection of its own. */
export async function command(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(url);
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}
