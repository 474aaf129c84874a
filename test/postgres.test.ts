/** The log in PostgreSQL, where it is not like any other store: several writers, of which any may hang or die, and a server that may go. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as after } from 'node:timers/promises';
import pg from 'pg';
import t, { type Test } from 'tap';
import { openPostgresLog, type PostgresOptions } from '../src/audit/postgres.ts';
import type { Batch, LogStore } from '../src/audit/store.ts';
import { chance, seedOf } from './support/chance.ts';
import { command, findPostgres, type OwnServer, type TestPostgres } from './support/postgres.ts';
import { until } from './support/waiting.ts';
import { stretchWire } from './support/wire.ts';

/** For which a writer may be stopped. Milliseconds. */
const PATIENCE = 400;
const seed = seedOf();
t.comment(`seed ${seed}: SEED=${seed} shows this run again`);

const found = await findPostgres();
if (typeof found !== 'string') t.teardown(() => found.stop());
const skip = typeof found === 'string' ? found : false;
const skipOwn = skip || (found as TestPostgres).server ? skip : 'DATABASE_URL: that server is not stopped for a test';

/** Runs with a new database, or is skipped by name with the reason. */
function withDatabase(name: string, run: (t: Test, url: string) => Promise<void>): void {
  t.test(name, { skip }, async (t) => run(t, await (found as TestPostgres).fresh()));
}

/** As `withDatabase`, with a server that the test may stop. */
function withServer(name: string, run: (t: Test, url: string, server: OwnServer) => Promise<void>): void {
  t.test(name, { skip: skipOwn }, async (t) => {
    const { fresh, server } = found as TestPostgres & { server: OwnServer };
    await run(t, await fresh(), server);
  });
}

async function open(t: Test, url: string, options: PostgresOptions = {}): Promise<LogStore> {
  const store = await openPostgresLog(url, { patience: PATIENCE, ...options });
  t.teardown(() => store.close());
  return store;
}

const batch = (...entries: string[]): Batch => ({ entries, tiles: [], checkpoint: undefined });
const whole = async (store: LogStore): Promise<(string | undefined)[]> => store.read(0, (await store.head()).size);

const message = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'it went well',
    (error: Error) => error.message,
  );

/** The names of the partitions' first entries, in order. */
async function partitions(url: string): Promise<number[]> {
  const rows = await command(url, `SELECT substr(relname, 9) AS first FROM pg_class WHERE relname ~ '^entries_[0-9]+$'`);
  return rows.map(({ first }) => Number(first)).sort((a, b) => a - b);
}

/** Gives the server a setting, and waits until new connections have it. */
async function set(url: string, name: string, value: string): Promise<void> {
  await command(url, `ALTER SYSTEM SET ${name} = '${value}'`);
  await command(url, 'SELECT pg_reload_conf()');
  await until(`${name} is ${value}`, async () => (await command(url, `SHOW ${name}`))[0]?.[name] === value);
}

interface Writer {
  readonly process: ChildProcess;
  /** Resolves when it is in the middle of its first append. */
  composing(): Promise<void>;
  readonly result: Promise<{ indexes: number[]; refusals: string[] }>;
}

