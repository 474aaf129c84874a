/** The log in PostgreSQL, which several gateways may write. */
import pg from 'pg';
import { dropEmptied, grow, makeSchema, PARTITION } from './postgres-schema.ts';
import { clientConfig, type Place, plain, prepare } from './postgres-session.ts';
import { openWriter, READ_HEAD, toHead } from './postgres-writer.ts';
import type { Batch, LogReader, LogStore } from './store.ts';
import { HASH_BYTES } from './tree.ts';

export interface PostgresOptions {
  /** Milliseconds for which a process may hold the log and do nothing before the server cuts it off. */
  readonly patience?: number;
  /** Entries in a partition. */
  readonly partition?: number;
  /** Told when room for more entries cannot be made, each time that this begins. */
  readonly onTrouble?: (error: Error) => void;
}

const PATIENCE_MS = 2000;
const READERS = 4;
/** How long it is before making room is tried again where that failed. */
const GROW_AGAIN_MS = 60_000;
/** Entries forgotten at a time; between two such steps the process appends. */
const PRUNE_CHUNK = 2000;

/**
 * Everything of a batch, in one statement. The bodies travel as one run of bytes: as a list of texts they would be quoted one by one, which
 * costs more than the insert. A tile only ever grows, so of each the hashes that are not there yet are put down beside the others.
 */
const APPEND = `
  WITH body AS (
    INSERT INTO oncegate.entries
    SELECT $1::bigint + nth - 1, convert_from(substr($2::bytea, start, bytes), 'UTF8')
    FROM unnest($3::int[], $4::int[]) WITH ORDINALITY AS body (start, bytes, nth)
  ), tile AS (
    INSERT INTO oncegate.tiles
    SELECT tile.level, tile.index, had.hashes, substr(tile.hashes, ${HASH_BYTES} * had.hashes + 1)
    FROM unnest($5::int[], $6::bigint[], $7::bytea[]) AS tile (level, index, hashes), LATERAL (
      SELECT coalesce((
        SELECT start + length(hashes) / ${HASH_BYTES} FROM oncegate.tiles AS piece
        WHERE piece.level = tile.level AND piece.index = tile.index ORDER BY start DESC LIMIT 1
      ), 0) AS hashes
    ) AS had
    WHERE length(tile.hashes) > ${HASH_BYTES} * had.hashes
  )
  UPDATE oncegate.head SET size = $1 + cardinality($3), checkpoint = coalesce($8, checkpoint) WHERE size = $1`;
/** Entries and size as one moment shows them: an entry that is not found below the size is not there any more. */
const READ = `
  SELECT head.size, idx, body FROM (SELECT size FROM oncegate.head ORDER BY size DESC LIMIT 1) AS head
  LEFT JOIN oncegate.entries ON idx >= $1 AND idx < $2`;
const TILE = `SELECT string_agg(hashes, '' ORDER BY start) AS hashes FROM oncegate.tiles WHERE level = $1 AND index = $2`;
/** The bounds say which partitions it concerns; the list alone would be sought in all. */
const PRUNE = 'DELETE FROM oncegate.entries WHERE idx = ANY ($1::bigint[]) AND idx >= $2 AND idx <= $3';

/**
 * Opens the log in the database at `url`, or creates it there. Throws an Error where the server cannot be reached, or does not keep what it
 * was given: with `fsync` or `full_page_writes` off, or a standby.
 */
