/** The log: what queues, what fails, what recovers, and that nothing is said to be on record that is not. */
import fs, { copyFileSync, cpSync, fstatSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as turn } from 'node:timers/promises';
import canonicalize from 'canonicalize';
import t from 'tap';
import { openCheckpoint } from '../src/audit/checkpoint.ts';
import type { AuditEntry } from '../src/audit/entry.ts';
import { AuditLog, type LogSigner, LogUnavailable } from '../src/audit/log.ts';
import { openSqliteSearch } from '../src/audit/log-search.ts';
import { openSqliteLog, openSqliteReader } from '../src/audit/sqlite.ts';
import type { Batch, LogStore } from '../src/audit/store.ts';
import { NEWEST } from '../src/audit/tree.ts';
import { checkLog } from '../src/audit/whole.ts';
import type { Receipt } from '../src/domain.ts';
import { chance, seedOf } from './support/chance.ts';
import { around, entryOf, makeLogKey, ORIGIN, openLog, rejection } from './support/log.ts';
import { holds, wholeLog } from './support/oracle.ts';
import { connections } from './support/stores.ts';

const seed = seedOf();
t.comment(`seed ${seed}: SEED=${seed} shows this run again`);

let directories = 0;
const root = t.testdir({});
/** A new directory for a log. */
const newDirectory = (): string => join(root, String(directories++));
const newStore = (): LogStore => openSqliteLog(join(newDirectory(), 'log.db'));

t.test('what queues while a commit runs shares the next one: one write and one signature', async (t) => {
  const { sign, key } = makeLogKey();
  const batches: Batch[] = [];
  let signatures = 0;
  let release = (): void => {};
  let slow = false;
  const store = around(newStore(), async (batch, write) => {
    batches.push(batch);
    if (slow) await new Promise<void>((resolve) => (release = resolve));
    await write();
  });
  const log = await openLog(store, {
    key,
    sign: (checkpoint) => {
      signatures++;
      return sign(checkpoint);
    },
  });
  const many = (count: number, kind: 'intent' | 'outcome', receipt: boolean) =>
    Array.from({ length: count }, (_, n) => log.append(entryOf(`${kind} ${n}`, kind), { receipt }));

  const receipts = await Promise.all(many(50, 'outcome', true));
  t.strictSame([batches.length, signatures], [1, 1], 'the entries of one turn');
  t.equal(new Set(receipts.map(({ checkpoint }) => checkpoint)).size, 1);

  const intents = await Promise.all(many(5, 'intent', false));
  t.strictSame([batches.length, signatures], [2, 2], 'intents alone are signed too: whoever can write to the store could put in others');
  t.ok(intents.every(({ checkpoint, proof }) => checkpoint === '' && proof.length === 0));

  await Promise.all([...many(5, 'intent', false), ...many(5, 'outcome', true)]);
  t.strictSame([batches.length, signatures], [3, 3], 'intents and outcomes together take one');

  slow = true;
  const first = many(1, 'outcome', true);
  while (batches.length < 4) await turn();
  const late: Promise<Receipt>[] = [];
  for (let i = 0; i < 30; i++) {
    late.push(...many(1, 'outcome', true));
    await turn();
  }
  t.equal(batches.length, 4, 'no second commit beside the running one');
  slow = false;
  release();
  await Promise.all([...first, ...late]);
  t.strictSame([batches.length, batches[4]?.entries.length, signatures], [5, 30, 5]);

  await Promise.all(many(NEWEST + 1, 'outcome', true));
  t.strictSame(
    batches.slice(5).map(({ entries }) => entries.length),
    [NEWEST, 1],
    'a commit has its limit',
  );
  await log.settled();
  await wholeLog(store, key);
  await store.close();
});

t.test('a queue has its limit, and what is beyond it is refused at once', async (t) => {
  const key = makeLogKey();
  const store = newStore();
  const log = await openLog(store, key, { queue: 3 });
  const results = await Promise.all([1, 2, 3, 4, 5].map((n) => rejection(log.append(entryOf(n), { receipt: true }))));
  t.strictSame(
    results.map((error) => error instanceof LogUnavailable),
    [false, false, false, true, true],
  );
  t.equal((await wholeLog(store, key.key)).length, 3);
  await log.append(entryOf(6), { receipt: true });
  t.equal((await store.head()).size, 4, 'when there is room it takes entries again');
  await store.close();
});