function startWriter(t: Test, url: string, name: string, count: number, signal?: NodeJS.Signals, patience = PATIENCE): Writer {
  const more = signal === undefined ? [] : [signal];
  const child = spawn(process.execPath, ['test/support/postgres-writer.ts', url, name, String(count), String(patience), ...more], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  let said = '';
  child.stdout.on('data', (chunk) => (said += chunk));
  const ended = once(child, 'close');
  return {
    process: child,
    composing: () => until('the writer composes', () => said.startsWith('composing')),
    result: ended.then(() => JSON.parse(said.replace(/^composing\n/, '') || '{"indexes":[],"refusals":[]}')),
  };
}

// First of all: after a crash the server syncs every file it has, and each database has hundreds.
withServer('a server that goes and comes: what was acknowledged is there, and batches whole or not at all', async (t, url, server) => {
  // Were it not for what the store sets itself, these would lose entries in a crash, and refuse batches without one.
  const database = new URL(url).pathname.slice(1);
  await command(url, `ALTER DATABASE ${database} SET synchronous_commit = off`);
  await command(url, `ALTER DATABASE ${database} SET default_transaction_isolation = serializable`);
  await set(url, 'wal_writer_delay', '10s');
  await set(url, 'wal_writer_flush_after', '1GB');
  await command(url, `ALTER DATABASE ${database} SET default_transaction_read_only = on`);
  const random = chance(seed);
  const stores = [await open(t, url), await open(t, url)];
  const acknowledged: { index: number; body: string }[] = [];
  let refused = 0;
  let made = 0;
  let running = true;
  const writing = stores.map(async (store) => {
    while (running) {
      const entries = ['a', 'b', 'c'].map((part) => `${made} ${part}`);
      made++;
      let first = 0;
      try {
        await store.append(({ size }) => {
          first = size;
          return batch(...entries);
        });
        acknowledged.push(...entries.map((body, i) => ({ index: first + i, body })));
      } catch {
        refused++;
        await after(20);
      }
    }
  });
  await until('it writes', () => acknowledged.length >= 60);
  t.equal(refused, 0, 'none is refused before any harm');
  for (const harm of ['crash', 'restart', 'crash'] as const) {
    const enough = acknowledged.length + 3 * (10 + random(50));
    await until(`it writes, up to ${enough}`, () => acknowledged.length >= enough);
    await server[harm]();
    if (harm === 'crash') await server.start();
  }
  const enough = acknowledged.length + 30;
  await until('it writes again', () => acknowledged.length >= enough);
  running = false;
  await Promise.all(writing);
  t.ok(refused > 0, `${refused} batches were refused`);
  const store = await open(t, url);
  const bodies = await whole(store);
  const wrong = acknowledged.filter(({ index, body }) => bodies[index] !== body);
  t.strictSame(wrong, [], `${acknowledged.length} acknowledged entries are where they were said to be`);
  const torn = bodies.filter((body, i) => body !== bodies[i - (i % 3)]?.replace('a', 'abc'[i % 3] as string));
  t.strictSame(torn, []);
});

withDatabase('gateways that start at once make one schema, whatever partitions they would make', async (t, url) => {
  const stores = await Promise.all([8, 16, 4, 8, 8, 8].map((partition) => open(t, url, { partition })));
  for (const [n, store] of stores.entries()) await store.append(() => batch(`a ${n}`, `b ${n}`, `c ${n}`));
  t.equal((await whole(stores[0] as LogStore)).filter((body) => body !== undefined).length, 18);
  t.equal((await command(url, 'SELECT FROM oncegate.head')).length, 1);
});

withDatabase('three processes write one log: no fork, and none starves', async (t, url) => {
  const COUNT = 150;
  const store = await open(t, url);
  const others = ['one', 'two'].map((name) => startWriter(t, url, name, COUNT));
  const results = { one: [] as number[], two: [] as number[], three: [] as number[] };
  await until('the others write', async () => (await store.head()).size > 2);
  for (let n = 0; n < COUNT; n++) {
    await store.append(({ size }) => {
      results.three.push(size, size + 1);
      return batch(`three ${n} a`, `three ${n} b`);
    });
  }
  const [one, two] = await Promise.all(others.map(({ result }) => result));
  t.strictSame([one?.refusals, two?.refusals], [[], []]);
  Object.assign(results, { one: one?.indexes, two: two?.indexes });
  const bodies = await whole(store);
  t.equal(bodies.length, 6 * COUNT);
  for (const [name, indexes] of Object.entries(results)) {
    const mine = Array.from({ length: COUNT }, (_, n) => [`${name} ${n} a`, `${name} ${n} b`]).flat();
    t.strictSame(
      indexes.map((index) => bodies[index]),
      mine,
      `${name} has its entries where it was told`,
    );
    const gaps = indexes.slice(1).map((index, i) => index - (indexes[i] as number));
    t.ok(Math.max(...gaps) < 2 * COUNT, `${name} never waits for more than a third of the log: ${Math.max(...gaps)}`);
  }
});

withDatabase('a writer that is stopped in its transaction holds others up for a moment, and its own batch is refused', async (t, url) => {
  const store = await open(t, url, { patience: 10 * PATIENCE });
  await store.append(() => batch('before'));
  const writer = startWriter(t, url, 'stopped', 2, 'SIGSTOP');
  await writer.composing();
  const started = performance.now();
  await Promise.all([store.append(() => batch('x')), store.append(() => batch('y')), store.publish('cosigned', 1)]);
  t.ok(performance.now() - started < 10 * PATIENCE, 'for as long as the server is patient with it, and not as they would wait');
  writer.process.kill('SIGCONT');
  const { indexes, refusals } = await writer.result;
  t.match(refusals, [/^the log’s database: /]);
  t.equal(refusals.length, 1);
  t.strictSame(indexes, [3, 4], 'and its next one is taken');
  t.strictSame(await whole(store), ['before', 'x', 'y', 'stopped 1 a', 'stopped 1 b']);
});

withDatabase('a writer that is killed in its transaction harms nobody', async (t, url) => {
  const store = await open(t, url, { patience: 10 * PATIENCE });
  const writer = startWriter(t, url, 'killed', 1, 'SIGKILL', 100 * PATIENCE);
  await writer.composing();
  const started = performance.now();
  await store.append(({ size }) => batch(`after ${size}`));
  t.ok(performance.now() - started < 10 * PATIENCE, 'others do not wait until its time is over');
  t.strictSame(await whole(store), ['after 0']);
});

withDatabase('what composing throws comes through as it is, and leaves nothing behind', async (t, url) => {
  const store = await open(t, url);
  const own = new RangeError('its own');
  await t.rejects(
    store.append(() => Promise.reject(own)),
    own,
  );
  await t.rejects(
    store.append(() => ({ ...batch('a'), tiles: [{ level: 0, index: 0, hashes: null as unknown as Buffer }] })),
    TypeError,
  );
  await store.append(() => batch('b'));
  t.strictSame(await whole(store), ['b']);
});

withDatabase('connections that the server ends are made anew', async (t, url) => {
  const END = 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()';
  const store = await open(t, url);
  await Promise.all([store.append(() => batch('a')), store.head(), store.head()]);
  await command(url, END);
  await until('it reads again', async () => (await message(store.head())) === 'it went well');
  await until('it writes again', async () => (await message(store.append(() => batch('b')))) === 'it went well');
  const cut = store.append(async () => {
    await command(url, END);
    return batch('lost');
  });
  t.match(await message(cut), /^the log’s database: terminating connection due to administrator command/);
  await store.append(() => batch('c'));
  await until('it reads again', async () => (await message(store.head())) === 'it went well');
  t.strictSame(await whole(store), ['a', 'b', 'c']);
});

withDatabase('a wire that is cut or goes silent: refusals in bounded time, others go on, and it heals by itself', async (t, url) => {
  const wire = await stretchWire(url);
  t.teardown(() => wire.cut());
  const far = await open(t, wire.url);
  const near = await open(t, url);
  for (const harm of [wire.cut, wire.freeze]) {
    const { size } = await near.head();
    const started = performance.now();
    const lost = await new Promise<Promise<string>>((resolve) => {
      const refusal = message(
        far.append(async () => {
          await harm();
          resolve(refusal);
          return batch('lost');
        }),
      );
    });
    await near.append(() => batch(`near ${size}`));
    t.match(await lost, /^the log’s database: /);
    t.match(await message(far.append(() => batch('lost'))), /^the log’s database: /);
    t.match(await message(far.read(0, 1)), /^the log’s database: /);
    t.ok(performance.now() - started < 40 * PATIENCE, 'nobody waits for ever');
    await wire.cut();
    await wire.mend();
    await until('it heals', async () => (await message(far.append(() => batch(`far ${size}`)))) === 'it went well');
    await until('it reads', async () => (await message(far.head())) === 'it went well');
  }
  t.strictSame(await whole(near), ['near 0', 'far 0', 'near 2', 'far 2']);
});

withServer('a commit that no standby confirmed is not acknowledged, and the next batch is told of it', async (t, url) => {
  const store = await open(t, url, { patience: 10_000 });
  await store.append(() => batch('a'));
  await set(url, 'synchronous_standby_names', 'nobody');
  const waits = `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SyncRep'`;
  await until(
    'the setting is in force',
    async () => (await command(url, 'SHOW synchronous_standby_names'))[0]?.synchronous_standby_names === 'nobody',
  );
  const doubtful = message(store.append(() => batch('b')));
  await until('the commit waits', async () => (await command(url, waits)).length > 0);
  await command(url, `SELECT pg_cancel_backend(pid) FROM (${waits}) AS waiting`);
  t.match(await doubtful, /^the log’s database is not sure of a commit: /);
  await set(url, 'synchronous_standby_names', '');
  await store.append(({ size }) => batch(`after ${size}`));
  t.strictSame(await whole(store), ['a', 'b', 'after 2']);
});

withDatabase('partitions are made ahead, though a backup reads, and dropped when nothing is left in them', async (t, url) => {
  const store = await open(t, url, { partition: 8, patience: 20 * PATIENCE });
  t.strictSame(await partitions(url), [0]);
  await store.append(() => batch('0', '1', '2', '3'));
  t.strictSame(await partitions(url), [0], 'half is enough');
  await store.append(() => batch('4'));
  await until('the next is made', async () => (await partitions(url)).length === 2);
  const backup = new pg.Client(url);
  backup.on('error', () => {});
  await backup.connect();
  await backup.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM oncegate.entries');
  await store.append(() => batch(...'56789abcdefghijklmnop'));
  t.strictSame((await whole(store)).join(''), '0123456789abcdefghijklmnop');
  t.strictSame(await partitions(url), [0, 8, 16, 24], 'also where one batch needs several');

  const started = performance.now();
  await store.prune([15, 3, 2, 1, 0, 14, 13, 12, 11, 10, 9, 8, 4, 5, 6], 25);
  t.strictSame(await partitions(url), [0, 8, 16, 24], 'what a backup reads stays');
  t.ok(performance.now() - started < 20 * PATIENCE, 'and is not waited for');
  t.strictSame((await store.read(6, 18)).slice(0, 11), [undefined, '7', ...Array(8).fill(undefined), 'g']);
  await backup.end();
  await store.prune([], 20);
  t.strictSame(await partitions(url), [0, 16, 24], 'one entry keeps a partition');
  await store.prune([7], 20);
  t.strictSame(await partitions(url), [16, 24]);
  t.match(await store.head(), { size: 26, retention: 25 });
  t.strictSame(await store.read(0, 17), [...Array(16).fill(undefined), 'g']);
  await store.append(() => batch('q'));
  t.equal((await whole(store)).length, 27);
});

t.test('a server that would lose entries is refused', { skip: skipOwn }, async (t) => {
  const { fresh, server } = found as TestPostgres & { server: OwnServer };
  const url = await fresh();
  for (const name of ['fsync', 'full_page_writes']) {
    await set(url, name, 'off');
    t.match(await message(openPostgresLog(url)), new RegExp(`^the log’s database: it runs with ${name} = off`));
    await set(url, name, 'on');
  }
  await command(url, `CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0`);
  t.match(await message(openPostgresLog(Object.assign(new URL(url), { pathname: '/latin' }).href)), /its encoding is LATIN1/);
  const store = await open(t, url);
  await server.restart('standby');
  t.match(await message(openPostgresLog(url)), /it is a standby/);
  t.match(await message(store.append(() => batch('a'))), /it is a standby/, 'also where the server becomes one');
  await command(url, 'SELECT pg_promote()');
  await store.append(() => batch('a'));
  t.strictSame(await whole(store), ['a']);
});

t.test('what cannot be opened is told without the password', { skip }, async (t) => {
  const { host } = new URL(await (found as TestPostgres).fresh());
  const ADDRESSES: [rule: string, address: string, refusal: RegExp][] = [
    ['nobody listens', 'postgres://u:s3cret%21@127.0.0.1:1/d', /ECONNREFUSED/],
    ['no such host', 'postgres://u:s3cret%21@host.invalid/d', /ENOTFOUND|EAI_AGAIN/],
    ['no address', 'postgres://u:s3cret%21/x@host.invalid/d', /Invalid URL/],
    ['no such role', `postgres://nobody:s3cret%21@${host}/postgres`, /role "nobody" does not exist|authentication failed/],
    ['a database of the password’s name', `postgres://postgres:s3cret%21@${host}/s3cret!`, /database "…" does not exist/],
    ['a server without TLS', `postgres://postgres:s3cret%21@${host}/postgres?sslmode=verify-full`, /does not support SSL/],
  ];
  for (const [rule, address, refusal] of ADDRESSES) {
    const error = (await openPostgresLog(address).catch((error) => error)) as Error;
    t.match(error.message, refusal, rule);
    t.notMatch(JSON.stringify({ ...error, stack: error.stack, cause: error.cause }), /s3cret/, rule);
  }
});
