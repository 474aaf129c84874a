/** The log in an SQLite file, through Node's own `node:sqlite`; what a commit waits for, the disk, it waits for off the event loop. */
import { closeSync, fdatasync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { alone } from './alone.ts';
import type { Batch, Head, LogReader, LogStore } from './store.ts';

const TILE_LEVEL = 2 ** 40;
/** How long a commit waits for another process's. The wait blocks this one, so it is short; a log that is busy for longer refuses. */
const BUSY_MS = 500;
/** Pages in the write-ahead log beyond which a commit moves them into the file itself, where nobody did so beside it. */
const AUTOCHECKPOINT_PAGES = 10_000;

export interface SqliteOptions {
  /** Makes what was written to an open file survive a power cut; for tests that break it. */
  readonly sync?: (file: number) => Promise<void>;
}

/** Opens or creates the log at `path`. The append table has no index but its key: what is searched is projected elsewhere. */
export function openSqliteLog(path: string, { sync = promisify(fdatasync) }: SqliteOptions = {}): LogStore {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const db = new DatabaseSync(path, { timeout: BUSY_MS });
  // NORMAL: SQLite writes a commit to the write-ahead log and does not wait for the disk; `settle` does, before anybody is told of it.
  db.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA secure_delete = ON;
    PRAGMA wal_autocheckpoint = ${AUTOCHECKPOINT_PAGES};
    CREATE TABLE IF NOT EXISTS entries (idx INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS tiles (id INTEGER PRIMARY KEY, hashes BLOB NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS head (id INTEGER PRIMARY KEY CHECK (id = 0), size INTEGER NOT NULL, checkpoint TEXT) STRICT;
    INSERT OR IGNORE INTO head (id, size) VALUES (0, 0);
  `);
  // A log outlives the versions of its gateway: what it lacks is added.
  const columns = (db.prepare('PRAGMA table_info(head)').all() as { name: string }[]).map(({ name }) => name);
  for (const column of ['cosigned TEXT', 'cosigned_size INTEGER NOT NULL DEFAULT 0', 'retention INTEGER']) {
    if (!columns.includes(column.split(' ')[0] as string)) db.exec(`ALTER TABLE head ADD COLUMN ${column}`);
  }
  // Whatever a process before this one wrote and could not sync: copied into the file, which is synced. Where others read, they are not waited for.
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  const wal = openSync(`${path}-wal`, 'r+');
  syncDirectory(dirname(path));
  const updateHead = db.prepare('UPDATE head SET size = ?, checkpoint = coalesce(?, checkpoint)');
  const insertEntry = db.prepare('INSERT INTO entries VALUES (?, ?)');
  const putTile = db.prepare('INSERT OR REPLACE INTO tiles VALUES (?, ?)');
  const updateCosigned = db.prepare('UPDATE head SET cosigned = ?, cosigned_size = ? WHERE cosigned_size <= ?');
  const deleteEntry = db.prepare('DELETE FROM entries WHERE idx = ?');
  const updateRetention = db.prepare('UPDATE head SET retention = max(coalesce(retention, 0), ?)');
  const serially = alone();
  const reader = sqliteReader(db);
  const readHead = headReader(db);

  /** A sync failed: the pages it should have written count as written from then on, so a later success says nothing of them. */
  let suspect = false;
  /** The head that is known to be on disk. */
  let settled = '';
  // One at a time: the kernel tells an open file of a failure once, so beside a sync that failed one that went well proves nothing.
  const settling = alone();
  const settle = (head: Head): Promise<void> => settling(() => settleNext(head));
  const settleNext = async (head: Head): Promise<void> => {
    if (suspect) {
      // Copies every page of the write-ahead log into the file, and syncs that.
      const { busy } = db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number };
      if (busy !== 0) throw new Error('the disk failed a sync, and the log could not be written to it anew yet');
      suspect = false;
    }
    try {
      await sync(wal);
    } catch (error) {
      suspect = true;
      throw error;
    }
    settled = nameOf(head);
  };

  /** What `prepare` waits for comes before the first write. From there to the commit is one turn, so that nobody else's read falls into it. */
  const inTransaction = async (prepare: () => (() => void) | Promise<() => void>): Promise<void> => {
    db.exec('BEGIN IMMEDIATE');
    try {
      const prepared = prepare();
      const write = prepared instanceof Promise ? await prepared : prepared;
      write();
      db.exec('COMMIT');
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK');
      throw error;
    }
    await settle(readHead());
  };

  const store = ({ entries, tiles, checkpoint }: Batch, { size }: Head): void => {
    entries.forEach((body, i) => {
      insertEntry.run(size + i, body);
    });
    for (const tile of tiles) putTile.run(tile.level * TILE_LEVEL + tile.index, tile.hashes);
    updateHead.run(size + entries.length, checkpoint ?? null);
  };

  return {
    append: (compose) =>
      serially(() =>
        inTransaction(() => {
          const head = readHead();
          const batch = compose(head);
          return batch instanceof Promise ? batch.then((late) => () => store(late, head)) : () => store(batch, head);
        }),
      ),
    async head() {
      const head = readHead();
      // What another process committed may not be on disk yet; a head that was told must never be taken back.
      if (suspect || nameOf(head) !== settled) await settle(head);
      return head;
    },
    read: reader.read,
    tile: reader.tile,
    publish: (cosigned, size) => serially(() => inTransaction(() => () => void updateCosigned.run(cosigned, size, size))),
    prune: (indexes, retention) =>
      serially(() =>
        inTransaction(() => () => {
          for (const index of indexes) deleteEntry.run(index);
          updateRetention.run(retention);
        }),
      ),
    close: () =>
      serially(async () => {
        db.close();
        closeSync(wal);
      }),
  };
}

/**
 * Reads a log beside the process that writes it. `relieve` moves what was committed from the write-ahead log into the file, so that the writer
 * need not; a reader `readOnly` cannot, and changes nothing of a log that is evidence.
 */
export function openSqliteReader(path: string, readOnly = false): LogReader & { relieve(): void; close(): void } {
  const db = new DatabaseSync(path, { timeout: BUSY_MS, readOnly });
  const relief = db.prepare('PRAGMA wal_checkpoint(PASSIVE)');
  return { ...sqliteReader(db), relieve: () => void relief.get(), close: () => db.close() };
}

function sqliteReader(db: DatabaseSync): LogReader {
  const readHead = headReader(db);
  const selectEntries = db.prepare('SELECT idx, body FROM entries WHERE idx >= ? AND idx < ? ORDER BY idx');
  const selectTile = db.prepare('SELECT hashes FROM tiles WHERE id = ?');
  return {
    head: async () => readHead(),
    async read(from, to) {
      const { size } = readHead();
      const bodies = new Array<string | undefined>(Math.max(0, Math.min(to, size) - from)).fill(undefined);
      for (const { idx, body } of selectEntries.all(from, Math.min(to, size)) as { idx: number; body: string }[]) bodies[idx - from] = body;
      return bodies;
    },
    async tile(level, index) {
      const row = selectTile.get(level * TILE_LEVEL + index) as { hashes: Uint8Array } | undefined;
      if (row === undefined) throw new Error(`the log has no tile ${level}/${index}`);
      return Buffer.from(row.hashes);
    },
  };
}

function headReader(db: DatabaseSync): () => Head {
  const select = db.prepare('SELECT size, checkpoint, cosigned, retention FROM head');
  return () => {
    const { size, checkpoint, cosigned, retention } = select.get() as Record<'size' | 'checkpoint' | 'cosigned' | 'retention', unknown>;
    return {
      size: size as number,
      checkpoint: (checkpoint as string | null) ?? undefined,
      cosigned: (cosigned as string | null) ?? undefined,
      retention: (retention as number | null) ?? undefined,
    };
  };
}

const nameOf = ({ checkpoint, cosigned }: Head): string => `${checkpoint} ${cosigned}`;

/** A file's name is on disk when its directory is. Windows has no such call, and needs none. */
function syncDirectory(path: string): void {
  if (process.platform === 'win32') return;
  const directory = openSync(path, 'r');
  fsyncSync(directory);
  closeSync(directory);
}