t.test('a log that cannot be written keeps nothing, says so, and recovers', async (t) => {
  /** How a write fails. `full` is SQLite's own: no page more may be added to the file. */
  const FAILURES = ['before anything is written', 'full', 'while it is signed', 'while nobody can sign'] as const;
  for (const failure of FAILURES) {
    for (const nth of [1, 2, 3]) {
      await t.test(`${failure}: write ${nth}`, async (t) => {
        const { sign, key } = makeLogKey();
        const inner = newStore();
        const connection = connections.at(-1) as DatabaseSync;
        const limit = (pages: number): unknown => connection.prepare(`PRAGMA max_page_count = ${pages}`).get();
        let failing = false;
        const store = around(inner, async (_batch, write) => {
          if (failing && failure === FAILURES[0]) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
          // SQLite takes a limit below the present size as the present size.
          if (failing && failure === 'full') limit(1);
          await write();
        });
        const signer: LogSigner = {
          sign(checkpoint) {
            if (failing && failure === 'while it is signed') throw new Error('no key');
            return sign(checkpoint);
          },
          takeOver: undefined,
        };
        const log = await AuditLog.open({
          store,
          origin: ORIGIN,
          keys: [key],
          signer() {
            if (failing && failure === 'while nobody can sign') throw new Error('no key of the log is in use yet');
            return signer;
          },
        });
        // Large enough that a batch needs pages of its own.
        const large = (name: string): AuditEntry => ({ ...entryOf(name), reason: 'x'.repeat(3000) });
        const batch = (name: string) =>
          Promise.all([1, 2, 3, 4].map((n) => rejection(log.append(large(`${name}-${n}`), { receipt: true }))));
        for (let turn = 1; turn < nth; turn++) t.ok((await batch(`good ${turn}`)).every((error) => error === undefined));
        t.ok(log.healthy);
        const before = await inner.head();

        failing = true;
        for (let attempt = 0; attempt < 2; attempt++) {
          const errors = await batch('lost');
          t.ok(errors.every((error) => error instanceof LogUnavailable && error.cause instanceof Error));
          t.notOk(log.healthy);
          t.strictSame(await inner.head(), before);
          t.equal((await inner.read(0, 1000)).length, before.size);
        }
        if (failure === FAILURES[0]) t.equal(await log.probe(), false, 'trying again finds it unwritable still');

        failing = false;
        limit(1_000_000);
        if (nth === 2) {
          t.equal(await log.probe(), true, 'a probe alone notices that it is back');
          t.ok(log.healthy);
          t.strictSame(await inner.head(), before, 'and writes nothing');
        }
        t.ok((await batch('after')).every((error) => error === undefined));
        t.ok(log.healthy);
        const entries = await wholeLog(inner, key);
        t.equal(entries.length, before.size + 4);
        t.notOk(entries.some((bytes) => bytes.includes('lost')));
        t.ok(holds(await log.entry(entries.length - 1), key));
        await t.resolves(openLog(inner, { sign, key }), 'and opens again');
        await log.settled();
        await inner.close();
      });
    }
  }
});

