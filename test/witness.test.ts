/** Witnesses from both sides: a gateway that cosigns the heads of other logs, and a log that has its own cosigned. Over real HTTP. */
import { createPublicKey, generateKeyPairSync, hash, type KeyObject } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { openCheckpoint } from '../src/audit/checkpoint.ts';
import { consistencyPath } from '../src/audit/consistency.ts';
import { checkCosignatures } from '../src/audit/cosignature.ts';
import { parseNote } from '../src/audit/note.ts';
import { withTiles } from '../src/audit/stored.ts';
import { formatVerifierKey, LOG_TYPES, parseVerifierKey, type VerifierKey, WITNESS_TYPES } from '../src/audit/vkey.ts';
import { Witness, type WitnessSettings, type WitnessStore } from '../src/audit/witness.ts';
import type { WitnessAddress } from '../src/audit/witness-client.ts';
import { openPostgresWitness } from '../src/audit/witness-postgres.ts';
import { openSqliteWitness } from '../src/audit/witness-sqlite.ts';
import { Witnesses, type WitnessesSettings } from '../src/audit/witnesses.ts';
import { describeApi } from '../src/http/openapi.ts';
import { buildServer } from '../src/http/server.ts';
import { witnessRoutes } from '../src/http/witness.ts';
import { signerInMemory } from '../src/signer.ts';
import { openAt, placesFor } from './support/places.ts';
import { freePort } from './support/ports.ts';
import { findPostgres } from './support/postgres.ts';
import { POST_QUANTUM } from './support/public-notes.ts';
import { checkpointSigner, cosigning } from './support/signing.ts';
import { TreeLog } from './support/tree-log.ts';

const NOW = Date.parse('2026-11-22T05:00:00Z');
const SCHEMAS = readdirSync('schemas/api').map((file) => JSON.parse(readFileSync(`schemas/api/${file}`, 'utf8')) as object);
const ed25519 = (): KeyObject => generateKeyPairSync('ed25519').privateKey;

const postgres = await findPostgres();
t.teardown(() => typeof postgres === 'string' || postgres.stop());

const openWitness = (address: string): Promise<WitnessStore> =>
  openAt(address, openSqliteWitness, async (url) => {
    const pool = new pg.Pool({ connectionString: url });
    return { ...(await openPostgresWitness(pool)), close: () => pool.end() };
  });

for (const { name, skip, make } of placesFor('witness.db', postgres)) {
  t.test(`${name} keeps what a witness remembers`, { skip }, async (t) => {
    const address = await make();
    const [one, two] = await Promise.all([openWitness(address), openWitness(address)]);
    t.equal(await one.last('a'), undefined);
    t.equal(await one.replace('a', 3, 5, 'from nothing'), false, 'there is no head of that size yet');
    t.equal(await one.replace('a', 0, 5, 'five'), true);
    t.strictSame(await two.last('a'), { size: 5, note: 'five' }, 'another process sees it');
    t.equal(await two.replace('a', 0, 6, 'six'), false, 'what is there is not overwritten');
    t.equal(await two.replace('a', 4, 6, 'six'), false);
    t.equal(await two.replace('a', 5, 5, 'five again'), true, 'a head may be cosigned again');
    t.strictSame(await one.last('a'), { size: 5, note: 'five again' });
    t.equal(await one.last('b'), undefined, 'each log by itself');
    t.equal(await one.replace('b', 0, 0, 'empty'), true);
    t.equal(await one.replace('b', 0, 0, 'empty again'), true);
    t.equal(await one.replace('b', 0, 2 ** 53 - 1, 'the longest'), true);
    t.strictSame(await two.last('b'), { size: 2 ** 53 - 1, note: 'the longest' });

    for (const [origin, from] of [
      ['a', 5],
      ['c', 0],
    ] as const) {
      const won = await Promise.all(Array.from({ length: 24 }, (_, i) => (i % 2 ? one : two).replace(origin, from, 10 + i, `head ${i}`)));
      t.equal(won.filter(Boolean).length, 1, 'of many at once exactly one');
      t.strictSame(await one.last(origin), { size: 10 + won.indexOf(true), note: `head ${won.indexOf(true)}` }, 'and it is that one');
    }
    await Promise.all([one.close(), two.close()]);
    const again = await openWitness(address);
    t.match(await again.last('b'), { note: 'the longest' }, 'and is there after a restart');
    await again.close();
  });
}

interface Serving {
  readonly address: string;
  readonly witness: Witness;
  readonly key: VerifierKey;
  readonly forks: string[][];
  /** Requests so far. */
  readonly requests: () => number;
}

