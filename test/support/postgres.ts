/** A PostgreSQL to test with: the one of DATABASE_URL, or a server of this machine's binaries, started for the test. */
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import pg from 'pg';
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
  if (DATABASE_URL) return databasesOf(DATABASE_URL);
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

/** Databases refuse to run as root: there they run as whom the package made for them, or as nobody. */
export function whoRuns(user: string): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  for (const name of [user, 'nobody']) {
    const [uid, gid] = ['-u', '-g'].map((flag) => Number(spawnSync('id', [flag, name]).stdout.toString() || Number.NaN));
    if (uid !== undefined && gid !== undefined && uid > 0) return { uid, gid };
  }
  return {};
}

/**
 * Starts the server and sends it signals as it is told. At the end of its input, which is that of the test even where it is killed, it ends
 * the server and removes the directory.
 */
export const KEEPER = `
while read -r word; do
  if [ "$word" = start ]; then "$@" & continue; fi
  kill -s "$word" $!
  wait $!
  echo ended
done
kill -s QUIT $! 2>/dev/null
wait
rm -rf "$0"
`;

async function startCluster(binaries: string, more: Readonly<Record<string, string>>): Promise<TestPostgres> {
  const directory = mkdtempSync(join(tmpdir(), 'oncegate-postgres-'));
  const who = whoRuns('postgres');
  if (who.uid !== undefined && who.gid !== undefined) chownSync(directory, who.uid, who.gid);
  const initdb = ['-D', directory, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync', '--no-instructions'];
  const made = spawnSync(join(binaries, 'initdb'), initdb, { ...who, cwd: directory });
  if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`);
  const port = await freePort();
  const settings = { listen_addresses: '127.0.0.1', port, unix_socket_directories: '', shared_buffers: '32MB', ...more };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const keeper = spawn('/bin/sh', ['-c', KEEPER, directory, join(binaries, 'postgres'), '-D', directory, ...flags], {
    ...who,
    cwd: directory,
    detached: true,
  });
  let said = '';
  keeper.stderr.on('data', (chunk) => (said += chunk));
  const address = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const start = async (): Promise<void> => {
    keeper.stdin.write('start\n');
    for (const end = Date.now() + 60_000; !(await answers(address)); await after(20)) {
      if (Date.now() > end) throw new Error(`postgres did not start:\n${said}`);
    }
  };
  const signal = async (name: 'INT' | 'QUIT'): Promise<void> => {
    const ended = once(keeper.stdout, 'data');
    keeper.stdin.write(`${name}\n`);
    await ended;
  };
  await start();
  return {
    ...databasesOf(address),
    server: {
      directory,
      said: () => said,
      async restart(as) {
        await signal('INT');
        if (as === 'standby') writeFileSync(join(directory, 'standby.signal'), '');
        await start();
      },
      crash: () => signal('QUIT'),
      start,
    },
    async stop() {
      const ended = once(keeper, 'exit');
      keeper.stdin.end();
      await ended;
    },
  };
}

function databasesOf(address: string): TestPostgres {
  const made: string[] = [];
  return {
    async fresh() {
      const name = `oncegate_test_${randomBytes(6).toString('hex')}`;
      await command(address, `CREATE DATABASE ${name}`);
      made.push(name);
      const url = new URL(address);
      url.pathname = `/${name}`;
      return url.href;
    },
    server: undefined,
    async stop() {
      for (const name of made) await command(address, `DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}

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

const answers = (address: string): Promise<boolean> =>
  command(address, 'SELECT').then(
    () => true,
    () => false,
  );
