/** The log as outsiders check it: notes under several keys, cosignatures, proofs that one tree continues another, tiles; held against what others published. */
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { FastifyPluginAsync } from 'fastify';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { bearsSignature, checkpointBody, openCheckpoint, timedMessage, verifiedSignatures } from '../src/audit/checkpoint.ts';
import { checkConsistency, consistencyPath } from '../src/audit/consistency.ts';
import { checkCosignatures } from '../src/audit/cosignature.ts';
import { formatNote, parseNote, signatureLine } from '../src/audit/note.ts';
import { withTiles } from '../src/audit/stored.ts';
import { decodeBundle, encodeBundle, formatTilePath, parseTilePath, widthIn } from '../src/audit/tiles.ts';
import { EMPTY_ROOT, leafHash, type NodeReader, rangeRoot, tileReader } from '../src/audit/tree.ts';
import {
  COSIGNATURE_ED25519,
  COSIGNATURE_ML_DSA_44,
  ED25519,
  formatVerifierKey,
  LOG_TYPES,
  parseVerifierKey,
  verifierKeyOf,
  WITNESS_TYPES,
} from '../src/audit/vkey.ts';
import type { Caller } from '../src/domain.ts';
import { logRoutes } from '../src/http/log.ts';
import { describeApi } from '../src/http/openapi.ts';
import { routeAuthentication } from '../src/http/operation.ts';
import { buildServer } from '../src/http/server.ts';
import { Problem } from '../src/problems.ts';
import { chance, seedOf } from './support/chance.ts';
import { Oracle } from './support/oracle.ts';
import { EXAMPLE, POST_QUANTUM, SEVERAL, SMALL_LOG, WITNESSED } from './support/public-notes.ts';
import { checkpointSigner, cosigning } from './support/signing.ts';
import { TreeLog } from './support/tree-log.ts';

const ed25519 = () => generateKeyPairSync('ed25519').privateKey;
const base64 = (text: string): Buffer => Buffer.from(text, 'base64');

t.test('the notes that others signed hold, and what is changed in them does not', async (t) => {
  const example = parseNote(EXAMPLE.note);
  t.equal(verifiedSignatures(example, [parseVerifierKey(EXAMPLE.key)]).length, 1, 'the example of the specification');
  t.equal(parseVerifierKey(EXAMPLE.key).id.toString('hex'), '530d903a');

  const keys = SEVERAL.keys.map((key) => parseVerifierKey(key));
  t.strictSame(
    verifiedSignatures(parseNote(SEVERAL.note), keys).map(({ key }) => key.name),
    ['sum.golang.org', 'monkeys', 'bananas', 'witness'],
    'a note under four keys',
  );
  for (const key of keys) {
    const changed = SEVERAL.note.replace('6476701', '6476702');
    t.throws(() => verifiedSignatures(parseNote(changed), [key]), new RegExp(`the signature of ${key.name} on the checkpoint is wrong`));
  }

  const log = parseVerifierKey(WITNESSED.key);
  t.equal(openCheckpoint(WITNESSED.note, log).size, 1432088532, 'signatures of types that nobody here knows are passed over');

  const quantum = parseVerifierKey(POST_QUANTUM.key, LOG_TYPES);
  t.match(openCheckpoint(POST_QUANTUM.note, quantum), { origin: 'example.com/mldsa-log', size: 1 }, 'ML-DSA-44, by another program');
  t.throws(() => openCheckpoint(POST_QUANTUM.note.replace('\n1\n', '\n2\n'), quantum), /is wrong/);
  t.throws(() => openCheckpoint(POST_QUANTUM.note.replace('example.com/mldsa-log\n', 'example.com/other-log\n'), quantum), /is wrong/);
  t.strictSame(checkCosignatures(POST_QUANTUM.note, [quantum]), [], 'it says no time, so it is no witness’s');

  // The example at the head of C2SP signed-note; its key is not published.
  const poem = 'Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n';
  const line = '— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=';
  t.match(parseNote(`${poem}\n${line}\n`), { body: poem, signatures: [{ name: 'quasimodo.example/salvatore', line }] });
});