/** A gateway that is a witness and nothing else. */
async function serveWitness(t: Test, logs: WitnessSettings['logs'], more: Partial<WitnessSettings> = {}): Promise<Serving> {
  const forks: string[][] = [];
  const { name = 'witness.test/w1', keys = [signerInMemory(ed25519())], clock = () => NOW } = more;
  const store = more.store ?? openSqliteWitness(join(t.testdir(), `${hash('sha256', name)}.db`));
  const witness = new Witness({ name, keys, logs, store, clock, forked: (...fork) => void forks.push(fork) });
  let requests = 0;
  const server = await buildServer({
    logger: pino({ level: 'silent' }),
    schemas: SCHEMAS,
    describe: async (instance) => {
      instance.addHook('onRequest', async () => void requests++);
      await describeApi(instance, '0');
    },
    audiences: [witnessRoutes(witness)],
  });
  t.teardown(async () => {
    await server.close();
    await store.close();
  });
  const address = await server.listen({ host: '127.0.0.1', port: 0 });
  const key = parseVerifierKey(witness.verifierKeys[0] ?? '', WITNESS_TYPES);
  return { address: `${address}/v1/witness`, witness, key, forks, requests: () => requests };
}

const add = (address: string, body: string | Buffer, type = 'text/plain'): Promise<Response> =>
  fetch(`${address}/add-checkpoint`, { method: 'POST', headers: { 'content-type': type }, body });

/** The body of a request that brings a head from one size to another. */
async function bringing(log: TreeLog, from: number, to: number, note = log.signed(to)): Promise<string> {
  const path = await withTiles(log, (node) => consistencyPath(from, to, node));
  return `old ${from}\n${path.map((one) => `${one.toString('base64')}\n`).join('')}\n${note}`;
}

const known = (...logs: TreeLog[]): Map<string, VerifierKey[]> => new Map(logs.map((log) => [log.origin, [log.key]]));

t.test('a witness cosigns what continues all it cosigned before, and shows its newest head', async (t) => {
  const log = new TreeLog('log.test/one');
  log.grow(40);
  const keys = [ed25519(), generateKeyPairSync('ml-dsa-44').privateKey].map(signerInMemory);
  const { address, witness } = await serveWitness(t, known(log), { keys });
  const at = `${address}/${hash('sha256', log.origin)}/checkpoint`;
  t.match(await (await fetch(at)).json(), { status: 404, code: 'unknown-log' }, 'nothing has been cosigned yet');
  t.equal(await (await fetch(`${address}/key`)).text(), witness.verifierKeys.map((key) => `${key}\n`).join(''));
  const verifiers = witness.verifierKeys.map((key) => parseVerifierKey(key, WITNESS_TYPES));
  for (const [from, to] of [
    [0, 1],
    [1, 7],
    [7, 7],
    [7, 8],
    [8, 40],
  ] as const) {
    const reply = await add(address, await bringing(log, from, to));
    const lines = await reply.text();
    t.equal(reply.status, 200, `from ${from} to ${to}`);
    t.match(reply.headers.get('content-type'), 'text/plain; charset=utf-8');
    const cosigned = checkCosignatures(log.signed(to) + lines, verifiers);
    t.strictSame(
      cosigned.map(({ witness, time }) => [witness.type, time * 1000]),
      [
        [4, NOW],
        [6, NOW],
      ],
      'with each of its keys, and the time',
    );
    const shown = await (await fetch(at)).text();
    t.equal(shown, log.signed(to) + lines, 'the head is shown with the signatures of log and witness');
  }
});

