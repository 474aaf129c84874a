/** A log outlives its keys, its bodies and its clock: what changes over the years, and what must not. */
import { createHmac, createSecretKey, generateKeyPairSync, type KeyObject, randomBytes, randomUUID } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import canonicalize from 'canonicalize';
import t from 'tap';
import { openCatalogue } from '../src/app.ts';
import type { VerifierKey } from '../src/audit/checkpoint.ts';
import type { AuditEntry, EntryKind } from '../src/audit/entry.ts';
import { AuditLog, LogUnavailable } from '../src/audit/log.ts';
import { forgetOld } from '../src/audit/retention.ts';
import type { LogSearch, SearchQuery } from '../src/audit/search.ts';
import { type LogKeyRing, logKeyRing } from '../src/audit/signer.ts';
import { openSqliteLog } from '../src/audit/sqlite.ts';
import type { LogStore } from '../src/audit/store.ts';
import { verifyReceipt } from '../src/audit/verify.ts';
import { checkLog } from '../src/audit/whole.ts';
import { ConfigurationError } from '../src/catalogue/faults.ts';
import type { Receipt } from '../src/domain.ts';
import { type GatewayKeys, loadKeys, rotateKey } from '../src/keys.ts';
import { pseudonyms } from '../src/pseudonyms.ts';
import { editedConfig } from './support/gateway.ts';
import { entryOf, ORIGIN, rejection } from './support/log.ts';
import { holds, wholeLog } from './support/oracle.ts';
import { handOver, ofRing } from './support/signing.ts';

const FACTS = { logOrigin: ORIGIN, keptSeconds: 3600 };

let directories = 0;
const root = t.testdir({});
const newDirectory = (): string => {
  const directory = join(root, String(directories++));
  mkdirSync(directory);
  return directory;
};
const newStore = (): LogStore => openSqliteLog(join(newDirectory(), 'log.db'));

const DAY = 86_400_000;
const START = Date.parse('2026-11-22T05:00:00Z');
const at = (days: number): Date => new Date(START + days * DAY);
const AN = '003099000017';

/** A log that is opened with the keys of a data directory, at a time in the test's hand. */
async function openedWith(keys: GatewayKeys, store: LogStore, clock: { now: number }): Promise<{ log: AuditLog; ring: LogKeyRing }> {
  const ring = logKeyRing(ORIGIN, keys.log, 'none', () => clock.now);
  return { log: await AuditLog.open({ store, origin: ORIGIN, keys: ring.keys, signer: ring.signer }), ring };
}

const kindsIn = async (store: LogStore): Promise<string[]> =>
  (await store.read(0, 100_000)).map((body) => (body === undefined ? 'forgotten' : (JSON.parse(body) as AuditEntry).kind));

