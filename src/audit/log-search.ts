/** The search over a copy of the log in a database: follows first, answers then, and opens the copy anew where it is spoilt. */
import { alone } from './alone.ts';
import { expired, forget } from './forgetting.ts';
import { type Projection, projectionOf } from './projection.ts';
import { candidates } from './query.ts';
import type { Found, LogSearch, SearchQuery } from './search.ts';
import { broken, prunedBefore, readSound } from './sound.ts';
import type { Database } from './sql.ts';
import { openSqliteDatabase } from './sql-sqlite.ts';
import type { LogReader } from './store.ts';
import { summarise } from './summary.ts';
import { users, uses } from './used.ts';

/** How often an answer is begun again because the copy was, meanwhile. */
const MAX_TRIES = 5;
const CLOSED = 'the search is closed';

/** A search, and what its keeper does between the questions. */
export interface KeptSearch extends LogSearch {
  follow(): Promise<void>;
}

export const openSqliteSearch = (path: string, reader: LogReader): KeptSearch => searchOver(async () => openSqliteDatabase(path), reader);
export const openPostgresSearch = (url: string, reader: LogReader): KeptSearch =>
  // Its client is loaded where it is used alone.
  searchOver(async () => (await import('./sql-postgres.ts')).openPostgresDatabase(url), reader);

interface Copy {
  readonly database: Database;
  readonly projection: Projection;
  /** Follows; whoever comes while it is under way waits for it and for one more, which began after they came. */
  caughtUp(): Promise<number>;
}

function searchOver(open: () => Promise<Database>, reader: LogReader): KeptSearch {
  let opened: Promise<Copy> | undefined;
  let closed = false;
  const copy = (): Promise<Copy> => {
    if (closed) return Promise.reject(new Error(CLOSED));
    const opening = (opened ??= open().then((database) => copyOf(database, reader)));
    opening.catch(() => {
      // Whoever asks next tries again.
      if (opened === opening) opened = undefined;
    });
    return opening;
  };

  /** Works with the copy; with the next one where it turns out to be spoilt. */
  const using = async <T>(work: (copy: Copy) => Promise<T>): Promise<T> => {
    const opening = copy();
    const { database } = await opening;
    try {
      return await work(await opening);
    } catch (error) {
      if (closed) throw new Error(CLOSED, { cause: error });
      if (opened === opening) {
        if (!database.spoilt(error)) throw error;
        opened = renewed(database);
      }
      // Or somebody else noticed, and it was closed under this work.
      return work(await copy());
    }
  };
  const renewed = async (spoilt: Database): Promise<Copy> => {
    await spoilt.close();
    await spoilt.discard();
    return copyOf(await open(), reader);
  };

  /** An answer of a copy that was of this log, and had what is on record now, from the first statement to the last. */
  const answer = <T>(ask: (copy: Copy, next: number) => Promise<T>): Promise<T> =>
    using(async (copy) => {
      for (let tries = 0; tries < MAX_TRIES; tries++) {
        const size = await copy.caughtUp();
        const { era, next } = await copy.projection.standing();
        if (next < size) continue;
        const answered = await ask(copy, next);
        if ((await copy.projection.standing()).era === era) return answered;
      }
      throw new Error('the searchable copy of the log is being made again');
    });

  return {
    follow: () => using(async (copy) => void (await copy.caughtUp())),
    search: (query) => answer(({ database }, next) => find(database, reader, query, next)),
    summary: (query) => answer(({ database }) => summarise(database, query)),
    users: () => answer(({ database }) => users(database)),
    uses: (query) => answer(({ database }) => uses(database, query)),
    expired: (kind, before, limit) => answer(({ database }) => expired(database, kind, before, limit)),
    forget: (indexes) => answer(({ database }) => database.transaction((sql) => forget(sql, indexes))),
    async progress() {
      const { next } = await using(({ projection }) => projection.standing());
      const { size } = await reader.head();
      return { size, followed: Math.min(next, size) };
    },
    async close() {
      closed = true;
      await (await opened?.catch(() => undefined))?.database.close();
    },
  };
}

function copyOf(database: Database, reader: LogReader): Copy {
  const projection = projectionOf(database, reader);
  const serially = alone();
  let waiting: Promise<number> | undefined;
  return {
    database,
    projection,
    caughtUp() {
      waiting ??= serially(() => {
        waiting = undefined;
        return projection.follow();
      });
      return waiting;
    },
  };
}

async function find(database: Database, reader: LogReader, { before, limit, ...conditions }: SearchQuery, next: number): Promise<Found[]> {
  const found: Found[] = [];
  if (limit <= 0) return found;
  for await (const indexes of candidates(database, conditions, Math.min(before ?? next, next), limit)) {
    while (indexes.length > 0) {
      const wanted = indexes.splice(0, limit - found.length);
      const bodies = await readSound(reader, wanted);
      // Bodies go before their places in the copy do: what the log says it forgot is passed over.
      const pruned = bodies.size < wanted.length ? await prunedBefore(reader) : 0;
      for (const index of wanted) {
        const body = bodies.get(index);
        if (body !== undefined) found.push({ index, body });
        else if (index >= pruned) throw broken(index);
      }
      if (found.length === limit) return found;
    }
  }
  return found;
}