t.test('what does not fit is refused as the specification says, and changes nothing', async (t) => {
  const log = new TreeLog('log.test/one');
  const empty = new TreeLog('log.test/empty');
  const stranger = new TreeLog('log.test/stranger');
  const impostor = new TreeLog(log.origin);
  for (const one of [log, stranger, impostor]) one.grow(20);
  const fork = new TreeLog(log.origin, log.privateKey);
  fork.grow(20, 'forged');
  const { address, forks } = await serveWitness(t, known(log, empty));
  t.equal((await add(address, await bringing(log, 0, 5))).status, 200);

  const good = await bringing(log, 5, 9);
  const [old, ...rest] = good.split('\n') as [string, ...string[]];
  const with31 = Buffer.alloc(31).toString('base64');
  const hash32 = Buffer.alloc(32).toString('base64');
  const wrongRoot = checkpointSigner(empty.origin, empty.privateKey)({ origin: empty.origin, size: 0, root: Buffer.alloc(32) });
  const bent = (note: string): string =>
    note.replace(/(.)(.{9})=\n$/, (_all, one: string, more: string) => `${one === 'A' ? 'B' : 'A'}${more}=\n`);
  const rows: [rule: string, body: string | Buffer | Promise<string>, status: number, says?: string | RegExp][] = [
    ['nothing', '', 400],
    ['no old size', rest.join('\n'), 400],
    ['an old size with a zero before it', good.replace(old, 'old 05'), 400],
    ['a negative old size', good.replace(old, 'old -5'), 400],
    ['an old size that is no number', good.replace(old, 'old five'), 400],
    ['an old size beyond what a number can tell', good.replace(old, `old 9${'0'.repeat(16)}`), 400],
    ['two spaces', good.replace(old, 'old  5'), 400],
    ['old in capitals', good.replace(old, 'OLD 5'), 400],
    ['Windows line ends', good.replaceAll('\n', '\r\n'), 400],
    ['a mark of byte order', `\ufeff${good}`, 400],
    ['bytes that are no text', Buffer.concat([Buffer.from(good), Buffer.from([0xff])]), 400],
    ['no checkpoint', `${old}\n\n`, 400],
    ['no empty line', good.replace('\n\n', '\n'), 400],
    ['a checkpoint without its last newline', good.slice(0, -1), 400],
    ['a checkpoint without signatures', good.slice(0, good.indexOf('—')), 400],
    ['a proof that is not base64', good.replace('\n', '\n!\n'), 400],
    ['a proof of something shorter than a hash', good.replace('\n', `\n${with31}\n`), 400],
    ['a hash in another spelling', good.replace('\n', `\n${hash32.replace('A=', 'B=')}\n`), 400],
    ['more hashes than any proof has', good.replace('\n', `\n${`${hash32}\n`.repeat(64)}`), 400],
    ['a size that is no size', good.replace('\n9\n', '\n09\n'), 400],
    ['more than a request may be', good.replace('\n', '\n'.repeat(140_000)), 413],
    ['a log that nobody knows', bringing(stranger, 0, 5), 404, 'unknown-log'],
    ['a head of the log by another key', bringing(impostor, 5, 9), 403, 'checkpoint-not-signed'],
    ['a signature that is wrong', bent(good), 403, 'checkpoint-not-signed'],
    [
      'a sound signature and a wrong one by the same key',
      `${good}${bent(log.signed(9)).split('\n').at(-2)}\n`,
      403,
      'checkpoint-not-signed',
    ],
    ['the signature of another head', good.replace(/— .*\n$/, `${log.signed(8).split('\n').at(-2)}\n`), 403, 'checkpoint-not-signed'],
    ['an old size beyond the head', good.replace(old, 'old 10'), 400, 'invalid-request'],
    ['an old size that is not the last, zero', log.grow(0).replace(/^/, 'old 0\n\n'), 409, '5\n'],
    ['an old size that is not the last, less', bringing(log, 3, 9), 409, '5\n'],
    ['an old size that is not the last, more', bringing(log, 7, 9), 409, '5\n'],
    ['an older head again', bringing(log, 0, 3), 409, '5\n'],
    ['no proof', `old 5\n\n${log.signed(9)}`, 422, 'checkpoint-inconsistent'],
    ['a proof of something else', (await bringing(log, 6, 9)).replace('old 6', 'old 5'), 422, 'checkpoint-inconsistent'],
    ['a proof that is longer', good.replace('\n', `\n${hash32}\n`), 422, 'checkpoint-inconsistent'],
    ['another history, longer', bringing(fork, 5, 9), 422, 'checkpoint-inconsistent'],
    ['another history of the same length', bringing(fork, 5, 5), 422, 'checkpoint-inconsistent'],
    ['an empty tree with a root', `old 0\n\n${wrongRoot}`, 422, 'checkpoint-inconsistent'],
    ['a first head with a proof', `old 0\n${hash32}\n\n${empty.grow(0)}`, 422, 'checkpoint-inconsistent'],
  ];
  for (const [rule, body, status, says] of rows) {
    const reply = await add(address, await body);
    const text = await reply.text();
    t.equal(reply.status, status, `${rule}: ${status}`);
    if (status === 409) {
      t.strictSame([reply.headers.get('content-type'), text], ['text/x.tlog.size', says], rule);
    } else {
      t.match(reply.headers.get('content-type'), 'application/problem+json', rule);
      t.match(text, says ?? (status === 413 ? 'body-too-large' : 'invalid-request'), rule);
    }
    t.notMatch(text, '—', `${rule}: nothing is signed`);
  }
  t.strictSame(
    forks,
    [[log.origin, await (await fetch(`${address}/${hash('sha256', log.origin)}/checkpoint`)).text(), fork.signed(5)]],
    'two heads of one size are kept as proof',
  );
  for (const [type, more] of [
    ['application/json', ''],
    ['application/octet-stream', ''],
    ['text/plain; charset=utf-8', '— other.test AAAAAAAAAAAA\n'],
  ] as const) {
    const reply = await add(address, (await bringing(log, 5, 5)) + more, type);
    t.equal(reply.status, 200, `a body called ${type} is taken${more && ', and lines of strangers in it are passed over'}`);
  }
  const shown = await (await fetch(`${address}/${hash('sha256', log.origin)}/checkpoint`)).text();
  t.notMatch(shown, 'other.test', 'and not passed on');
  t.equal(parseNote(shown).signatures.length, 2);
  t.equal((await fetch(`${address}/${hash('sha256', log.origin).toUpperCase()}/checkpoint`)).status, 404);
  t.equal((await fetch(`${address}/${hash('sha256', stranger.origin)}/checkpoint`)).status, 404);
  t.equal((await fetch(`${address}/add-checkpoint`)).status, 405);
  t.equal((await fetch(`${address}/add-checkpoint`, { method: 'POST' })).status, 400);
});