t.test('the keys of a gateway rotate: those that are over lose their private half', async (t) => {
  const directory = newDirectory();
  const path = join(directory, 'keys.json');
  const first = loadKeys(directory, false);
  t.equal(first.log.length, 1);
  const halves = (): boolean[] => loadKeys(directory, false).log.map(({ signer }) => signer !== undefined);

  await rotateKey(directory, 'log', at(1), at(0), FACTS);
  t.strictSame(halves(), [true, true], 'the one in use vouches for the one to come');
  t.strictSame(
    loadKeys(directory, false).log.map(({ from }) => from),
    [at(1).getTime(), 0],
  );
  const before = readFileSync(path, 'utf8');
  await t.rejects(
    () => rotateKey(directory, 'log', at(2), at(0.9), FACTS),
    /a new key is made already; it is used from 2026-11-23T05:00:00\.000Z on/,
  );
  t.equal(readFileSync(path, 'utf8'), before, 'and nothing was changed');

  await rotateKey(directory, 'log', at(3), at(2), FACTS);
  t.strictSame(halves(), [true, true, false]);
  t.equal(readFileSync(path, 'utf8').match(/BEGIN PUBLIC KEY/g)?.length, 1, 'the file has its public half alone');
  const third = loadKeys(directory, false);
  t.ok(third.log[2]?.publicKey.equals(first.log[0]?.publicKey as KeyObject), 'which stays');

  await rotateKey(directory, 'pseudonym', at(3), at(2), FACTS);
  const all = loadKeys(directory, false);
  t.equal(all.pseudonym.length, 2, 'a pseudonym’s key stays whole, or nobody would find what it made');
  t.ok(
    all.token[0]?.publicKey.equals(first.token[0]?.publicKey as KeyObject) &&
      all.cache[0]?.seal.equals(first.cache[0]?.seal as KeyObject) &&
      all.witness.publicKey.equals(first.witness.publicKey),
    'no other key changes',
  );
  if (process.platform !== 'win32') t.equal(statSync(path).mode & 0o777, 0o600);
  t.equal(all.made, false);

  const froms = (): number[] => loadKeys(directory, false).cache.map(({ from }) => from);
  await rotateKey(directory, 'cache', at(3), at(2), FACTS);
  await rotateKey(directory, 'cache', at(3.02), at(3.01), FACTS);
  t.strictSame(froms(), [at(3.02).getTime(), at(3).getTime(), 0], 'what was sealed an hour ago may be alive');
  await rotateKey(directory, 'cache', at(4), at(3.5), FACTS);
  t.strictSame(froms(), [at(4).getTime(), at(3.02).getTime()], 'and those that open nothing any more are forgotten');
  t.ok(loadKeys(directory, false).pseudonym.length === 2 && loadKeys(directory, false).log.length === 3, 'of the cache alone');
});

t.test('keys from before they could rotate are those of the beginning, and what they lacked is made once', async (t) => {
  const directory = newDirectory();
  const path = join(directory, 'keys.json');
  const made = loadKeys(directory, true);
  const stored = JSON.parse(readFileSync(path, 'utf8')) as Record<'log' | 'pseudonym', { key: string }[]> & { witness?: string };
  const former = { ...stored, log: stored.log[0]?.key, pseudonym: stored.pseudonym[0]?.key, witness: undefined };
  writeFileSync(path, JSON.stringify(former));
  const read = loadKeys(directory, true);
  t.match(read, { sandbox: true, made: false, log: [{ from: 0 }], pseudonym: [{ from: 0 }] });
  t.ok(read.log[0]?.publicKey.equals(made.log[0]?.publicKey as KeyObject));
  t.ok(loadKeys(directory, true).witness.publicKey.equals(read.witness.publicKey));
  writeFileSync(join(directory, 'log.db'), '');
  rmSync(path);
  t.throws(() => loadKeys(directory, true), /keys\.json is missing beside a log that was signed with it/);
});

t.test('a log whose key rotates is one log: each age verifies, and the oldest key vouches for all of it', async (t) => {
  const directory = newDirectory();
  const clock = { now: at(0).getTime() };
  const store = newStore();
  const receipts: Receipt[][] = [];
  const own: VerifierKey[] = [];
  for (let age = 0; age < 4; age++) {
    if (age > 0) await rotateKey(directory, 'log', at(age), at(age - 0.5), FACTS);
    // A gateway starts with the new key before it is used, and changes to it while it runs.
    clock.now = at(age - 0.25).getTime();
    const { log, ring } = await openedWith(loadKeys(directory, false), store, clock);
    if (age > 0) receipts[age - 1]?.push(await log.append(entryOf(`${age} not yet`), { receipt: true }));
    clock.now = at(age).getTime();
    own.push(ring.keys[0] as VerifierKey);
    receipts[age] = await Promise.all([1, 2, 3].map((n) => log.append(entryOf(`${age}-${n}`), { receipt: true })));
    receipts[age]?.push(await log.append(entryOf(`${age} later`), { receipt: true }));
    await log.append(entryOf(`${age} unsigned`, 'intent'), { receipt: false });
  }
  const last = await openedWith(loadKeys(directory, false), store, clock);
  const { keys } = last.ring;
  const kinds = await kindsIn(store);
  t.equal(kinds.filter((kind) => kind === 'log-key').length, 3, 'one entry for each change');
  t.equal(keys.length, 4);

  receipts.forEach((ofAge, age) => {
    for (const receipt of ofAge) {
      t.doesNotThrow(() => verifyReceipt(receipt, keys), `of age ${age}: with all keys`);
      t.doesNotThrow(() => verifyReceipt(receipt, own[age] as VerifierKey), `of age ${age}: with its own`);
      const others = own.filter((_, other) => other !== age);
      t.throws(() => verifyReceipt(receipt, others), /bears no signature of/, `of age ${age}: not with the others`);
    }
  });
  for (const [age, key] of own.entries()) {
    const checked = await checkLog(store, key);
    t.match(checked, { entries: kinds.length }, `who trusts the key of age ${age} alone verifies the whole`);
    t.match(await checkLog(store, key, checked.seen), { entries: kinds.length }, 'and again, with what was seen then');
    t.strictSame(
      checked.keys.map(({ id }) => id.toString('hex')),
      own.slice(age).map(({ id }) => id.toString('hex')),
      'and learns the newer ones, not the older',
    );
  }
  t.equal((await checkLog(store, keys)).keys.length, 4, 'who trusts all of them learns none');
  await wholeLog(store, own[3] as VerifierKey);
  const shown = await Promise.all([...kinds.keys()].slice(0, -1).map((index) => last.log.entry(index)));
  t.ok(
    shown.every((receipt) => holds(receipt, own[3] as VerifierKey)),
    'every entry is shown under the newest key',
  );
  await store.close();
});

