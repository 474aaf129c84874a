/** Where the log is kept: one contract for every kind of store, and the log over each of them whatever befalls it. */
import { execFile } from 'node:child_process';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import canonicalize from 'canonicalize';
import t from 'tap';
import type { AuditEntry } from '../src/audit/entry.ts';
import { LogUnavailable } from '../src/audit/log.ts';
import type { Batch, Head, LogStore } from '../src/audit/store.ts';
import { NEWEST } from '../src/audit/tree.ts';
import { verifyReceipt } from '../src/audit/verify.ts';
import { checkLog } from '../src/audit/whole.ts';
import type { Receipt } from '../src/domain.ts';
import { chance, seedOf } from './support/chance.ts';
import { around, entryOf, type Hook, type LogKey, logKeyOf, makeLogKey, openLog, rejection } from './support/log.ts';
import { holds, wholeLog } from './support/oracle.ts';
import { kindsOfStore, type Place } from './support/stores.ts';

const seed = seedOf();
t.comment(`seed ${seed}: SEED=${seed} shows this run again`);

let directories = 0;
const root = t.testdir({});
const { kinds, stop } = await kindsOfStore(() => join(root, String(directories++)));
t.teardown(stop);

const tile = (text: string): Buffer => createHash('sha256').update(text).digest();
const put = (store: LogStore, entries: readonly string[], more: Partial<Batch> = {}): Promise<void> =>
  store.append(() => ({ entries, tiles: [], checkpoint: undefined, ...more }));
const everything = async (store: LogStore): Promise<unknown> => [
  await store.head(),
  await store.read(0, 1000),
  await store.tile(0, 0).catch(() => 'none'),
  await store.tile(1, 0).catch(() => 'none'),
];
const EMPTY: Head = { size: 0, checkpoint: undefined, cosigned: undefined, retention: undefined };