export async function openPostgresLog(url: string, options: PostgresOptions = {}): Promise<LogStore> {
  const { patience = PATIENCE_MS, partition = PARTITION, onTrouble = () => {} } = options;
  const place: Place = { url, patience };
  const writer = openWriter(place);
  try {
    await writer.run((session) => makeSchema(session, partition));
  } catch (error) {
    await writer.close();
    throw error;
  }
  const reader = reading(place, (client) => prepare(client, place));
  let growAgain = 0;
  const cramped = (size: number, room: number): boolean => room - size < partition / 2;

  return {
    async append(compose) {
      let more = false;
      await writer.transact(async (head, session) => {
        const batch = await compose(toPublic(head));
        const values = parameters(head.size, batch);
        const size = head.size + batch.entries.length;
        let { room } = head;
        for (; size > room; room += partition) await session.ask(grow(room, partition));
        more = cramped(size, room);
        return { name: 'append', text: APPEND, values };
      });
      // Ahead of need and on its own: where it fails there is room for half a partition of tries.
      if (!more || Date.now() < growAgain) return;
      writer
        .transact(async ({ size, room }) => (cramped(size, room) ? grow(room, partition) : undefined))
        .catch((error: Error) => {
          growAgain = Date.now() + GROW_AGAIN_MS;
          onTrouble(error);
        });
    },
    publish: (cosigned, size) =>
      writer.transact(async (head) => {
        if (size < (head.cosignedSize ?? 0)) return undefined;
        const text = 'UPDATE oncegate.head SET cosigned = $2, cosigned_size = $3 WHERE size = $1';
        return { name: 'publish', text, values: [head.size, cosigned, size] };
      }),
    async prune(indexes, retention) {
      let size = 0;
      // First of all, so that no reader takes a body that was forgotten for one that was taken away.
      await writer.transact(async (head) => {
        size = head.size;
        if (retention <= (head.retention ?? -1)) return undefined;
        return { text: 'UPDATE oncegate.head SET retention = $2 WHERE size = $1', values: [head.size, retention] };
      });
      const sorted = indexes.toSorted((a, b) => a - b);
      for (let at = 0; at < sorted.length; at += PRUNE_CHUNK) {
        const chunk = sorted.slice(at, at + PRUNE_CHUNK);
        await writer.run(({ ask }) => ask({ text: PRUNE, values: [chunk, chunk[0], chunk.at(-1)] }));
      }
      await writer.run((session) => dropEmptied(session, size));
    },
    head: reader.head,
    read: reader.read,
    tile: reader.tile,
    async close() {
      await Promise.all([writer.close(), reader.close()]);
    },
  };
}

/** Reads the log in the database at `url`, and makes and demands nothing: a standby, or a role that may only read, will do. */
export const openPostgresReader = (url: string): ClosableReader => reading({ url, patience: PATIENCE_MS });

type ClosableReader = LogReader & { close(): Promise<void> };

function reading(place: Place, onConnect: (client: pg.ClientBase) => Promise<void> = async () => {}): ClosableReader {
  const pool = new pg.Pool({ ...clientConfig(place), max: READERS, onConnect });
  // The pool has let go of it, and the next question goes over a new connection.
  pool.on('error', () => {});
  const read = async <Row extends pg.QueryResultRow>(query: pg.QueryConfig<unknown[]>): Promise<pg.QueryResult<Row>> => {
    try {
      return await pool.query(query);
    } catch (error) {
      throw plain(error, place);
    }
  };
  return {
    head: async () => toPublic(toHead(await read(READ_HEAD))),
    async read(from, to) {
      const { rows } = await read<{ size: string; idx: string | null; body: string }>({ name: 'read', text: READ, values: [from, to] });
      const end = Math.min(to, Number(rows[0]?.size ?? 0));
      const bodies = new Array<string | undefined>(Math.max(0, end - from)).fill(undefined);
      for (const { idx, body } of rows) if (idx !== null) bodies[Number(idx) - from] = body;
      return bodies;
    },
    async tile(level, index) {
      const { rows } = await read<{ hashes: Buffer | null }>({ name: 'tile', text: TILE, values: [level, index] });
      const hashes = rows[0]?.hashes;
      if (!hashes) throw new Error(`the log has no tile ${level}/${index}`);
      return hashes;
    },
    close: () => pool.end(),
  };
}

const toPublic = ({ size, checkpoint, cosigned, retention }: ReturnType<typeof toHead>) => ({ size, checkpoint, cosigned, retention });

/** Throws a `TypeError` for what is no batch, before anything of it is sent. */
function parameters(size: number, { entries, tiles, checkpoint }: Batch): unknown[] {
  const bodies = entries.map((body) => Buffer.from(body));
  const lengths = bodies.map(({ length }) => length);
  let next = 1;
  const starts = lengths.map((length) => (next += length) - length);
  const list = (numbers: readonly number[]): string => `{${numbers.join()}}`;
  return [
    size,
    Buffer.concat(bodies),
    list(starts),
    list(lengths),
    list(tiles.map(({ level }) => level)),
    list(tiles.map(({ index }) => index)),
    tiles.map(({ hashes }) => Buffer.from(hashes)),
    checkpoint,
  ];
}
