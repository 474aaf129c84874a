/** A PostgreSQL to test with: the one of DATABASE_URL, or a server of this machine's binaries, started for the test. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import pg from 'pg';
import { freePort } from './wire.ts';

export interface TestPostgres {
  /** The address of a new, empty database. */
  fresh(): Promise<string>;
  /** Undefined where the server is not the test's own to stop. */
  readonly server: OwnServer | undefined;
  stop(): Promise<void>;
}

export interface OwnServer {
  /** Stops as an operator stops it, with everything written back, and starts again; as a standby, until it is promoted, where asked to. */
  restart(as?: 'standby'): Promise<void>;
  /** Stops as a crash stops it: nothing is written back, and what was promised is in the journal or lost. */
  crash(): Promise<void>;
  start(): Promise<void>;
}

/** The reason where there is none. With `CI` set that is an error: a suite that skips there tests nothing. */
export async function findPostgres(): Promise<TestPostgres | string> {
  const { DATABASE_URL, CI } = process.env;
  if (DATABASE_URL) return databasesOf(DATABASE_URL);
  const binaries = findBinaries();
  if (binaries !== undefined) return startCluster(binaries);
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

/** PostgreSQL refuses to run as root: there it runs as whom the package made for it, or as nobody. */
function whoRuns(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = ['-u', '-g'].map((flag) => Number(spawnSync('id', [flag, name]).stdout.toString() || Number.NaN));
    if (uid !== undefined && gid !== undefined && uid > 0) return { uid, gid };
  }
  return {};
}

/**
 * Runs the server for as long as the test lives: at the end of its input, even that of a killed test, it ends the server and
 * removes the directory; at the name of a signal it only sends that.
 */
const KEEPER = `
"$@" &
read -r signal
kill -s "\${signal:-QUIT}" $!
wait
[ -n "$signal" ] || rm -rf "$0"
`;

async function startCluster(binaries: string): Promise<TestPostgres> {
  const directory = mkdtempSync(join(tmpdir(), 'oncegate-postgres-'));
  const who = whoRuns();
  if (who.uid !== undefined && who.gid !== undefined) chownSync(directory, who.uid, who.gid);
  const port = await freePort();
  const initdb = ['-D', directory, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync', '--no-instructions'];
  const made = spawnSync(join(binaries, 'initdb'), initdb, { ...who, cwd: directory });
  if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`);
  const settings = { listen_addresses: '127.0.0.1', port, unix_socket_directories: '', shared_buffers: '32MB' };
  const command = [
    join(binaries, 'postgres'),
    '-D',
    directory,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];

  let keeper: ChildProcess;
  const start = async (): Promise<void> => {
    keeper = spawn('/bin/sh', ['-c', KEEPER, directory, ...command], {
      ...who,
      cwd: directory,
      detached: true,
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    let said = '';
    keeper.stderr?.on('data', (chunk) => (said += chunk));
    for (const end = Date.now() + 20_000; !(await answers(address)); await after(20)) {
      if (Date.now() > end) throw new Error(`postgres did not start:\n${said}`);
    }
  };
  const end = async (signal: string): Promise<void> => {
    if (keeper.exitCode !== null) return;
    const ended = once(keeper, 'exit');
    keeper.stdin?.end(signal);
    await ended;
  };
  const address = `postgres://postgres@127.0.0.1:${port}/postgres`;
  await start();
  return {
    ...databasesOf(address),
    server: {
      async restart(as) {
        await end('INT\n');
        if (as === 'standby') writeFileSync(join(directory, 'standby.signal'), '');
        await start();
      },
      crash: () => end('QUIT\n'),
      start,
    },
    async stop() {
      await end('');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function databasesOf(address: string): TestPostgres {
  const made: string[] = [];
  return {
    async fresh() {
      const name = `oncegate_test_${process.pid}_${made.length}`;
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
