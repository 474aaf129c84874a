/** The audit log itself: its tree, its notes, its stores, what it does when it cannot be written, and what it never holds. */
import { execFile } from 'node:child_process';
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { cpSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as turn } from 'node:timers/promises';
import { promisify } from 'node:util';
import canonicalize from 'canonicalize';
import t from 'tap';
import { checkpointSigner, formatVerifierKey, openCheckpoint, parseVerifierKey } from '../src/audit/checkpoint.ts';
import type { AuditEntry } from '../src/audit/entry.ts';
import { AuditLog, LogUnavailable } from '../src/audit/log.ts';
import { openSqliteSearch } from '../src/audit/search.ts';
import { openSqliteLog } from '../src/audit/sqlite.ts';
import { type Batch, LogBroken, LogMoved, type LogStore } from '../src/audit/store.ts';
import { EMPTY_ROOT, inclusionPath, leafHash, NEWEST, rangeRoot, rootFromPath, TreeEdge, tileReader } from '../src/audit/tree.ts';
import { checkLog } from '../src/audit/whole.ts';
import type { Receipt } from '../src/domain.ts';
import { SANDBOX_SOURCES, startSandbox } from '../src/sandbox/index.ts';
import { makeWorld } from '../src/sandbox/people.ts';
import { type Answered, NOW, startGateway, type TestGateway } from './support/audit-gateway.ts';
import { chance, seedOf } from './support/chance.ts';
import { around, entryOf, makeLogKey, ORIGIN, openLog } from './support/log.ts';
import { Oracle, wholeLog } from './support/oracle.ts';

const seed = seedOf();
t.comment(`seed ${seed}: SEED=${seed} shows this run again`);

let directories = 0;
/** A new directory for a log. */
const newDirectory = (): string => join(t.testdirName, String(directories++));
t.testdir({});

/** The connections that were opened, in order: SQLite's own view of what a store does. */
const connections: DatabaseSync[] = [];
const { exec } = DatabaseSync.prototype;
DatabaseSync.prototype.exec = function (this: DatabaseSync, sql: string): void {
  if (connections.at(-1) !== this) connections.push(this);
  exec.call(this, sql);
};

const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

const hex = (text: string): Buffer => Buffer.from(text, 'hex');