t.test('a key that no older one vouches for is not believed', async (t) => {
  const pairs = { older: generateKeyPairSync('ed25519'), newer: generateKeyPairSync('ed25519'), stranger: generateKeyPairSync('ed25519') };
  const ring = (newer: 'newer' | 'stranger'): LogKeyRing =>
    logKeyRing(
      ORIGIN,
      [
        { from: 1, ...ofRing(pairs[newer]) },
        { from: 0, ...ofRing(pairs.older) },
      ],
      'none',
      () => clock.now,
    );
  const clock = { now: 0 };
  const newerText = ring('newer').texts[0] as string;
  const oldest = ring('newer').keys[1] as VerifierKey;
  const entry = entryOf('handover', 'log-key');
  const ROWS: [rule: string, handover: AuditEntry, believed: boolean][] = [
    ['vouched for by the key before', { ...entry, logKey: handOver(ORIGIN, newerText, pairs.older.privateKey) }, true],
    ['vouched for by a stranger', { ...entry, logKey: handOver(ORIGIN, newerText, pairs.stranger.privateKey) }, false],
    ['vouched for by itself', { ...entry, logKey: handOver(ORIGIN, newerText, pairs.newer.privateKey) }, false],
    ['as the key of another log', { ...entry, logKey: handOver('other.test/log', newerText, pairs.older.privateKey) }, false],
    ['another key vouched for', { ...entry, logKey: handOver(ORIGIN, ring('stranger').texts[0] as string, pairs.older.privateKey) }, false],
    ['no signature', { ...entry, logKey: { key: newerText, signature: '' } }, false],
    ['no handover at all', entry, false],
    ['in an entry of another kind', { ...entry, kind: 'outcome', logKey: handOver(ORIGIN, newerText, pairs.older.privateKey) }, false],
    [
      'in words of an entry',
      { ...entryOf('words'), reason: canonicalize({ ...entry, logKey: handOver(ORIGIN, newerText, pairs.older.privateKey) }) as string },
      false,
    ],
  ];
  for (const [rule, handover, believed] of ROWS) {
    clock.now = 0;
    const store = newStore();
    const { keys, signer } = ring('newer');
    const log = await AuditLog.open({
      store,
      origin: ORIGIN,
      keys,
      signer: (newest) => {
        const { sign, takeOver } = signer(newest);
        return { sign, takeOver: takeOver && (async () => [handover]) };
      },
    });
    await log.append(entryOf('before'), { receipt: true });
    clock.now = 1;
    await log.append(entryOf('after'), { receipt: true });
    t.match(await checkLog(store, keys), { entries: 3 }, `${rule}: sound to who trusts both keys`);
    const checking = checkLog(store, oldest);
    if (believed) t.match(await checking, { entries: 3, keys: { length: 2 } }, rule);
    else t.match(await rejection(checking), { message: /bears no signature of/ }, rule);
    await store.close();
  }
});

