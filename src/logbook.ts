/** The audit log with all that belongs to it: where it is kept, who signs it, who searches it, who witnesses it, and what is forgotten in time. */
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import pg from 'pg';
import { openDesk } from './audit/desk.ts';
import type { AuditEntry } from './audit/entry.ts';
import type { FollowerModule } from './audit/follower.ts';
import { AuditLog } from './audit/log.ts';
import { openPostgresLog } from './audit/postgres.ts';
import { forgetOld } from './audit/retention.ts';
import type { LogSearch } from './audit/search.ts';
import { type LogKeyRing, logKeyRing } from './audit/signer.ts';
import { openSqliteLog } from './audit/sqlite.ts';
import type { LogStore } from './audit/store.ts';
import { Witness } from './audit/witness.ts';
import { openPostgresWitness } from './audit/witness-postgres.ts';
import { openSqliteWitness } from './audit/witness-sqlite.ts';
import { Witnesses } from './audit/witnesses.ts';
import type { GatewaySettings } from './catalogue/load.ts';
import type { Clock } from './domain.ts';
import type { GatewayKeys } from './keys.ts';
import { whereItArose } from './problems.ts';

export interface LogbookOptions {
  readonly dataDirectory: string;
  /** PostgreSQL, where not the data directory has the log. */
  readonly databaseUrl: string | undefined;
  readonly settings: GatewaySettings;
  readonly keys: GatewayKeys;
  readonly configDigest: string;
  readonly clock: Clock;
  readonly logger: FastifyBaseLogger;
  /** Who follows the log beside its search. */
  readonly follower?: FollowerModule;
  /** Put around the store by tests that break it. */
  readonly aroundStore: ((store: LogStore) => LogStore) | undefined;
}

export interface Logbook {
  readonly store: LogStore;
  readonly log: AuditLog;
  readonly search: LogSearch;
  readonly ring: LogKeyRing;
  /** This gateway as the witness of other logs. */
  readonly witness: Witness | undefined;
  readonly witnesses: Witnesses | undefined;
}

/** Where the log of a data directory is, unless a database has it. */
export const logPath = (dataDirectory: string): string => join(dataDirectory, 'log.db');

const HOUR_MS = 3_600_000;

/** What is opened is put on the stack. Throws an Error where the log is not the one that its keys signed. */
export async function openLogbook(options: LogbookOptions, opened: AsyncDisposableStack): Promise<Logbook> {
  const { dataDirectory, databaseUrl, settings, keys, configDigest, clock, logger, aroundStore = (store) => store } = options;
  const trouble = (what: string) => (error: Error) => logger.error({ cause: whereItArose(error) }, what);
  const ring = logKeyRing(settings.logOrigin, keys.log, configDigest, clock);
  const store = aroundStore(
    databaseUrl === undefined
      ? openSqliteLog(logPath(dataDirectory))
      : await openPostgresLog(databaseUrl, { onTrouble: trouble('the log’s database gives no room for more entries') }),
  );
  opened.defer(() => store.close());
  const log = await AuditLog.open({ store, origin: settings.logOrigin, keys: ring.keys, signer: ring.signer });
  writeFileSync(join(dataDirectory, 'log.vkey'), `${ring.texts.join('\n')}\n`);
  const files = { log: logPath(dataDirectory), search: join(dataDirectory, 'search.db') };
  const search = openDesk(databaseUrl === undefined ? { sqlite: files } : { postgres: databaseUrl }, {
    onTrouble: trouble('the search of the log is in trouble'),
    follower: options.follower,
  });
  opened.defer(() => search.close());
  opened.defer(() => log.settled());
  forgetHourly(options, { store, log, search }, opened);
  return { store, log, search, ring, witness: await openWitness(options, opened), witnesses: startWitnesses(options, store, opened) };
}

/** What is old enough is forgotten once an hour. */
function forgetHourly(options: LogbookOptions, book: Pick<Logbook, 'store' | 'log' | 'search'>, opened: AsyncDisposableStack): void {
  const { settings, configDigest, clock, logger } = options;
  const { retention: days } = settings;
  if (Object.keys(days).length === 0) return;
  const onRecord = async (part: Pick<AuditEntry, 'retention'>): Promise<number> => {
    const own = { v: 1, kind: 'retention', id: randomUUID(), agency: 'gateway', client: 'gateway', config: configDigest } as const;
    return (await book.log.append({ ...own, time: new Date(clock()).toISOString(), ...part }, { receipt: true })).index;
  };
  let round: Promise<void> = Promise.resolve();
  const forget = (): void => {
    round = forgetOld({ ...book, days, onRecord, clock }).then(
      (count) => void (count > 0 && logger.info({ count }, 'bodies of old entries forgotten')),
      (error: unknown) => logger.error({ cause: whereItArose(error) }, 'old entries could not be forgotten'),
    );
  };
  const timer = setInterval(forget, HOUR_MS).unref();
  opened.defer(async () => {
    clearInterval(timer);
    await round;
  });
}

async function openWitness(options: LogbookOptions, opened: AsyncDisposableStack): Promise<Witness | undefined> {
  const { settings, dataDirectory, databaseUrl, keys, clock, logger } = options;
  if (settings.witness === undefined) return undefined;
  const store =
    databaseUrl === undefined
      ? openSqliteWitness(join(dataDirectory, 'witness.db'))
      : await openPostgresWitness(poolOf(databaseUrl, opened));
  opened.defer(() => store.close());
  const forked = (origin: string, before: string, after: string): void =>
    logger.error({ origin, before, after }, 'a log that is witnessed here signed two histories: keep both heads');
  return new Witness({ ...settings.witness, keys: [keys.witness], store, clock, forked });
}

function poolOf(databaseUrl: string, opened: AsyncDisposableStack): pg.Pool {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 });
  // It has let go of the connection, and takes a new one for the next question.
  pool.on('error', () => {});
  opened.defer(() => pool.end());
  return pool;
}

function startWitnesses({ settings, clock, logger }: LogbookOptions, store: LogStore, opened: AsyncDisposableStack): Witnesses | undefined {
  if (settings.witnesses === undefined) return undefined;
  const witnesses = new Witnesses({
    ...settings.witnesses,
    reader: store,
    publish: (cosigned, size) => store.publish(cosigned, size),
    fetch,
    clock,
    after: (milliseconds, run) => {
      const timer = setTimeout(run, milliseconds).unref();
      return () => clearTimeout(timer);
    },
    report: ({ behind, ...event }) => {
      if (behind === undefined) logger.warn(event, 'a witness did not cosign');
      else logger.error({ ...event, behind }, 'a witness saw a longer log than this one: it was rolled back, or the witness lies');
    },
  });
  opened.defer(witnesses.start());
  return witnesses;
}