t.test('open refuses a log that is not what its checkpoint says', async (t) => {
  const logKey = makeLogKey();
  const other = makeLogKey('other.test/log');
  const stranger = makeLogKey();
  const original = newDirectory();
  const SIZE = 600;
  {
    const store = openSqliteLog(join(original, 'log.db'));
    const log = await openLog(store, logKey);
    for (let size = 0; size < SIZE; size += 100)
      await Promise.all(Array.from({ length: 100 }, (_, n) => log.append(entryOf(size + n), { receipt: true })));
    await store.close();
  }
  const body = (n: number): string => `'${canonicalize(entryOf(n))}'`;
  interface Row {
    rule: string;
    sql?: string;
    key?: typeof logKey;
    origin?: string;
    refusal: RegExp | undefined;
  }
  const ROWS: Row[] = [
    { rule: 'the log as it was', refusal: undefined },
    {
      rule: 'cut short, with its head',
      sql: 'DELETE FROM entries WHERE idx >= 500; UPDATE head SET size = 500',
      refusal: /lost entries: its checkpoint speaks of 600, it holds 500/,
    },
    {
      rule: 'the newest entry is gone',
      sql: 'DELETE FROM entries WHERE idx = 599',
      refusal: /lost entries: 599 is missing/,
    },
    { rule: 'an entry of the newest tile is gone', sql: 'DELETE FROM entries WHERE idx = 550', refusal: /lost entries: 550 is missing/ },
    {
      rule: 'an entry was changed',
      sql: `UPDATE entries SET body = replace(body, 'X01.1', 'X02.1') WHERE idx = 598`,
      refusal: /changed: entry 598/,
    },
    {
      rule: 'two entries changed places',
      sql: `UPDATE entries SET body = ${body(590)} WHERE idx = 591; UPDATE entries SET body = ${body(591)} WHERE idx = 590`,
      refusal: /changed: entry 590/,
    },
    {
      rule: 'entries that nobody signed stand at the end',
      sql: `INSERT INTO entries VALUES (600, ${body(600)}); UPDATE head SET size = 601`,
      refusal: /changed: it holds \d+ entries, of which 600 are signed/,
    },
    {
      rule: 'the newest tile was changed',
      sql: 'UPDATE tiles SET hashes = zeroblob(length(hashes)) WHERE id = 2',
      refusal: /changed: its tree does not lead/,
    },
    {
      rule: 'the newest tile is cut short',
      sql: 'UPDATE tiles SET hashes = substr(hashes, 1, 320) WHERE id = 2',
      refusal: /changed: its tree does not lead/,
    },
    {
      rule: 'the tile above was changed',
      sql: 'UPDATE tiles SET hashes = zeroblob(64) WHERE id > 1000',
      refusal: /changed: its tree does not lead/,
    },
    { rule: 'a tile is gone', sql: 'DELETE FROM tiles WHERE id = 2', refusal: /no tile 0\/2/ },
    {
      rule: 'the checkpoint was changed',
      sql: `UPDATE head SET checkpoint = replace(checkpoint, char(10) || '600', char(10) || '599')`,
      refusal: /the signature of .* is wrong/,
    },
    { rule: 'a checkpoint of another key under the same name', key: stranger, refusal: /bears no signature/ },
    { rule: 'the log of another origin', key: other, origin: 'other.test/log', refusal: /bears no signature of other\.test/ },
    {
      rule: 'another origin, though the key is the same',
      origin: 'third.test/log',
      refusal: /the log is that of oncegate\.test\/log, not of third\.test\/log/,
    },
  ];
  for (const { rule, sql, key = logKey, origin = ORIGIN, refusal } of ROWS) {
    const directory = newDirectory();
    cpSync(original, directory, { recursive: true });
    const path = join(directory, 'log.db');
    if (sql !== undefined) {
      const db = new DatabaseSync(path);
      db.exec(sql);
      db.close();
    }
    const store = openSqliteLog(path);
    const opening = openLog(store, key, { origin });
    if (refusal === undefined) await t.resolves(opening, rule);
    else await t.rejects(opening, { message: refusal }, rule);
    await store.close();
  }
});
t.test('a log that was changed beneath a running gateway is not continued', async (t) => {
  const logKey = makeLogKey();
  const path = join(newDirectory(), 'log.db');
  const store = openSqliteLog(path);
  t.teardown(() => store.close());
  const log = await openLog(store, logKey);
  for (const id of ['1', '2', '3', '4']) await log.append(entryOf(id), { receipt: true });
  const db = new DatabaseSync(path);
  t.teardown(() => db.close());

  db.exec(`UPDATE entries SET body = replace(body, 'entry-2', 'entry-x') WHERE idx = 1`);
  await t.rejects(log.entry(1), /entry 1 is not the one that was signed/, 'a changed entry is not shown with a proof');
  const search = openSqliteSearch(join(newDirectory(), 'search.db'), store);
  await t.rejects(search.search({ limit: 9 }), /entry 1 is not the one/, 'nor found as if it were');
  await search.close();
  db.exec('DELETE FROM entries WHERE idx = 1');
  await t.rejects(log.entry(1), /entry 1 is missing/, 'one that is gone is not passed over');

  db.exec('DELETE FROM entries WHERE idx >= 2; UPDATE head SET size = 2, checkpoint = NULL');
  await t.rejects(log.append(entryOf('5'), { receipt: true }), /could not be written/, 'nor is a log that was cut off continued');
  t.equal(await log.probe(), false);
  await t.rejects(openLog(store, logKey), /bears no signed checkpoint/, 'nor opened again');
});