for (const { name, skip, make } of kinds) {
  t.test(`a store of the log: ${name}`, { skip }, async (t) => {
    await t.test('a new log is empty', async (t) => {
      const store = await (await make()).open();
      t.strictSame(await store.head(), EMPTY);
      t.strictSame(await store.read(0, 10), []);
      await t.rejects(store.tile(0, 0));
      await store.close();
    });

    await t.test('what was appended is read in order, tiles are replaced, and it is all there when opened again', async (t) => {
      const place = await make();
      const store = await place.open();
      await put(store, ['a', 'b', 'c'], { tiles: [{ level: 0, index: 0, hashes: tile('1') }], checkpoint: 'first' });
      await put(store, ['d"\n\u0001', 'Nguyễn'], {
        tiles: [0, 1].map((level) => ({ level, index: 0, hashes: Buffer.concat([tile('1'), tile('2')]) })),
      });
      t.strictSame(await store.head(), { ...EMPTY, size: 5, checkpoint: 'first' }, 'no checkpoint keeps the one before');
      await put(store, []);
      t.strictSame(await store.head(), { ...EMPTY, size: 5, checkpoint: 'first' }, 'an empty batch only tries');
      await put(store, ['f'], { checkpoint: 'second', tiles: [{ level: 0, index: 70_000, hashes: tile('3') }] });
      const RANGES: [number, number, string[]][] = [
        [0, 6, ['a', 'b', 'c', 'd"\n\u0001', 'Nguyễn', 'f']],
        [1, 3, ['b', 'c']],
        [4, 100, ['Nguyễn', 'f']],
        [2, 2, []],
        [6, 7, []],
      ];
      for (const [from, to, entries] of RANGES) t.strictSame(await store.read(from, to), entries, `[${from}, ${to})`);
      t.strictSame(await store.tile(0, 0), Buffer.concat([tile('1'), tile('2')]));
      t.strictSame(await store.tile(0, 70_000), tile('3'));
      await t.rejects(store.tile(0, 1));
      await t.rejects(store.tile(2, 0));
      const before = await everything(store);
      await store.close();
      const again = await place.open();
      t.strictSame(await everything(again), before);
      await again.close();
    });

    await t.test('whoever composes is told the head, and may take its time', async (t) => {
      const store = await (await make()).open();
      const told: Head[] = [];
      for (const late of [false, true, false]) {
        await store.append((head) => {
          told.push(head);
          const batch = { entries: ['x', 'y'], tiles: [], checkpoint: `of ${head.size + 2}` };
          return late ? new Promise((resolve) => setImmediate(resolve, batch)) : batch;
        });
      }
      t.strictSame(told, [EMPTY, { ...EMPTY, size: 2, checkpoint: 'of 2' }, { ...EMPTY, size: 4, checkpoint: 'of 4' }]);
      t.strictSame(await store.head(), { ...EMPTY, size: 6, checkpoint: 'of 6' });
      await store.close();
    });

    await t.test('a batch that cannot be composed, or breaks off, is not stored at all, and the next one is', async (t) => {
      const store = await (await make()).open();
      await put(store, ['a'], { checkpoint: 'first', tiles: [{ level: 0, index: 0, hashes: tile('1') }] });
      const before = await everything(store);
      const nothing = null as unknown;
      const fault = new Error('no key');
      const BROKEN: [rule: string, append: () => Promise<void>][] = [
        [
          'thrown at once',
          () =>
            store.append(() => {
              throw fault;
            }),
        ],
        ['thrown late', () => store.append(() => new Promise((_, reject) => setImmediate(reject, fault)))],
        ['an entry that is none', () => put(store, ['b', nothing as string], { checkpoint: 'second' })],
        [
          'a tile that is none',
          () =>
            put(store, ['b'], {
              checkpoint: 'second',
              tiles: [
                { level: 0, index: 0, hashes: tile('2') },
                { level: 1, index: 0, hashes: nothing as Buffer },
              ],
            }),
        ],
      ];
      for (const [rule, append] of BROKEN) {
        const error = await rejection(append());
        if (rule.startsWith('thrown')) t.equal(error, fault, `${rule}: it is told what was thrown`);
        else t.type(error, Error, rule);
        t.strictSame(await everything(store), before, rule);
      }
      await put(store, ['b'], { checkpoint: 'second' });
      t.strictSame(await store.head(), { ...EMPTY, size: 2, checkpoint: 'second' });
      await store.close();
    });

    await t.test('one composes at a time, and is told what all before it stored', async (t) => {
      const place = await make();
      const stores = [await place.open(), await place.open()];
      const random = chance(seed);
      const sizes: number[] = [];
      let composing = 0;
      const appends = Array.from({ length: 40 }, (_, n) =>
        (stores[random(2)] as LogStore).append(({ size }) => {
          if (++composing > 1) t.fail('two at a time');
          sizes.push(size);
          composing--;
          return { entries: [`entry ${n}`], tiles: [], checkpoint: undefined };
        }),
      );
      await Promise.all(appends);
      const late = [1, 2, 3].map(() =>
        stores[0]?.append(async ({ size }) => {
          if (++composing > 1) t.fail('two at a time, of those that take their time');
          sizes.push(size);
          await new Promise((resolve) => setImmediate(resolve));
          composing--;
          return { entries: ['late'], tiles: [], checkpoint: undefined };
        }),
      );
      await Promise.all(late);
      t.strictSame(sizes, [...Array(43).keys()]);
      for (const store of stores) {
        const entries = await store.read(0, 100);
        t.equal(new Set(entries.slice(0, 40)).size, 40);
        await store.close();
      }
    });

    await t.test('who composes without end does not keep others waiting without end', async (t) => {
      const place = await make();
      const [one, two] = [await place.open(), await place.open()];
      const hung = Promise.withResolvers<Batch>();
      const reached = Promise.withResolvers<void>();
      const hanging = rejection(
        one.append(() => {
          reached.resolve();
          return hung.promise;
        }),
      );
      await reached.promise;
      const began = performance.now();
      const kept = await rejection(put(two, ['two']));
      t.ok(performance.now() - began < 8000, `${Math.round(performance.now() - began)} ms`);
      hung.resolve({ entries: ['one'], tiles: [], checkpoint: undefined });
      const lapsed = await hanging;
      const stored = [kept === undefined ? ['two'] : [], lapsed === undefined ? ['one'] : []].flat();
      t.equal(stored.length, 1, 'one of the two');
      t.strictSame(await two.read(0, 9), stored, 'and what was refused is not there');
      await put(one, ['after']);
      t.strictSame(await two.read(1, 9), ['after']);
      for (const store of [one, two]) await store.close();
    });

    await t.test('a second store on the same place sees what the first wrote', async (t) => {
      const place = await make();
      const [one, two] = [await place.open(), await place.open()];
      await put(one, ['a'], { checkpoint: 'first' });
      t.strictSame(await everything(two), await everything(one));
      await put(two, ['b']);
      t.strictSame(await one.read(0, 10), ['a', 'b']);
      await one.close();
      await two.close();
    });

    await t.test('of cosigned checkpoints the longest is kept, beside the log’s own', async (t) => {
      const place = await make();
      const store = await place.open();
      await put(store, ['a', 'b', 'c'], { checkpoint: 'own' });
      const PUBLISHED: [text: string, size: number, kept: string][] = [
        ['of one', 1, 'of one'],
        ['of three', 3, 'of three'],
        ['of two', 2, 'of three'],
        ['of three, with another signature', 3, 'of three, with another signature'],
      ];
      for (const [text, size, kept] of PUBLISHED) {
        await store.publish(text, size);
        t.strictSame(await store.head(), { ...EMPTY, size: 3, checkpoint: 'own', cosigned: kept }, text);
      }
      await put(store, ['d'], { checkpoint: 'newer' });
      await store.close();
      const again = await place.open();
      t.strictSame(await again.head(), { ...EMPTY, size: 4, checkpoint: 'newer', cosigned: 'of three, with another signature' });
      await again.close();
    });

    await t.test('pruning takes bodies away and nothing else', async (t) => {
      const place = await make();
      const store = await place.open();
      const tiles = [{ level: 0, index: 0, hashes: tile('1') }];
      await put(store, ['a', 'b', 'c', 'd', 'e', 'retention'], { checkpoint: 'own', tiles });
      await store.prune([0, 2, 3], 5);
      const left = [undefined, 'b', undefined, undefined, 'e', 'retention'];
      t.strictSame(await store.read(0, 10), left, 'each keeps its place');
      t.strictSame(await store.read(2, 4), [undefined, undefined]);
      t.strictSame(await store.read(3, 5), [undefined, 'e']);
      t.strictSame(await store.head(), { ...EMPTY, size: 6, checkpoint: 'own', retention: 5 });
      t.strictSame(await store.tile(0, 0), tile('1'));
      await store.prune([2, 3], 4);
      t.equal((await store.head()).retention, 5, 'a round that was not finished may come late');
      await put(store, ['f']);
      await store.prune([], 6);
      t.strictSame(await store.head(), { ...EMPTY, size: 7, checkpoint: 'own', retention: 6 });
      await store.close();
      const again = await place.open();
      t.strictSame(await again.read(0, 10), [...left, 'f']);
      t.equal((await again.head()).retention, 6);
      await again.close();
    });
  });

  t.test(`the log in ${name}`, { skip }, async (t) => {
    await t.test('two logs on the same place grow into one without a fork', async (t) => {
      const place = await make();
      const key = makeLogKey();
      const stores = [await place.open(), await place.open()] as const;
      const logs = [await openLog(stores[0], key), await openLog(stores[1], key)] as const;
      const random = chance(seed + 1);
      const receipts: Receipt[] = [];
      for (let round = 0; round < 60; round++) {
        const asked = logs.flatMap((log, i) =>
          Array.from({ length: random(6) }, (_, n) => log.append(entryOf(`${round}-${i}-${n}`), { receipt: true })),
        );
        receipts.push(...(await Promise.all(asked)));
      }
      const entries = await wholeLog(stores[0], key.key);
      t.equal(entries.length, receipts.length);
      t.strictSame(
        receipts.map(({ index }) => index).sort((a, b) => a - b),
        [...entries.keys()],
        'every entry has a place of its own',
      );
      t.strictSame(
        receipts.filter((receipt) => !holds(receipt, key.key)),
        [],
      );
      for (const { index, entry } of receipts) if (entries[index] !== canonicalize(entry)) t.fail(`entry ${index} is another`);
      for (const store of stores) await store.close();
    });

    await t.test('two processes write all they have, without a fork', async (t) => {
      const { address, open } = await make();
      const { privateKey } = generateKeyPairSync('ed25519');
      const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
      const store = await open();
      const run = promisify(execFile);
      const COUNT = 40;
      const writers = ['one', 'two'].map((name) =>
        run(process.execPath, ['test/support/log-writer.ts', address, pem, String(COUNT), name]),
      );
      const said = (await Promise.all(writers)).map(({ stdout }) => stdout.trim().split('\n'));
      const receipts = said.flat().map((line) => JSON.parse(line) as Receipt);
      t.ok(receipts.every((receipt) => holds(receipt, logKeyOf(privateKey).key)));
      const ids = (await wholeLog(store, logKeyOf(privateKey).key)).map((bytes) => (JSON.parse(bytes) as AuditEntry).id);
      t.equal(new Set(ids).size, ids.length, 'nothing twice');
      t.equal(ids.length, 2 * 4 * COUNT);
      await store.close();
    });

    await t.test('what another process wrote since is followed, however much it is', async (t) => {
      const place = await make();
      const key = makeLogKey();
      const stores = [await place.open(), await place.open()] as const;
      const [one, two] = [await openLog(stores[0], key), await openLog(stores[1], key)];
      // Up to NEWEST leaf by leaf, beyond it by reading the edge of the tree anew.
      for (const count of [1, 300, NEWEST - 1, NEWEST, NEWEST + 1, 2500]) {
        const { size } = await stores[0].head();
        for (let n = 0; n < count; n += 500)
          await Promise.all(
            Array.from({ length: Math.min(500, count - n) }, (_, i) => two.append(entryOf(`${count}-${n + i}`), { receipt: true })),
          );
        const receipt = await one.append(entryOf(`after ${count}`), { receipt: true });
        t.equal(receipt.index, size + count, `${count} entries of another`);
        t.ok(holds(receipt, key.key));
      }
      await two.append(entryOf('unsigned', 'intent'), { receipt: false });
      t.ok(holds(await one.append(entryOf('last'), { receipt: true }), key.key), 'entries that nobody has signed yet too');
      await checkLog(stores[0], key.key);
      await wholeLog(stores[0], key.key);
      for (const store of stores) await store.close();
    });

    await t.test('a batch that failed leaves no trace that another process’s batch of the same length could be taken for', async (t) => {
      const place = await make();
      const key = makeLogKey();
      const inner = await place.open();
      let fails: 'before' | 'after' | undefined;
      const store = around(inner, async (_batch, write) => {
        if (fails === 'before') throw new Error('disk full');
        await write();
        if (fails === 'after') throw new Error('connection lost');
      });
      const other = await place.open();
      const [one, two] = [await openLog(store, key), await openLog(other, key)];
      for (const kind of ['before', 'after'] as const) {
        fails = kind;
        const lost = [1, 2, 3].map((n) => rejection(one.append(entryOf(`lost ${n}`), { receipt: true })));
        for (const error of await Promise.all(lost)) t.ok(error instanceof LogUnavailable);
        fails = undefined;
        await Promise.all([1, 2, 3].map((n) => two.append(entryOf(`other ${kind} ${n}`), { receipt: true })));
        const receipt = await one.append(entryOf(`after ${kind}`), { receipt: true });
        t.ok(holds(receipt, key.key));
        await t.resolves(wholeLog(inner, key.key), `after it failed ${kind} it was stored`);
      }
      await inner.close();
      await other.close();
    });

    await t.test('a batch that was stored and told as failed: the next one stands behind it, and nothing stands twice', async (t) => {
      const key = makeLogKey();
      const inner = await (await make()).open();
      let fails = false;
      const log = await openLog(
        around(inner, async (_batch, write) => {
          await write();
          if (fails) throw new Error('the answer to the commit did not come');
        }),
        key,
      );
      for (const start of [0, 5]) {
        fails = true;
        const lost = [1, 2, 3].map((n) => rejection(log.append(entryOf(`lost ${start + n}`), { receipt: true })));
        t.ok(
          (await Promise.all(lost)).every((error) => error instanceof LogUnavailable),
          'whoever waited for it may not act',
        );
        fails = false;
        const receipts = await Promise.all([1, 2].map((n) => log.append(entryOf(`kept ${start + n}`), { receipt: true })));
        t.strictSame(
          receipts.map(({ index }) => index),
          [start + 3, start + 4],
        );
        t.ok(receipts.every((receipt) => holds(receipt, key.key)));
      }
      const ids = (await wholeLog(inner, key.key)).map((body) => (JSON.parse(body) as AuditEntry).id.slice(6));
      t.strictSame(
        ids,
        [0, 5].flatMap((n) => [`lost ${n + 1}`, `lost ${n + 2}`, `lost ${n + 3}`, `kept ${n + 1}`, `kept ${n + 2}`]),
      );
      await inner.close();
    });

    await t.test('whichever write fails, and however: the log verifies, and holds whatever was acknowledged', async (t) => {
      for (const ill of ['before it is stored', 'after it was stored', ...(await make()).ills.map(({ name }) => name)]) {
        const place = await make();
        const key = makeLogKey();
        const faults: string[] = [];
        for (let nth = 1; nth <= 5; nth++) faults.push(...(await illness(place, key, ill, nth)).map((fault) => `write ${nth}: ${fault}`));
        t.strictSame(faults, [], ill);
      }
    });

    await t.test('every entry has its proof after many batches', async (t) => {
      const key = makeLogKey();
      const store = await (await make()).open();
      const log = await openLog(store, key);
      const random = chance(seed + 2);
      let size = 0;
      while (size < 300) {
        const count = 1 + random(60);
        const receipts = await Promise.all(Array.from({ length: count }, (_, n) => log.append(entryOf(size + n), { receipt: true })));
        t.ok(receipts.every((receipt, n) => receipt.index === size + n && holds(receipt, key.key)));
        size += count;
      }
      const faults: number[] = [];
      for (let index = 0; index < size; index++) {
        const receipt = await log.entry(index);
        if (receipt === undefined || 'pruned' in receipt || receipt.entry.id !== `entry-${index}` || !holds(receipt, key.key))
          faults.push(index);
      }
      t.strictSame(faults, []);
      await wholeLog(store, key.key);
      t.equal(await log.entry(size), undefined, 'there is none after the last');
      await log.append(entryOf('an intent', 'intent'), { receipt: false });
      t.ok(holds(await log.entry(size), key.key), 'every entry is under a signature');
      await store.close();
    });
  });
}

