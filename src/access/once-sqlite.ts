/** What was used once, in an SQLite file that the gateways of one machine share. */
import { openTableFile } from '../audit/sqlite-table.ts';
import type { Clock } from '../domain.ts';
import { keptName, type OnceStore } from './once.ts';

const TABLE = `
  CREATE TABLE IF NOT EXISTS once (name TEXT PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS once_over ON once (until);
`;
/** For each name that comes, so many that are over go: no more are kept than came while the last of them lasted. */
const FORGOTTEN = 2;

/** `durable`: what was used is remembered over a power cut too, and not only when the process is killed. */
export function openSqliteOnce(path: string, { clock, durable }: { readonly clock: Clock; readonly durable: boolean }): OnceStore {
  const { db, write } = openTableFile(path, TABLE, durable ? 'FULL' : 'NORMAL');
  const insert = db.prepare(
    'INSERT INTO once (name, until) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET until = excluded.until WHERE once.until < ?',
  );
  const forget = db.prepare('DELETE FROM once WHERE name IN (SELECT name FROM once WHERE until < ? ORDER BY until LIMIT ?)');
  return {
    use: (name, until) =>
      write(() => {
        const now = clock();
        const first = insert.run(keptName(name), until, now).changes === 1;
        forget.run(now, FORGOTTEN);
        return first;
      }),
    async close() {
      db.close();
    },
  };
}