t.test('a log that holds anything bears a signature, even of intents alone', async (t) => {
  const logKey = makeLogKey();
  const store = newStore();
  t.teardown(() => store.close());
  const log = await openLog(store, logKey);
  await log.append(entryOf(1, 'intent'), { receipt: false });
  t.match(openCheckpoint((await store.head()).checkpoint ?? '', logKey.key), { size: 1 });
  await t.resolves(openLog(store, logKey));
});

t.test('a log that was changed beneath while another process wrote is not followed', async (t) => {
  const key = makeLogKey();
  const KNOWN = 600;
  const grow = async (store: LogStore, entries: number, name: (n: number) => string): Promise<void> => {
    const log = await openLog(store, key);
    for (let { size } = await store.head(); size < entries; size += 300)
      await Promise.all(
        Array.from({ length: Math.min(300, entries - size) }, (_, n) => log.append(entryOf(name(size + n)), { receipt: true })),
      );
  };
  // What the log will be like when it is looked at next: with another entry at the place, or cut off there.
  const ROWS: [rule: string, entries: number, name: (n: number) => string, says: RegExp | undefined][] = [
    ['it only grew', KNOWN + 40, String, undefined],
    ['it only grew, by much', KNOWN + NEWEST + 40, String, undefined],
    ['the first entry is another', KNOWN + 40, (n) => (n === 0 ? 'x' : String(n)), /changed beneath/],
    ['the newest entry is another', KNOWN + 40, (n) => (n === KNOWN - 1 ? 'x' : String(n)), /changed beneath/],
    ['the first entry is another, and much came after', KNOWN + NEWEST + 40, (n) => (n === 0 ? 'x' : String(n)), /changed beneath/],
    ['the newest is another, and much came after', KNOWN + NEWEST + 40, (n) => (n === KNOWN - 1 ? 'x' : String(n)), /changed beneath/],
    ['it is as long, and another', KNOWN, (n) => `x${n}`, /changed beneath/],
    ['it was cut off', KNOWN - 1, String, /cut off beneath the gateway: it held 600 entries, now 599/],
    ['it is empty', 0, String, /cut off beneath/],
  ];
  const known = newStore();
  await grow(known, KNOWN, String);
  for (const [rule, entries, nameOf, says] of ROWS) {
    let current = known;
    const other = newStore();
    await grow(other, entries, nameOf);
    const log = await openLog(
      {
        ...known,
        append: (compose) => current.append(compose),
        head: () => current.head(),
        read: (from, to) => current.read(from, to),
        tile: (level, index) => current.tile(level, index),
      },
      key,
    );
    current = other;
    for (const attempt of ['once', 'and again']) {
      const error = await rejection(log.append(entryOf(`after ${attempt}`), { receipt: true }));
      if (says === undefined) t.equal(error, undefined, `${rule}: followed`);
      else t.match(error, { cause: { message: says } }, `${rule}: ${attempt}`);
      if (says !== undefined) t.notOk(await log.probe());
    }
    t.equal((await other.head()).size, says === undefined ? entries + 2 : entries, `${rule}: as long as expected`);
    await other.close();
  }

  await t.test('nor where only the stored tree was', async (t) => {
    for (const [rule, by, level] of [
      ['a leaf', 40, 0],
      ['a node above, by much', NEWEST + 40, 1],
    ] as const) {
      const store = newStore();
      await grow(store, KNOWN, String);
      let changed = false;
      const log = await openLog(
        {
          ...store,
          async tile(at, index) {
            const hashes = Buffer.from(await store.tile(at, index));
            if (changed && at === level) hashes[hashes.length - 1] = (hashes.at(-1) as number) ^ 1;
            return hashes;
          },
        },
        key,
      );
      await grow(store, KNOWN + by, String);
      changed = true;
      const error = await rejection(log.append(entryOf('after'), { receipt: true }));
      t.match(error, { cause: { message: /changed beneath/ } }, rule);
      changed = false;
      t.ok(holds(await log.append(entryOf('after'), { receipt: true }), key.key), `${rule}: nothing of it stays`);
      await store.close();
    }
  });
  await known.close();
});

