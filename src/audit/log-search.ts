/** The search over a copy of the log in a database: follows first, answers then, and opens the copy anew where it is spoilt. */
import { alone } from './alone.ts';
import { type Customs, customsOf } from './custom.ts';
import { expired, forget } from './forgetting.ts';
import { type Projection, projectionOf, type Told } from './projection.ts';
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
  /** Days since 1970 in Viet Nam, `to` exclusive; of what was taken over so far. */
  customs(agency: string, from: number, to: number): Promise<Customs>;
}

export const openSqliteSearch = (path: string, reader: LogReader, told: Told = () => {}): KeptSearch =>
  searchOver(async () => openSqliteDatabase(path), reader, told);
export const openPostgresSearch = (url: string, reader: LogReader, told: Told = () => {}): KeptSearch =>
  // Its client is loaded where it is used alone.
  searchOver(async () => (await import('./sql-postgres.ts')).openPostgresDatabase(url), reader, told);

interface Copy {
  readonly database: Database;
  readonly projection: Projection;
  /** Follows; whoever comes while it is under way waits for it and for one more, which began after they came. */
  caughtUp(): Promise<number>;
}

function searchOver(open: () => Promise<Database>, reader: LogReader, told: Told): KeptSearch {
  let opened: Promise<Copy> | undefined;
  let closed = false;
  const copy = (): Promise<Copy> => {
    if (closed) return Promise.reject(new Error(CLOSED));
    const opening = (opened ??= open().then((database) => copyOf(database, reader, told)));
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
    return copyOf(await open(), reader, told);
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
    customs: (agency, from, to) => using(({ database }) => customsOf(database, agency, from, to)),
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

function copyOf(database: Database, reader: LogReader, told: Told): Copy {
  const projection = projectionOf(database, reader, told);
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