t.test('witnesses’ cosignatures hold, each with its time', async (t) => {
  const witnesses = [...WITNESSED.witnesses, WITNESSED.other].map((key) => parseVerifierKey(key, WITNESS_TYPES));
  const found = checkCosignatures(WITNESSED.note, witnesses);
  t.strictSame(
    found.map(({ witness }) => witness.name),
    witnesses.slice(0, 4).map(({ name }) => name),
  );
  t.ok(found.every(({ time }) => new Date(time * 1000).toISOString() === WITNESSED.time));
  t.strictSame(checkCosignatures(WITNESSED.note, []), []);
  for (const [rule, changed] of [
    ['another size', WITNESSED.note.replace('1432088532', '1432088533')],
    ['an extension that nobody cosigned', WITNESSED.note.replace('\n\n', '\nmore\n\n')],
    ['a time of the day after', WITNESSED.note.replace('— remora.n621.de 2net5wAAAABqEiEg', '— remora.n621.de 2net5wAAAABqE3Kg')],
  ] as const) {
    t.throws(() => checkCosignatures(changed, witnesses), /the signature of .* is wrong/, rule);
  }
});

t.test('a cosignature signs what the specification says', async (t) => {
  const body = 'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n';
  const name = 'witness.example.com/w1';
  t.equal(timedMessage({ name, type: COSIGNATURE_ED25519 }, body, 1679315147), `cosignature/v1\ntime 1679315147\n${body}`);
  const origin = 'example.com/behind-the-sofa';
  const expected = Buffer.concat([
    Buffer.from('subtree/v1\n\0'),
    Buffer.from([name.length]),
    Buffer.from(name),
    Buffer.from('00000000641850cb', 'hex'),
    Buffer.from([origin.length]),
    Buffer.from(origin),
    Buffer.from(`${'00'.repeat(8)}00000000013e2dc3`, 'hex'),
    base64('CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I='),
  ]);
  t.strictSame(timedMessage({ name, type: COSIGNATURE_ML_DSA_44 }, body, 1679315147), expected);
  t.throws(() => timedMessage({ name: 'w'.repeat(256), type: COSIGNATURE_ML_DSA_44 }, body, 1), /255 bytes/);

  const log = new TreeLog('log.test');
  const note = log.grow(3);
  const text = parseNote(note).body;
  for (const [kind, privateKey] of [
    ['Ed25519', ed25519()],
    ['ML-DSA-44', generateKeyPairSync('ml-dsa-44').privateKey],
  ] as const) {
    const { cosign, verifierKey } = cosigning('witness.test', privateKey);
    const key = parseVerifierKey(verifierKey, WITNESS_TYPES);
    const stranger = { ...key, id: Buffer.from('00000000', 'hex') };
    const cosigned = note + cosign(text, 100) + cosign(text, 300) + cosign(text, 200);
    t.match(
      checkCosignatures(cosigned, [stranger, key]),
      [{ witness: { name: 'witness.test' }, time: 300 }],
      `${kind}: the latest counts, once`,
    );
    t.equal(openCheckpoint(cosigned, log.key).size, 3, 'and the log’s own signature holds as before');
    t.strictSame(checkCosignatures(note + cosign(text, 0), [key]), [], 'without a time it is none');
    t.throws(() => checkCosignatures(note + cosign(text.replace('\n3\n', '\n4\n'), 100), [key]), /is wrong/);
    const raw = (bytes: Buffer): string => note + signatureLine(key, bytes);
    for (const [rule, bytes] of [
      ['nothing', Buffer.alloc(1)],
      ['a time alone', Buffer.alloc(8)],
      ['a signature of another length', Buffer.alloc(8 + 63)],
      ['a time beyond all times', Buffer.alloc(8 + 64, 0xff)],
    ] as const) {
      t.throws(() => checkCosignatures(raw(bytes), [key]), /is wrong/, `${kind}: ${rule}`);
    }
  }
});

