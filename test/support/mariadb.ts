/** A MariaDB or MySQL to test with: the one of MYSQL_URL, or a MariaDB of this machine's binaries, started for the test. */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import mysql from 'mysql2/promise';
import type { Issued } from './certificates.ts';
import { databasesOf, give, keepServer, newHome, whoRuns } from './kept-server.ts';
import { freePort } from './ports.ts';

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
  if (MYSQL_URL) return databasesIn(MYSQL_URL);
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
  const who = whoRuns('mysql');
  const directory = newHome('mariadb', who);
  const write = (name: string, text: string): void => {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
    give(join(directory, name), who);
  };
  const common = ['--no-defaults', `--datadir=${directory}`, '--innodb-log-file-size=4M', '--innodb-buffer-pool-size=16M'];
  const make = [...common, '--auth-root-authentication-method=normal', '--skip-test-db', '--skip-name-resolve', '--force'];
  const made = spawnSync(install, make, { ...who, cwd: directory });
  if (made.status !== 0) throw new Error(`mariadb-install-db: ${made.stderr}`);
  const show = ({ certificate, key }: Issued): void => {
    write('certificate.pem', certificate);
    write('key.pem', key);
  };
  if (proof !== undefined) {
    show(proof.issued);
    write('ca.pem', proof.ca);
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
  const address = `mysql://root@127.0.0.1:${port}/mysql`;
  const { start, signal, stop } = await keepServer(directory, [server, ...flags], who, () => tell(address, 'SELECT 1'));
  return {
    ...databasesIn(address),
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
    stop,
  };
}

const databasesIn = (address: string): TestMariadb =>
  databasesOf(
    address,
    (sql) => tell(address, sql),
    (name) => `DROP DATABASE ${name}`,
    ' CHARACTER SET utf8mb4',
  );

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
