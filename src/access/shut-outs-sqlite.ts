/** Who is kept out, in an SQLite file beside the log's: for the processes of one machine. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as after } from 'node:timers/promises';
import { inTurn, type ShutOut, type ShutOutStore } from './shut-outs.ts';

/** How often one that decides looks whether another is done, and how long it pauses: it does not block this process, since the other writes the log meanwhile. */
const TRIES = 400;
const PAUSE_MS = 10;
/** How long a reader waits for whoever opens the file first. */
const BUSY_MS = 500;
const BUSY = 5;

export function openSqliteShutOuts(path: string): ShutOutStore {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  // A connection of its own to write: what is not decided yet is not read.
  const [reader, writer] = [new DatabaseSync(path, { timeout: BUSY_MS }), new DatabaseSync(path, { timeout: BUSY_MS })];
  reader.exec(`
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS shut_out (id TEXT PRIMARY KEY, change INTEGER NOT NULL UNIQUE, body TEXT NOT NULL) STRICT;
  `);
  // FULL: a change is synced before it counts.
  writer.exec('PRAGMA synchronous = FULL; PRAGMA busy_timeout = 0');
  const since = reader.prepare('SELECT change, body FROM shut_out WHERE change > ? ORDER BY change');
  const all = writer.prepare('SELECT body FROM shut_out ORDER BY change');
  const keep = writer.prepare(
    'INSERT INTO shut_out (id, change, body) VALUES (?, (SELECT coalesce(max(change), 0) + 1 FROM shut_out), ?) ON CONFLICT (id) DO UPDATE SET change = excluded.change, body = excluded.body',
  );
  const read = (body: unknown): ShutOut => JSON.parse(String(body)) as ShutOut;
  const alone = inTurn();
  let ended = Number.NEGATIVE_INFINITY;

  const begin = async (): Promise<void> => {
    // Whoever has just decided lets others come first: they look only now and then.
    if (performance.now() - ended < 2 * PAUSE_MS) await after(2 * PAUSE_MS);
    for (let tries = TRIES; ; await after(PAUSE_MS)) {
      try {
        return writer.exec('BEGIN IMMEDIATE');
      } catch (error) {
        const { errcode } = error as { errcode?: number };
        if (errcode === undefined || (errcode & 0xff) !== BUSY || --tries === 0) throw error;
      }
    }
  };
  return {
    change: (decide) =>
      alone(async () => {
        await begin();
        try {
          const decided = await decide(all.all().map(({ body }) => read(body)));
          if (decided !== undefined) keep.run(decided.id, JSON.stringify(decided));
          writer.exec('COMMIT');
        } catch (error) {
          if (writer.isOpen && writer.isTransaction) writer.exec('ROLLBACK');
          throw error;
        } finally {
          ended = performance.now();
        }
      }),
    since: async (change) => since.all(change).map((row) => ({ change: Number(row.change), shutOut: read(row.body) })),
    async close() {
      await alone(async () => {});
      reader.close();
      writer.close();
    },
  };
}