t.test('two gateways with the same keys change to the new one together', async (t) => {
  const directory = newDirectory();
  loadKeys(directory, false);
  await rotateKey(directory, 'log', at(1), at(0), FACTS);
  const path = join(newDirectory(), 'log.db');
  const clock = { now: at(0).getTime() };
  const stores = [openSqliteLog(path), openSqliteLog(path)] as const;
  const keys = loadKeys(directory, false);
  const gateways = [await openedWith(keys, stores[0], clock), await openedWith(keys, stores[1], clock)];
  const receipts: Receipt[] = [];
  for (const day of [0, 0.5, 1, 1.5]) {
    clock.now = at(day).getTime();
    const appends = gateways.flatMap(({ log }, i) => [1, 2, 3].map((n) => log.append(entryOf(`${day}-${i}-${n}`), { receipt: true })));
    receipts.push(...(await Promise.all(appends)));
  }
  t.equal((await kindsIn(stores[0])).filter((kind) => kind === 'log-key').length, 1, 'one of them says so, once');
  for (const receipt of receipts) verifyReceipt(receipt, gateways[0]?.ring.keys ?? []);
  t.match(await checkLog(stores[0], gateways[0]?.ring.keys.at(-1) as VerifierKey), { entries: 25 });

  await t.test('one that has not got the new key refuses, rather than fork the log', async (t) => {
    const behind = { ...keys, log: keys.log.slice(1) };
    await t.rejects(openedWith(behind, stores[1], clock), /bears no signature/);
    const again = newStore();
    const late = await openedWith(behind, again, clock);
    await late.log.append(entryOf('before'), { receipt: true });
    const ahead = await openedWith(keys, again, clock);
    await ahead.log.append(entryOf('after'), { receipt: true });
    t.ok((await rejection(late.log.append(entryOf('behind'), { receipt: true }))) instanceof LogUnavailable);
    t.match(await checkLog(again, ahead.ring.keys), { entries: 3 });
    await again.close();
  });
  for (const store of stores) await store.close();
});

t.test('a key that signs goes on, whatever the clock of a gateway says', async (t) => {
  const directory = newDirectory();
  const first = loadKeys(directory, false);
  await rotateKey(directory, 'log', at(1), at(0), FACTS);
  const keys = loadKeys(directory, false);
  const path = join(newDirectory(), 'log.db');
  const [ahead, behind] = [{ now: at(0).getTime() }, { now: at(0).getTime() }];
  const stores = [openSqliteLog(path), openSqliteLog(path)] as const;
  const one = await openedWith(keys, stores[0], ahead);
  const two = await openedWith(keys, stores[1], behind);
  const append = async ({ log }: typeof one, name: string): Promise<void> =>
    void verifyReceipt(await log.append(entryOf(name), { receipt: true }), one.ring.keys);
  await append(one, 'before');
  ahead.now = at(1).getTime();
  await append(one, 'after, by the clock that is ahead');
  await append(two, 'after, by the clock that is behind');
  ahead.now = at(0.5).getTime();
  await append(one, 'after the clock jumped back');
  await append(await openedWith(keys, stores[1], behind), 'by one that was started then');
  const former = logKeyRing(ORIGIN, first.log, 'none', () => 0).keys;
  t.match(await checkLog(stores[0], former), { entries: 6 });
  t.equal((await kindsIn(stores[0])).filter((kind) => kind === 'log-key').length, 1, 'and it is said once that it does');
  for (const store of stores) await store.close();
});

t.test('a key whose time comes in the middle of a commit waits for the next', async (t) => {
  const pairs = [1000, 0].map((from) => ({ from, ...ofRing() }));
  for (let after = 1; after <= 6; after++) {
    // The time of the new key comes at the first, second, … look at the clock.
    let looks = 0;
    let running = false;
    const ring = logKeyRing(ORIGIN, pairs, 'none', () => (running && ++looks > after ? 1000 : 0));
    const store = newStore();
    const log = await AuditLog.open({ store, origin: ORIGIN, keys: ring.keys, signer: ring.signer });
    running = true;
    for (let n = 0; n < 8; n++) await log.append(entryOf(n), { receipt: true });
    t.match(await checkLog(store, ring.keys[1] as VerifierKey), { entries: 9 }, `after ${after} looks: the older vouches for it`);
    await store.close();
  }
});

