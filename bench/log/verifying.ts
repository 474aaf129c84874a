/** How fast a whole log is verified, and in how much memory. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { openSqliteLog, openSqliteReader } from '../../src/audit/sqlite.ts';
import { checkLog } from '../../src/audit/whole.ts';
import { markdown, median } from '../report.ts';
import { entryOf, openLog, ring } from './entries.ts';

const AT_ONCE = 1000;

export async function verifying(directory: string, entries: number): Promise<string> {
  const path = join(directory, 'whole.db');
  const store = openSqliteLog(path);
  const log = await openLog(store);
  for (let n = 0; n < entries; n += AT_ONCE) {
    const kinds = Array.from({ length: AT_ONCE }, (_, i) => entryOf(n + i, i % 2 === 0 ? 'intent' : 'outcome'));
    await Promise.all(kinds.map((entry) => log.append(entry, { receipt: entry.kind === 'outcome' })));
  }
  await store.close();
  const reader = openSqliteReader(path);
  const before = process.memoryUsage().rss;
  const rates: number[] = [];
  for (let round = 0; round < 3; round++) {
    const from = performance.now();
    const { entries: read } = await checkLog(reader, ring.keys);
    rates.push(read / ((performance.now() - from) / 1000));
  }
  const grown = (process.memoryUsage().rss - before) / 2 ** 20;
  reader.close();
  const head = ['a whole log verified (SQLite)', 'entries', 'bytes an entry', 'entries/s', 'memory added, MiB'];
  return markdown(head, [
    [
      '',
      entries.toLocaleString('en'),
      (statSync(path).size / entries).toFixed(0),
      Math.round(median(rates)).toLocaleString('en'),
      grown.toFixed(0),
    ],
  ]);
}