t.test(
  'a log that changes its key is opened by either; a line that claims to be of a known key holds or the note is refused',
  async (t) => {
    const [old, young, stranger] = [ed25519(), ed25519(), ed25519()] as const;
    const [oldKey, youngKey] = [verifierKeyOf('log.test', old), verifierKeyOf('log.test', young)];
    const head = { origin: 'log.test', size: 0, root: EMPTY_ROOT };
    const body = checkpointBody(head);
    const both = checkpointSigner('log.test', old, young)(head);
    t.equal(both.split('— log.test ').length, 3);
    for (const keys of [oldKey, youngKey, [oldKey], [youngKey, oldKey], [verifierKeyOf('log.test', stranger), oldKey]]) {
      t.strictSame(openCheckpoint(both, keys), head);
    }
    t.ok(bearsSignature(both, oldKey) && bearsSignature(both, youngKey) && !bearsSignature(both, verifierKeyOf('log.test', stranger)));
    t.throws(() => openCheckpoint(both, []), /bears no signature of/);
    t.throws(() => openCheckpoint(both, verifierKeyOf('log.test', stranger)), /bears no signature of log\.test/);
    const lied = formatNote(body, [
      signatureLine(oldKey, sign(null, Buffer.from(body), stranger)),
      signatureLine(youngKey, sign(null, Buffer.from(body), young)),
    ]);
    t.strictSame(openCheckpoint(lied, youngKey), head, 'a key that is not known does not matter');
    t.throws(() => openCheckpoint(lied, [youngKey, oldKey]), /the signature of log\.test on the checkpoint is wrong/);
    const elsewhere = checkpointSigner('log.test', old)({ ...head, origin: 'other.test' });
    t.throws(() => openCheckpoint(elsewhere, oldKey), /that of other\.test, not of log\.test/);

    const extended = `${body}an extension\nand one more\n`;
    const note = formatNote(extended, [signatureLine(oldKey, sign(null, Buffer.from(extended), old))]);
    t.strictSame(openCheckpoint(note, oldKey), head, 'extensions are passed over');
    t.throws(() => openCheckpoint(note.replace('one more', 'one less'), oldKey), /is wrong/, 'and signed');

    const lines = both.slice(body.length + 1);
    for (const [rule, broken] of [
      ['a line of the text is empty', `${body}\n\n${lines}`],
      ['a control character', `${body}\t\n\n${lines}`],
      ['Windows line ends', both.replaceAll('\n', '\r\n')],
      ['a name with a plus sign', both.replace('— log.test ', '— log+test ')],
      ['a name with a wide space', both.replace('— log.test ', '— log\u3000test ')],
      ['nothing after the name', both.replace(/ [A-Za-z0-9+/=]+\n$/, ' \n')],
    ] as const) {
      t.throws(() => openCheckpoint(broken, oldKey), /the checkpoint/, rule);
    }
  },
);

t.test('a verifier key is read for what it may be used for, and written as it was', async (t) => {
  for (const text of [WITNESSED.witnesses[0], WITNESSED.other, POST_QUANTUM.key] as string[]) {
    const { name, key, type } = parseVerifierKey(` ${text}\n`, WITNESS_TYPES);
    t.equal(formatVerifierKey(name, key, type), text);
    t.throws(() => parseVerifierKey(text), /not a verifier key: .* an Ed25519 key/, 'a witness’s key is no log’s');
  }
  t.throws(
    () => parseVerifierKey(EXAMPLE.key, WITNESS_TYPES),
    /a witness’s Ed25519 key, or of an ML-DSA-44 key/,
    'nor a log’s a witness’s',
  );
  t.throws(() => verifierKeyOf('w', ed25519(), COSIGNATURE_ML_DSA_44), /ed25519 makes no signatures of the type 6/);
  t.throws(() => verifierKeyOf('w', generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, ED25519), /ec makes no/);
  t.throws(() => cosigning('a name', ed25519()), /neither spaces nor plus signs/);
  t.throws(() => formatVerifierKey('a+b', createPublicKey(ed25519())), /neither spaces nor plus signs/);
});

/** PROOF of RFC 6962 §2.1.2 word for word. */
function subproof(oracle: Oracle, size: number, from: number, to: number, whole: boolean): Buffer[] {
  if (size === to - from) return whole ? [] : [oracle.root(from, to)];
  let power = 1;
  while (power * 2 < to - from) power *= 2;
  const split = from + power;
  return size <= power
    ? [...subproof(oracle, size, from, split, whole), oracle.root(split, to)]
    : [...subproof(oracle, size - power, split, to, false), oracle.root(from, split)];
}

