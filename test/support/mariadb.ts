/** A MariaDB or MySQL to test with: the one of MYSQL_URL, or a MariaDB of this machine's binaries, started for the test. */
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import mysql from 'mysql2/promise';
import type { Issued } from './certificates.ts';
import { freePort } from './ports.ts';
import { KEEPER, whoRuns } from './postgres.ts';

export interface TestMariadb {
  /** The address of a new, empty database, with the name of whoever may do everything there. */
  fresh(): Promise<string>;
  /** Undefined where the server is not the test's own to stop. */
  readonly server: OwnMariadb | undefined;
  stop(): Promise<void>;
}

export interface OwnMariadb {
  restart(): Promise<void>;
  crash(): Promise<void>;
  start(): Promise<void>;
  /** From now on it proves itself by this. */
  show(issued: Issued): Promise<void>;
}

/** What the server proves itself by, and the CA of those who must prove themselves to it. */
export interface Proof {
  readonly issued: Issued;
  readonly ca: string;
}

/** The reason where there is none. With `CI` set that is an error: a suite that skips there tests nothing. */
export async function findMariadb(proof?: Proof): Promise<TestMariadb | string> {
  const { MYSQL_URL, CI } = process.env;
  if (MYSQL_URL) return databasesOf(MYSQL_URL);
  const [server, install] = ['mariadbd', 'mariadb-install-db'].map(programAt);
  if (server !== undefined && install !== undefined) return startServer(server, install, proof);
  const reason = 'mysql: no MariaDB server on this machine and no MYSQL_URL';
  if (CI) throw new Error(reason);
  return reason;
}

/** Debian keeps servers where only root looks. */
const programAt = (name: string): string | undefined =>
  [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/bin'].map((directory) => join(directory, name)).find(existsSync);

async function startServer(server: string, install: string, proof: Proof | undefined): Promise<TestMariadb> {
  const directory = mkdtempSync(join(tmpdir(), 'oncegate-mariadb-'));
  const who = whoRuns('mysql');
  const give = (name: string, text: string): void => {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
    if (who.uid !== undefined && who.gid !== undefined) chownSync(join(directory, name), who.uid, who.gid);
  };
  if (who.uid !== undefined && who.gid !== undefined) chownSync(directory, who.uid, who.gid);
  const common = ['--no-defaults', `--datadir=${directory}`, '--innodb-log-file-size=4M', '--innodb-buffer-pool-size=16M'];
  const make = [...common, '--auth-root-authentication-method=normal', '--skip-test-db', '--skip-name-resolve', '--force'];
  const made = spawnSync(install, make, { ...who, cwd: directory });
  if (made.status !== 0) throw new Error(`mariadb-install-db: ${made.stderr}`);
  const show = ({ certificate, key }: Issued): void => {
    give('certificate.pem', certificate);
    give('key.pem', key);
  };
  if (proof !== undefined) {
    show(proof.issued);
    give('ca.pem', proof.ca);
  }
  const port = await freePort();
  const proofs = [`--ssl-cert=${directory}/certificate.pem`, `--ssl-key=${directory}/key.pem`, `--ssl-ca=${directory}/ca.pem`];
  const flags = [
    ...common,
    ...(proof === undefined ? [] : proofs),
    `--port=${port}`,
    `--socket=${directory}/socket`,
    '--bind-address=127.0.0.1',
    '--skip-name-resolve',
    '--innodb-fast-shutdown=2',
  ];
  const keeper = spawn('/bin/sh', ['-c', KEEPER, directory, server, ...flags], { ...who, cwd: directory, detached: true });
  let said = '';
  keeper.stderr.on('data', (chunk) => (said += chunk));
  const address = `mysql://root@127.0.0.1:${port}/mysql`;
  const start = async (): Promise<void> => {
    keeper.stdin.write('start\n');
    for (const end = Date.now() + 20_000; !(await answers(address)); await after(20)) {
      if (Date.now() > end) throw new Error(`mariadb did not start:\n${said}`);
    }
  };
  const signal = async (name: 'TERM' | 'KILL'): Promise<void> => {
    const ended = once(keeper.stdout, 'data');
    keeper.stdin.write(`${name}\n`);
    await ended;
  };
  await start();
  return {
    ...databasesOf(address),
    server: {
      async restart() {
        await signal('TERM');
        await start();
      },
      crash: () => signal('KILL'),
      start,
      async show(next) {
        show(next);
        await tell(address, 'FLUSH SSL');
      },
    },
    async stop() {
      const ended = once(keeper, 'exit');
      keeper.stdin.end();
      await ended;
    },
  };
}

function databasesOf(address: string): TestMariadb {
  const made: string[] = [];
  return {
    async fresh() {
      const name = `oncegate_test_${randomBytes(6).toString('hex')}`;
      await tell(address, `CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
      made.push(name);
      const url = new URL(address);
      url.pathname = `/${name}`;
      return url.href;
    },
    server: undefined,
    async stop() {
      for (const name of made) await tell(address, `DROP DATABASE ${name}`);
    },
  };
}

/** Runs commands on a connection of its own; what the last of them gave. */
export async function tell(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const connection = await mysql.createConnection({ uri: url, multipleStatements: true });
  connection.on('error', () => {});
  try {
    // As the database's own client does; what a view computes has the collation of the connection that made it.
    await connection.query('SET NAMES utf8mb4');
    const [rows] = await connection.query<mysql.RowDataPacket[]>(sql);
    return rows;
  } finally {
    await connection.end();
  }
}

const answers = (address: string): Promise<boolean> =>
  tell(address, 'SELECT 1').then(
    () => true,
    () => false,
  );
