/** Follows the log into the searchable copy, step by step, and begins anew where the copy is not of this log. */
import { setImmediate as turn } from 'node:timers/promises';
import type { AuditEntry } from './entry.ts';
import { beginning, FORM, PROGRESS, TABLES } from './search-tables.ts';
import type { Database, Sql } from './sql.ts';
import type { LogReader } from './store.ts';
import { Numbers, take } from './taking.ts';
import { HASH_BYTES, TILE_WIDTH } from './tree.ts';

/** Entries of a step, which holds the copy for as long as it takes. */
const STEP = 2048;
/** A copy that grew by so much at once is another one to those who plan by its size. */
const MUCH = 50_000;

export interface Standing {
  /** Another number each time the copy is begun anew. */
  readonly era: number;
  /** Index of the first entry that was not taken over. */
  readonly next: number;
}

export interface Projection {
  /** Takes over what the log holds now; resolves with its size. Whoever comes while another process follows waits for it, and finds it done. */
  follow(): Promise<number>;
  standing(): Promise<Standing>;
}

/** Told of entries as they were read to be taken over, from an index on: of some again where that came to nothing. */
export type Told = (from: number, entries: readonly (AuditEntry | undefined)[]) => void;

export function projectionOf(database: Database, reader: LogReader, told: Told): Projection {
  const numbers = new Numbers();
  const standing = async (sql: Sql = database, lock = ''): Promise<Standing & { last: string }> => {
    const [row] = await sql.all(`SELECT era, next, last FROM search_progress${lock}`);
    if (row === undefined) throw new Error('the searchable copy lost its place in the log');
    return { era: Number(row.era), next: Number(row.next), last: String(row.last) };
  };

  /** Whether the copy is of this log: the log may have been restored from an older copy of itself, or be another one. `size` MUST be read after the standing. */
  const ofThisLog = async ({ next, last }: { next: number; last: string }, size: number): Promise<boolean> =>
    next === 0 || (next <= size && (await storedLeaf(reader, next - 1)) === last);

  const step = (): Promise<{ next: number; size: number }> =>
    database.transaction(async (sql) => {
      let { era, next, last } = await standing(sql, sql.lock);
      const { size } = await reader.head();
      if (!(await ofThisLog({ next, last }, size))) {
        // PROGRESS keeps its row, on which others wait.
        for (const table of TABLES) if (table !== PROGRESS) await sql.empty(table);
        [, , era, next, last] = beginning() as [number, number, number, number, string];
      }
      if (next < size) {
        const bodies = await reader.read(next, Math.min(size, next + STEP));
        if (bodies.length === 0) throw new Error('the log ended before its head says');
        const facts = bodies.map((body) => (body === undefined ? undefined : numbers.factsOf(body)));
        await take(sql, numbers, era, next, facts);
        told(
          next,
          facts.map((one) => one?.entry),
        );
        next += bodies.length;
        last = await storedLeaf(reader, next - 1);
      }
      await sql.put(PROGRESS, [[0, FORM, era, next, last]]);
      return { next, size };
    });

  return {
    standing,
    async follow() {
      const before = await standing();
      const { size } = await reader.head();
      if (before.next >= size && (await ofThisLog(before, size))) return size;
      let steps = 0;
      let at: { next: number; size: number };
      do {
        at = await step().catch((error) => {
          numbers.forget();
          throw error;
        });
        steps++;
        // Between two steps whoever asks something else is served.
        await turn();
      } while (at.next < Math.min(size, at.size));
      if (steps * STEP >= MUCH) await database.analyse();
      return size;
    },
  };
}

async function storedLeaf(reader: LogReader, index: number): Promise<string> {
  const tile = await reader.tile(0, Math.floor(index / TILE_WIDTH));
  const offset = (index % TILE_WIDTH) * HASH_BYTES;
  return tile.toString('base64url', offset, offset + HASH_BYTES);
}
