/** What a verifier holds the log to, without the gateway: the tree, the notes, and a whole log against them and against what was seen of it. */
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import t from 'tap';
import { formatVerifierKey, openCheckpoint, parseVerifierKey, readCheckpoint, verifiedSignatures } from '../src/audit/checkpoint.ts';
import type { AuditEntry } from '../src/audit/entry.ts';
import { AuditLog } from '../src/audit/log.ts';
import { parseNote } from '../src/audit/note.ts';
import { logKeyRing } from '../src/audit/signer.ts';
import { openSqliteLog } from '../src/audit/sqlite.ts';
import { type Head, LogBroken, type LogReader, type LogStore } from '../src/audit/store.ts';
import {
  EMPTY_ROOT,
  HASH_BYTES,
  inclusionPath,
  leafHash,
  NEWEST,
  rangeRoot,
  rootFromPath,
  TILE_WIDTH,
  TreeEdge,
  tileReader,
} from '../src/audit/tree.ts';
import { checkLog, type Seen } from '../src/audit/whole.ts';
import { chance, seedOf } from './support/chance.ts';
import { entryOf, makeLogKey, ORIGIN, openLog, rejection } from './support/log.ts';
import { Oracle } from './support/oracle.ts';
import { checkpointSigner, ofRing } from './support/signing.ts';

const seed = seedOf();
t.comment(`seed ${seed}: SEED=${seed} shows this run again`);

let directories = 0;
const root = t.testdir({});
/** A new directory for a log. */
const newDirectory = (): string => join(root, String(directories++));

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
  const note = parseNote(CHECKPOINT);
  t.match(verifiedSignatures(note, [key]), [{ key }]);
  const said = readCheckpoint(note.body);
  t.match(said, { origin: 'go.sum database tree', size: 15368405 });
  t.equal(said.root.toString('base64'), '/g9am3I6YWNKaZX/jkne1fqd9zEyjss+JXyPXG0WfkY=');

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
    const made = checkpointSigner('PeterNeumann', privateKey)({ origin: 'PeterNeumann', size: 7, root: EMPTY_ROOT });
    t.match(made, /^PeterNeumann\n7\n47DEQpj8HBSa\+\/TImW\+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— PeterNeumann x08go[A-Za-z0-9+/]+=*\n$/);
    t.strictSame(openCheckpoint(made, parseVerifierKey(PETER)), { origin: 'PeterNeumann', size: 7, root: EMPTY_ROOT });
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
  // Its signature holds, and it is a checkpoint. But that log bears another name than its key, which no log here may.
  const HELD = /the checkpoint is that of go\.sum database tree, not of sum\.golang\.org/;
  for (const [rule, note, refusal = HELD] of NOTES) t.throws(() => openCheckpoint(note, key), refusal, rule);

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

/** What somebody with the database in his hands may do, and what the verifier then says. */
const TAMPERINGS: readonly [rule: string, sql: string, says: RegExp, index: number | undefined][] = [
  [
    'an entry changed in one byte',
    `UPDATE entries SET body = replace(body, '"n300"', '"n301"') WHERE idx = 300`,
    /entry 300 is not the one/,
    300,
  ],
  ['the first entry changed', `UPDATE entries SET body = body || ' ' WHERE idx = 0`, /entry 0 is not the one/, 0],
  ['an entry dropped', 'DELETE FROM entries WHERE idx = 257', /entry 257 is missing/, 257],
  ['the last entry dropped', 'DELETE FROM entries WHERE idx = 599', /entry 599 is missing/, 599],
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
    /holds entries and bears no signed head/,
    0,
  ],
  ['the stored tree taken away: the entries alone still lead to the signed head', 'DELETE FROM tiles', /^$/, undefined],
];

