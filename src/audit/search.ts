/** What auditors search: a projection of the log into an indexed file that can be thrown away and made again. */
import { hash } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import type { AuditEntry } from './entry.ts';
import { LogBroken, type LogStore } from './store.ts';
import { HASH_BYTES, leafHash, TILE_WIDTH } from './tree.ts';

/** Every condition given must hold. Times are RFC 3339 UTC, `from` inclusive, `to` exclusive. */
export interface SearchQuery {
  /** The pseudonym of a person, in whatever role. */
  readonly pseudonym?: string;
  readonly agency?: string;
  readonly officer?: string;
  readonly procedure?: string;
  readonly dossier?: string;
  readonly kind?: string;
  readonly outcome?: string;
  readonly from?: string;
  readonly to?: string;
  /** Only entries before this index: the cursor of the page before. */
  readonly before?: number;
  readonly limit: number;
}

export interface LogSearch {
  /** Entries that match, newest first. What was in the log when the search was asked is found. */
  search(query: SearchQuery): Promise<{ index: number; entry: AuditEntry }[]>;
  close(): Promise<void>;
}

/** Entries taken over at a time; between two such steps the process serves its callers. */
const CHUNK = 200;
/** The projection follows the log this often by itself, so that a search has little left to do. Milliseconds. */
const FOLLOW_MS = 30_000;
const COLUMNS = ['agency', 'officer', 'procedure', 'dossier', 'kind', 'outcome'] as const;

export function openSqliteSearch(path: string, store: LogStore): LogSearch {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const db = openOrStartAgain(path);
  const progress = db.prepare('SELECT next, last FROM progress');
  const advance = db.prepare('UPDATE progress SET next = ?, last = ?');
  const insertEntry = db.prepare(`INSERT OR REPLACE INTO entry VALUES (?, ?, ${COLUMNS.map(() => '?').join(', ')})`);
  const insertSubject = db.prepare('INSERT OR IGNORE INTO subject VALUES (?, ?)');

  const inTransaction = (work: () => void): void => {
    db.exec('BEGIN IMMEDIATE');
    try {
      work();
      db.exec('COMMIT');
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK');
      throw error;
    }
  };

  /** Where the projection stands; at the beginning where it is not of this log, which may have been restored from an older copy. */
  const standing = async (size: number): Promise<number> => {
    const { next, last } = progress.get() as { next: number; last: string };
    const [body] = next > 0 && next <= size ? await store.read(next - 1, next) : [];
    if (next === 0 || (body !== undefined && digest(body) === last)) return next;
    inTransaction(() => {
      db.exec('DELETE FROM entry; DELETE FROM subject');
      advance.run(0, '');
    });
    return 0;
  };

  const follow = async (): Promise<void> => {
    const { size } = await store.head();
    let next = await standing(size);
    while (next < size) {
      const bodies = await store.read(next, Math.min(size, next + CHUNK));
      if (bodies.length === 0) return;
      inTransaction(() => {
        bodies.forEach((body, i) => {
          if (body === undefined) return;
          const entry = JSON.parse(body) as AuditEntry;
          insertEntry.run(next + i, entry.time, ...COLUMNS.map((name) => entry[name] ?? null));
          for (const pseudonym of new Set(Object.values(entry.subjects ?? {}))) insertSubject.run(pseudonym, next + i);
        });
        advance.run(next + bodies.length, digest(bodies.at(-1) ?? ''));
      });
      next += bodies.length;
      await setImmediate();
    }
  };

  let following: Promise<void> = Promise.resolve();
  /** One at a time; whoever asks waits for what is on record when it is its turn. */
  const caughtUp = (): Promise<void> => {
    following = following.then(follow, follow);
    return following;
  };
  const timer = setInterval(() => void caughtUp().catch(() => {}), FOLLOW_MS).unref();

  return {
    async search(query) {
      await caughtUp();
      const { sql, values } = toSql(query);
      const rows = db.prepare(sql).all(...values) as { idx: number }[];
      return Promise.all(rows.map(async ({ idx }) => ({ index: idx, entry: JSON.parse(await readSound(store, idx)) as AuditEntry })));
    },
    async close() {
      clearInterval(timer);
      await following.catch(() => {});
      db.close();
    },
  };
}

/** The entry at an index. What is not the one that the tree holds there is not shown as if it were. */
async function readSound(store: LogStore, index: number): Promise<string> {
  const [body] = await store.read(index, index + 1);
  const tile = await store.tile(0, Math.floor(index / TILE_WIDTH));
  const offset = (index % TILE_WIDTH) * HASH_BYTES;
  if (body === undefined || !leafHash(Buffer.from(body)).equals(tile.subarray(offset, offset + HASH_BYTES))) {
    throw new LogBroken(`entry ${index} is not the one that the tree holds at its place`, index);
  }
  return body;
}

const digest = (body: string): string => hash('sha256', body, 'base64url');

/** A projection that does not open, or is of another form, is made again: the log has everything. */
function openOrStartAgain(path: string): DatabaseSync {
  try {
    return openProjection(path);
  } catch {
    for (const file of [path, `${path}-wal`, `${path}-shm`]) rmSync(file, { force: true });
    return openProjection(path);
  }
}

function openProjection(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: 500 });
  try {
    db.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      CREATE TABLE IF NOT EXISTS entry (idx INTEGER PRIMARY KEY, time TEXT NOT NULL, ${COLUMNS.map((name) => `${name} TEXT`).join(', ')}) STRICT;
      CREATE TABLE IF NOT EXISTS subject (pseudonym TEXT NOT NULL, idx INTEGER NOT NULL, PRIMARY KEY (pseudonym, idx)) STRICT, WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS progress (id INTEGER PRIMARY KEY CHECK (id = 0), next INTEGER NOT NULL, last TEXT NOT NULL) STRICT;
      INSERT OR IGNORE INTO progress VALUES (0, 0, '');
      CREATE INDEX IF NOT EXISTS entry_time ON entry (time);
      ${COLUMNS.map((name) => `CREATE INDEX IF NOT EXISTS entry_${name} ON entry (${name}, idx) WHERE ${name} IS NOT NULL;`).join('\n      ')}
      SELECT next, last FROM progress;
    `);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** A time as the log writes it, since times are compared as texts; a leap second, which clocks here do not know, is the millisecond before its end. */
const asLogged = (time: string): string => new Date(time.replace(/:60(\.\d+)?Z$/i, ':59.999Z')).toISOString();

function toSql(query: SearchQuery): { sql: string; values: SQLInputValue[] } {
  const conditions: string[] = [];
  const values: SQLInputValue[] = [];
  const where = (condition: string, value: SQLInputValue | undefined): void => {
    if (value === undefined) return;
    conditions.push(condition);
    values.push(value);
  };
  where('idx IN (SELECT idx FROM subject WHERE pseudonym = ?)', query.pseudonym);
  for (const name of COLUMNS) where(`${name} = ?`, query[name]);
  where('time >= ?', query.from && asLogged(query.from));
  where('time < ?', query.to && asLogged(query.to));
  where('idx < ?', query.before);
  values.push(query.limit);
  return {
    sql: `SELECT idx FROM entry ${conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : ''} ORDER BY idx DESC LIMIT ?`,
    values,
  };
}
