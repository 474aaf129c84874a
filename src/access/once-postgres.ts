/** What was used once, in PostgreSQL: for all gateways of a log. */
import { openTable } from '../audit/postgres-table.ts';
import type { Clock } from '../domain.ts';
import { keptName, type OnceStore } from './once.ts';

const TABLE = `
  CREATE TABLE IF NOT EXISTS oncegate.once (name text PRIMARY KEY, until bigint NOT NULL);
  CREATE INDEX IF NOT EXISTS once_over ON oncegate.once (until);
`;
const USE = `
  INSERT INTO oncegate.once AS used (name, until) SELECT * FROM unnest($1::text[], $2::bigint[])
  ON CONFLICT (name) DO UPDATE SET until = excluded.until WHERE used.until < $3 RETURNING name`;
const FORGET = `
  DELETE FROM oncegate.once WHERE name IN (SELECT name FROM oncegate.once WHERE until < $1 ORDER BY until LIMIT $2 FOR UPDATE SKIP LOCKED)`;
/** Names in one statement. */
const TOGETHER = 1000;
/** After so many names, those that are over go, at most twice as many. */
const FORGET_AFTER = 500;

interface Waiting {
  readonly name: string;
  readonly until: number;
  readonly resolve: (first: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/** `durable`: what was used is remembered over a power cut of the database too. Throws an Error as `openTable` does. */
export async function openPostgresOnce(
  url: string,
  { clock, durable }: { readonly clock: Clock; readonly durable: boolean },
): Promise<OnceStore> {
  const { ask, end } = await openTable(url, 'oncegate.once', TABLE, durable ? {} : { synchronous_commit: 'off' });
  let waiting: Waiting[] = [];
  let working = false;
  let usedSince = 0;
  let forgetting: Promise<void> | undefined;

  const useAll = async (batch: readonly Waiting[]): Promise<void> => {
    // In one order everywhere: gateways that use the same names at once wait for each other, and not in a ring.
    const firsts = new Map([...batch].reverse().map((one) => [one.name, one]));
    const sorted = [...firsts.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
    const { rows } = await ask<{ name: string }>(USE, [sorted.map(({ name }) => name), sorted.map(({ until }) => until), clock()]);
    const won = new Set(rows.map(({ name }) => firsts.get(name)));
    for (const one of batch) one.resolve(won.has(one));
  };
  /** Nobody waits for it. What stays is over all the same, and goes the next time. */
  const forget = async (): Promise<void> => {
    const most = 2 * usedSince;
    usedSince = 0;
    await ask(FORGET, [clock(), most]).catch(() => {});
    forgetting = undefined;
  };
  /** What comes while a statement runs goes together into the next one. */
  const work = async (): Promise<void> => {
    working = true;
    while (waiting.length > 0) {
      const batch = waiting.slice(0, TOGETHER);
      waiting = waiting.slice(TOGETHER);
      await useAll(batch).catch((error: unknown) => {
        for (const { reject } of batch) reject(error);
      });
      usedSince += batch.length;
      if (usedSince >= FORGET_AFTER) forgetting ??= forget();
    }
    working = false;
  };

  return {
    use: (name, until) =>
      new Promise((resolve, reject) => {
        waiting.push({ name: keptName(name), until, resolve, reject });
        if (!working) void work();
      }),
    async close() {
      await forgetting;
      await end();
    },
  };
}