t.test('a whole log: who changes, drops, moves or cuts off an entry is found, and the entry named', async (t) => {
  const logKey = makeLogKey();
  const { key } = logKey;
  const make = async (names: (n: number) => string, size = 600): Promise<{ path: string; seen: Seen }> => {
    const path = join(newDirectory(), 'log.db');
    const store = openSqliteLog(path);
    const log = await openLog(store, logKey);
    for (let from = 0; from < size; from += 50)
      await Promise.all(Array.from({ length: 50 }, (_, i) => log.append({ ...entryOf(0), id: names(from + i) }, { receipt: true })));
    const { seen } = await checkLog(store, key);
    await store.close();
    return { path, seen: seen as Seen };
  };
  for (const [rule, sql, says, index] of TAMPERINGS) {
    await t.test(rule, async (t) => {
      const { path, seen } = await make((n) => `n${n}`);
      const sound = openSqliteLog(path);
      t.match(await checkLog(sound, key, seen), { entries: 600, signed: 600, pruned: 0 }, 'sound before');
      await sound.close();
      const db = new DatabaseSync(path);
      db.exec(sql);
      db.close();
      const store = openSqliteLog(path);
      const broken = ((await rejection(checkLog(store, key, seen))) ?? new LogBroken('')) as LogBroken;
      await store.close();
      t.match(broken.message, says);
      t.equal(broken.index, index);
    });
  }

  await t.test('entries and tree made anew together are told by what was seen before', async (t) => {
    const { seen } = await make((n) => `n${n}`);
    const ROWS: [rule: string, name: (n: number) => string, before: Seen, says: RegExp, index: number][] = [
      [
        'all of it',
        (n) => `x${n}`,
        { ...seen, blocks: Buffer.alloc(0) },
        /the first 600 entries are not those that led to the head that was kept/,
        512,
      ],
      ['all of it, with what was seen of its blocks', (n) => `x${n}`, seen, /among the entries 0 to 255 is the first/, 0],
      ['from entry 300 on', (n) => (n < 300 ? `n${n}` : `x${n}`), seen, /among the entries 256 to 511 is the first/, 256],
      [
        'from entry 598 on',
        (n) => (n < 598 ? `n${n}` : `x${n}`),
        seen,
        /the first 600 entries are not those that led to the head that was kept/,
        512,
      ],
    ];
    for (const [rule, name, before, says, index] of ROWS) {
      const other = openSqliteLog((await make(name, 700)).path);
      await t.resolves(checkLog(other, key), `${rule}: by itself it is sound`);
      t.match(await rejection(checkLog(other, key, before)), { message: says, index }, rule);
      await other.close();
    }
  });

  await t.test('a log that only grew is sound, and what was seen grows with it', async (t) => {
    const { seen } = await make((n) => `n${n}`);
    const longer = openSqliteLog((await make((n) => `n${n}`, 1050)).path);
    const after = await checkLog(longer, key, seen);
    t.match(after, { entries: 1050, signed: 1050 });
    t.equal(after.seen?.blocks.length, 4 * HASH_BYTES);
    t.ok(after.seen?.blocks.subarray(0, seen.blocks.length).equals(seen.blocks));
    await longer.close();
  });

  await t.test('an empty log is sound, unless there was more of it before', async (t) => {
    const { seen } = await make((n) => `n${n}`);
    const store = openSqliteLog(join(newDirectory(), 'log.db'));
    t.match(await checkLog(store, key), { entries: 0, signed: 0, pruned: 0, seen: undefined });
    t.match(await rejection(checkLog(store, key, seen)), { message: /rolled back/, index: 0 });
    await store.close();
  });
});

/** A stored log as bytes, to be mutated. */
interface Copy {
  head: Head;
  bodies: (string | undefined)[];
  readonly tiles: Map<string, Buffer>;
}

const readerOf = ({ head, bodies, tiles }: Copy): LogReader => ({
  head: async () => head,
  read: async (from, to) => Array.from({ length: Math.max(0, Math.min(to, head.size) - from) }, (_, i) => bodies[from + i]),
  async tile(level, index) {
    const hashes = tiles.get(`${level}/${index}`);
    if (hashes === undefined) throw new Error('no such tile');
    return hashes;
  },
});

async function copyOf(store: LogStore): Promise<Copy> {
  const head = await store.head();
  const tiles = new Map<string, Buffer>();
  for (let level = 0, width = head.size; width > 0; level++, width = Math.floor(width / TILE_WIDTH))
    for (let index = 0; index * TILE_WIDTH < width; index++) tiles.set(`${level}/${index}`, await store.tile(level, index));
  return { head, bodies: await store.read(0, head.size), tiles };
}

const leafIn = ({ tiles }: Copy, index: number): Buffer => {
  const at = (index % TILE_WIDTH) * HASH_BYTES;
  return tiles.get(`0/${Math.floor(index / TILE_WIDTH)}`)?.subarray(at, at + HASH_BYTES) ?? Buffer.alloc(0);
};

