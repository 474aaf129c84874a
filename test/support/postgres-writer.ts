/**
 * A process of its own that appends to a log in PostgreSQL that others append to too: `node postgres-writer.ts <url> <name> <count> <patience>
 * [signal]`. Prints the indexes it was told. With a signal, which it sends itself in the middle of its first append, it says before that it is there.
 */
import { writeSync } from 'node:fs';
import { openPostgresLog } from '../../src/audit/postgres.ts';

const [url, name, count, patience, signal] = process.argv.slice(2) as [string, string, string, string, NodeJS.Signals?];
const store = await openPostgresLog(url, { patience: Number(patience) });
const indexes: number[] = [];
const refusals: string[] = [];
for (let n = 0; n < Number(count); n++) {
  let first = 0;
  try {
    await store.append(({ size }) => {
      first = size;
      if (signal !== undefined && n === 0) {
        writeSync(1, 'composing\n');
        process.kill(process.pid, signal);
      }
      return { entries: [`${name} ${n} a`, `${name} ${n} b`], tiles: [], checkpoint: undefined };
    });
    indexes.push(first, first + 1);
  } catch (error) {
    refusals.push((error as Error).message);
  }
}
await store.close();
process.stdout.write(JSON.stringify({ indexes, refusals }));