t.test('a head that anybody brings again costs no write, and is cosigned anew when a minute is over', async (t) => {
  const log = new TreeLog('log.test/one');
  log.grow(5);
  const time = { now: NOW };
  const inner = openSqliteWitness(join(t.testdir(), 'again.db'));
  let writes = 0;
  const store: WitnessStore = {
    ...inner,
    replace(...head) {
      writes++;
      return inner.replace(...head);
    },
  };
  const { address, key } = await serveWitness(t, known(log), { store, clock: () => time.now });
  const ask = async (from: number): Promise<[string, number]> => {
    const lines = await (await add(address, await bringing(log, from, 5))).text();
    return [lines, checkCosignatures(log.signed(5) + lines, [key])[0]?.time ?? 0];
  };
  const [first] = await ask(0);
  time.now += 59_000;
  t.strictSame([(await ask(5))[0], writes], [first, 1]);
  time.now += 2000;
  t.strictSame([(await ask(5))[1] * 1000, writes], [NOW + 61_000, 2]);
});

/** What FiloSottile/torchwood’s `litewitness.txt` brings its witness, one after another, and what comes of it; its 403 for a log that is unknown became 404. */
const SIGSUM = 'sigsum.org/v1/tree/4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562';
const LEAF = (n: number): string => Buffer.from(`2a${n.toString(16).padStart(2, '0')}`.padEnd(64, '0'), 'hex').toString('base64');
const ONE = [1, LEAF(0), 'UgIom7fPZTqpxWWhyjWduBvTvGVqsokMbqTArsQilegKoFBJQjUFAmQ0+YeSPM3wfUQMFSzVnnNuWRTYrajXpNUbIQY='] as const;
const THREE = [
  3,
  'RcCI1Nk56ZcSmIEfIn0SleqtV7uvrlXNccFx595Iwl0=',
  'UgIom2VbtIcdFbwFAy1n7s6IkAxIY6J/GQOTuZF2ORV39d75cbAj2aQYwyJre36kezNobZs4SUUdrcawfAB8WVrx6go=',
] as const;
const THREE_WRONG = [
  THREE[0],
  THREE[1],
  'UgIom2VbtIcdFbwFAy1n7s6IkAxIY6J/GQOTuZF2ORV39d75cbAj2aQYwyJre36kezNobZs4SUUdrcawfAB8WVrx6gx=',
] as const;
const FIVE = [
  5,
  'QrtXrQZCCvpIgsSmOsah7HdICzMLLyDfxToMql9WTjY=',
  'UgIomw/EOJmWi0i1FQsOj+etB7F8IccFam/jgd6wzRns4QPVmyEZtdvl1U2KEmLOZ/ASRcWJi0tW90dJWAShei7sDww=',
] as const;
const [TWO_TO_FOUR, ONE_TO_TWO] = ['+fUDV+k970B4I3uKrqJM4aP1lloPZP8mvr2Z4wRw2LI=', 'wgiIFdZfYNv6WU1OllBKsWnLYIS/DBMqt8Uh/S4OukE='];
const SEQUENCE: [old: number, proof: string[], head: readonly [number, string, string], status: number, origin?: string][] = [
  [0, [], ONE, 200],
  [1, [LEAF(1), LEAF(2)], THREE_WRONG, 403],
  [1, [LEAF(1), LEAF(2)], THREE, 404, SIGSUM.replace(/2$/, '3')],
  [1, [], THREE, 422],
  [1, [LEAF(1), LEAF(2).replace('AAA=', 'BAA=')], THREE, 422],
  [1, [LEAF(1), LEAF(2)], THREE, 200],
  [1, [LEAF(1), TWO_TO_FOUR ?? '', LEAF(4)], FIVE, 409],
  [3, [LEAF(2), LEAF(3), ONE_TO_TWO ?? '', LEAF(4)], FIVE, 200],
  [0, [], FIVE, 409],
];