// What SQLite leaves to the store: that the journal is on disk before anybody is told.

/** Syncs in the test's hand: each waits until it is let go, well or not. */
function heldSyncs(): { sync: (file: number) => Promise<void>; begun: { file: number; end: PromiseWithResolvers<void> }[] } {
  const begun: { file: number; end: PromiseWithResolvers<void> }[] = [];
  const sync = async (file: number): Promise<void> => {
    const end = Promise.withResolvers<void>();
    begun.push({ file, end });
    await end.promise;
  };
  return { sync, begun };
}

const EIO = (): Error => Object.assign(new Error('input/output error'), { code: 'EIO' });
const until = async (holds: () => boolean): Promise<void> => {
  for (const end = Date.now() + 10_000; !holds(); await turn()) if (Date.now() > end) throw new Error('it did not come about');
};

t.test('SQLite: an entry is acknowledged once the journal with it is on disk, and the process serves others meanwhile', async (t) => {
  const path = join(newDirectory(), 'log.db');
  const { sync, begun } = heldSyncs();
  const store = openSqliteLog(path, { sync });
  const connection = connections.at(-1) as DatabaseSync;
  t.strictSame({ ...connection.prepare('PRAGMA synchronous').get() }, { synchronous: 1 }, 'SQLite itself does not wait: NORMAL');
  t.strictSame({ ...connection.prepare('PRAGMA journal_mode').get() }, { journal_mode: 'wal' });
  const opening = openLog(store, makeLogKey());
  await until(() => begun.length === 1);
  begun[0]?.end.resolve();
  const log = await opening;

  const told: string[] = [];
  const appending = log.append(entryOf('first'), { receipt: true }).then(() => told.push('first'));
  await until(() => begun.length === 2);
  t.equal(fstatSync(begun[1]?.file ?? 0).ino, statSync(`${path}-wal`).ino, 'what is synced is the journal');
  t.ok(readFileSync(`${path}-wal`).includes('"entry-first"'), 'and what was written is in it');
  const late = ['second', 'third'].map((name) => log.append(entryOf(name), { receipt: true }).then(() => told.push(name)));
  const head = store.head().then(({ size }) => told.push(`head of ${size}`));
  for (let turns = 0; turns < 50; turns++) await turn();
  t.strictSame(told, [], 'while the sync is under way nobody is told');
  begun[1]?.end.resolve();
  await appending;
  for (let next = 2; told.length < 4; next++) {
    await until(() => begun.length > next || told.length === 4);
    begun[next]?.end.resolve();
  }
  await Promise.all([...late, head]);
  t.same(told.toSorted(), ['first', 'head of 1', 'second', 'third'], 'what queued meanwhile shared one more');
  t.ok(begun.length <= 4);
  const { length } = begun;
  t.equal((await store.head()).size, 3);
  t.equal(begun.length, length, 'a head that is on disk is told at once');
  await store.close();
});

t.test('SQLite: what is being written is not shown before it is committed', async (t) => {
  const path = join(newDirectory(), 'log.db');
  const store = openSqliteLog(path);
  const other = new DatabaseSync(path);
  const committed = (): unknown => other.prepare('SELECT size FROM head').get()?.size;
  const [composing, late] = [Promise.withResolvers<void>(), Promise.withResolvers<Batch>()];
  const appending = store.append(() => {
    composing.resolve();
    return late.promise;
  });
  await composing.promise;
  // Asked in the very turn in which it is written.
  const shown = late.promise.then(async () => [committed(), (await store.read(0, 9)).length]);
  late.resolve({ entries: ['new'], tiles: [], checkpoint: undefined });
  const [there, read] = await shown;
  t.equal(read, there);
  await appending;
  t.equal(committed(), 1);
  other.close();
  await store.close();
});

