/** Every kind of store that the log can be kept in: where to open one, and what can befall that kind alone. A new kind is one row. */
import { fdatasync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { openPostgresLog } from '../../src/audit/postgres.ts';
import { openSqliteLog } from '../../src/audit/sqlite.ts';
import type { LogStore } from '../../src/audit/store.ts';
import { findPostgres } from './postgres.ts';

export interface KindOfStore {
  readonly name: string;
  /** Why this machine cannot have one. */
  readonly skip: string | false;
  /** A new place without a log. */
  make(): Promise<Place>;
}

export interface Place {
  /** As another process finds it: a path, or the URL of a database. */
  readonly address: string;
  /** A store on this place, beside those that are open on it already. */
  open(): Promise<LogStore>;
  readonly ills: readonly Ill[];
}

/** Makes writes of the store that was opened last fail, from the next one on until it is healed. */
export interface Ill {
  readonly name: string;
  strike(): void;
  heal(): void;
}

/** `newDirectory` makes the directories that files go to. Whoever has the kinds stops them. */
export async function kindsOfStore(newDirectory: () => string): Promise<{ kinds: KindOfStore[]; stop: () => Promise<void> }> {
  const postgres = await findPostgres();
  const missing = typeof postgres === 'string' ? postgres : false;
  const kinds: KindOfStore[] = [
    { name: 'SQLite', skip: false, make: async () => sqlitePlace(join(newDirectory(), 'log.db')) },
    { name: 'PostgreSQL', skip: missing, make: async () => postgresPlace(typeof postgres === 'string' ? '' : await postgres.fresh()) },
  ];
  return { kinds, stop: async () => void (typeof postgres === 'string' || (await postgres.stop())) };
}

/** The store at an address. */
export const openStore = async (address: string): Promise<LogStore> =>
  address.startsWith('postgres:') ? openPostgresLog(address, { patience: PATIENCE_MS }) : openSqliteLog(address);

/** The connections that were opened, in order: SQLite's own view of what a store does. */
export const connections: DatabaseSync[] = [];
const { exec } = DatabaseSync.prototype;
DatabaseSync.prototype.exec = function (this: DatabaseSync, sql: string): void {
  if (connections.at(-1) !== this) connections.push(this);
  exec.call(this, sql);
};

const sync = promisify(fdatasync);

function sqlitePlace(address: string): Place {
  let connection: DatabaseSync | undefined;
  let diskFails = false;
  const limit = (pages: number): unknown => connection?.prepare(`PRAGMA max_page_count = ${pages}`).get();
  return {
    address,
    async open() {
      const store = openSqliteLog(address, {
        async sync(file) {
          if (diskFails) throw Object.assign(new Error('input/output error'), { code: 'EIO' });
          await sync(file);
        },
      });
      connection = connections.at(-1);
      return store;
    },
    ills: [
      {
        name: 'the disk fails the sync',
        strike() {
          diskFails = true;
        },
        heal() {
          diskFails = false;
        },
      },
      {
        name: 'the disk is full',
        // SQLite takes a limit below the present size as the present size.
        strike: () => void limit(1),
        heal: () => void limit(1_000_000),
      },
    ],
  };
}

const PATIENCE_MS = 1000;

/** How the wire to the database breaks: as a commit is sent, or once it was and before it is answered. */
type Break = 'before the commit arrives' | 'before the commit is answered';

async function postgresPlace(address: string): Promise<Place> {
  let breaks: Break | undefined;
  const wire = createServer((near) => {
    const far = connect(Number(new URL(address).port || 5432), new URL(address).hostname);
    let sent = '';
    let answered = true;
    const destroy = (): unknown => [near, far].map((socket) => socket.destroy());
    const pass = (from: Socket, to: Socket, mayPass: (bytes: Buffer) => boolean): void => {
      to.setNoDelay(true);
      from.on('data', (bytes) => (mayPass(bytes) ? to.write(bytes) : destroy()));
      from.on('error', () => {});
      from.on('close', () => to.destroy());
    };
    pass(near, far, (bytes) => {
      sent = sent.slice(-10) + bytes.toString('latin1');
      const commits = breaks !== undefined && sent.includes('COMMIT\0');
      if (commits) answered = false;
      return !(commits && breaks === 'before the commit arrives');
    });
    pass(far, near, () => answered);
  });
  wire.unref();
  await new Promise<void>((resolve) => wire.listen(0, '127.0.0.1', () => resolve()));
  const through = new URL(address);
  through.hostname = '127.0.0.1';
  through.port = String((wire.address() as AddressInfo).port);
  const ill = (kind: Break): Ill => ({
    name: `the wire breaks ${kind}`,
    strike() {
      breaks = kind;
    },
    heal() {
      breaks = undefined;
    },
  });
  return {
    address,
    open: () => openStore(through.href),
    ills: [ill('before the commit arrives'), ill('before the commit is answered')],
  };
}