/** The leaves of Certificate Transparency's own tests, and consistency proofs over them: transparency-dev/merkle, `testdata/consistency`. */
const LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const EIGHT = 'XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=';
const SIX = 'duZ9rbzfHhDht03cYIq9L5jfsW+851J3tSMqEn8gh+8=';
const ONE = 'bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=';
const [FIRST_TWO, LAST_TWO, FIRST_FOUR] = [
  'Xwg/ChozygdqlSeYMlgNs+DvRYS9/x9UyKNg9Q3jAx4=',
  'DrxdNDf74tsVi58Sah0RjjCBgQMdCpSfje3t68VY72o=',
  '037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc=',
];
const VECTORS: [older: number, oldRoot: string, newer: number, newRoot: string, proof: string[]][] = [
  [1, ONE, 1, ONE, []],
  [1, ONE, 8, EIGHT, ['lqKW0iTyhcZ77pPDD4owkVfw2qNdxbh+QQt4YwoJz8c=', FIRST_TWO, 'a0eq8p7jwq+a+Im8H7klTavTEXfxYjLdaqsDXKOb9uQ=']],
  [6, SIX, 8, EIGHT, [LAST_TWO, 'yoVOoSjtBQtBs1/8G4e46yveRh6eO1WW7Oa51ZdaCuA=', FIRST_FOUR]],
  [
    2,
    '+sVCA+fMaWzw38tCySodnbr3CtnmIfS9jZhmLwDjwSU=',
    5,
    'Tju7H3tHjc/nH7YxYxUZo7yhLJrvyhYSv85ME6hiZNQ=',
    [FIRST_TWO, 'vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms='],
  ],
  [6, SIX, 7, '3bib5AOAnjJXUNPSY814kpwpQreUKjS3fhIslZSnTIw=', [LAST_TWO, 'sIaT7C5yFZcTBkHoIR5+7cy0wmQTlj7ubB4u0W/7Gl8=', FIRST_FOUR]],
];

const nodesOf =
  (oracle: Oracle): NodeReader =>
  (level, index) =>
    oracle.root(index * 2 ** level, (index + 1) * 2 ** level);

t.test('the proofs that others published hold, are those made here, and hold for nothing else', async (t) => {
  const oracle = new Oracle();
  for (const leaf of LEAVES) oracle.push(Buffer.from(leaf, 'hex'));
  for (const [older, oldRoot, newer, newRoot, proof] of VECTORS) {
    const [before, after] = [
      { size: older, root: base64(oldRoot) },
      { size: newer, root: base64(newRoot) },
    ] as const;
    const path = proof.map(base64);
    checkConsistency(before, after, path);
    t.strictSame(consistencyPath(older, newer, nodesOf(oracle)), path, `from ${older} to ${newer}`);
    const garbage = Buffer.alloc(32, 0x5a);
    for (const [rule, run] of [
      ['garbage before', () => checkConsistency(before, after, [garbage, ...path])],
      ['garbage after', () => checkConsistency(before, after, [...path, garbage])],
      ['the older root before', () => checkConsistency(before, after, [before.root, ...path])],
      ['the newer root after', () => checkConsistency(before, after, [...path, after.root])],
      ['another older root', () => checkConsistency({ ...before, root: garbage }, after, path)],
      ['another newer root', () => checkConsistency(before, { ...after, root: garbage }, path)],
      ['the trees the other way round', () => checkConsistency({ ...after, size: newer + 1 }, before, path)],
      ['a tree of no size', () => checkConsistency(before, { ...after, size: newer + 0.5 }, path)],
    ] as const) {
      t.throws(run, /tree|proof/, `from ${older} to ${newer}: ${rule}`);
    }
    if (older === newer) continue;
    for (const [rule, run] of [
      ['the roots of each other', () => checkConsistency({ ...before, root: after.root }, { ...after, root: before.root }, path)],
      ['no proof', () => checkConsistency(before, after, [])],
      ['its first hash lost', () => checkConsistency(before, after, path.slice(1))],
      ['its last hash lost', () => checkConsistency(before, after, path.slice(0, -1))],
      ['half the newer size', () => checkConsistency(before, { ...after, size: Math.floor(newer / 2) }, path)],
      ['twice the newer size', () => checkConsistency(before, { ...after, size: newer * 2 }, path)],
      [
        'a hash of 31 bytes',
        () =>
          checkConsistency(
            before,
            after,
            path.map((hash) => hash.subarray(1)),
          ),
      ],
    ] as const) {
      t.throws(run, /tree|proof/, `from ${older} to ${newer}: ${rule}`);
    }
    for (const i of path.keys()) {
      const bent = path.map((hash, j) => (i === j ? Buffer.from(hash.map((byte, k) => (k === 0 ? byte ^ 16 : byte))) : hash));
      t.throws(() => checkConsistency(before, after, bent), /the proof does not lead to the (older|newer) root/, `bit of hash ${i}`);
    }
  }
});