t.test('pseudonyms are HMAC-SHA-256 of RFC 2104, as they are in logs that were written before', async (t) => {
  for (const bytes of [32, 64]) {
    const key = createSecretKey(randomBytes(bytes));
    for (const value of [AN, '', 'ZZ 00000001', 'số '.repeat(100)]) {
      const known = createHmac('sha256', key).update(`person:${value}`).digest('base64url');
      t.equal(pseudonyms([{ from: 0, key }], () => 0).of('person', value), known);
    }
  }
  t.throws(() => pseudonyms([{ from: 0, key: createSecretKey(randomBytes(65)) }], () => 0), RangeError);
});

t.test('who is found by a pseudonym is found though its key rotated', async (t) => {
  const directory = newDirectory();
  const clock = { now: at(0).getTime() };
  const before = pseudonyms(loadKeys(directory, false).pseudonym, () => clock.now);
  const old = before.of('person', AN);
  t.strictSame(before.all('person', AN), [old]);
  await rotateKey(directory, 'pseudonym', at(1), at(0), FACTS);
  const people = pseudonyms(loadKeys(directory, false).pseudonym, () => clock.now);
  t.equal(people.of('person', AN), old, 'a key to come is not used yet');
  clock.now = at(1).getTime();
  const now = people.of('person', AN);
  t.not(now, old);
  t.strictSame(people.all('person', AN), [now, old]);
  t.notOk(people.all('person', '003060000021').some((other) => [now, old].includes(other)));
  t.not(people.of('certificate', AN), now, 'a number of another kind is another’s');
  const later = pseudonyms([{ from: 5, key: createSecretKey(randomBytes(32)) }], () => 4);
  t.throws(() => later.of('person', AN), /no key of pseudonyms is in use yet/);
});

// Bodies that are forgotten.

/** Looks through the whole log, as the search would not: what of it is old, and still there. */
const searchIn = (store: LogStore): LogSearch =>
  ({
    async expired(kind: string, before: string, limit: number) {
      const bodies = await store.read(0, 100_000);
      const old = bodies.flatMap((body, index) => {
        const entry = body === undefined ? undefined : (JSON.parse(body) as AuditEntry);
        return entry?.kind === kind && entry.time < before ? [index] : [];
      });
      return old.slice(0, limit);
    },
    async search({ kind, limit }: SearchQuery) {
      const bodies = await store.read(0, 100_000);
      const found = bodies.flatMap((body, index) => (body !== undefined && JSON.parse(body).kind === kind ? [{ index, body }] : []));
      return found.reverse().slice(0, limit);
    },
    forget: async () => {},
  }) as unknown as LogSearch;

interface Kept {
  readonly path: string;
  readonly store: LogStore;
  readonly log: AuditLog;
  readonly key: VerifierKey;
  readonly receipts: Receipt[];
  readonly append: (day: number, kind: EntryKind, count: number) => Promise<void>;
  readonly forget: (day: number, days: Partial<Record<EntryKind, number>>, through?: LogStore) => Promise<number>;
  readonly reopen: () => Promise<AuditLog>;
}

async function keptLog(): Promise<Kept> {
  const path = join(newDirectory(), 'log.db');
  const store = openSqliteLog(path);
  const ring = logKeyRing(ORIGIN, [{ from: 0, ...ofRing() }], 'none', () => 0);
  const reopen = (): Promise<AuditLog> => AuditLog.open({ store, origin: ORIGIN, keys: ring.keys, signer: ring.signer });
  const log = await reopen();
  const receipts: Receipt[] = [];
  let serial = 0;
  return {
    path,
    store,
    log,
    key: ring.keys[0] as VerifierKey,
    receipts,
    reopen,
    async append(day, kind, count) {
      const entries = Array.from({ length: count }, () => ({ ...entryOf(serial++, kind), time: at(day).toISOString() }));
      receipts.push(...(await Promise.all(entries.map((entry) => log.append(entry, { receipt: true })))));
    },
    forget: (day, days, through = store) =>
      forgetOld({
        store: through,
        search: searchIn(store),
        days,
        clock: () => at(day).getTime(),
        async onRecord(part) {
          const own: AuditEntry = { ...entryOf(randomUUID(), 'retention'), time: at(day).toISOString(), ...part };
          return (await log.append(own, { receipt: true })).index;
        },
      }),
  };
}