t.test('SQLite: unless told otherwise it is the disk that is waited for, once a commit', async (t) => {
  const path = join(newDirectory(), 'log.db');
  const synced: number[] = [];
  const { fdatasync } = fs;
  fs.fdatasync = ((file, done) => {
    synced.push(fstatSync(file).ino);
    fdatasync(file, done);
  }) as typeof fdatasync;
  syncBuiltinESMExports();
  const store = openSqliteLog(path);
  fs.fdatasync = fdatasync;
  syncBuiltinESMExports();
  const log = await openLog(store, makeLogKey());
  synced.length = 0;
  for (let n = 0; n < 3; n++) await Promise.all([1, 2, 3, 4].map((part) => log.append(entryOf(`${n}-${part}`), { receipt: true })));
  t.strictSame(synced, Array(3).fill(statSync(`${path}-wal`).ino));
  await store.close();
});

t.test('SQLite: after a sync that failed nothing counts as on disk until it was written anew', async (t) => {
  const path = join(newDirectory(), 'log.db');
  const logKey = makeLogKey();
  let fails = false;
  /** Of the syncs that went well, the length of the journal. */
  const journals: number[] = [];
  const store = openSqliteLog(path, {
    async sync(file) {
      if (fails) throw EIO();
      journals.push(fstatSync(file).size);
    },
  });
  const log = await openLog(store, logKey);
  const kept = await log.append(entryOf('kept'), { receipt: true });
  const lose = async (name: string): Promise<void> => {
    const error = await rejection(log.append(entryOf(name), { receipt: true }));
    t.ok(error instanceof LogUnavailable, `${name} is refused`);
  };

  const recovered = async (name: string): Promise<void> => {
    const { size } = openCheckpoint(kept.checkpoint, logKey.key);
    journals.length = 0;
    t.equal(await log.probe(), true);
    t.equal(journals[0], 0, 'the journal was moved into the file and emptied before a sync counted');
    t.ok((await store.head()).size > size, 'what was refused may be there');
    t.ok(holds(await log.append(entryOf(name), { receipt: true }), logKey.key));
  };

  fails = true;
  await lose('lost');
  t.match(await rejection(store.head()), { code: 'EIO' }, 'a size that is not on disk is not told');
  t.match(await rejection(log.entry(0)), { code: 'EIO' }, 'nor a checkpoint over it');
  t.equal(await log.probe(), false);
  await lose('lost too');
  fails = false;
  await recovered('after');

  // Somebody who reads keeps the journal from being emptied: then it cannot be written anew.
  const reader = new DatabaseSync(path);
  reader.exec('BEGIN');
  reader.prepare('SELECT count(*) FROM entries').get();
  fails = true;
  await lose('lost while somebody reads');
  fails = false;
  journals.length = 0;
  t.match(await rejection(store.head()), { message: /could not be written to it anew/ });
  await lose('lost still');
  t.strictSame(journals, [], 'no sync that goes well is believed');
  reader.close();
  await recovered('after somebody read');

  const entries = await wholeLog(store, logKey.key);
  await checkLog(store, logKey.key);
  t.equal(entries[kept.index], canonicalize(kept.entry));
  t.strictSame(
    entries.map((body) => (JSON.parse(body) as AuditEntry).id).filter((id) => !id.includes('lost')),
    ['entry-kept', 'entry-after', 'entry-after somebody read'],
  );
  await store.close();
});

