import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as turn } from 'node:timers/promises';
import canonicalize from 'canonicalize';
import t from 'tap';
import { openCheckpoint } from '../src/audit/checkpoint.ts';
import type { AuditEntry } from '../src/audit/entry.ts';
import { AuditLog, type LogSigner, LogUnavailable } from '../src/audit/log.ts';
import { openSqliteSearch } from '../src/audit/search.ts';
import { openSqliteLog } from '../src/audit/sqlite.ts';
import type { Batch } from '../src/audit/store.ts';
import { NEWEST } from '../src/audit/tree.ts';
import type { Receipt } from '../src/domain.ts';
import { around, entryOf, makeLogKey, ORIGIN, openLog, rejection } from './support/log.ts';
import { holds, wholeLog } from './support/oracle.ts';
import { connections } from './support/stores.ts';

let directories = 0;
const root = t.testdir({});
/** A new directory for a log. */
const newDirectory = (): string => join(root, String(directories++));

t.test('what queues while a commit runs shares the next one: one write and one signature', async (t) => {
  const { sign, key } = makeLogKey();
  const batches: Batch[] = [];
  let signatures = 0;
  let release = (): void => {};
  let slow = false;
  const store = around(openSqliteLog(join(newDirectory(), 'log.db')), async (batch, write) => {
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
  t.strictSame([batches.length, signatures], [2, 1], 'intents alone need no signature');
  t.ok(intents.every(({ checkpoint, proof }) => checkpoint === '' && proof.length === 0));

  await Promise.all([...many(5, 'intent', false), ...many(5, 'outcome', true)]);
  t.strictSame([batches.length, signatures], [3, 2], 'intents and outcomes together take one');

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
  t.strictSame([batches.length, batches[4]?.entries.length, signatures], [5, 30, 4]);

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
  const store = openSqliteLog(join(newDirectory(), 'log.db'));
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
        const inner = openSqliteLog(join(newDirectory(), 'log.db'));
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
          key,
          sign(checkpoint) {
            if (failing && failure === 'while it is signed') throw new Error('no key');
            return sign(checkpoint);
          },
          takeOver: () => entryOf('taking over', 'log-key'),
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
      refusal: /changed: entry 600/,
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
  const store = openSqliteLog(join(newDirectory(), 'log.db'));
  t.teardown(() => store.close());
  const log = await openLog(store, logKey);
  await log.append(entryOf(1, 'intent'), { receipt: false });
  t.match(openCheckpoint((await store.head()).checkpoint ?? '', logKey.key), { size: 1 });
  await t.resolves(openLog(store, logKey));
});