t.test('the empty tree is continued by any, and trees of one size must be one', async (t) => {
  const root = Buffer.alloc(32, 7);
  const empty = { size: 0, root: EMPTY_ROOT };
  // The witness protocol wants it so; RFC 9162 has no such proof.
  checkConsistency(empty, { size: 7, root }, []);
  checkConsistency(empty, empty, []);
  checkConsistency({ size: 7, root }, { size: 7, root: Buffer.from(root) }, []);
  t.strictSame(
    consistencyPath(0, 0, () => root),
    [],
  );
  t.strictSame(
    consistencyPath(0, 9, () => root),
    [],
  );
  t.strictSame(
    consistencyPath(9, 9, () => root),
    [],
  );
  for (const [rule, older, newer, path, says] of [
    ['an empty tree with a root', { size: 0, root }, { size: 7, root }, [], /an empty tree has another root/],
    ['an empty newer tree with a root', empty, { size: 0, root }, [], /an empty tree has another root/],
    ['a proof from the empty tree', empty, { size: 7, root }, [root], /longer than it must be/],
    ['a proof from a tree to itself', { size: 7, root }, { size: 7, root }, [root], /longer than it must be/],
    ['two roots of one size', { size: 7, root }, { size: 7, root: EMPTY_ROOT }, [], /two trees of one size/],
    ['a tree that shrank', { size: 8, root }, { size: 7, root }, [], /shorter/],
    ['a negative size', { size: -1, root }, { size: 7, root }, [], /shorter/],
    ['a size beyond what a number can tell', { size: 7, root }, { size: 2 ** 53, root }, [], /shorter/],
    ['a proof without end', { size: 7, root }, { size: 2 ** 53 - 1, root }, Array(100_000).fill(root), /length/],
    ['a proof of one hash for the longest tree', { size: 7, root }, { size: 2 ** 53 - 1, root }, [root], /length/],
  ] as const) {
    t.throws(() => checkConsistency(older, newer, path as Buffer[]), says, rule);
  }
  for (const [older, newer] of [
    [3, 2],
    [-1, 2],
    [0.5, 2],
  ] as const)
    t.throws(() => consistencyPath(older, newer, () => root), RangeError);
});

t.test('every proof is the naive one, and nothing changed in it holds', async (t) => {
  const seed = seedOf();
  t.comment(`SEED=${seed}`);
  const pick = chance(seed);
  const log = new TreeLog('log.test');
  log.grow(1200);
  const { oracle } = log;
  const faults: string[] = [];
  const sizes: [number, number][] = [];
  for (let newer = 1; newer <= 40; newer++) for (let older = 1; older <= newer; older++) sizes.push([older, newer]);
  for (let i = 0; i < 300; i++) {
    const newer = 1 + pick(1200);
    sizes.push([1 + pick(newer), newer]);
  }
  for (const [older, newer] of sizes) {
    const [before, after] = [older, newer].map((size) => ({ size, root: oracle.root(0, size) })) as [
      { size: number; root: Buffer },
      { size: number; root: Buffer },
    ];
    const path = consistencyPath(older, newer, nodesOf(oracle));
    if (!Buffer.concat(path).equals(Buffer.concat(subproof(oracle, older, 0, newer, true))))
      faults.push(`${older} ${newer}: another proof`);
    checkConsistency(before, after, path);
    if (path.length === 0) continue;
    const at = pick(path.length);
    const bent = path.map((hash, i) => (i === at ? Buffer.from(hash.map((byte, j) => (j === at ? byte ^ (1 << pick(8)) : byte))) : hash));
    const other = { size: older, root: oracle.root(newer - older, newer) };
    const wrong = [bent, path.toSpliced(at, 1), path.toSpliced(at, 0, path[at] as Buffer), path.toReversed().concat(path)];
    for (const [i, changed] of wrong.entries())
      if (holds(() => checkConsistency(before, after, changed))) faults.push(`${older} ${newer}: change ${i} at ${at}`);
    if (!other.root.equals(before.root) && holds(() => checkConsistency(other, after, path)))
      faults.push(`${older} ${newer}: another older tree`);
  }
  t.strictSame(faults, []);
  for (const [older, newer] of [
    [256, 1200],
    [777, 1024],
    [1, 1199],
  ] as const) {
    const path = await withTiles(log, (node) => consistencyPath(older, newer, node));
    t.strictSame(path, consistencyPath(older, newer, nodesOf(oracle)), 'and the same from stored tiles');
  }
});

const holds = (check: () => void): boolean => {
  try {
    check();
    return true;
  } catch {
    return false;
  }
};

