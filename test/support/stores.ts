/** Every kind of store that the log can be kept in: where to open one, and what can befall that kind alone. A new kind is one row. */
import { fdatasync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { openSqliteLog } from '../../src/audit/sqlite.ts';
import type { LogStore } from '../../src/audit/store.ts';

export interface KindOfStore {
  readonly name: string;
  /** Why this machine cannot have one. */
  readonly skip?: string;
  /** A new place without a log. */
  make(): Promise<Place>;
}

export interface Place {
  /** A store on this place, beside those that are open on it already. */
  open(): Promise<LogStore>;
  readonly ills: readonly Ill[];
}

/** Makes writes of the store that was opened last fail, from the next one on until it is healed. */
export interface Ill {
  readonly name: string;
  strike(): void;
  heal(): Promise<void>;
}

/** The connections that were opened, in order: SQLite's own view of what a store does. */
export const connections: DatabaseSync[] = [];
const { exec } = DatabaseSync.prototype;
DatabaseSync.prototype.exec = function (this: DatabaseSync, sql: string): void {
  if (connections.at(-1) !== this) connections.push(this);
  exec.call(this, sql);
};

/** `newDirectory` makes the directories that files go to. */
export const kindsOfStore = (newDirectory: () => string): KindOfStore[] => [
  { name: 'SQLite', make: async () => sqlitePlace(join(newDirectory(), 'log.db')) },
];

const sync = promisify(fdatasync);

function sqlitePlace(path: string): Place {
  let connection: DatabaseSync | undefined;
  let diskFails = false;
  const limit = (pages: number): unknown => connection?.prepare(`PRAGMA max_page_count = ${pages}`).get();
  return {
    async open() {
      const store = openSqliteLog(path, {
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
        async heal() {
          diskFails = false;
        },
      },
      {
        name: 'the disk is full',
        // SQLite takes a limit below the present size as the present size.
        strike: () => void limit(1),
        heal: async () => void limit(1_000_000),
      },
    ],
  };
}