t.test('it answers what another witness is tested with as that one must', async (t) => {
  const raw = Buffer.from('ffdc2d4d98e4124d3feaf788c0c2f9abfd796083d1f0495437f302ec79cf100f', 'hex');
  const key = createPublicKey({ key: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw]), format: 'der', type: 'spki' });
  const sigsum = parseVerifierKey(formatVerifierKey(SIGSUM, key));
  const quantum = parseVerifierKey(POST_QUANTUM.key, LOG_TYPES);
  const { address } = await serveWitness(
    t,
    new Map([
      [SIGSUM, [sigsum]],
      ['example.com/mldsa-log', [quantum]],
    ]),
  );
  for (const [i, [old, proof, [size, root, signature], status, origin = SIGSUM]] of SEQUENCE.entries()) {
    const body = `old ${old}\n${proof.map((one) => `${one}\n`).join('')}\n${origin}\n${size}\n${root}\n\n— ${origin} ${signature}\n`;
    const reply = await add(address, body);
    t.equal(reply.status, status, `request ${i}`);
    if (status === 409) t.equal(await reply.text(), i === 6 ? '3\n' : '5\n');
  }
  t.equal((await add(address, `old 0\n\n${POST_QUANTUM.note}`)).status, 200, 'a log that signs with ML-DSA-44');
});

t.test('of many heads brought at once exactly one is cosigned', async (t) => {
  const log = new TreeLog('log.test/one');
  log.grow(30);
  const inner = openSqliteWitness(join(t.testdir(), 'race.db'));
  const waiting: (() => void)[] = [];
  let gate = 1;
  // All of them have read what was last before any goes on.
  const store: WitnessStore = {
    ...inner,
    async last(origin) {
      const last = await inner.last(origin);
      await new Promise<void>((go) => {
        waiting.push(go);
        if (waiting.length >= gate) for (const one of waiting) one();
      });
      return last;
    },
  };
  const { address, key } = await serveWitness(t, known(log), { store });
  t.equal((await add(address, await bringing(log, 0, 5))).status, 200);
  const sizes = [9, 7, 30, 12, 8, 9];
  gate = waiting.length + sizes.length;
  const replies = await Promise.all(sizes.map(async (size) => add(address, await bringing(log, 5, size))));
  const { size, note = '' } = (await inner.last(log.origin)) ?? {};
  const won = replies.findIndex(({ status }) => status === 200);
  t.strictSame(replies.map(({ status }) => status).toSorted(), [200, 409, 409, 409, 409, 409]);
  t.equal(size, sizes[won]);
  t.strictSame(
    new Set(await Promise.all(replies.toSpliced(won, 1).map((reply) => reply.text()))),
    new Set([`${size}\n`]),
    'and the others hear of which size',
  );
  t.equal(note, log.signed(size ?? 0) + (await replies[won]?.text()), 'what is remembered is what was answered');
  t.equal(checkCosignatures(note, [key]).length, 1);
});

/** A server that answers each POST as it is told, and counts. */
async function serveRaw(
  t: Test,
  answer: (body: string, response: ServerResponse, request: IncomingMessage) => void,
): Promise<{ address: string; requests: () => number }> {
  let requests = 0;
  const server = createServer((request, response) => {
    requests++;
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => answer(body, response, request));
  }).listen(0, '127.0.0.1');
  await new Promise((listening) => server.once('listening', listening));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, requests: () => requests };
}

interface Reported {
  readonly witness?: string;
  readonly failed: string;
  readonly behind?: number;
}

function bringer(
  log: TreeLog,
  each: readonly WitnessAddress[],
  more: Partial<WitnessesSettings> = {},
): { witnesses: Witnesses; events: Reported[]; timers: [number, () => void][] } {
  const events: Reported[] = [];
  const timers: [number, () => void][] = [];
  const witnesses = new Witnesses({
    each,
    quorum: 1,
    everySeconds: 5,
    deadlineMs: 2000,
    reader: log,
    publish: log.publish,
    fetch,
    clock: () => NOW,
    after: (milliseconds, run) => {
      timers.push([milliseconds, run]);
      return () => void timers.pop();
    },
    report: (event) => void events.push(event),
    ...more,
  });
  return { witnesses, events, timers };
}

