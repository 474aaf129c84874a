/** The log in an SQLite file, through Node's own `node:sqlite`. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Batch, type Head, LogMoved, type LogStore } from './store.ts';

const TILE_LEVEL = 2 ** 40;
/** How long a commit waits for another process's. The wait blocks this one, so it is short; a log that is busy for longer refuses. */
const BUSY_MS = 500;

/** Opens or creates the log at `path`. The append table has no index but its key: what is searched is projected elsewhere. */
export function openSqliteLog(path: string): LogStore {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const db = new DatabaseSync(path, { timeout: BUSY_MS });
  // FULL: a commit in the write-ahead log is synced before it counts, which is what "on record first" promises.
  db.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS entries (idx INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS tiles (id INTEGER PRIMARY KEY, hashes BLOB NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS head (id INTEGER PRIMARY KEY CHECK (id = 0), size INTEGER NOT NULL, checkpoint TEXT) STRICT;
    INSERT OR IGNORE INTO head VALUES (0, 0, NULL);
  `);
  const begin = db.prepare('BEGIN IMMEDIATE');
  const commit = db.prepare('COMMIT');
  const rollback = db.prepare('ROLLBACK');
  const selectHead = db.prepare('SELECT size, checkpoint FROM head');
  const updateHead = db.prepare('UPDATE head SET size = ?, checkpoint = coalesce(?, checkpoint) WHERE size = ?');
  const insertEntry = db.prepare('INSERT INTO entries VALUES (?, ?)');
  const putTile = db.prepare('INSERT OR REPLACE INTO tiles VALUES (?, ?)');
  const selectEntries = db.prepare('SELECT body FROM entries WHERE idx >= ? AND idx < ? ORDER BY idx');
  const selectTile = db.prepare('SELECT hashes FROM tiles WHERE id = ?');

  return {
    async append(batch: Batch) {
      begin.run();
      try {
        const moved = updateHead.run(batch.from + batch.entries.length, batch.checkpoint ?? null, batch.from);
        if (moved.changes !== 1) throw new LogMoved('the log is not as long as the batch supposes');
        batch.entries.forEach((body, i) => {
          insertEntry.run(batch.from + i, body);
        });
        for (const tile of batch.tiles) putTile.run(tile.level * TILE_LEVEL + tile.index, tile.hashes);
        commit.run();
      } catch (error) {
        if (db.isTransaction) rollback.run();
        throw error;
      }
    },
    async head(): Promise<Head> {
      const row = selectHead.get() as { size: number; checkpoint: string | null };
      return { size: row.size, checkpoint: row.checkpoint ?? undefined };
    },
    async read(from, to) {
      return (selectEntries.all(from, to) as { body: string }[]).map((row) => row.body);
    },
    async tile(level, index) {
      const row = selectTile.get(level * TILE_LEVEL + index) as { hashes: Uint8Array } | undefined;
      if (row === undefined) throw new Error(`the log has no tile ${level}/${index}`);
      return Buffer.from(row.hashes);
    },
    async close() {
      db.close();
    },
  };
}
