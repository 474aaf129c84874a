/** Through which a process writes the log in PostgreSQL: one connection, one transaction at a time, and the head locked for its time. */
import type pg from 'pg';
import { connect, type Place, type Session } from './postgres-session.ts';

/** The head of the log as its row has it. `room`: up to where there are partitions. */
export interface HeadRow {
  readonly size: number;
  readonly checkpoint: string | undefined;
  readonly cosigned: string | undefined;
  readonly cosignedSize: number | undefined;
  readonly retention: number | undefined;
  readonly room: number;
}

export interface Writer {
  /**
   * Runs `work` while no other process can write; what it returns is the transaction's last statement. Nothing is tried twice: where it
   * rejects, the transaction may have been kept. What `work` throws comes through as it is.
   */
  transact(work: (head: HeadRow, session: Session) => Promise<pg.QueryConfig<unknown[]> | undefined>): Promise<void>;
  /** Runs `work` in its turn, outside a transaction. */
  run<T>(work: (session: Session) => Promise<T>): Promise<T>;
  /** Waits for what is under way. */
  close(): Promise<void>;
}

/** Sizes up to 2^53 are enough for any log, and bigint comes as text. */
type StoredHead = { [column in keyof typeof COLUMNS]: string | null };
const COLUMNS = { size: 1, checkpoint: 1, cosigned: 1, cosigned_size: 1, retention: 1, room: 1 };
const SELECT = `SELECT ${Object.keys(COLUMNS).join(', ')} FROM oncegate.head ORDER BY size DESC LIMIT 1`;
export const READ_HEAD = { name: 'head', text: SELECT };
const LOCK_HEAD = { name: 'lock', text: `${SELECT} FOR UPDATE` };

export function toHead({ rows: [row] }: pg.QueryResult<StoredHead>): HeadRow {
  if (row === undefined) throw new Error('the log’s database has lost the head of the log');
  const number = (text: string | null): number | undefined => (text === null ? undefined : Number(text));
  return {
    size: Number(row.size),
    checkpoint: row.checkpoint ?? undefined,
    cosigned: row.cosigned ?? undefined,
    cosignedSize: number(row.cosigned_size),
    retention: number(row.retention),
    room: Number(row.room),
  };
}

export function openWriter(place: Place): Writer {
  let session: Session | undefined;
  let closed = false;
  let last: Promise<unknown> = Promise.resolve();

  const run: Writer['run'] = (work) => {
    const turn = last.then(async () => {
      if (closed) throw new Error('the log is closed');
      // A connection that broke is made anew at the next use, so a server that comes back is used again.
      if (!session?.alive) session = await connect(place);
      return work(session);
    });
    last = turn.catch(() => {});
    return turn;
  };

  return {
    run,
    transact: (work) =>
      run(async (session) => {
        try {
          const [, found] = await Promise.all([session.ask('BEGIN'), session.ask<StoredHead>(LOCK_HEAD)]);
          await session.commit(await work(toHead(found), session));
        } catch (error) {
          await session.ask('ROLLBACK').catch(session.close);
          throw error;
        }
      }),
    async close() {
      const before = last;
      last = before.then(() => {
        closed = true;
      });
      await last;
      await session?.close();
    },
  };
}
