/** The thread of the desk: reads the log by itself, follows it into the copy that is searched, and answers. */
import { setTimeout as after } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import type { DeskCall, DeskError, DeskReply, DeskSettings } from './desk.ts';
import type { Follower, StartFollower } from './follower.ts';
import { type KeptSearch, openPostgresSearch, openSqliteSearch } from './log-search.ts';
import type { Told } from './projection.ts';
import { openSqliteReader } from './sqlite.ts';
import type { LogReader } from './store.ts';

interface Desk {
  readonly search: KeptSearch;
  readonly reader: LogReader;
  /** What the log wants done from time to time by somebody who keeps nobody waiting. */
  relieve(): void;
  close(): Promise<void>;
}

const { location, followEvery, follower } = workerData as DeskSettings;
const port = parentPort;
if (port === null) throw new Error('this file is a thread, which desk.ts starts');

const reply = (message: DeskReply): void => port.postMessage(message);

const watching: Follower | undefined =
  follower &&
  ((await import(follower.module)) as { follower: StartFollower<unknown> }).follower(follower.settings, (said) => reply({ said }));
const told: Told = (from, entries) => watching?.told(from, entries);

async function open(): Promise<Desk> {
  if ('sqlite' in location) {
    const reader = openSqliteReader(location.sqlite.log);
    const search = openSqliteSearch(location.sqlite.search, reader, told);
    const close = async (): Promise<void> => {
      await search.close();
      reader.close();
    };
    return { search, reader, relieve: reader.relieve, close };
  }
  // PostgreSQL's client is loaded where it is used alone.
  const { openPostgresReader } = await import('./postgres.ts');
  const log = openPostgresReader(location.postgres);
  const search = openPostgresSearch(location.postgres, log, told);
  const close = async (): Promise<void> => {
    await search.close();
    await log.close();
  };
  return { search, reader: log, relieve: () => {}, close };
}

let opened: Promise<Desk> | undefined;
/** The log may not be there yet, or be out of reach: whoever asks next tries again. */
function desk(): Promise<Desk> {
  const opening = (opened ??= open());
  opening.catch(() => {
    if (opened === opening) opened = undefined;
  });
  return opening;
}

const crossing = (error: unknown): DeskError => {
  const { name = 'Error', message = String(error), index } = error as Partial<DeskError>;
  return { name, message, ...(index === undefined ? {} : { index }) };
};
const troubled = new Set<unknown>();
/** What keeps failing is told of once: where the log is out of reach, all does. */
async function trying(work: (desk: Desk) => Promise<void>): Promise<void> {
  try {
    await work(await desk());
    troubled.delete(work);
  } catch (error) {
    if (troubled.size === 0) reply({ trouble: crossing(error) });
    troubled.add(work);
  }
}

/** From the end of one to the start of the next, so that a slow one is not followed at once by another. */
const timers = new Set<NodeJS.Timeout>();
async function again(round: () => Promise<void>): Promise<void> {
  await round();
  const timer = setTimeout(() => {
    timers.delete(timer);
    void again(round);
  }, followEvery);
  timers.add(timer);
}

const follow = ({ search }: Desk): Promise<void> => search.follow();
let following: Promise<void> | undefined;

/** How long what is read for the search anyway is waited for: a copy that is made again takes hours. */
const PATIENCE_MS = 1000;
const watch = async ({ search, reader }: Desk): Promise<void> => {
  await Promise.race([following, after(PATIENCE_MS)]);
  await watching?.catchUp({ reader, customs: search.customs });
};

/** The writer's log is moved into its file here, in small steps, so that it need not stop for a large one. */
const RELIEF_MS = 250;
const relief = setInterval(() => void opened?.then(({ relieve }) => relieve()).catch(() => {}), RELIEF_MS);

async function close(): Promise<void> {
  for (const timer of timers) clearTimeout(timer);
  clearInterval(relief);
  await (await opened?.catch(() => undefined))?.close();
  port?.close();
  process.exit();
}

port.on('message', ({ id, method, args }: DeskCall) => {
  if (method === 'close') return void close();
  const asked = desk().then(({ search }) => (search[method] as (...args: readonly unknown[]) => Promise<unknown>)(...args));
  asked.then(
    (result) => reply(result === undefined ? { id } : { id, result: JSON.stringify(result) }),
    (error: unknown) => reply({ id, error: crossing(error) }),
  );
});
void again(() => (following = trying(follow)));
if (watching !== undefined) void again(() => trying(watch));