t.test('the tree is that of RFC 6962: the vectors of certificate-transparency', async (t) => {
  const LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'].map(hex);
  const ROOTS = [
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ];
  const PATHS: [index: number, size: number, path: string[]][] = [
    [0, 1, []],
    [0, 2, ['96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7']],
    [1, 2, ['6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d']],
    [2, 3, ['fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125']],
    [
      1,
      5,
      [
        '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
        '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
        'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      ],
    ],
    [
      0,
      8,
      [
        '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
        '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
        '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
      ],
    ],
    [
      5,
      8,
      [
        'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
        'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
        'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
      ],
    ],
  ];
  const edge = new TreeEdge();
  const oracle = new Oracle();
  const roots = [edge.root().toString('hex')];
  for (const leaf of LEAVES) {
    edge.append(leafHash(leaf));
    oracle.push(leaf);
    roots.push(edge.root().toString('hex'));
  }
  t.strictSame(roots, ROOTS);
  t.strictSame(
    ROOTS.map((_, size) => oracle.root(0, size).toString('hex')),
    ROOTS,
    'and the oracle of the tests below agrees',
  );
  t.equal(EMPTY_ROOT.toString('hex'), ROOTS[0]);
  for (const [index, size, path] of PATHS) {
    t.strictSame(
      inclusionPath(index, size, edge.node).map((item) => item.toString('hex')),
      path,
      `PATH(${index}, D[${size}])`,
    );
  }
});

t.test('a path leads to the root from its own leaf, index and size alone', async (t) => {
  const oracle = new Oracle();
  const SIZE = 70;
  for (let i = 0; i < SIZE; i++) oracle.push(Buffer.from(`leaf ${i}`));
  const wrong: string[] = [];
  for (let size = 1; size <= SIZE; size++) {
    const root = oracle.root(0, size);
    for (let index = 0; index < size; index++) {
      const path = oracle.path(index, 0, size);
      const leaf = oracle.leaves[index] as Buffer;
      const leads = (leaf: Buffer, index: number, path: Buffer[]): boolean => rootFromPath(leaf, index, size, path)?.equals(root) === true;
      if (!leads(leaf, index, path)) wrong.push(`${index}/${size}: the true path is refused`);
      if (leads(leafHash(Buffer.from('another')), index, path)) wrong.push(`${index}/${size}: another leaf`);
      for (let other = 0; other < size + 2; other++)
        if (other !== index && leads(leaf, other, path)) wrong.push(`${index}/${size}: at index ${other}`);
      for (let i = 0; i < path.length; i++) if (leads(leaf, index, path.toSpliced(i, 1))) wrong.push(`${index}/${size}: without item ${i}`);
      if (leads(leaf, index, [...path, root])) wrong.push(`${index}/${size}: with one more`);
    }
  }
  t.strictSame(wrong, []);
  const leaf = oracle.leaves[0] as Buffer;
  for (const [index, size] of [
    [1, 1],
    [-1, 1],
    [0.5, 1],
    [0, 0],
    [0, 1.5],
    [Number.NaN, 1],
    [0, 2 ** 60],
  ] as const)
    t.equal(rootFromPath(leaf, index, size, []), undefined, `index ${index} of ${size}`);
});

t.test('property: the growing edge agrees with the oracle', async (t) => {
  const random = chance(seed);
  const key = (level: number, index: number): string => `${level}/${index}`;
  for (const start of [0, 1, random(600), 65_536 - random(700)]) {
    const oracle = new Oracle();
    const tiles = new Map<string, Buffer>();
    const stored = (level: number, index: number): Buffer => tiles.get(key(level, index)) as Buffer;
    const read = tileReader(stored);
    let made = 0;
    let edge = new TreeEdge();
    let reloadedAt = 0;
    const grow = (count: number): void => {
      const from = edge.size;
      for (let i = 0; i < count; i++) edge.append(oracle.push(Buffer.from(`leaf ${made++}`)));
      for (const { level, index, hashes } of edge.tilesSince(from)) tiles.set(key(level, index), hashes);
    };
    while (edge.size < start) {
      grow(Math.min(NEWEST, start - edge.size));
      edge.trim();
    }
    const faults: string[] = [];
    const same = (what: string, one: Buffer[], other: Buffer[]): void => {
      if (!Buffer.concat(one).equals(Buffer.concat(other))) faults.push(`${what} at ${edge.size} from ${start}`);
    };
    for (let step = 0; step < 40; step++) {
      const before = edge.size;
      if (random(4) === 0) {
        for (let i = random(NEWEST); i >= 0; i--) edge.append(leafHash(Buffer.from(`failed ${i}`)));
        edge.truncate(before);
        same('root after a batch was taken back', [edge.root()], [oracle.root(0, before)]);
      }
      if (random(4) === 0) {
        edge = TreeEdge.load(before, stored);
        reloadedAt = before;
        same('root after a reload', [edge.root()], [oracle.root(0, before)]);
      }
      grow(1 + random([1, 8, 300, NEWEST][random(4)] as number));
      const { size } = edge;
      same('root', [edge.root()], [oracle.root(0, size)]);
      same('root from tiles', [rangeRoot(0, size, read)], [oracle.root(0, size)]);
      for (const index of [before, size - 1, before + random(size - before), Math.max(reloadedAt, size - NEWEST)])
        same(`path of new ${index}`, inclusionPath(index, size, edge.node), oracle.path(index, 0, size));
      for (const index of [0, size - 1, random(size), random(size)])
        same(`path of old ${index}`, inclusionPath(index, size, read), oracle.path(index, 0, size));
      if (random(2) === 0) edge.trim();
    }
    const { size } = edge;
    for (let level = 0, nodes = size; nodes > 0; level++, nodes = Math.floor(nodes / 256))
      for (let index = 0; index * 256 < nodes; index++) {
        const width = Math.min(256, nodes - index * 256);
        const span = 256 ** level;
        const hashes = Array.from({ length: width }, (_, i) => oracle.root((index * 256 + i) * span, (index * 256 + i + 1) * span));
        same(`tile ${level}/${index}`, [stored(level, index)], hashes);
      }
    t.strictSame(faults, [], `from ${start} to ${size}`);
  }
});

t.test('the edge can be reloaded at any size', async (t) => {
  const oracle = new Oracle();
  const tiles = new Map<string, Buffer>();
  const wrong: number[] = [];
  let edge = new TreeEdge();
  for (let size = 0; size < 600; size++) {
    edge = TreeEdge.load(size, (level, index) => tiles.get(`${level}/${index}`) as Buffer);
    edge.append(oracle.push(Buffer.from(`leaf ${size}`)));
    for (const tile of edge.tilesSince(size)) tiles.set(`${tile.level}/${tile.index}`, tile.hashes);
    if (!edge.root().equals(oracle.root(0, size + 1))) wrong.push(size);
    if (!Buffer.concat(inclusionPath(size, size + 1, edge.node)).equals(Buffer.concat(oracle.path(size, 0, size + 1)))) wrong.push(size);
  }
  t.strictSame(wrong, []);
  t.throws(() => edge.node(0, 3), RangeError, 'what is not at hand is not made up');
});

t.test('keys and notes are those of C2SP: vectors of Go’s checksum database', async (t) => {
  const GO = 'sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8';
  const CHECKPOINT =
    'go.sum database tree\n15368405\n/g9am3I6YWNKaZX/jkne1fqd9zEyjss+JXyPXG0WfkY=\n\n— sum.golang.org Az3grqJGUaSGukG9p8nI2vKgiFn7qGHxn0W+mrwyI6Gz3F0t1J3LzmWk/p96Ybf295EjwdSwlzgijq5WA9d1Ded7owM=\n';
  const PETER = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
  const key = parseVerifierKey(GO);
  t.equal(key.name, 'sum.golang.org');
  t.equal(key.id.toString('hex'), '033de0ae');
  for (const text of [GO, PETER, 'TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6'])
    t.equal(formatVerifierKey(text.split('+')[0] as string, parseVerifierKey(`${text}\n`).key), text, 'read and written again');
  const opened = openCheckpoint(CHECKPOINT, key);
  t.match(opened, { origin: 'go.sum database tree', size: 15368405 });
  t.equal(opened.root.toString('base64'), '/g9am3I6YWNKaZX/jkne1fqd9zEyjss+JXyPXG0WfkY=');

  await t.test('a note is signed as Go signs it', async (t) => {
    // The signer key of Go’s own example: its seed, in PKCS #8.
    const seed = Buffer.from('AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz', 'base64').subarray(1);
    const der = Buffer.concat([hex('302e020100300506032b657004220420'), seed]);
    const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
    t.equal(formatVerifierKey('PeterNeumann', createPublicKey(privateKey)), PETER);
    const text = 'If you think cryptography is the answer to your problem,\nthen you don’t know what your problem is.\n'.replace('’', "'");
    const note = `${text}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`;
    t.throws(
      () => openCheckpoint(note, parseVerifierKey(PETER)),
      /not the form of a checkpoint/,
      'its signature holds, but it is no checkpoint',
    );
    t.throws(() => openCheckpoint(note.replace('think', 'thinc'), parseVerifierKey(PETER)), /the signature of PeterNeumann .* is wrong/);
    const made = checkpointSigner('PeterNeumann', privateKey)({ origin: 'o', size: 7, root: EMPTY_ROOT });
    t.match(made, /^o\n7\n47DEQpj8HBSa\+\/TImW\+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— PeterNeumann x08go[A-Za-z0-9+/]+=*\n$/);
    t.strictSame(openCheckpoint(made, parseVerifierKey(PETER)), { origin: 'o', size: 7, root: EMPTY_ROOT });
  });

  const signature = CHECKPOINT.split('\n').at(-2) as string;
  const NOTES: [rule: string, note: string, refusal: RegExp | undefined][] = [
    ['another size', CHECKPOINT.replace('15368405', '15368406'), /signature .* is wrong/],
    ['another root', CHECKPOINT.replace('/g9am', '/g9an'), /signature .* is wrong/],
    ['another origin', CHECKPOINT.replace('go.sum', 'go.sun'), /signature .* is wrong/],
    ['one line more in the text', CHECKPOINT.replace('\n\n', '\nextension\n\n'), /signature .* is wrong/],
    ['a signature of one bit less', CHECKPOINT.replace('owM=', 'oQM='), /signature .* is wrong/],
    ['another spelling of the same signature', CHECKPOINT.replace('owM=', 'owN='), /bears no signature of/],
    ['the signature of another name', CHECKPOINT.replace('— sum.golang.org', '— sum.golang.com'), /bears no signature of/],
    ['the signature of another key of that name', CHECKPOINT.replace('Az3grq', 'Az3gsq'), /bears no signature of/],
    ['a hyphen for the dash', CHECKPOINT.replace('—', '-'), /a line that is no signature/],
    ['no signature', CHECKPOINT.slice(0, CHECKPOINT.indexOf('—')), /a line that is no signature/],
    ['no empty line', CHECKPOINT.replace('\n\n', '\n'), /not a signed note/],
    ['no newline at the end', CHECKPOINT.slice(0, -1), /not a signed note/],
    ['nothing', '', /not a signed note/],
    ['a witness signed it too, before', CHECKPOINT.replace('\n\n', '\n\n— witness.example 9a5vUAAAAAAAAAAA\n'), undefined],
    ['a witness signed it too, after', `${CHECKPOINT}— witness.example 9a5vUAAAAAAAAAAA\n`, undefined],
    ['the same line twice', `${CHECKPOINT}${signature}\n`, undefined],
  ];
  for (const [rule, note, refusal] of NOTES) {
    if (refusal === undefined) t.equal(openCheckpoint(note, key).size, 15368405, rule);
    else t.throws(() => openCheckpoint(note, key), refusal, rule);
  }

  const KEYS: [rule: string, text: string][] = [
    ['no name', GO.replace('sum.golang.org', '')],
    ['an identifier of another key', GO.replace('033de0ae', '033de0af')],
    ['another name under the same identifier', GO.replace('golang', 'golanc')],
    ['an identifier in capitals', GO.replace('033de0ae', '033DE0AE')],
    ['a byte too few', GO.slice(0, -4)],
    ['an algorithm that is not Ed25519', GO.replace('+Ac4', '+As4')],
    ['a key in the other alphabet of base64', GO.replace('eza+HJ', 'eza-HJ')],
    ['nothing', ''],
  ];
  for (const [rule, text] of KEYS) t.throws(() => parseVerifierKey(text), /verifier key/, rule);

  const { sign, key: own } = makeLogKey();
  for (const size of [Number.MAX_SAFE_INTEGER * 10, 1.5, -1])
    t.throws(
      () => openCheckpoint(sign({ origin: ORIGIN, size, root: EMPTY_ROOT }), own),
      /not the form/,
      `${size} is no size, whoever signs it`,
    );
});

/** Every store of the log: how one is opened on a new place, and again on the same. A new kind of store is one row. */
const STORES: { name: string; make(): { open(): LogStore } }[] = [
  {
    name: 'SQLite',
    make: () => {
      const path = join(newDirectory(), 'log.db');
      return { open: () => openSqliteLog(path) };
    },
  },
];

for (const { name, make } of STORES) {
  t.test(`a store of the log: ${name}`, async (t) => {
    const tile = (text: string): Buffer => createHash('sha256').update(text).digest();
    const batch = (from: number, entries: string[], more: Partial<Batch> = {}): Batch => ({
      from,
      entries,
      tiles: [],
      checkpoint: undefined,
      ...more,
    });
    const everything = async (store: LogStore): Promise<unknown> => [
      await store.head(),
      await store.read(0, 1000),
      await store.tile(0, 0).catch(() => 'none'),
      await store.tile(1, 0).catch(() => 'none'),
    ];

    await t.test('a new log is empty', async (t) => {
      const store = make().open();
      t.strictSame(await store.head(), { size: 0, checkpoint: undefined });
      t.strictSame(await store.read(0, 10), []);
      await t.rejects(store.tile(0, 0));
      await store.close();
    });

    await t.test('what was appended is read in order, tiles are replaced, and it is all there when opened again', async (t) => {
      const place = make();
      const store = place.open();
      await store.append(batch(0, ['a', 'b', 'c'], { tiles: [{ level: 0, index: 0, hashes: tile('1') }], checkpoint: 'first' }));
      await store.append(
        batch(3, ['d"\n\u0001', 'Nguyễn'], {
          tiles: [0, 1].map((level) => ({ level, index: 0, hashes: Buffer.concat([tile('1'), tile('2')]) })),
        }),
      );
      t.strictSame(await store.head(), { size: 5, checkpoint: 'first' }, 'no checkpoint keeps the one before');
      await store.append(batch(5, []));
      t.strictSame(await store.head(), { size: 5, checkpoint: 'first' }, 'an empty batch only tries');
      await store.append(batch(5, ['f'], { checkpoint: 'second', tiles: [{ level: 0, index: 70_000, hashes: tile('3') }] }));
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
      const again = place.open();
      t.strictSame(await everything(again), before);
      await again.close();
    });

    await t.test('a batch that does not fit is refused as moved, and nothing of it is stored', async (t) => {
      const store = make().open();
      await store.append(batch(0, ['a', 'b'], { checkpoint: 'first', tiles: [{ level: 0, index: 0, hashes: tile('1') }] }));
      const before = await everything(store);
      const more = { checkpoint: 'forged', tiles: [{ level: 0, index: 0, hashes: tile('x') }] };
      for (const from of [0, 1, 3, 100]) {
        for (const entries of [['x'], []])
          t.ok((await rejection(store.append(batch(from, entries, more)))) instanceof LogMoved, `from ${from}, ${entries.length} entries`);
      }
      t.strictSame(await everything(store), before);
      await store.close();
    });

    await t.test('a batch that breaks off is not stored at all, and the next one is', async (t) => {
      const store = make().open();
      await store.append(batch(0, ['a'], { checkpoint: 'first', tiles: [{ level: 0, index: 0, hashes: tile('1') }] }));
      const before = await everything(store);
      const nothing = null as unknown;
      const BROKEN: Batch[] = [
        batch(1, ['b', nothing as string], { checkpoint: 'second' }),
        batch(1, ['b'], {
          checkpoint: 'second',
          tiles: [
            { level: 0, index: 0, hashes: tile('2') },
            { level: 1, index: 0, hashes: nothing as Buffer },
          ],
        }),
      ];
      for (const broken of BROKEN) {
        const error = await rejection(store.append(broken));
        t.ok(error instanceof Error && !(error instanceof LogMoved));
        t.strictSame(await everything(store), before);
      }
      await store.append(batch(1, ['b'], { checkpoint: 'second' }));
      t.strictSame(await store.head(), { size: 2, checkpoint: 'second' });
      await store.close();
    });

    await t.test('a second store on the same place sees what the first wrote, and the slower of two batches is refused', async (t) => {
      const place = make();
      const [one, two] = [place.open(), place.open()];
      await one.append(batch(0, ['a'], { checkpoint: 'first' }));
      t.strictSame(await everything(two), await everything(one));
      await two.append(batch(1, ['b']));
      t.ok((await rejection(one.append(batch(1, ['c'])))) instanceof LogMoved);
      t.strictSame(await one.read(0, 10), ['a', 'b']);
      await one.close();
      await two.close();
    });

    await t.test('two logs on the same place grow into one without a fork', async (t) => {
      const place = make();
      const key = makeLogKey();
      const stores = [place.open(), place.open()] as const;
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

    await t.test('a batch that failed leaves no trace that another process’s batch of the same length could be taken for', async (t) => {
      const place = make();
      const key = makeLogKey();
      let broken: 'write' | 'all' | undefined;
      const inner = place.open();
      const store: LogStore = {
        ...around(inner, (_batch, write) => (broken === undefined ? write() : Promise.reject(new Error('disk full')))),
        head: () => (broken === 'all' ? Promise.reject(new Error('disk gone')) : inner.head()),
      };
      const [one, two] = [await openLog(store, key), await openLog(place.open(), key)];
      for (const kind of ['write', 'all'] as const) {
        broken = kind;
        const lost = [1, 2, 3].map((n) => rejection(one.append(entryOf(`lost ${n}`), { receipt: true })));
        for (const error of await Promise.all(lost)) t.ok(error instanceof LogUnavailable);
        broken = undefined;
        await Promise.all([1, 2, 3].map((n) => two.append(entryOf(`other ${n}`), { receipt: true })));
        const receipt = await one.append(entryOf('after'), { receipt: true });
        t.ok(holds(receipt, key.key));
        await t.resolves(wholeLog(inner, key.key), `after ${kind} failed`);
      }
    });

    await t.test('another process that is quicker several times in a row is caught up with', async (t) => {
      const place = make();
      const key = makeLogKey();
      const two = await openLog(place.open(), key);
      let quicker = 5;
      const store = place.open();
      const one = await openLog(
        around(store, async (_batch, write) => {
          if (quicker-- > 0) await two.append(entryOf(`two ${quicker}`), { receipt: true });
          await write();
        }),
        key,
      );
      const receipt = await one.append(entryOf('one'), { receipt: true });
      t.equal(receipt.index, 5);
      t.ok(holds(receipt, key.key));
      await wholeLog(store, key.key);
    });

    await t.test('a log that moves without end is given up, not written over', async (t) => {
      const key = makeLogKey();
      const inner = make().open();
      let moved = 0;
      const log = await openLog(
        around(inner, async () => {
          moved++;
          throw new LogMoved('again');
        }),
        key,
      );
      t.ok((await rejection(log.append(entryOf(1), { receipt: true }))) instanceof LogUnavailable);
      t.ok(moved > 1 && moved < 100, 'it tried more than once');
      t.equal((await inner.head()).size, 0);
    });

    await t.test('the log over it: every entry has its proof after many batches', async (t) => {
      const key = makeLogKey();
      const store = make().open();
      const log = await openLog(store, key);
      const random = chance(seed + 2);
      let size = 0;
      while (size < 700) {
        const count = 1 + random(60);
        const receipts = await Promise.all(Array.from({ length: count }, (_, n) => log.append(entryOf(size + n), { receipt: true })));
        t.ok(receipts.every((receipt, n) => receipt.index === size + n && holds(receipt, key.key)));
        size += count;
      }
      const faults: number[] = [];
      for (let index = 0; index < size; index++) {
        const receipt = await log.entry(index);
        if (receipt === undefined || receipt.index !== index || receipt.entry.id !== `entry-${index}` || !holds(receipt, key.key))
          faults.push(index);
      }
      t.strictSame(faults, []);
      await wholeLog(store, key.key);
      t.equal(await log.entry(size), undefined, 'there is none after the last');
      await log.append(entryOf('unsigned', 'intent'), { receipt: false });
      t.equal(await log.entry(size), undefined, 'nor for one that no checkpoint covers yet');
      await log.append(entryOf('signed'), { receipt: true });
      t.ok(holds(await log.entry(size), key.key), 'the next signature covers it');
      await store.close();
    });
  });
}

/** Whether the entry is in the tree under the checkpoint: the verifier's arithmetic over the oracle's hashes. */
function holds(receipt: Receipt | undefined, key: Parameters<typeof openCheckpoint>[1]): boolean {
  if (receipt === undefined) return false;
  const { size, root } = openCheckpoint(receipt.checkpoint, key);
  const leaf = new Oracle().push(Buffer.from(canonicalize(receipt.entry) as string));
  const path = receipt.proof.map((item) => Buffer.from(item, 'base64'));
  return rootFromPath(leaf, receipt.index, size, path)?.equals(root) === true;
}

t.test('SQLite syncs every commit and journals ahead', async (t) => {
  const directory = newDirectory();
  const store = openSqliteLog(join(directory, 'log.db'));
  const connection = connections.at(-1) as DatabaseSync;
  t.strictSame({ ...connection.prepare('PRAGMA synchronous').get() }, { synchronous: 2 }, 'synchronous is FULL');
  t.strictSame({ ...connection.prepare('PRAGMA journal_mode').get() }, { journal_mode: 'wal' });
  await store.close();
});

t.test('two processes on one SQLite log: both write all they have, without a fork', async (t) => {
  const path = join(newDirectory(), 'log.db');
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
  const store = openSqliteLog(path);
  const run = promisify(execFile);
  const COUNT = 60;
  const writers = ['one', 'two'].map((name) => run(process.execPath, ['test/support/log-writer.ts', path, pem, String(COUNT), name]));
  const indexes = (await Promise.all(writers)).flatMap(({ stdout }) => JSON.parse(stdout) as number[]);
  t.strictSame(
    indexes.sort((a, b) => a - b),
    Array.from({ length: 4 * COUNT }, (_, i) => i),
  );
  const key = parseVerifierKey(formatVerifierKey(ORIGIN, publicKey));
  const ids = (await wholeLog(store, key)).map((bytes) => (JSON.parse(bytes) as AuditEntry).id);
  t.equal(new Set(ids).size, 4 * COUNT, 'nothing twice');
  await store.close();
});

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
  const FAILURES = ['before anything is written', 'full', 'while the head is unreadable too', 'while it is signed'] as const;
  for (const failure of FAILURES) {
    for (const nth of [1, 2, 3]) {
      await t.test(`${failure}: write ${nth}`, async (t) => {
        const { sign, key } = makeLogKey();
        const inner = openSqliteLog(join(newDirectory(), 'log.db'));
        const connection = connections.at(-1) as DatabaseSync;
        const limit = (pages: number): unknown => connection.prepare(`PRAGMA max_page_count = ${pages}`).get();
        let writes = 0;
        let failing = true;
        const fails = (): boolean => failing && writes >= nth;
        const store: LogStore = {
          ...around(inner, async (_batch, write) => {
            writes++;
            if (fails() && (failure === FAILURES[0] || failure === FAILURES[2]))
              throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
            // SQLite takes a limit below the present size as the present size.
            if (fails() && failure === 'full') limit(1);
            await write();
          }),
          head: () => (fails() && failure === FAILURES[2] ? Promise.reject(new Error('unreadable')) : inner.head()),
        };
        const log = await openLog(store, {
          key,
          sign: (checkpoint) => {
            // The signature is made before the write that it belongs to.
            if (failing && writes >= nth - 1 && failure === 'while it is signed') throw new Error('no key');
            return sign(checkpoint);
          },
        });
        // Large enough that a batch needs pages of its own.
        const large = (name: string): AuditEntry => ({ ...entryOf(name), reason: 'x'.repeat(3000) });
        const batch = (name: string) =>
          Promise.all([1, 2, 3, 4].map((n) => rejection(log.append(large(`${name}-${n}`), { receipt: true }))));
        for (let turn = 1; turn < nth; turn++) t.ok((await batch(`good ${turn}`)).every((error) => error === undefined));
        t.ok(log.healthy);
        const before = await inner.head();

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
        t.resolves(openLog(inner, { sign, key }), 'and opens again');
        await log.settled();
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
      refusal: /lost entries: it holds 599 where it should hold 600/,
    },
    { rule: 'an entry of the newest tile is gone', sql: 'DELETE FROM entries WHERE idx = 550', refusal: /changed: entry 550/ },
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

// From here on through the gateway.

const sandbox = await startSandbox();
t.teardown(() => sandbox.close());
const AN = '003099000017';
const BINH = '003060000021';
const asked = (): number => SANDBOX_SOURCES.reduce((sum, source) => sum + sandbox.requests(source), 0);

let serial = 0;
const prefillOf = (subject: string, more: object = {}): { dossier: string; subject: string; [member: string]: unknown } => ({
  procedure: '1.004222',
  dossier: `X01.1-261122-${++serial}`,
  officer: 'X01.1-0042',
  subject,
  ...more,
});

const entriesIn = async (store: LogStore): Promise<AuditEntry[]> =>
  (await store.read(0, 100_000)).map((bytes) => JSON.parse(bytes) as AuditEntry);

interface Opened {
  gateway: TestGateway;
  store: LogStore;
  directory: string;
}

async function opened(append?: (batch: Batch, write: () => Promise<void>) => Promise<void>, directory = newDirectory()): Promise<Opened> {
  let store: LogStore | undefined;
  const gateway = await startGateway(directory, sandbox, (path) => {
    store = append === undefined ? openSqliteLog(path) : around(openSqliteLog(path), append);
    return store;
  });
  return { gateway, store: store as LogStore, directory };
}

t.test('a log that cannot be written: 503, and no registry was asked', async (t) => {
  let broken = false;
  const { gateway, store } = await opened((_batch, write) =>
    broken ? Promise.reject(Object.assign(new Error(`disk full near ${AN}`), { code: 'ENOSPC' })) : write(),
  );
  t.teardown(() => gateway.close());
  t.equal((await gateway.post('/v1/prefills', prefillOf(AN), 'X01.1')).status, 200, 'the cache knows this person now');
  await gateway.post('/v1/audit/search', { reason: 'warm up' }, 'X09.1');
  t.equal((await gateway.get('/readyz')).status, 200);
  const size = (await store.head()).size;
  const before = asked();

  broken = true;
  const ROWS: [rule: string, send: () => Promise<Answered>][] = [
    ['a prefill that would ask registries', () => gateway.post('/v1/prefills', prefillOf('003085000041'), 'X01.1')],
    ['a prefill from the cache alone', () => gateway.post('/v1/prefills', prefillOf(AN), 'X01.1')],
    ['a refusal about a person', () => gateway.post('/v1/prefills', prefillOf(AN, { procedure: '1.012768' }), 'X01.1')],
    ['a search of the log', () => gateway.post('/v1/audit/search', { reason: 'while it is down' }, 'X09.1')],
    ['an entry of the log', () => gateway.get('/v1/audit/entries/0', 'X09.1')],
  ];
  for (const [rule, send] of ROWS) {
    const reply = await send();
    t.match(reply, { status: 503, body: { code: 'log-unavailable' }, headers: { 'content-type': /problem\+json/ } }, rule);
    t.match(String(reply.headers['retry-after']), /^[1-9]\d*$/, `${rule}: Retry-After`);
    t.notOk(reply.text.includes(AN) || reply.text.includes('disk'), `${rule}: nothing of the cause`);
    t.match(await gateway.get('/readyz'), { status: 503, body: { status: 'unready', log: 'unwritable' } });
  }
  t.equal((await gateway.get('/healthz')).status, 200, 'it lives all the same');
  t.equal(asked(), before, 'nobody was asked');
  t.equal((await store.head()).size, size, 'and nothing is on record');

  broken = false;
  t.equal((await gateway.get('/readyz')).status, 200, 'it is ready again by itself');
  const reply = await gateway.post('/v1/prefills', prefillOf('003085000041'), 'X01.1');
  t.equal(reply.status, 200);
  t.ok(asked() > before);
});

t.test('without a probe, the next request finds the log back', async (t) => {
  let broken = false;
  const { gateway } = await opened((_batch, write) => (broken ? Promise.reject(new Error('disk full')) : write()));
  t.teardown(() => gateway.close());
  broken = true;
  t.equal((await gateway.post('/v1/prefills', prefillOf(AN), 'X01.1')).status, 503);
  broken = false;
  t.equal((await gateway.post('/v1/prefills', prefillOf(AN), 'X01.1')).status, 200);
});

t.test('the log that breaks after the registries were asked: the answer does not leave', async (t) => {
  const { gateway, store } = await opened((batch, write) =>
    batch.entries.some((bytes) => bytes.includes('"kind":"outcome"')) ? Promise.reject(new Error('disk full')) : write(),
  );
  t.teardown(() => gateway.close());
  const reply = await gateway.post('/v1/prefills', prefillOf(AN), 'X01.1');
  t.match(reply, { status: 503, body: { code: 'log-unavailable' } });
  t.notOk(reply.text.includes('NGUYỄN'));
  t.strictSame(
    (await entriesIn(store)).map(({ kind }) => kind),
    ['intent'],
  );
});

t.test('the intent is durable before the first registry is asked, the outcome before the answer leaves', async (t) => {
  const steps: string[] = [];
  const kinds = (batch: Batch): string => batch.entries.map((bytes) => (JSON.parse(bytes) as AuditEntry).kind).join();
  const start = asked();
  const { gateway, store } = await opened(async (batch, write) => {
    steps.push(`${kinds(batch)} begins after ${asked() - start > 0 ? 'asking' : 'nobody was asked'}`);
    // Long enough for a registry that was asked too early to have noticed.
    for (let i = 0; i < 20; i++) await turn();
    await write();
    steps.push(`${kinds(batch)} is durable after ${asked() - start > 0 ? 'asking' : 'nobody was asked'}`);
  });
  t.teardown(() => gateway.close());
  const reply = await gateway.post('/v1/prefills', prefillOf(AN, { related: { householder: BINH } }), 'X01.1');
  steps.push(`${reply.status} left`);
  t.strictSame(steps, [
    'intent begins after nobody was asked',
    'intent is durable after nobody was asked',
    'outcome begins after asking',
    'outcome is durable after asking',
    '200 left',
  ]);
  const [intent, outcome] = await entriesIn(store);
  t.equal(intent?.id, outcome?.id, 'both are of one request');
  t.ok(
    (intent?.sources?.length ?? 0) > 2 && intent?.sources?.every(({ result }) => result === 'to-ask'),
    'the intent names whom it will ask',
  );
  t.ok(outcome?.sources?.every(({ result }) => result !== 'to-ask'));
  t.strictSame(Object.keys(intent?.subjects ?? {}).sort(), ['householder', 'subject']);

  await t.test('a pure cache hit asks nobody, so it writes an outcome and no intent', async (t) => {
    const [before, size] = [asked(), (await store.head()).size];
    t.equal((await gateway.post('/v1/prefills', prefillOf(AN, { related: { householder: BINH } }), 'X01.1')).status, 200);
    t.equal(asked(), before);
    t.match((await entriesIn(store)).slice(size), [{ kind: 'outcome', outcome: 'answered' }]);
    const freshness = (await entriesIn(store)).at(-1)?.sources?.flatMap((use) => use.freshness ?? []);
    t.strictSame([...new Set(freshness)], ['cached']);
  });

  await t.test('where only some is to be asked anew there is one intent', async (t) => {
    const size = (await store.head()).size;
    t.equal((await gateway.post('/v1/prefills', prefillOf(AN, { maxAgeSeconds: 0 }), 'X01.1')).status, 200);
    t.strictSame(
      (await entriesIn(store)).slice(size).map(({ kind }) => kind),
      ['intent', 'outcome'],
    );
  });
});

t.test('a refusal about a person is on record before it leaves', async (t) => {
  let left = false;
  const early: string[] = [];
  const { gateway, store } = await opened(async (batch, write) => {
    for (let i = 0; i < 10; i++) await turn();
    if (left) early.push(batch.entries.join());
    await write();
  });
  t.teardown(() => gateway.close());
  const before = asked();
  const ROWS: [code: string, status: number, request: object, day?: string][] = [
    ['procedure-not-granted', 403, { procedure: '1.012768' }],
    ['unknown-procedure', 404, { procedure: '1.999999' }],
    ['unknown-role', 400, { related: { stranger: BINH } }],
    ['invalid-request', 400, { related: { householder: 'ZZ 00000101' } }],
    ['unknown-field', 400, { fields: ['/salary'] }],
    ['grant-not-in-force', 403, {}, '2027-03-02T00:00:00.000Z'],
    ['grant-not-in-force', 403, {}, '2026-06-29T00:00:00.000Z'],
  ];
  for (const [code, status, more, day] of ROWS) {
    const size = (await store.head()).size;
    if (day !== undefined) {
      // The token is of that day too.
      const elsewhere = await opened(undefined, newDirectory());
      elsewhere.gateway.clock.now = Date.parse(day);
      t.match(await elsewhere.gateway.post('/v1/prefills', prefillOf(AN, more), 'X01.1'), { status, body: { code } }, `${code} on ${day}`);
      t.match(await entriesIn(elsewhere.store), [{ kind: 'refusal', outcome: code, time: day }]);
      await elsewhere.gateway.close();
      continue;
    }
    const request = prefillOf(AN, more);
    left = false;
    const reply = await gateway.post('/v1/prefills', request, 'X01.1');
    left = true;
    t.match(reply, { status, body: { code } }, code);
    const entries = (await entriesIn(store)).slice(size);
    t.match(
      entries,
      [{ kind: 'refusal', outcome: code, agency: 'X01.1', officer: 'X01.1-0042', dossier: request.dossier }],
      `${code} is on record`,
    );
    t.match(entries[0]?.subjects?.subject, /^[A-Za-z0-9_-]{43}$/);
  }
  t.strictSame(early, [], 'nothing was written after the refusal left');
  t.equal(asked(), before, 'and nobody was asked');
});

t.test('what auditors search', async (t) => {
  const { gateway, store, directory } = await opened();
  const { clock } = gateway;
  const send = async (agency: string, request: object): Promise<void> => {
    await gateway.post('/v1/prefills', request, agency);
    clock.now += 1000;
  };
  // One a second, from NOW on: the entries of one request share its time.
  await send('X01.1', prefillOf(AN, { related: { householder: BINH } }));
  await send('X01.1', prefillOf(BINH, { officer: 'X01.1-0043' }));
  await send('X01.1', prefillOf('003301000034', { procedure: '1.004873' }));
  await send('X02.1', { ...prefillOf('003065000171', { procedure: '1.012768', officer: 'X02.1-0001' }), dossier: 'X02.1-261122-77' });
  await send('X01.1', prefillOf(AN, { procedure: '1.012768' }));
  const all = await entriesIn(store);
  t.ok(all.length >= 9);

  const search = (body: object): Promise<Answered> => gateway.post('/v1/audit/search', { reason: 'Complaint 12/2026', ...body }, 'X09.1');
  const at = (seconds: number): string => new Date(NOW + 1000 * seconds).toISOString();
  /** The second of the request, and which of its entries. */
  const found = async (body: object): Promise<string[]> => {
    const reply = await search(body);
    if (reply.status !== 200) return [reply.text];
    return (reply.body.entries as { entry: AuditEntry }[])
      .filter(({ entry }) => entry.kind !== 'audit-read')
      .map(({ entry }) => `${(Date.parse(entry.time) - NOW) / 1000} ${entry.kind}`)
      .reverse();
  };
  const ROWS: [rule: string, query: object, entries: string[]][] = [
    ['a person, as subject or in another role', { subject: BINH }, ['0 intent', '0 outcome', '1 intent', '1 outcome']],
    ['a person, refusals too', { subject: AN }, ['0 intent', '0 outcome', '4 refusal']],
    ['a person nobody asked about', { subject: '003155000061' }, []],
    ['an agency', { agency: 'X02.1' }, ['3 intent', '3 outcome']],
    ['an officer', { officer: 'X01.1-0043' }, ['1 intent', '1 outcome']],
    ['a procedure, granted or not', { procedure: '1.012768' }, ['3 intent', '3 outcome', '4 refusal']],
    ['a dossier', { dossier: 'X02.1-261122-77' }, ['3 intent', '3 outcome']],
    ['an outcome', { outcome: 'answered' }, ['0 outcome', '1 outcome', '2 outcome', '3 outcome']],
    ['a refusal by its code', { outcome: 'procedure-not-granted' }, ['4 refusal']],
    ['a kind', { kind: 'refusal' }, ['4 refusal']],
    ['several conditions, all of which must hold', { subject: AN, procedure: '1.004222', kind: 'outcome' }, ['0 outcome']],
    ['from, inclusive', { from: at(3) }, ['3 intent', '3 outcome', '4 refusal']],
    ['to, exclusive', { to: at(1) }, ['0 intent', '0 outcome']],
    ['from and to', { from: at(1), to: at(2) }, ['1 intent', '1 outcome']],
    ['from a whole second, before what happened within it', { from: '2026-11-22T20:10:03Z' }, ['3 intent', '3 outcome', '4 refusal']],
    ['to a whole second, before what happened within it', { to: '2026-11-22T20:10:01Z' }, ['0 intent', '0 outcome']],
    ['a time of as many digits as the log’s', { from: '2026-11-22T20:10:03.123Z' }, ['3 intent', '3 outcome', '4 refusal']],
    ['a leap second is a time like another', { from: '2026-12-31T23:59:60Z' }, []],
  ];
  for (const [rule, query, entries] of ROWS) t.strictSame(await found(query), entries, rule);

  await t.test('what is found is what the log holds, newest first', async (t) => {
    const { body } = await search({ limit: 500 });
    const entries = body.entries as { index: number; entry: AuditEntry }[];
    const whole = await entriesIn(store);
    t.strictSame(
      entries.map(({ index }) => index),
      [...whole.keys()].reverse(),
    );
    t.strictSame(
      entries.map(({ entry }) => entry),
      whole.toReversed(),
    );
  });

  await t.test('a page follows another while entries are added', async (t) => {
    const expected = (await entriesIn(store)).flatMap(({ agency }, index) => (agency === 'X01.1' ? index : [])).reverse();
    const seen: number[] = [];
    let cursor: string | undefined;
    let pages = 0;
    do {
      const { body } = await search({ agency: 'X01.1', limit: 2, ...(cursor === undefined ? {} : { cursor }) });
      seen.push(...(body.entries as { index: number }[]).map(({ index }) => index));
      cursor = body.next;
      pages++;
      await send('X01.1', prefillOf(AN, { procedure: '1.012768' }));
    } while (cursor !== undefined);
    t.strictSame(seen, expected, 'nothing twice, nothing left out, nothing new between');
    t.equal(pages, Math.ceil(expected.length / 2));
  });

  await t.test('that somebody looked is on record, with the reason, before anything is shown', async (t) => {
    const size = (await store.head()).size;
    const { body } = await search({ subject: AN, procedure: '1.004222', from: at(0) });
    const pseudonym = (await entriesIn(store))[0]?.subjects?.subject;
    t.match((await entriesIn(store)).slice(size), [
      {
        kind: 'audit-read',
        agency: 'X09.1',
        client: 'X09.1',
        reason: 'Complaint 12/2026',
        query: { subject: pseudonym, procedure: '1.004222', from: at(0) },
      },
    ]);
    t.notOk((await entriesIn(store)).at(-1)?.subjects, 'the search is not itself an entry about the person');
    t.notOk(JSON.stringify(body).includes(AN));
    const read = await gateway.get('/v1/audit/entries/0', 'X09.1');
    t.match((await entriesIn(store)).at(-1), { kind: 'audit-read', query: { index: 0 } });
    const key = parseVerifierKey((await gateway.get('/v1/log/key')).text);
    t.ok(holds(read.body as Receipt, key), 'an entry comes with its proof');
    t.match(await gateway.get('/v1/audit/entries/99999', 'X09.1'), { status: 404, body: { code: 'unknown-entry' } });
    t.match((await entriesIn(store)).at(-1), { kind: 'audit-read', query: { index: 99999 } });
    t.match(await search({ kind: 'audit-read', limit: 1 }), { body: { entries: [{ entry: { kind: 'audit-read' } }] } });
    t.equal(openCheckpoint((await gateway.get('/v1/log/checkpoint')).text, key).size, (await store.head()).size);
  });

  await t.test('who may not look is refused, and nothing is recorded as looked at', async (t) => {
    const size = (await store.head()).size;
    t.equal((await gateway.post('/v1/audit/search', { reason: 'curious' }, 'X01.1')).status, 403);
    t.equal((await gateway.get('/v1/audit/entries/0', 'X01.1')).status, 403);
    t.equal((await gateway.get('/v1/audit/entries/0')).status, 401);
    t.equal((await gateway.post('/v1/audit/search', {}, 'X09.1')).status, 400, 'nobody looks without a reason');
    t.equal((await store.head()).size, size);
  });

  await t.test('the searchable copy can be thrown away: it is made again from the log', async (t) => {
    const before = await found({ subject: BINH });
    await gateway.close();
    for (const file of readdirSync(directory)) if (file.startsWith('search.db')) rmSync(join(directory, file));
    const again = await opened(undefined, directory);
    const { body } = await again.gateway.post('/v1/audit/search', { reason: 'Complaint 12/2026', subject: BINH }, 'X09.1');
    t.equal(body.entries.length, before.length);
    await again.gateway.close();
  });
});

t.test('the searchable copy follows a long log in pieces, whoever asks first', async (t) => {
  const directory = newDirectory();
  const store = openSqliteLog(join(directory, 'log.db'));
  const log = await openLog(store, makeLogKey());
  const SIZE = 2300;
  for (let size = 0; size < SIZE; size += 460)
    await Promise.all(
      Array.from({ length: 460 }, (_, n) => log.append({ ...entryOf(size + n), agency: `X${(size + n) % 10}` }, { receipt: true })),
    );
  const search = openSqliteSearch(join(directory, 'search.db'), store);
  const counts = await Promise.all([0, 1, 2].map(async (n) => (await search.search({ agency: `X${n}`, limit: 1000 })).length));
  t.strictSame(counts, [SIZE / 10, SIZE / 10, SIZE / 10]);
  await search.close();
  await store.close();
});

t.test('no person in the clear: what the files of the log hold', async (t) => {
  const { gateway, directory } = await opened();
  const world = makeWorld();
  const PEOPLE = [
    AN,
    BINH,
    '003301000034',
    '003085000041',
    '003187000042',
    '003182000051',
    '003086000161',
    '003065000171',
    '003091000199',
    '003196000211',
  ];
  const replies: Answered[] = [];
  for (const subject of PEOPLE) {
    replies.push(await gateway.post('/v1/prefills', prefillOf(subject, { related: { householder: BINH } }), 'X01.1'));
    replies.push(await gateway.post('/v1/prefills', prefillOf(subject, { procedure: '1.004873' }), 'X01.1'));
    replies.push(await gateway.post('/v1/prefills', prefillOf(subject, { procedure: '1.012768' }), 'X01.1'));
    await gateway.post(
      '/v1/prefills',
      { ...prefillOf(subject, { procedure: '1.012768', officer: 'X02.1-0001' }), dossier: `X02.1-261122-${++serial}` },
      'X02.1',
    );
    await gateway.post('/v1/audit/search', { reason: 'a complaint', subject }, 'X09.1');
  }
  await gateway.post('/v1/prefills', prefillOf(AN, { related: { dwelling: 'ZZ 00000101' } }), 'X01.1');
  await gateway.post('/v1/prefills', prefillOf(AN, { related: { stranger: BINH } }), 'X01.1');

  const values = new Set<string>(['ZZ 00000101', 'ZZ00000101', ...PEOPLE]);
  const collect = (value: unknown): void => {
    if (typeof value === 'string' && value.length >= 6) values.add(value);
    else if (typeof value === 'object' && value !== null) Object.values(value).forEach(collect);
  };
  for (const { body } of replies) {
    collect(body.prefill?.form);
    collect(body.prefill?.conflicts?.map(({ values: held }: { values: { value: unknown }[] }) => held.map(({ value }) => value)));
  }
  for (const number of PEOPLE) if (world.people.has(number)) collect(JSON.parse(JSON.stringify(world.person(number))) as unknown);
  t.ok(values.size > 100);
  const salts = replies.flatMap(({ body }) => (body.prefill?.salt === undefined ? [] : (body.prefill.salt as string)));
  t.ok(salts.length > 10);

  const files = readdirSync(directory).filter((file) => /^(log|search)\.db/.test(file));
  t.ok(files.includes('log.db-wal') && files.includes('search.db'), 'the journals are looked at too');
  const haystack = Buffer.concat(files.map((file) => readFileSync(join(directory, file))));
  t.ok(haystack.includes('1.004222') && haystack.includes('X01.1-0042'), 'the files are readable as such');
  const told: string[] = [];
  for (const value of values)
    for (const [how, needle] of [
      ['as it is', value],
      ['decomposed', value.normalize('NFD')],
      ['without marks', value.normalize('NFD').replace(/\p{M}/gu, '')],
      ['in UTF-16', Buffer.from(value, 'utf16le')],
      ['in base64', Buffer.from(value).toString('base64').replace(/=+$/, '')],
    ] as const)
      if (haystack.includes(needle)) told.push(`${value} ${how}`);
  for (const number of [...world.people.keys(), ...world.certificates.keys()]) if (haystack.includes(number)) told.push(number);
  t.strictSame(told, []);
  t.strictSame(
    salts.filter((salt) => haystack.includes(salt)),
    [],
    'nor the salt that keeps the digests from being guessed',
  );

  await t.test('the digests and pseudonyms cannot be found by trying everybody', async (t) => {
    const guesses: string[] = [];
    for (const subject of world.people.keys()) {
      for (const text of [subject, `person:${subject}`, `subject:${subject}`]) {
        const digest = createHash('sha256').update(text).digest();
        guesses.push(digest.toString('base64'), digest.toString('base64url'), digest.toString('hex'));
      }
    }
    for (const { body } of replies) {
      if (body.prefill === undefined) continue;
      const { salt: _salt, ...unsalted } = body.prefill as { salt: string };
      guesses.push(
        createHash('sha256')
          .update(canonicalize(unsalted) as string)
          .digest('base64'),
      );
    }
    for (const bytes of await (async () => {
      const store = openSqliteLog(join(directory, 'log.db'));
      const read = await store.read(0, 10_000);
      await store.close();
      return read;
    })()) {
      const { procedure, dossier, officer, subjects } = JSON.parse(bytes) as AuditEntry;
      if (subjects === undefined) continue;
      for (const subject of PEOPLE)
        for (const related of [{}, { related: { householder: BINH } }])
          guesses.push(
            createHash('sha256')
              .update(canonicalize({ procedure, dossier, officer, subject, ...related }) as string)
              .digest('base64'),
          );
    }
    t.ok(guesses.length > 1000);
    t.strictSame(
      guesses.filter((guess) => haystack.includes(guess)),
      [],
    );
  });
  await gateway.close();

  await t.test('another key makes other pseudonyms', async (t) => {
    const two = await opened();
    await two.gateway.post('/v1/prefills', prefillOf(AN), 'X01.1');
    const pseudonym = (await entriesIn(two.store))[0]?.subjects?.subject as string;
    t.match(pseudonym, /^[A-Za-z0-9_-]{43}$/);
    t.notOk(haystack.includes(pseudonym));
    await two.gateway.close();
  });

  await t.test('a request asked twice has two digests', async (t) => {
    const two = await opened();
    const request = prefillOf(AN);
    await two.gateway.post('/v1/prefills', request, 'X01.1');
    await two.gateway.post('/v1/prefills', request, 'X01.1');
    const digests = (await entriesIn(two.store)).filter(({ kind }) => kind === 'outcome').map(({ requestDigest }) => requestDigest);
    t.equal(new Set(digests).size, 2);
    await two.gateway.close();
  });
});

/** What somebody with the database in his hands may do, and what the verifier then says. */
const TAMPERINGS: readonly [rule: string, sql: string, says: RegExp, index: number | undefined][] = [
  [
    'an entry changed in one byte',
    `UPDATE entries SET body = replace(body, '"n300"', '"n301"') WHERE idx = 300`,
    /entry 300 is not the one/,
    300,
  ],
  ['the first entry changed', `UPDATE entries SET body = body || ' ' WHERE idx = 0`, /entry 0 is not the one/, 0],
  ['an entry dropped', 'DELETE FROM entries WHERE idx = 257', /entry 257 is not the one|missing/, undefined],
  ['the last entry dropped', 'DELETE FROM entries WHERE idx = 599', /missing/, undefined],
  [
    'two entries in each other’s place',
    'UPDATE entries SET idx = -1 WHERE idx = 10; UPDATE entries SET idx = 10 WHERE idx = 400; UPDATE entries SET idx = 400 WHERE idx = -1',
    /entry 10 is not the one/,
    10,
  ],
  [
    'the log cut off',
    'DELETE FROM entries WHERE idx >= 500; UPDATE head SET size = 500',
    /cut off.*speaks of 600 entries, it holds 500/,
    500,
  ],
  [
    'the log cut off, and its head taken away',
    'DELETE FROM entries WHERE idx >= 500; UPDATE head SET size = 500, checkpoint = NULL',
    /rolled back.*600/,
    0,
  ],
  ['the stored tree taken away: the entries alone still lead to the signed head', 'DELETE FROM tiles', /^$/, undefined],
];

t.test('a whole log: who changes, drops, moves or cuts off an entry is found, and the entry named', async (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const key = parseVerifierKey(formatVerifierKey('whole/log', publicKey));
  const make = async (directory: string): Promise<string> => {
    const path = join(directory, 'log.db');
    const store = openSqliteLog(path);
    const log = await AuditLog.open({ store, origin: 'whole/log', sign: checkpointSigner('whole/log', privateKey), key });
    for (let from = 0; from < 600; from += 50) {
      await Promise.all(
        Array.from({ length: 50 }, (_, i) =>
          log.append({ v: 1, time: 't', kind: 'outcome', id: `n${from + i}`, agency: 'a', client: 'c', config: 'd' }, { receipt: true }),
        ),
      );
    }
    await store.close();
    return path;
  };
  for (const [rule, sql, says, index] of TAMPERINGS) {
    await t.test(rule, async (t) => {
      const path = await make(t.testdir());
      const sound = openSqliteLog(path);
      const seen = openCheckpoint((await sound.head()).checkpoint ?? '', key);
      t.match(await checkLog(sound, key, seen), { entries: 600, signed: 600 }, 'sound before');
      await sound.close();
      const db = new DatabaseSync(path);
      db.exec(sql);
      db.close();
      const store = openSqliteLog(path);
      const broken = await checkLog(store, key, seen).then(
        () => new LogBroken(''),
        (error: LogBroken) => error,
      );
      await store.close();
      t.match(broken.message, says);
      if (index !== undefined) t.equal(broken.index, index);
    });
  }

  await t.test('entries and tree made anew together are told by the head that was kept', async (t) => {
    const kept = openSqliteLog(await make(t.testdir()));
    const seen = openCheckpoint((await kept.head()).checkpoint ?? '', key);
    await kept.close();
    const other = openSqliteLog(join(t.testdir({ other: {} }), 'other', 'log.db'));
    const forged = await AuditLog.open({ store: other, origin: 'whole/log', sign: checkpointSigner('whole/log', privateKey), key });
    await Promise.all(
      Array.from({ length: 700 }, (_, i) =>
        forged.append({ v: 1, time: 't', kind: 'outcome', id: `x${i}`, agency: 'a', client: 'c', config: 'd' }, { receipt: true }),
      ),
    );
    await t.resolves(checkLog(other, key), 'by itself it is sound');
    await t.rejects(checkLog(other, key, seen), /first 600 entries do not lead to the head/);
    await other.close();
  });
});

t.test('a log that was changed beneath a running gateway is not continued', async (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const key = parseVerifierKey(formatVerifierKey('whole/log', publicKey));
  const settings = { origin: 'whole/log', sign: checkpointSigner('whole/log', privateKey), key };
  const line = (id: string): AuditEntry => ({ v: 1, time: 't', kind: 'outcome', id, agency: 'a', client: 'c', config: 'd' });
  const path = join(t.testdir(), 'log.db');
  const store = openSqliteLog(path);
  t.teardown(() => store.close());
  const log = await AuditLog.open({ ...settings, store });
  for (const id of ['1', '2', '3', '4']) await log.append(line(id), { receipt: true });
  const db = new DatabaseSync(path);
  t.teardown(() => db.close());

  db.exec(`UPDATE entries SET body = replace(body, '"id":"2"', '"id":"x"') WHERE idx = 1`);
  await t.rejects(log.entry(1), /entry 1 is not the one that was signed/, 'a changed entry is not shown with a proof');
  const search = openSqliteSearch(join(t.testdir({ search: {} }), 'search', 'search.db'), store);
  await t.rejects(search.search({ limit: 9 }), /entry 1 is not the one/, 'nor found as if it were');
  await search.close();

  db.exec('DELETE FROM entries WHERE idx >= 2; UPDATE head SET size = 2, checkpoint = NULL');
  await t.rejects(log.append(line('5'), { receipt: true }), /could not be written/, 'nor is a log that was cut off continued');
  t.equal(await log.probe(), false);
  await t.rejects(AuditLog.open({ ...settings, store }), /bears no signed checkpoint/, 'nor opened again');
});

t.test('a log that holds anything bears a signature, even of intents alone', async (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const key = parseVerifierKey(formatVerifierKey('whole/log', publicKey));
  const store = openSqliteLog(join(t.testdir(), 'log.db'));
  t.teardown(() => store.close());
  const settings = { store, origin: 'whole/log', sign: checkpointSigner('whole/log', privateKey), key };
  const log = await AuditLog.open(settings);
  await log.append({ v: 1, time: 't', kind: 'intent', id: '1', agency: 'a', client: 'c', config: 'd' }, { receipt: false });
  t.match(openCheckpoint((await store.head()).checkpoint ?? '', key), { size: 1 });
  await t.resolves(AuditLog.open(settings));
});
