/** What a witness remembers, in an SQLite file beside the log's. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { WitnessStore } from './witness.ts';

/** How long a change waits for that of another process. The wait blocks this one, so it is short. Milliseconds. */
const BUSY_MS = 500;

export function openSqliteWitness(path: string): WitnessStore {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const db = new DatabaseSync(path, { timeout: BUSY_MS });
  // FULL: a change is synced before it counts. A witness that lost its last minutes would cosign another history of them.
  db.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS witnessed (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, note TEXT NOT NULL) STRICT;
  `);
  const select = db.prepare('SELECT size, note FROM witnessed WHERE origin = ?');
  const first = db.prepare(
    'INSERT INTO witnessed VALUES (?, ?, ?) ON CONFLICT (origin) DO UPDATE SET size = excluded.size, note = excluded.note WHERE size = 0',
  );
  const next = db.prepare('UPDATE witnessed SET size = ?, note = ? WHERE origin = ? AND size = ?');

  return {
    async last(origin) {
      const row = select.get(origin) as { size: number; note: string } | undefined;
      return row && { size: row.size, note: row.note };
    },
    async replace(origin, oldSize, newSize, note) {
      // One statement, and so one transaction of its own.
      const { changes } = oldSize === 0 ? first.run(origin, newSize, note) : next.run(newSize, note, origin, oldSize);
      return changes === 1;
    },
    async close() {
      db.close();
    },
  };
}
