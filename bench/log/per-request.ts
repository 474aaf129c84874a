/** What both entries and the receipt of a request cost in CPU: an intent and an outcome each, one after the other. */
import { join } from 'node:path';
import { openSqliteLog } from '../../src/audit/sqlite.ts';
import { markdown, median } from '../report.ts';
import { entryOf, openLog } from './entries.ts';

const ROUNDS = 5;

export async function perRequest(directory: string, share: number): Promise<string> {
  const rows: string[][] = [];
  for (const callers of [1, 8, 64]) {
    const path = join(directory, `per-request-${callers}.db`);
    const store = openSqliteLog(path);
    let commits = 0;
    const counted: typeof store.append = (compose) => {
      commits++;
      return store.append(compose);
    };
    const log = await openLog({ ...store, append: counted });
    const requests = Math.ceil((callers === 1 ? 2000 : 10_000) * share);
    const made = Array.from({ length: requests }, (_, n) => [entryOf(n, 'intent'), entryOf(n, 'outcome')] as const);
    const run = async (): Promise<number[]> => {
      let next = 0;
      const waits: number[] = [];
      const caller = async (): Promise<void> => {
        for (let n = next++; n < requests; n = next++) {
          const [intent, outcome] = made[n] ?? [entryOf(n, 'intent'), entryOf(n, 'outcome')];
          const from = performance.now();
          await log.append(intent, { receipt: false });
          await log.append(outcome, { receipt: true });
          waits.push(performance.now() - from);
        }
      };
      await Promise.all(Array.from({ length: callers }, caller));
      return waits;
    };
    await run();
    const measured: { cpu: number; commits: number; p50: number; p99: number }[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      commits = 0;
      const before = process.cpuUsage();
      const waits = (await run()).sort((a, b) => a - b);
      const { user, system } = process.cpuUsage(before);
      const at = (share: number): number => waits[Math.floor(share * waits.length)] ?? Number.NaN;
      measured.push({ cpu: (user + system) / requests, commits: (1000 * commits) / requests, p50: at(0.5), p99: at(0.99) });
    }
    await store.close();
    const middle = (of: 'cpu' | 'commits' | 'p50' | 'p99'): number => median(measured.map((one) => one[of]));
    rows.push([
      String(callers),
      middle('cpu').toFixed(0),
      middle('commits').toFixed(0),
      middle('p50').toFixed(2),
      middle('p99').toFixed(2),
    ]);
  }
  const head = ['SQLite: callers', 'CPU µs a request, both entries and the receipt', 'syncs for 1,000 requests', 'p50 ms', 'p99 ms'];
  return markdown(head, rows);
}