t.test('what is old enough is forgotten: said on record first, and the tree stays whole', async (t) => {
  const { store, log, key, receipts, append, forget, reopen } = await keptLog();
  await append(0, 'intent', 700);
  await append(0, 'outcome', 30);
  await append(20, 'intent', 5);
  const bodies = await store.read(0, 1000);
  t.equal(await forget(9, { intent: 10 }), 0);
  t.equal((await store.head()).size, 735, 'where nothing is old nothing is said');

  let said: AuditEntry | undefined;
  const watched: LogStore = {
    ...store,
    async prune(indexes, retention) {
      const [body = ''] = await store.read(retention, retention + 1);
      said ??= JSON.parse(body) as AuditEntry;
      await store.prune(indexes, retention);
    },
  };
  t.equal(await forget(21, { intent: 10 }, watched), 700);
  t.match(said, { kind: 'retention', retention: { before: { intent: at(11).toISOString() }, count: 700, upTo: 700 } });
  const after = await store.read(0, 1000);
  t.ok(
    after.slice(0, 700).every((body) => body === undefined),
    'the bodies are gone',
  );
  t.strictSame(after.slice(700, 735), bodies.slice(700), 'and no others');
  t.match(await checkLog(store, key), { entries: 736, signed: 736, pruned: 700 });

  for (const index of [0, 255, 256, 699]) {
    const shown = await log.entry(index);
    t.match(shown, { index, pruned: true, retention: 735, leaf: String }, `entry ${index} is shown as forgotten`);
    t.ok(holds(shown, key), 'with the proof that it was there');
    t.doesNotThrow(() => verifyReceipt(receipts[index], key), 'and who kept its receipt can prove what it was');
  }
  t.ok(holds(await log.entry(720), key));
  const again = await reopen();
  t.ok(holds(await again.append(entryOf('after'), { receipt: true }), key), 'it opens, and goes on');
  t.ok(holds(await log.append(entryOf('after too'), { receipt: true }), key));

  t.equal(await forget(40, { intent: 10, outcome: 15 }), 5 + 32);
  t.match(await checkLog(store, key), { pruned: 737 });
  t.equal((await kindsIn(store)).filter((kind) => kind === 'retention').length, 2, 'what says so is never forgotten');
  await t.resolves(reopen(), 'though of the newest tile nothing else is left');
  t.equal(await forget(41, { intent: 10, outcome: 15 }), 0);
  await store.close();
});

t.test('kinds that are kept for different times go their own ways', async (t) => {
  const { store, log, key, append, forget, reopen } = await keptLog();
  await append(0, 'outcome', 20);
  await append(0, 'intent', 20);
  const days = { intent: 10, outcome: 30 };
  t.equal(await forget(11, days), 20, 'first those that stand last');
  t.equal(await forget(31, days), 20, 'then those before them');
  t.match(await checkLog(store, key), { pruned: 40 });
  for (const index of [0, 39]) t.match(await log.entry(index), { pruned: true });
  await t.resolves(reopen());
  await store.close();
});