/** Opens the log, and lets the nth write from then on fail, and those after it until it is healed. Returns what then is not as it should be. */
async function illness(place: Place, key: LogKey, ill: string, nth: number): Promise<string[]> {
  const inner = await place.open();
  const { size: start } = await inner.head();
  let sick = false;
  const hook: Hook = async (_batch, write) => {
    if (sick && ill === 'before it is stored') throw new Error('no space left');
    await write();
    if (sick && ill === 'after it was stored') throw new Error('the answer to the commit did not come');
  };
  const log = await openLog(around(inner, hook), key);
  const own = place.ills.find(({ name }) => name === ill);
  const random = chance(seed + nth);
  const faults: string[] = [];
  const acknowledged: Receipt[] = [];
  const refused = new Set<string>();
  let serial = 0;
  const write = async (): Promise<void> => {
    const entries = Array.from({ length: 1 + random(5) }, () => {
      // Large enough that a batch needs pages of its own, which a full disk has not.
      const entry = { ...entryOf(`${nth}-${serial++}`, random(3) === 0 ? 'intent' : 'outcome'), reason: 'x'.repeat(4000) };
      return log.append(entry, { receipt: entry.kind === 'outcome' }).then(
        (receipt) => void acknowledged.push(receipt),
        (error) => {
          if (!(error instanceof LogUnavailable)) faults.push(`refused for ${error}`);
          refused.add(entry.id);
        },
      );
    });
    await Promise.all(entries);
  };
  for (let n = 1; n < nth; n++) await write();
  if (refused.size > 0) faults.push('a sound log refuses');
  sick = true;
  own?.strike();
  const before = acknowledged.length;
  for (let n = 0; n < 2; n++) await write();
  if (acknowledged.length > before) faults.push('an entry was acknowledged though its write failed');
  if (log.healthy) faults.push('it calls itself healthy');
  sick = false;
  own?.heal();
  if (!(await log.probe())) faults.push('it is not healthy again');
  const lost = refused.size;
  for (let n = 0; n < 2; n++) await write();
  if (refused.size > lost) faults.push('it refuses still');

  await inner.close();
  const again = await place.open();
  const { entries: size } = await checkLog(again, key.key);
  const entries = await wholeLog(again, key.key);
  const ids = entries.map((body) => (JSON.parse(body) as AuditEntry).id);
  if (size !== entries.length || new Set(ids).size !== size) faults.push('an entry stands twice');
  for (const { entry, index, checkpoint, proof } of acknowledged) {
    if (entries[index] !== canonicalize(entry)) faults.push(`${entry.id} was acknowledged and is not at its place`);
    if (checkpoint !== '') verifyReceipt({ entry, index, checkpoint, proof }, key.key);
  }
  if (acknowledged.some(({ entry }) => refused.has(String(entry.id)))) faults.push('an entry was acknowledged and refused');
  const unknown = size - start - acknowledged.length;
  if (unknown > ids.filter((id) => refused.has(id)).length) faults.push('there is an entry that nobody appended');
  if (/before it is stored|commit arrives/.test(ill) && unknown !== 0)
    faults.push('there is a refused entry, and nothing was stored of it');
  if (/after|answered/.test(ill) && unknown === 0) faults.push('no refused entry is there: the ill is not the one it should be');
  await openLog(again, key);
  await again.close();
  return faults;
}