/** A log with all that one can have: batches of all sizes, unsigned ends, keys that changed, bodies forgotten; and what a verifier saw of it on the way. */
async function grownLog(random: (below: number) => number) {
  let now = 0;
  const pairs = [2, 1, 0].map((n) => ({ from: n * 1000, ...generateKeyPairSync('ed25519') }));
  const dated = pairs.map(({ from, ...pair }) => ({ from, ...ofRing(pair) }));
  const ring = logKeyRing(ORIGIN, dated, 'none', () => now);
  const store = openSqliteLog(join(newDirectory(), 'log.db'));
  const log = await AuditLog.open({ store, origin: ORIGIN, keys: ring.keys, signer: ring.signer });
  const oldest = ring.keys.at(-1) as (typeof ring.keys)[number];
  const size = 700 + random(800);
  const visits: { copy: Copy; seen: Seen }[] = [];
  const forgettable: number[] = [];
  while ((await store.head()).size < size) {
    const { size: from } = await store.head();
    const kind = random(4) === 0 ? 'intent' : random(4) === 0 ? 'audit-read' : 'outcome';
    const count = 1 + random(40);
    const receipts = await Promise.all(
      Array.from({ length: count }, (_, n) => log.append(entryOf(from + n, kind), { receipt: kind !== 'intent' })),
    );
    if (kind === 'audit-read') forgettable.push(...receipts.map(({ index }) => index));
    // A visit once a third, after which the next key signs.
    if (from < (size * visits.length) / 3) continue;
    now = visits.length * 1000;
    const old = forgettable.splice(0).filter(() => random(3) > 0);
    const retention = { before: {}, count: old.length, upTo: Math.max(0, ...old) + 1 };
    const { index } = await log.append({ ...entryOf('retention', 'retention'), retention }, { receipt: true });
    await store.prune(old, index);
    await log.append(entryOf('unsigned', 'intent'), { receipt: false });
    const { seen } = await checkLog(store, oldest);
    visits.push({ copy: await copyOf(store), seen: seen as Seen });
  }
  const copy = await copyOf(store);
  await store.close();
  const signed = openCheckpoint(copy.head.checkpoint ?? '', ring.keys).size;
  return {
    copy,
    visits,
    oldest,
    signed,
    sign: checkpointSigner(ORIGIN, (pairs.find(({ from }) => from <= now) as (typeof pairs)[0]).privateKey),
    keys: ring.keys,
  };
}