t.test('SQLite: a sync beside one that failed proves nothing, since the kernel tells a file of a failure once', async (t) => {
  const { sync, begun } = heldSyncs();
  const store = openSqliteLog(join(newDirectory(), 'log.db'), { sync });
  const append = rejection(store.append(() => ({ entries: ['a'], tiles: [], checkpoint: undefined })));
  await until(() => begun.length === 1);
  let told = false;
  const head = store.head().then(({ size }) => {
    told = true;
    return size;
  });
  for (let turns = 0; turns < 20; turns++) await turn();
  const beside = begun.length;
  begun[0]?.end.reject(EIO());
  t.match(await append, { code: 'EIO' });
  for (const { end } of begun.slice(1, beside)) end.resolve();
  for (let turns = 0; turns < 20; turns++) await turn();
  t.notOk(told, 'those that had begun by then are not believed');
  await until(() => begun.length > beside);
  t.equal(fstatSync(begun[beside]?.file ?? 0).size, 0, 'what counts is one after the journal was written anew');
  begun[beside]?.end.resolve();
  t.equal(await head, 1);
  await store.close();
});

t.test('SQLite: the power may fail at any moment, and what was acknowledged is there', async (t) => {
  const directory = newDirectory();
  const path = join(directory, 'log.db');
  const logKey = makeLogKey();
  const random = chance(seed);
  // Of the journal the disk has for certain what was there when the last sync began.
  let certain = Buffer.alloc(0);
  let relieved = 0;
  const store = openSqliteLog(path, {
    async sync() {
      const journal = readFileSync(`${path}-wal`);
      const begun = relieved;
      for (let turns = random(3); turns > 0; turns--) await turn();
      if (begun === relieved) certain = journal;
    },
  });
  const relief = openSqliteReader(path);
  const log = await openLog(store, logKey);
  const acknowledged: Receipt[] = [];
  const faults: string[] = [];
  for (let round = 0; round < 30; round++) {
    const appends = Array.from({ length: 1 + random(20) }, (_, n) =>
      log.append(entryOf(`${round}-${n}`), { receipt: true }).then((receipt) => acknowledged.push(receipt)),
    );
    for (let turns = random(8); turns > 0; turns--) await turn();
    if (random(4) === 0) {
      relief.relieve();
      // SQLite itself syncs the journal before it moves anything of it into the file.
      certain = readFileSync(`${path}-wal`);
      relieved++;
    }
    const before = acknowledged.slice();
    // Of what came after, the disk may have any part, and the last of it torn.
    const journal = readFileSync(`${path}-wal`);
    const more = journal.length > certain.length && random(2) === 0 ? journal.subarray(certain.length) : Buffer.alloc(0);
    const copy = join(newDirectory(), 'log.db');
    mkdirSync(dirname(copy));
    copyFileSync(path, copy);
    writeFileSync(`${copy}-wal`, Buffer.concat([certain, more.subarray(0, random(more.length + 1))]));
    const after = openSqliteLog(copy);
    const entries = await wholeLog(after, logKey.key);
    for (const { index, entry } of before)
      if (entries[index] !== canonicalize(entry)) faults.push(`round ${round}: entry ${index} is gone`);
    await openLog(after, logKey);
    await after.close();
    await Promise.all(appends);
  }
  t.strictSame(faults, []);
  t.ok(acknowledged.length > 100);
  relief.close();
  await store.close();
});

t.test('SQLite: a log of a gateway that knew neither witnesses nor retention opens, and goes on', async (t) => {
  const logKey = makeLogKey();
  const path = join(newDirectory(), 'log.db');
  const before = openSqliteLog(path);
  const log = await openLog(before, logKey);
  for (let n = 0; n < 5; n++) await log.append(entryOf(n), { receipt: true });
  await before.close();
  const db = new DatabaseSync(path);
  for (const column of ['cosigned', 'cosigned_size', 'retention']) db.exec(`ALTER TABLE head DROP COLUMN ${column}`);
  t.strictSame(
    db
      .prepare('PRAGMA table_info(head)')
      .all()
      .map(({ name }) => name),
    ['id', 'size', 'checkpoint'],
  );
  db.close();
  const store = openSqliteLog(path);
  t.match(await store.head(), { size: 5, cosigned: undefined, retention: undefined });
  const again = await openLog(store, logKey);
  t.equal((await again.append(entryOf(5), { receipt: true })).index, 5);
  await store.publish('cosigned', 6);
  await store.prune([0], 5);
  t.match(await store.head(), { size: 6, cosigned: 'cosigned', retention: 5 });
  await store.close();
});