const at = ({ key, address }: Serving): WitnessAddress => ({ key, address });
const strangerKey = (name: string): VerifierKey => parseVerifierKey(cosigning(name, ed25519()).verifierKey, WITNESS_TYPES);

t.test('a log brings its heads to its witnesses and publishes them when enough cosigned', async (t) => {
  const log = new TreeLog('log.test/one');
  const [one, two] = [
    await serveWitness(t, known(log)),
    await serveWitness(t, known(log), { name: 'witness.test/w2', keys: [signerInMemory(generateKeyPairSync('ml-dsa-44').privateKey)] }),
  ];
  const { witnesses, events } = bringer(log, [at(one), { ...at(two), address: `${two.address}/` }], { quorum: 2 });
  await witnesses.round();
  t.equal(one.requests(), 0, 'an empty log has nothing to bring');

  log.grow(10);
  const round = witnesses.round();
  t.equal(witnesses.round(), round, 'one round at a time');
  await round;
  const published = log.cosigned ?? '';
  t.equal(openCheckpoint(published, log.key).size, 10);
  t.strictSame(
    checkCosignatures(published, [one.key, two.key]).map(({ witness }) => witness.name),
    ['witness.test/w1', 'witness.test/w2'],
  );
  t.strictSame(
    witnesses.status(),
    ['witness.test/w1', 'witness.test/w2'].map((name) => ({
      name,
      lastSuccess: NOW,
      cosigned: 10,
      lastError: undefined,
      behind: undefined,
    })),
  );
  t.strictSame([one.requests(), two.requests()], [1, 1], 'both knew of nothing before');

  await witnesses.round();
  t.strictSame([one.requests(), two.requests()], [1, 1], 'what they cosigned is not brought again');
  log.grow(290);
  await witnesses.round();
  t.equal(openCheckpoint(log.cosigned ?? '', log.key).size, 300);
  t.strictSame([one.requests(), two.requests()], [2, 2], 'the proof begins where each of them stands');

  // Begun anew, the log does not know how far they are, and asks.
  const again = bringer(log, [at(one), at(two)], { quorum: 2 });
  log.grow(1);
  await again.witnesses.round();
  t.equal(openCheckpoint(log.cosigned ?? '', log.key).size, 301);
  t.strictSame([one.requests(), two.requests()], [4, 4]);
  // And the first, which believes it does, is told.
  log.grow(1);
  await witnesses.round();
  t.equal(openCheckpoint(log.cosigned ?? '', log.key).size, 302);
  t.strictSame([...events, ...again.events], []);
});

