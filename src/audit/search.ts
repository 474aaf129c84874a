/** What auditors search: a projection of the log into an indexed file that can be thrown away and made again. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import type { AuditEntry } from './entry.ts';
import type { LogStore } from './store.ts';

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

const CHUNK = 1000;
const COLUMNS = ['agency', 'officer', 'procedure', 'dossier', 'kind', 'outcome'] as const;

export function openSqliteSearch(path: string, store: LogStore): LogSearch {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const db = new DatabaseSync(path, { timeout: 2000 });
  // It follows the log and can be rebuilt from it, so losing its newest rows in a power cut loses nothing.
  db.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = OFF;
    CREATE TABLE IF NOT EXISTS entry (idx INTEGER PRIMARY KEY, time TEXT NOT NULL, ${COLUMNS.map((name) => `${name} TEXT`).join(', ')}) STRICT;
    CREATE TABLE IF NOT EXISTS subject (pseudonym TEXT NOT NULL, idx INTEGER NOT NULL, PRIMARY KEY (pseudonym, idx)) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS progress (id INTEGER PRIMARY KEY CHECK (id = 0), next INTEGER NOT NULL) STRICT;
    INSERT OR IGNORE INTO progress VALUES (0, 0);
    CREATE INDEX IF NOT EXISTS entry_time ON entry (time);
    ${COLUMNS.filter((name) => name !== 'kind' && name !== 'outcome')
      .map((name) => `CREATE INDEX IF NOT EXISTS entry_${name} ON entry (${name}, idx) WHERE ${name} IS NOT NULL;`)
      .join('\n    ')}
  `);
  const progress = db.prepare('SELECT next FROM progress');
  const advance = db.prepare('UPDATE progress SET next = ?');
  const insertEntry = db.prepare(`INSERT OR REPLACE INTO entry VALUES (?, ?, ${COLUMNS.map(() => '?').join(', ')})`);
  const insertSubject = db.prepare('INSERT OR IGNORE INTO subject VALUES (?, ?)');
  let following: Promise<void> = Promise.resolve();

  const follow = async (until: number): Promise<void> => {
    let { next } = progress.get() as { next: number };
    while (next < until) {
      const bodies = await store.read(next, Math.min(until, next + CHUNK));
      if (bodies.length === 0) return;
      db.exec('BEGIN');
      try {
        bodies.forEach((body, i) => {
          const entry = JSON.parse(body) as AuditEntry;
          insertEntry.run(next + i, entry.time, ...COLUMNS.map((name) => entry[name] ?? null));
          for (const pseudonym of new Set(Object.values(entry.subjects ?? {}))) insertSubject.run(pseudonym, next + i);
        });
        advance.run(next + bodies.length);
        db.exec('COMMIT');
      } catch (error) {
        db.exec('ROLLBACK');
        throw error;
      }
      next += bodies.length;
    }
  };

  return {
    async search(query) {
      const { size } = await store.head();
      following = following.then(
        () => follow(size),
        () => follow(size),
      );
      await following;
      const { sql, values } = toSql(query);
      const rows = db.prepare(sql).all(...values) as { idx: number }[];
      return Promise.all(
        rows.map(async ({ idx }) => ({ index: idx, entry: JSON.parse((await store.read(idx, idx + 1))[0] ?? 'null') as AuditEntry })),
      );
    },
    async close() {
      await following.catch(() => {});
      db.close();
    },
  };
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