t.test('a tile has one address, and what is none is told', async (t) => {
  for (const [path, level, index, width] of [
    ['0/000', 0, 0, 256],
    ['0/x001/x234/067', 0, 1234067, 256],
    ['0/x001/x234/067.p/5', 0, 1234067, 5],
    ['63/999.p/255', 63, 999, 255],
    ['7/x001/000.p/1', 7, 1000, 1],
    ['entries/x035/x184/372088831', undefined, 0, 0],
    ['entries/x012/345', 'entries', 12345, 256],
    ['0/x035/x184/x372/x088/830', 0, 35184372088830, 256],
  ] as const) {
    if (level === undefined) t.equal(parseTilePath(path), undefined, path);
    else t.strictSame([parseTilePath(path), formatTilePath({ level, index, width })], [{ level, index, width }, path], path);
  }
  for (const path of [
    '',
    '0',
    '0/',
    '0/0',
    '0/00',
    '0/0000',
    '00/000',
    '64/000',
    '-1/000',
    '0/x000/001',
    '0/001/x002',
    '0/001/002',
    '0/X001/002',
    '0/x1/002',
  ].concat(
    [
      '0/000.p/0',
      '0/000.p/256',
      '0/000.p/05',
      '0/000.p/',
      '0/000.p',
      '0/000.p/1/',
      '/0/000',
      '0/000 ',
      '0/000\n',
      'entries',
      'entries/0',
      'Entries/000',
      'entries/000.p/300',
    ],
    ['0/x999/x999/x999/x999/x999/999', '0/x035/x184/x372/x088/832', '0/٠٠٠', '1e1/000', '0x0/000'],
  )) {
    t.equal(parseTilePath(path), undefined, JSON.stringify(path));
  }
  // The example of tlog-tiles: a tree of 70,000 leaves.
  t.strictSame(
    [
      [0, 272],
      [0, 273],
      [0, 274],
      [1, 0],
      [1, 1],
      [1, 2],
      [2, 0],
      [2, 1],
      [3, 0],
      [63, 0],
    ].map(([level = 0, index = 0]) => widthIn(70_000, { level, index })),
    [256, 112, 0, 256, 17, 0, 1, 0, 0, 0],
  );
  t.equal(widthIn(70_000, { level: 'entries', index: 273 }), 112);
});

t.test('bundle, tile and head of another log fit each other', async (t) => {
  const { size, root } = openCheckpoint(SMALL_LOG.note, parseVerifierKey(SMALL_LOG.key));
  const bundle = Buffer.from(SMALL_LOG.bundle, 'hex');
  const entries = decodeBundle(bundle).map((entry) => entry?.toString());
  t.strictSame(entries, ['one', 'two', 'three']);
  t.strictSame(encodeBundle(entries), bundle);
  t.equal(Buffer.concat(entries.map((entry) => leafHash(Buffer.from(entry ?? '')))).toString('hex'), SMALL_LOG.tile);
  t.ok(
    rangeRoot(
      0,
      size,
      tileReader(() => Buffer.from(SMALL_LOG.tile, 'hex')),
    ).equals(root),
  );

  t.strictSame(encodeBundle([]), Buffer.alloc(0));
  t.strictSame(
    decodeBundle(encodeBundle(['ờ', undefined, '{}'])),
    [Buffer.from('ờ'), undefined, Buffer.from('{}')],
    'what was forgotten leaves its place',
  );
  t.equal(decodeBundle(encodeBundle(['x'.repeat(65_535)]))[0]?.length, 65_535);
  t.throws(() => encodeBundle(['x'.repeat(65_536)]), /fits no bundle/);
  for (const cut of [1, 2, 4]) t.throws(() => decodeBundle(bundle.subarray(0, -cut)), /ends within an entry/);
  t.throws(() => decodeBundle(Buffer.from([0])), /ends within an entry/);
});

const SCHEMAS = readdirSync('schemas/api').map((file) => JSON.parse(readFileSync(`schemas/api/${file}`, 'utf8')) as object);

async function serve(t: Test, audience: FastifyPluginAsync, described = false): Promise<string> {
  const server = await buildServer({
    logger: pino({ level: 'silent' }),
    schemas: SCHEMAS,
    describe: async (instance) => (described ? describeApi(instance, '0') : undefined),
    audiences: [audience],
  });
  t.teardown(() => server.close());
  return server.listen({ host: '127.0.0.1', port: 0 });
}

