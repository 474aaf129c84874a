/** The thread of the desk: reads the log by itself, follows it into the copy that is searched, and answers. */
import { parentPort, workerData } from 'node:worker_threads';
import type { DeskCall, DeskError, DeskReply, DeskSettings } from './desk.ts';
import { type KeptSearch, openPostgresSearch, openSqliteSearch } from './log-search.ts';
import { openSqliteReader } from './sqlite.ts';

interface Desk {
  readonly search: KeptSearch;
  /** What the log wants done from time to time by somebody who keeps nobody waiting. */
  relieve(): void;
  close(): Promise<void>;
}

const { location, followEvery } = workerData as DeskSettings;
const port = parentPort;
if (port === null) throw new Error('this file is a thread, which desk.ts starts');

async function open(): Promise<Desk> {
  if ('sqlite' in location) {
    const reader = openSqliteReader(location.sqlite.log);
    const search = openSqliteSearch(location.sqlite.search, reader);
    const close = async (): Promise<void> => {
      await search.close();
      reader.close();
    };
    return { search, relieve: reader.relieve, close };
  }
  // PostgreSQL's client is loaded where it is used alone.
  const { openPostgresReader } = await import('./postgres.ts');
  const log = openPostgresReader(location.postgres);
  const search = openPostgresSearch(location.postgres, log);
  const close = async (): Promise<void> => {
    await search.close();
    await log.close();
  };
  return { search, relieve: () => {}, close };
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

const told = (error: unknown): DeskError => {
  const { name = 'Error', message = String(error), index } = error as Partial<DeskError>;
  return { name, message, ...(index === undefined ? {} : { index }) };
};
const reply = (message: DeskReply): void => port.postMessage(message);

let troubled = false;
async function follow(): Promise<void> {
  try {
    const { search } = await desk();
    await search.follow();
    troubled = false;
  } catch (error) {
    if (!troubled) reply({ trouble: told(error) });
    troubled = true;
  }
}

/** From the end of one to the start of the next, so that a slow one is not followed at once by another. */
let timer: NodeJS.Timeout | undefined;
const keepFollowing = async (): Promise<void> => {
  await follow();
  timer = setTimeout(keepFollowing, followEvery);
};

/** The writer's log is moved into its file here, in small steps, so that it need not stop for a large one. */
const RELIEF_MS = 250;
const relief = setInterval(() => void opened?.then(({ relieve }) => relieve()).catch(() => {}), RELIEF_MS);

async function close(): Promise<void> {
  clearTimeout(timer);
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
    (error: unknown) => reply({ id, error: told(error) }),
  );
});
void keepFollowing();