t.test('what was taken away beside what was forgotten is found', async (t) => {
  const { path, store, key, append, forget } = await keptLog();
  await append(0, 'intent', 200);
  await append(0, 'outcome', 90);
  await append(0, 'intent', 10);
  await append(20, 'intent', 20);
  t.equal(await forget(21, { intent: 10 }), 210);
  t.match(await checkLog(store, key), { entries: 321, pruned: 210 });
  await store.close();
  const ROWS: [rule: string, sql: string, says: RegExp | undefined, index: number | undefined][] = [
    ['one body more', 'DELETE FROM entries WHERE idx = 250', /211 bodies are missing, of which the log says that 210 were forgotten/, 0],
    ['one behind those that were', 'DELETE FROM entries WHERE idx = 310', /entry 310 is missing/, 310],
    ['the entry that says so', 'DELETE FROM entries WHERE idx = 320', /entry 0 is missing/, 0],
    ['which entry says so: nobody signed that', 'UPDATE head SET retention = NULL', undefined, undefined],
    ['another is named for it', 'UPDATE head SET retention = 319', undefined, undefined],
    [
      'the leaf of one that was',
      'UPDATE tiles SET hashes = CAST(zeroblob(32) || substr(hashes, 33) AS BLOB) WHERE id = 0',
      /do not lead to/,
      undefined,
    ],
    [
      'one more, and it says so',
      `UPDATE entries SET body = replace(body, '"count":210', '"count":211') WHERE idx = 320; DELETE FROM entries WHERE idx = 250`,
      /entry 320 is not the one/,
      320,
    ],
  ];
  for (const [rule, sql, says, index] of ROWS) {
    const copy = join(newDirectory(), 'log.db');
    cpSync(path, copy);
    const db = new DatabaseSync(copy);
    db.exec(sql);
    db.close();
    const changed = openSqliteLog(copy);
    if (says === undefined) t.match(await checkLog(changed, key), { pruned: 210 }, rule);
    else t.match(await rejection(checkLog(changed, key)), { message: says, index }, rule);
    await changed.close();
  }
});

t.test('a round that broke off: what was said and not done is done by the next', async (t) => {
  for (const steps of [0, 1]) {
    const { store, log, key, append, forget, reopen } = await keptLog();
    await append(0, 'intent', 900);
    await append(20, 'outcome', 10);
    let done = 0;
    const breaking: LogStore = {
      ...store,
      async prune(indexes, retention) {
        if (done++ === steps) throw new Error('killed');
        await store.prune(indexes, retention);
      },
    };
    t.match(await rejection(forget(21, { intent: 10 }, breaking)), { message: 'killed' });
    t.match(await checkLog(store, key), { entries: 911, pruned: 500 * steps }, `after ${steps} steps it is sound`);
    await t.resolves(reopen());
    t.ok(holds(await log.append(entryOf('between'), { receipt: true }), key));
    t.equal(await forget(22, { intent: 10 }), 900 - 500 * steps);
    t.match(await checkLog(store, key), { entries: 912, pruned: 900 }, 'and not said anew: the count of what is missing stays true');
    await store.close();
  }
});

t.test('the configuration cannot have forgotten what the log is held together by', async (t) => {
  for (const kind of ['retention', 'log-key']) {
    const directory = editedConfig({ 'gateway.yaml': (file) => ({ ...file, retention: { [kind]: 30 } }) });
    t.throws(() => openCatalogue(directory, true), ConfigurationError, kind);
    rmSync(directory, { recursive: true });
  }
});

t.test('the clock jumps back: entries get earlier times, and nothing else changes', async (t) => {
  const clock = { now: at(1).getTime() };
  const ring = logKeyRing(ORIGIN, [{ from: 0, ...ofRing() }], 'none', () => clock.now);
  const store = newStore();
  const log = await AuditLog.open({ store, origin: ORIGIN, keys: ring.keys, signer: ring.signer });
  const key = ring.keys[0] as VerifierKey;
  const times: string[] = [];
  for (const day of [1, 1.5, 0, 2]) {
    clock.now = at(day).getTime();
    const time = new Date(clock.now).toISOString();
    times.push(time);
    const receipt = await log.append({ ...entryOf(day), time }, { receipt: true });
    t.equal(receipt.index, times.length - 1);
    t.ok(holds(receipt, key));
  }
  const entries = (await wholeLog(store, key)).map((body) => JSON.parse(body) as AuditEntry);
  t.strictSame(
    entries.map(({ time }) => time),
    times,
  );
  t.match(await checkLog(store, key), { entries: 4 });
  await store.close();
});