/** A gateway of the log alone: the token is the name of the caller's scope. What is put on record stands in `recorded`. */
async function serveLog(
  t: Test,
  log: TreeLog,
  witnessed = false,
): Promise<{ address: string; recorded: string[]; fail: { recording: boolean } }> {
  const recorded: string[] = [];
  const fail = { recording: false };
  const authentication = routeAuthentication(async ({ authorization: header }, scope) => {
    if (header === undefined) throw new Problem('unauthenticated');
    if (header !== `Bearer ${scope}`) throw new Problem('insufficient-scope');
    return { agency: { id: 'X09.1' }, client: 'X09.1', officer: undefined, scopes: [scope] } as unknown as Caller;
  });
  const onRecord = async (...said: unknown[]): Promise<void> => {
    if (fail.recording) throw new Problem('log-unavailable');
    recorded.push(JSON.stringify(said.slice(1)));
  };
  const routes = logRoutes({ reader: log, verifierKeys: [log.verifierKey, EXAMPLE.key], witnessed, onRecord, authentication });
  return { address: await serve(t, routes, true), recorded, fail };
}

t.test('outsiders get keys, head and tiles; of what is not signed yet, nothing', async (t) => {
  const log = new TreeLog('log.test');
  const { address } = await serveLog(t, log);
  const get = (path: string): Promise<Response> => fetch(`${address}/v1/log/${path}`);
  t.equal((await get('checkpoint')).status, 404, 'an empty log has no head');
  t.equal((await get('tile/0/000')).status, 404);
  t.equal(await (await get('key')).text(), `${log.verifierKey}\n${EXAMPLE.key}\n`);

  log.grow(700);
  const signed = log.checkpoint;
  log.grow(300);
  log.checkpoint = signed;
  const head = await get('checkpoint');
  t.equal(await head.text(), signed);
  t.match(head.headers.get('content-type'), 'text/plain; charset=utf-8');
  t.match(head.headers.get('cache-control'), /^public, max-age=[1-5]$/);
  for (const [path, level, from, to] of [
    ['0/000', 0, 0, 256],
    ['0/000.p/1', 0, 0, 1],
    ['0/000.p/255', 0, 0, 255],
    ['0/001', 0, 256, 512],
    ['0/002.p/188', 0, 512, 700],
    ['0/002.p/7', 0, 512, 519],
    ['1/000.p/2', 1, 0, 2],
  ] as const) {
    const reply = await get(`tile/${path}`);
    const expected = Array.from({ length: to - from }, (_, i) => log.oracle.root((from + i) * 256 ** level, (from + i + 1) * 256 ** level));
    t.ok(Buffer.from(await reply.arrayBuffer()).equals(Buffer.concat(expected)), path);
    t.match(reply.headers.get('content-type'), 'application/octet-stream');
    t.match(reply.headers.get('cache-control'), 'public, max-age=31536000, immutable');
  }
  const absent = [
    '0/002',
    '0/002.p/189',
    '0/003.p/1',
    '1/000',
    '1/000.p/3',
    '2/000.p/1',
    '63/000.p/1',
    '0/x000/001',
    '0/0',
    '64/000',
    'x/000',
    '0/',
    '',
    '0/000.p/256',
    '0/000.p/1/2',
  ];
  for (const path of absent) {
    const reply = await get(`tile/${path}`);
    t.equal(reply.status, 404, `${path} is not there`);
    t.equal(reply.headers.get('cache-control'), 'no-store', 'and may be there later');
    t.match(await reply.json(), { code: 'not-found' });
  }
  const again = await get('tile/0%2F000.p%2F1').then((reply) => reply.status);
  t.equal(again, 404, 'the level is a part of its own');
  t.equal((await get('tile/0/000.p%2F1')).status, 200, 'the rest may be escaped, as forms do');
});

t.test('a log with witnesses shows what enough of them cosigned, and no more', async (t) => {
  const log = new TreeLog('log.test');
  const { address } = await serveLog(t, log, true);
  const status = async (path: string): Promise<number> => (await fetch(`${address}/v1/log/${path}`)).status;
  log.grow(10);
  t.strictSame(await Promise.all([status('checkpoint'), status('tile/0/000.p/1')]), [404, 404]);
  log.cosigned = log.signed(4);
  t.equal(await (await fetch(`${address}/v1/log/checkpoint`)).text(), log.cosigned);
  t.strictSame(await Promise.all([status('tile/0/000.p/4'), status('tile/0/000.p/5')]), [200, 404]);
});