t.test('property: whatever is done to a log, the verifier names the entry, or the 256 where only what was seen can tell', async (t) => {
  const random = chance(seed);
  const { copy: base, visits, oldest, signed, sign, keys } = await grownLog(random);
  const { size } = base.head;
  t.ok(visits.length >= 3 && base.bodies.includes(undefined));
  for (const { seen } of visits) t.match(await checkLog(readerOf(base), keys, seen), { entries: size, signed }, 'as it is it is sound');
  t.match(
    await checkLog(readerOf(base), oldest),
    { entries: size, signed, keys: { length: keys.length } },
    'to whoever trusts the oldest key too',
  );

  const pick = (): number => {
    const index = random(signed);
    return base.bodies[index] === undefined ? pick() : index;
  };
  const flipped = (bytes: Buffer, at: number, bits: number): Buffer => {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] as number) ^ (1 << random(bits));
    return changed;
  };
  /** Where the first entry stands that is not what the tree holds there; else the first that should not be gone; else the first that is. */
  const firstWrong = ({ bodies, head }: Copy): number => {
    const held = Array.from({ length: head.size }, (_, index) => bodies[index]);
    const changed = held.findIndex((body, index) => body !== undefined && !leafHash(Buffer.from(body)).equals(leafIn(base, index)));
    const said = held.filter((body) => body?.includes('"kind":"retention"')).map((body) => JSON.parse(body ?? '') as AuditEntry);
    const forgotten = Math.max(0, ...said.map(({ retention }) => retention?.upTo ?? 0));
    const missing = held.findIndex((body, index) => body === undefined && index >= forgotten);
    return [changed, missing].find((index) => index >= 0) ?? held.indexOf(undefined);
  };
  /** What is done; where it is to be found without anything seen before, and with it. `passes`: nobody could tell. */
  type Found = number | 'somewhere' | 'passes';
  type Mutation = (copy: Copy, seenSize: number) => { alone: Found; seen: Found };
  const same = (found: Found): { alone: Found; seen: Found } => ({ alone: found, seen: found });
  const blockOf = (index: number): number => index - (index % TILE_WIDTH);
  const MUTATIONS: Record<string, Mutation> = {
    'a byte of a body flipped': (copy) => {
      const index = pick();
      const body = Buffer.from(copy.bodies[index] ?? '');
      copy.bodies[index] = flipped(body, random(body.length), 7).toString();
      return same(index);
    },
    'a byte of a leaf of the stored tree flipped': (copy, seenSize) => {
      const index = random(signed);
      const name = `0/${Math.floor(index / TILE_WIDTH)}`;
      const at = (index % TILE_WIDTH) * HASH_BYTES + random(HASH_BYTES);
      copy.tiles.set(name, flipped(copy.tiles.get(name) as Buffer, at, 8));
      if (copy.bodies[index] !== undefined) return same(index);
      // The leaf was all that was left of it.
      return { alone: 'somewhere', seen: index < seenSize ? blockOf(index) : 'somewhere' };
    },
    'a byte of the stored tree above its leaves flipped': (copy) => {
      const hashes = copy.tiles.get('1/0') as Buffer;
      const at = random(hashes.length);
      copy.tiles.set('1/0', flipped(hashes, at, 8));
      return same(Math.floor(at / HASH_BYTES) * TILE_WIDTH);
    },
    'a body taken away': (copy) => {
      copy.bodies[pick()] = undefined;
      return same(firstWrong(copy));
    },
    'an entry dropped, the rest moved up': (copy) => {
      copy.bodies.splice(pick(), 1);
      return same(firstWrong(copy));
    },
    'two entries in each other’s place': (copy) => {
      const [one, two] = [pick(), pick()];
      if (one === two) return same('passes');
      [copy.bodies[one], copy.bodies[two]] = [copy.bodies[two], copy.bodies[one]];
      return same(firstWrong(copy));
    },
    'an entry put in': (copy) => {
      const index = pick();
      copy.bodies.splice(index, 0, random(2) === 0 ? JSON.stringify(entryOf('put in')) : copy.bodies[pick()]);
      copy.head = { ...copy.head, size: size + random(2) };
      return same(firstWrong(copy));
    },
    'an entry put at the end, which nobody signed': (copy) => {
      copy.bodies.push(JSON.stringify(entryOf('put in')));
      copy.head = { ...copy.head, size: size + 1 };
      return same(size);
    },
    'an entry in the place of another': (copy) => {
      const [one, two] = [pick(), pick()];
      if (one === two) return same('passes');
      copy.bodies[one] = copy.bodies[two];
      return same(one);
    },
    'cut off': (copy) => {
      const left = random(signed);
      copy.bodies.length = left;
      copy.head = { ...copy.head, size: left };
      return same(left);
    },
    'as it was at an earlier visit': (copy, seenSize) => {
      const { copy: earlier } = visits[random(visits.length)] as (typeof visits)[number];
      Object.assign(copy, earlier);
      const { size: then } = openCheckpoint(earlier.head.checkpoint ?? '', keys);
      return { alone: 'passes', seen: then < seenSize ? then : 'passes' };
    },
    'entries changed, and tree and signature made anew': (copy, seenSize) => {
      const index = pick();
      const kept = /"kind":"(log-key|retention)"/;
      const edge = new TreeEdge();
      copy.tiles.clear();
      let root = EMPTY_ROOT;
      let first: number | undefined;
      copy.bodies.forEach((body, n) => {
        const changes = body !== undefined && !kept.test(body) && (n === index || (n > index && random(9) === 0));
        if (changes) copy.bodies[n] = body.replace('entry-', 'forged-');
        if (changes) first ??= n;
        edge.append(body === undefined ? leafIn(base, n) : leafHash(Buffer.from(copy.bodies[n] ?? '')));
        if (edge.size === signed) root = edge.root();
        for (const { level, index, hashes } of edge.tilesSince(n)) copy.tiles.set(`${level}/${index}`, hashes);
      });
      copy.head = { ...copy.head, checkpoint: sign({ origin: ORIGIN, size: signed, root }) };
      return { alone: 'passes', seen: first !== undefined && first < seenSize ? blockOf(first) : 'passes' };
    },
    'the signature changed': (copy) => {
      const note = Buffer.from(copy.head.checkpoint ?? '');
      copy.head = { ...copy.head, checkpoint: flipped(note, note.lastIndexOf(' ') + 1 + random(80), 3).toString() };
      return same('somewhere');
    },
  };

  const faults: string[] = [];
  const told: Record<string, number> = {};
  for (let n = 0; n < 30; n++)
    for (const [name, mutate] of Object.entries(MUTATIONS)) {
      const copy: Copy = { head: base.head, bodies: [...base.bodies], tiles: new Map(base.tiles) };
      const seen = random(3) === 0 ? undefined : visits[random(visits.length)]?.seen;
      const expected = mutate(copy, seen === undefined ? 0 : openCheckpoint(seen.checkpoint, keys).size)[
        seen === undefined ? 'alone' : 'seen'
      ];
      const error = (await rejection(checkLog(readerOf(copy), keys, seen))) as LogBroken | undefined;
      const found = error === undefined ? 'passes' : typeof expected === 'number' ? error.index : 'somewhere';
      if (found !== expected)
        faults.push(`${name}, ${seen === undefined ? 'alone' : 'seen'}: ${expected} expected, ${found}: ${error?.message}`);
      if (error !== undefined) told[name] = (told[name] ?? 0) + 1;
    }
  t.strictSame(faults.slice(0, 10), [], `seed ${seed}`);
  t.strictSame(Object.keys(told).toSorted(), Object.keys(MUTATIONS).toSorted(), 'each was found at least once');
});