t.test('a witness that is away, hangs or lies costs its own cosignature and nothing else', async (t) => {
  const log = new TreeLog('log.test/one');
  log.grow(10);
  const good = await serveWitness(t, known(log));
  const second = await serveWitness(t, known(log), { name: 'witness.test/w2' });
  const lying = cosigning('lies.test', ed25519());
  const older = cosigning('timeless.test', ed25519());
  const text = parseNote(log.signed(10)).body;
  let secret = 0;
  const elsewhere = await serveRaw(t, (_body, response) => {
    secret++;
    response.end();
  });
  const BAD: [
    name: string,
    failed: RegExp,
    answer: (body: string, response: ServerResponse, request: IncomingMessage) => void,
    key?: string,
  ][] = [
    ['hangs.test', /no answer within 400 ms/, () => {}],
    ['trickles.test', /no answer within 400 ms/, (_body, response) => void response.writeHead(200).write('— ')],
    [
      'redirects.test',
      /status 307/,
      (_body, response) => response.writeHead(307, { location: `${elsewhere.address}add-checkpoint` }).end(),
    ],
    ['breaks.test', /ECONNRESET|UND_ERR_SOCKET|other side closed/, (_body, _response, request) => request.socket.destroy()],
    ['refuses.test', /status 403/, (_body, response) => response.writeHead(403).end(text)],
    ['garbles.test', /no signature/, (_body, response) => response.end('what?\n')],
    ['empty.test', /no signature/, (_body, response) => response.end('')],
    ['floods.test', /too long/, (_body, response) => response.end('— '.repeat(200_000))],
    ['other.test', /no cosignature by its key/, (_body, response) => response.end(cosigning('other.test', ed25519()).cosign(text, 1))],
    [
      'lies.test',
      /the signature of lies\.test .* is wrong/,
      (_body, response) => response.end(lying.cosign(text.replace('\n10\n', '\n11\n'), 1)),
      lying.verifierKey,
    ],
    ['timeless.test', /no cosignature by its key/, (_body, response) => response.end(older.cosign(text, 0)), older.verifierKey],
    [
      'unsized.test',
      /did not say which/,
      (_body, response) => response.writeHead(409, { 'content-type': 'text/x.tlog.size' }).end('many\n'),
    ],
    ['untyped.test', /did not say which/, (_body, response) => response.writeHead(409, { 'content-type': 'text/plain' }).end('3\n')],
    [
      'circles.test',
      /refused the size that it said/,
      (body, response) => response.writeHead(409, { 'content-type': 'text/x.tlog.size' }).end(body.startsWith('old 3') ? '4\n' : '3\n'),
    ],
  ];
  const bad = await Promise.all(
    BAD.map(async ([name, , answer, key]) => ({
      key: key === undefined ? strangerKey(name) : parseVerifierKey(key, WITNESS_TYPES),
      address: (await serveRaw(t, answer)).address,
    })),
  );
  const away = { key: strangerKey('away.test'), address: `http://127.0.0.1:${await freePort()}/` };
  let published: (() => void) | undefined;
  const early = new Promise<void>((resolve) => {
    published = resolve;
  });
  const { witnesses, events } = bringer(log, [away, ...bad, at(good), at(second)], {
    quorum: 2,
    deadlineMs: 400,
    publish: async (note) => {
      await log.publish(note);
      published?.();
    },
  });
  const round = witnesses.round();
  await early;
  t.ok(
    witnesses.status().some(({ name, lastError }) => name === 'hangs.test' && lastError === undefined),
    'it is published before the slowest gave up',
  );
  await round;
  t.equal(checkCosignatures(log.cosigned ?? '', [good.key, second.key, ...bad.map(({ key }) => key)]).length, 2);
  t.equal(secret, 0, 'nobody is asked but who was configured');
  const expected = [['away.test', /ECONNREFUSED/], ...BAD] as [string, RegExp][];
  for (const [name, failed] of expected) {
    const { lastError = 'none', lastSuccess, cosigned } = witnesses.status().find((one) => one.name === name) ?? {};
    t.match(lastError, failed, name);
    t.strictSame([lastSuccess, cosigned], [undefined, undefined]);
    t.notMatch(lastError, 'what?', 'what it wrote is not repeated');
  }
  t.strictSame(events.map(({ witness }) => witness).sort(), expected.map(([name]) => name).sort(), 'each is reported');
  log.grow(1);
  await witnesses.round();
  t.equal(openCheckpoint(log.cosigned ?? '', log.key).size, 11);
  t.ok(events.length < expected.length + 4, 'and not again while nothing changes');
});

t.test('a head is not published while too few cosigned it, and is when enough did, though in different rounds', async (t) => {
  const log = new TreeLog('log.test/one');
  log.grow(5);
  const one = await serveWitness(t, known(log));
  const two = await serveWitness(t, known(log), { name: 'witness.test/w2' });
  let away = true;
  const late: typeof fetch = async (url, init) => {
    if (away && String(url).startsWith(two.address))
      throw new TypeError('fetch failed', { cause: Object.assign(new Error(), { code: 'ENETDOWN' }) });
    return fetch(url, init);
  };
  let broken = false;
  const { witnesses, events } = bringer(log, [at(one), at(two)], {
    quorum: 2,
    fetch: late,
    publish: async (note) => {
      if (broken) throw new Error('the store is away');
      await log.publish(note);
    },
  });
  await witnesses.round();
  t.equal(log.cosigned, undefined);
  t.match(events, [{ witness: 'witness.test/w2', failed: 'ENETDOWN' }]);
  away = false;
  broken = true;
  await t.rejects(witnesses.round(), /the store is away/);
  broken = false;
  const before = [one.requests(), two.requests()];
  await witnesses.round();
  t.strictSame([one.requests(), two.requests()], before, 'what is gathered is published without asking again');
  t.equal(checkCosignatures(log.cosigned ?? '', [one.key, two.key]).length, 2);
  t.strictSame(
    witnesses.status().map(({ lastError }) => lastError),
    [undefined, undefined],
  );
});