t.test('a bundle of entries is for auditors, and each read of one is on record before it is shown', async (t) => {
  const log = new TreeLog('log.test');
  const { address, recorded, fail } = await serveLog(t, log);
  log.grow(300);
  log.bodies[5] = undefined;
  const get = (path: string, headers: Record<string, string> = { authorization: 'Bearer audit' }): Promise<Response> =>
    fetch(`${address}/v1/log/tile/entries/${path}`, { headers });
  const bytes = async (reply: Response): Promise<Buffer> => Buffer.from(await reply.arrayBuffer());

  const full = await get('000');
  t.strictSame(
    decodeBundle(await bytes(full)).map((entry) => entry?.toString()),
    log.bodies.slice(0, 256),
  );
  t.strictSame(recorded, [recorded[0]]);
  t.match(recorded[0], '{"bundle":0,"width":256}');
  t.match(full.headers.get('cache-control'), 'private, no-store');
  t.match(full.headers.get('vary'), 'accept-encoding');
  t.strictSame(
    decodeBundle(await bytes(await get('001.p/44'))).map((entry) => entry?.toString()),
    log.bodies.slice(256),
  );
  t.match(recorded[1], '{"bundle":1,"width":44}');

  for (const [accepted, zipped] of [
    ['gzip', true],
    ['deflate, GZIP;q=0.5', true],
    ['*', true],
    ['identity', false],
    ['gzip;q=0, *', false],
    ['gzip; q=0.00', false],
    ['*;q=0', false],
    ['br', false],
  ] as const) {
    const reply = await get('000.p/9', { authorization: 'Bearer audit', 'accept-encoding': accepted });
    t.equal(reply.headers.get('content-encoding') === 'gzip', zipped, accepted);
    t.equal(decodeBundle(await bytes(reply)).length, 9);
  }

  const before = recorded.length;
  const why = Buffer.from('Đơn số 12/2026').toString('latin1');
  t.equal((await get('000.p/1', { authorization: 'Bearer audit', 'audit-reason': why })).status, 200);
  t.match(recorded[before], 'Đơn số 12/2026', 'the reason stands in the record as it was meant');
  for (const [rule, headers, status] of [
    ['no token', {}, 401],
    ['a token for something else', { authorization: 'Bearer prefill' }, 403],
    ['a reason that names somebody', { authorization: 'Bearer audit', 'audit-reason': 'about 003099000017' }, 400],
    ['a number spelled otherwise', { authorization: 'Bearer audit', 'audit-reason': '003 099.000-017' }, 400],
    ['a reason that is none', { authorization: 'Bearer audit', 'audit-reason': 'x' }, 400],
    ['a reason that has no end', { authorization: 'Bearer audit', 'audit-reason': 'x'.repeat(501) }, 400],
    ['a reason in no known writing', { authorization: 'Bearer audit', 'audit-reason': 'café' }, 400],
  ] as const) {
    t.equal((await get('000', headers as Record<string, string>)).status, status, rule);
  }
  for (const path of ['001', '001.p/45', '002.p/1', '000.p/256', '0']) t.equal((await get(path)).status, 404, path);
  t.equal(recorded.length, before + 1, 'what is refused shows nothing, and nothing is on record');

  fail.recording = true;
  const refused = await get('000');
  t.strictSame(
    [refused.status, await refused.json()],
    [503, { ...((await (await get('000')).json()) as object), code: 'log-unavailable' }],
  );
});

t.test('the routes are described as they are called', async (t) => {
  const log = new TreeLog('log.test');
  log.grow(1);
  const { address } = await serveLog(t, log);
  const { paths } = (await (await fetch(`${address}/openapi.json`)).json()) as {
    paths: Record<string, { get: { parameters?: { name: string; in: string; example: string }[]; security: object[] } }>;
  };
  t.strictSame(Object.keys(paths).sort(), [
    '/v1/log/checkpoint',
    '/v1/log/key',
    '/v1/log/tile/entries/{path}',
    '/v1/log/tile/{level}/{path}',
  ]);
  for (const [path, { get }] of Object.entries(paths)) {
    const url = (get.parameters ?? [])
      .filter((one) => one.in === 'path')
      .reduce((text, { name, example }) => text.replace(`{${name}}`, example), path);
    const reply = await fetch(address + url, { headers: { authorization: 'Bearer audit' } });
    t.equal(reply.status, 200, url);
    t.equal(get.security.length, path.includes('entries') ? 1 : 0);
  }
});