t.test('a witness that cosigned a longer log than ours tells that ours was rolled back', async (t) => {
  const log = new TreeLog('log.test/one');
  log.grow(50);
  const ahead = await serveWitness(t, known(log));
  const other = await serveWitness(t, known(log), { name: 'witness.test/w2' });
  const whole = bringer(log, [at(ahead)]);
  await whole.witnesses.round();

  // Restored from an older copy, the log grows another way.
  const restored = new TreeLog(log.origin, log.privateKey);
  restored.grow(20);
  const { witnesses, events } = bringer(restored, [at(ahead), at(other)]);
  await witnesses.round();
  t.match(events, [{ witness: 'witness.test/w1', failed: 'it cosigned a log of 50 entries already', behind: 50 }]);
  t.match(witnesses.status(), [
    { name: 'witness.test/w1', behind: 50, cosigned: undefined },
    { cosigned: 20, behind: undefined },
  ]);
  t.equal(openCheckpoint(restored.cosigned ?? '', log.key).size, 20, 'the other witness never saw more');
  await witnesses.round();
  t.equal(events.length, 2, 'it is told in each round');

  restored.grow(40, 'rewritten');
  await witnesses.round();
  t.match(
    events.at(-1),
    { witness: 'witness.test/w1', failed: 'it answered with status 422' },
    'grown beyond, it is found to be another log',
  );
  t.equal(witnesses.status()[0]?.behind, undefined);
});

t.test('a witness that another gateway of ours brought further is no alarm', async (t) => {
  const log = new TreeLog('log.test/one');
  const old = log.grow(10);
  log.grow(10);
  const served = await serveWitness(t, known(log));
  await bringer(log, [at(served)]).witnesses.round();
  let heads = 0;
  const { witnesses, events } = bringer(log, [at(served)], {
    reader: {
      head: async () => (heads++ === 0 ? { ...(await log.head()), size: 10, checkpoint: old } : log.head()),
      read: (from, to) => log.read(from, to),
      tile: (level, index) => log.tile(level, index),
    },
  });
  await witnesses.round();
  t.match(events, [{ witness: 'witness.test/w1', failed: /20 entries already/ }]);
  t.equal(events[0]?.behind, undefined);
  await witnesses.round();
  t.match(witnesses.status(), [{ cosigned: 20, lastError: undefined }]);
});

t.test('rounds follow each other in time, and stop at once', async (t) => {
  const log = new TreeLog('log.test/one');
  const time = { now: NOW };
  const { witnesses, events, timers } = bringer(log, [{ key: strangerKey('away.test'), address: 'http://127.0.0.1:1' }], {
    clock: () => time.now,
    reader: {
      head: async () => {
        time.now += 1200;
        if (timers.length > 1) throw new Error('the store is away');
        return log.head();
      },
      read: (from, to) => log.read(from, to),
      tile: (level, index) => log.tile(level, index),
    },
  });
  const next = async (count: number): Promise<void> => {
    while (timers.length < count) await new Promise((turn) => setImmediate(turn));
  };
  const stop = witnesses.start();
  await next(1);
  t.equal(timers[0]?.[0], 3800, 'five seconds from where the last began');
  timers[0]?.[1]();
  await next(2);
  timers[1]?.[1]();
  await next(3);
  t.match(events, [{ failed: 'the store is away' }], 'a round that fails is not the last');
  await stop();
  t.equal(timers.length, 2, 'the next is called off');

  const hanging = await serveRaw(t, () => {});
  const full = new TreeLog('log.test/two');
  full.grow(1);
  const second = bringer(full, [{ key: strangerKey('hangs.test'), address: hanging.address }], { deadlineMs: 60_000 });
  const halt = second.witnesses.start();
  while (hanging.requests() === 0) await new Promise((turn) => setImmediate(turn));
  await halt();
  t.strictSame([second.timers, second.events], [[], []], 'who hangs is not waited for');
});

t.test('the witness’s routes are described', async (t) => {
  const { address } = await serveWitness(t, new Map());
  const { paths } = (await (await fetch(new URL('/openapi.json', address))).json()) as {
    paths: Record<string, Record<string, { requestBody?: { content: object }; responses: Record<string, { content: object }> }>>;
  };
  t.strictSame(Object.keys(paths).sort(), ['/v1/witness/add-checkpoint', '/v1/witness/key', '/v1/witness/{originHash}/checkpoint']);
  const { requestBody, responses } = paths['/v1/witness/add-checkpoint']?.post ?? { responses: {} };
  t.strictSame(Object.keys(requestBody?.content ?? {}), ['text/plain']);
  t.strictSame(Object.keys(responses), ['200', '400', '403', '404', '409', '413', '422', '503']);
  t.strictSame(Object.keys(responses['409']?.content ?? {}), ['text/x.tlog.size']);
});
