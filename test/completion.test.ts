/** What a registry was away for comes later: kept, asked for again under the law of that moment, and handed out at least once, recognisably the same. */
import { createSecretKey, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as after } from 'node:timers/promises';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import t from 'tap';
import { openWire } from '../adapters/wire.ts';
import { SourceError } from '../src/adapter.ts';
import { openCatalogue } from '../src/app.ts';
import { parseVerifierKey } from '../src/audit/checkpoint.ts';
import type { AuditEntry } from '../src/audit/entry.ts';
import { LogUnavailable } from '../src/audit/log.ts';
import { openSqliteLog } from '../src/audit/sqlite.ts';
import { verifyReply } from '../src/audit/verify.ts';
import { ConfigurationError } from '../src/catalogue/faults.ts';
import { sandboxCitizenToken } from '../src/citizen-keys.ts';
import type { Agency, CitizenIssuer, Deliveries, Prefill, PrefillRequest, Receipt } from '../src/domain.ts';
import { complete } from '../src/exchange.ts';
import { loadKeys } from '../src/keys.ts';
import { COMPLETED } from '../src/later/event.ts';
import { later } from '../src/later/pauses.ts';
import { openPostgresLater } from '../src/later/postgres.ts';
import { sealWith } from '../src/later/sealed.ts';
import { openSqliteLater } from '../src/later/sqlite.ts';
import type { LaterStore, Task } from '../src/later/store.ts';
import { pseudonyms } from '../src/pseudonyms.ts';
import { openReceivers } from '../src/receivers.ts';
import { SANDBOX_SOURCES as SOURCES, startSandbox } from '../src/sandbox/index.ts';
import { agencyOf } from '../src/stages/around/party.ts';
import type { Ask } from '../src/stages/ask.ts';
import { callerAgain } from '../src/stages/authenticate.ts';
import { allowAgain } from '../src/stages/release.ts';
import { childToken, shiftedNow, startChild } from './support/child.ts';
import {
  editedConfig,
  ISSUER,
  NOON,
  startGateway,
  type TestGateway,
  type TestGatewayOptions,
  temporaryDirectory,
} from './support/gateway.ts';
import { makeLogKey, openLog } from './support/log.ts';
import { openAt, placesFor } from './support/places.ts';
import { freePort } from './support/ports.ts';
import { findPostgres } from './support/postgres.ts';
import { memoryRecords } from './support/records.ts';
import { schemaCheck } from './support/schemas.ts';
import { everybodyStands } from './support/standing.ts';
import { eventually } from './support/waiting.ts';

const AN = '003099000017';
const HOUR = 3_600_000;
const check = schemaCheck();
const sandbox = await startSandbox();
const postgres = await findPostgres();
const noPostgres = typeof postgres === 'string' ? postgres : false;
t.teardown(async () => {
  await sandbox.close();
  if (typeof postgres !== 'string') await postgres.stop();
});

// The stores

const openStore = (address: string): Promise<LaterStore> => openAt(address, openSqliteLater, openPostgresLater);

const MOST = 1000;
const taskOf = (due: number | undefined, more: Partial<Task> = {}): Task => ({
  id: randomUUID(),
  agency: 'X01.1',
  state: 'pending',
  created: 5,
  due,
  ends: 2 ** 45,
  sealed: randomBytes(40),
  ...more,
});

for (const { name, skip, make } of placesFor('later.db', postgres)) {
  t.test(`${name} keeps what is to be completed`, { skip }, async (t) => {
    const address = await make();
    const [one, two] = await Promise.all([openStore(address), openStore(address)]);
    const task = taskOf(2 ** 40);
    t.equal(await one.add(task, MOST), true);
    t.strictSame(await two.get(task.id), task, 'another process sees it as it was put');
    t.equal(await one.get(randomUUID()), undefined);
    await t.rejects(one.add(task, MOST), 'what is there is not overwritten');
    t.strictSame(await one.take(1999, 9000, 5), [], 'it is not due yet');

    const many = Array.from({ length: 12 }, (_, i) => taskOf(100 + i));
    await Promise.all(many.map((each) => one.add(each, MOST)));
    t.strictSame(
      (await one.take(100, 101, 5)).map((taken) => taken.task),
      many.slice(0, 1),
    );
    const taken = (await Promise.all([two.take(1000, 5000, 4), one.take(1000, 5000, 4), two.take(1000, 5000, 4)])).flat();
    const ids = taken.map((each) => each.task.id);
    t.equal(new Set(ids).size, ids.length, 'each is given to one taker');
    t.strictSame([...(await one.take(1000, 5000, 99)).map((each) => each.task.id), ...ids].sort(), many.map(({ id }) => id).sort());
    t.strictSame(await two.take(4999, 9999, 99), [], 'and to nobody else in its time');
    const late = await two.take(5000, 9000, 99);
    t.equal(late.length, 12, 'once the time of the taker is over, another takes it');
    const [first, second] = [late[0], taken.find((each) => each.task.id === late[0]?.task.id)];
    if (first === undefined || second === undefined) throw new Error('nothing was taken');
    const now = { ...first.task, state: 'failing' as const, due: undefined, ends: 7000, sealed: Buffer.from('new') };
    t.equal(await one.put({ ...second, task: now }), false, 'whose time is over puts nothing back');
    t.strictSame(await one.get(first.task.id), first.task);
    t.equal(await one.put({ ...first, task: now }), true);
    t.equal(await one.put({ ...first, task: now }), false, 'and nobody twice');
    t.strictSame(await two.get(now.id), now);
    t.strictSame(await two.counts(), { pending: 12, failing: 1 });
    t.equal(await two.forget(6999), 0);
    t.equal(await two.forget(7000), 1, 'what is over is forgotten in its time, and what is not over stays');
    t.equal(await one.get(now.id), undefined);
    t.equal(await two.add(taskOf(1), 12), false, 'an agency that has as many as it may gets no more kept');
    t.equal(await two.add(taskOf(1, { agency: 'X02.1' }), 12), true, 'which is no other’s affair');
    await one.remove(task.id);
    t.equal(await two.get(task.id), undefined);
    await Promise.all([one.close(), two.close()]);
    await t.rejects(one.add(taskOf(1), MOST), 'closed');
    const again = await openStore(address);
    t.strictSame(await again.counts(), { pending: 12, failing: 0 }, 'it is there after a restart');
    await again.close();
  });
}

t.test('pauses grow, keep what the registry said, and differ', async (t) => {
  const ROWS: [rule: string, tries: number, seconds: number, random: number, milliseconds: number][] = [
    ['seconds at first', 0, 0, 0, 5000],
    ['twice as long each time', 3, 0, 0, 40_000],
    ['half an hour at most', 30, 0, 0, 1_800_000],
    ['never before the registry wants it', 0, 7200, 0, 7_200_000],
    ['longer by up to a fifth', 1, 0, 1, 12_000],
  ];
  for (const [rule, tries, seconds, random, milliseconds] of ROWS)
    t.equal(
      later(0, tries, seconds, () => random),
      milliseconds,
      rule,
    );
});

t.test('what is sealed opens for its task and its agency alone', async (t) => {
  const keys = loadKeys(temporaryDirectory(), true);
  const seal = sealWith(keys.later);
  const whose = { id: randomUUID(), agency: 'X01.1' };
  const sealed = seal.seal(whose, { code: 'role-missing' });
  t.strictSame(seal.open({ ...whose, sealed }), { code: 'role-missing' });
  t.notOk(sealed.toString('latin1').includes('role'));
  t.throws(() => seal.open({ ...whose, agency: 'X02.1', sealed }), 'whoever can write to the database gives it to nobody else');
  t.throws(() => seal.open({ ...whose, id: randomUUID(), sealed }));
  t.throws(() => sealWith(loadKeys(temporaryDirectory(), true).later).open({ ...whose, sealed }));
  t.throws(() => seal.open({ ...whose, sealed: sealed.subarray(0, 10) }));
});

t.test('keys that were made before have one added, once', async (t) => {
  const directory = temporaryDirectory();
  loadKeys(directory, true);
  const path = join(directory, 'keys.json');
  const { later: _, ...older } = JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(path, JSON.stringify(older));
  const made = loadKeys(directory, true).later.export().toString('hex');
  t.equal(loadKeys(directory, true).later.export().toString('hex'), made);
});

t.test('an attempt takes turns of its own at a registry, of the agency’s budget, and asks nobody else while one is away', async (t) => {
  const log = openSqliteLog(join(temporaryDirectory(), 'log.db'));
  t.teardown(() => log.close());
  const catalogue = openCatalogue('config', true);
  const parties: string[] = [];
  const ask: Ask = async ({ source }, opened, party) => {
    parties.push(`${source} ${party}`);
    await opened();
    throw new SourceError('unreachable', 'it is away');
  };
  const secret = createSecretKey(randomBytes(32));
  const tools = {
    catalogue,
    cache: memoryRecords(),
    sources: catalogue.sources,
    asks: new Map([...catalogue.sources.keys()].map((source) => [source, ask])),
    log: await openLog(log, makeLogKey()),
    pseudonyms: pseudonyms([{ from: 0, key: secret }], () => NOON),
    configDigest: catalogue.digest,
    standing: everybodyStands,
    admit: () => t.fail('what the gateway asks again was counted when it was first asked'),
    clock: () => NOON,
    around: new Map(),
    random: () => 0,
  };
  const caller = callerAgain(catalogue.agencies, everybodyStands, 'X01.1', 'X01.1');
  const request = { procedure: '1.004222', dossier: 'X01.1-261122-0001', officer: 'X01.1-0042', subject: AN };
  const attempt = await complete(caller, request, { id: randomUUID() }, ['land'], tools, new AbortController().signal);
  t.strictSame(attempt, { waits: new Map([['land', 0]]) });
  t.strictSame(parties, ['land X01.1#completion']);
  t.equal(agencyOf('X01.1#completion'), 'X01.1', 'whose budget it is');
});

// A receiver

interface Delivered {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}
type Behave = (response: ServerResponse) => void;
const acknowledge: Behave = (response) => void response.writeHead(202).end();

/** An agency's receiver, as a real HTTP server. */
async function startReceiver() {
  const came: Delivered[] = [];
  const receiver = { behave: acknowledge, came, address: '', close: () => {} };
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    came.push({ headers: request.headers, body });
    receiver.behave(response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  receiver.address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/events`;
  receiver.close = () => {
    server.close();
    server.closeAllConnections();
  };
  return receiver;
}
const receiver = await startReceiver();
const elsewhere = await startReceiver();
t.teardown(() => {
  receiver.close();
  elsewhere.close();
});

const DELIVERING = { 'agencies/X01.1.yaml': (file: object) => ({ ...file, deliveries: { address: receiver.address } }) };
const delivering = editedConfig(DELIVERING);
const open = (address: URL): ReturnType<typeof openWire> => openWire(address, undefined, { bytes: 16_384, connections: 2 });

t.test('what a receiver can do', async (t) => {
  const agencies = openCatalogue(delivering, true).agencies;
  const receivers = openReceivers(agencies, { sandbox: undefined, secret: () => undefined }, open, 300);
  t.teardown(() => receivers.close());
  const ROWS: [rule: string, behave: Behave, taken: boolean][] = [
    ['202 is an acknowledgement', acknowledge, true],
    ['so are its like', (response) => void response.writeHead(204).end(), true],
    [
      'a refusal is none',
      (response) => void response.writeHead(400, { 'content-type': 'application/json' }).end('{"err":"invalid_key"}'),
      false,
    ],
    ['a failure is none', (response) => void response.writeHead(503).end(), false],
    ['who sends it elsewhere has not taken it', (response) => void response.writeHead(307, { location: elsewhere.address }).end(), false],
    ['who hangs has not', () => {}, false],
    ['who hangs within the answer has not', (response) => void response.writeHead(202, { 'content-length': 9 }).write('x'), false],
    ['who hangs up has not', (response) => void response.destroy(), false],
    [
      'who answers without end is cut off',
      (response) => {
        response.writeHead(202);
        const pour = (): void => {
          while (!response.destroyed && response.write('x'.repeat(65_536)));
        };
        response.on('drain', pour);
        pour();
      },
      false,
    ],
  ];
  for (const [rule, behave, taken] of ROWS) {
    receiver.behave = behave;
    const came = await receivers.post('X01.1', 'event', new AbortController().signal).then(
      () => true,
      () => false,
    );
    t.equal(came, taken, rule);
  }
  t.equal(elsewhere.came.length, 0, 'nothing went elsewhere');
  receiver.behave = () => {};
  const stop = new AbortController();
  const stopped = receivers.post('X01.1', 'event', stop.signal);
  stop.abort();
  await t.rejects(stopped, 'and nobody waits for it when the process stops');
  receiver.behave = acknowledge;
  receiver.came.length = 0;
});

t.test('addresses for deliveries are checked before the gateway listens', async (t) => {
  const secrets: Record<string, string> = {
    PLAIN: 'http://203.0.113.7/events',
    NONSENSE: 'nonsense',
    GOOD: 'https://agency.example/events',
  };
  const ROWS: [rule: string, deliveries: object, sandboxed: boolean, fault: string | undefined][] = [
    ['https is taken', { address: 'https://agency.example/events' }, false, undefined],
    ['an agency of the sandbox may use http on this machine', { address: 'http://127.0.0.1:9/events' }, true, undefined],
    ['no other may', { address: 'http://127.0.0.1:9/events' }, false, '/deliveries/address'],
    ['nor that one elsewhere', { address: 'http://203.0.113.7/events' }, true, '/deliveries/address'],
    ['it may stand elsewhere', { address: 'env:GOOD' }, false, undefined],
    ['and is checked there too', { address: 'env:PLAIN' }, true, '/deliveries/address'],
    ['what is no address is none', { address: 'env:NONSENSE' }, true, '/deliveries/address'],
    ['a reference leads somewhere', { address: 'env:NOTHING' }, true, '/deliveries/address'],
    ['so does one to a CA', { address: 'https://agency.example/', tls: { ca: 'file:/nowhere' } }, false, '/deliveries/tls/ca'],
  ];
  const [known] = openCatalogue(delivering, true).agencies.values();
  for (const [rule, deliveries, sandboxed, fault] of ROWS) {
    const agencies = new Map([['H01', { ...(known as Agency), id: 'H01', sandbox: sandboxed, deliveries: deliveries as Deliveries }]]);
    let pointers: string[] = [];
    try {
      await openReceivers(agencies, { sandbox: undefined, secret: (name) => secrets[name] }, open).close();
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      pointers = error.faults.map(({ file, pointer }) => `${file}${pointer}`);
    }
    t.strictSame([...new Set(pointers)], fault === undefined ? [] : [`agencies/H01.yaml${fault}`], rule);
  }
  for (const address of ['http://203.0.113.7/events', 'https://a:b@agency.example/', 'ftp://agency.example/']) {
    const directory = editedConfig({ 'agencies/X01.1.yaml': (file) => ({ ...file, deliveries: { address } }) });
    const faulty = (error: unknown): boolean =>
      error instanceof ConfigurationError && error.faults.some(({ pointer }) => pointer === '/deliveries/address');
    try {
      openCatalogue(directory, true);
      t.fail(`${address} is taken`);
    } catch (error) {
      t.ok(faulty(error), `what the file itself shows is said by oncegate check: ${address}`);
    }
  }
});

// The whole way

interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly body: {
    readonly prefill: Prefill;
    readonly receipt: Receipt;
    readonly code: string;
    readonly detail?: string;
    readonly state?: string;
  };
}
let dossiers = 0;
const requestOf = (more: object = {}): object => ({
  procedure: '1.004222',
  dossier: `X01.1-261122-${++dossiers}`,
  officer: 'X01.1-0042',
  subject: AN,
  related: { householder: '003060000021' },
  maxAgeSeconds: 0,
  ...more,
});
async function ask(on: TestGateway, path: string, body?: object, agency = 'X01.1'): Promise<Answered> {
  const reply = await fetch(`${on.address}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${await on.token(agency)}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: reply.status, headers: reply.headers, body: (await reply.json()) as Answered['body'] };
}
const prefill = (on: TestGateway, more?: object): Promise<Answered> => ask(on, '/v1/prefills', requestOf(more));
const fetched = (on: TestGateway, id: string, agency?: string): Promise<Answered> => ask(on, `/v1/prefills/${id}`, undefined, agency);
const start = (more: TestGatewayOptions = {}): Promise<TestGateway> => startGateway({ sandbox, configDirectory: delivering, ...more });
const logKey = (on: TestGateway) => parseVerifierKey(readFileSync(join(on.dataDirectory, 'log.vkey'), 'utf8'));
const stored = (on: TestGateway): Record<string, unknown>[] => {
  const db = new DatabaseSync(join(on.dataDirectory, 'later.db'), { readOnly: true });
  const rows = db.prepare('SELECT * FROM later').all() as Record<string, unknown>[];
  db.close();
  return rows;
};
/** Until the gateway has an entry that fits. */
const onRecord = (on: TestGateway, fits: (entry: AuditEntry) => boolean): Promise<AuditEntry> =>
  eventually(async () => (await on.entries()).find(fits));

t.test('what was away is fetched once it is back, whole, authorised and on record', async (t) => {
  const on = await start();
  t.teardown(() => on.close());
  const request = requestOf({ completion: 'fetch' });
  sandbox.tell('land', { mode: 'fail' });
  const plain = await ask(on, '/v1/prefills', { ...request, completion: undefined });
  t.match(plain.body.prefill.fields['/dwelling/mapSheet'], { status: 'unavailable' }, 'who does not ask for it gets what was always given');
  t.notOk('completion' in plain.body.prefill);
  const first = await ask(on, '/v1/prefills', request);
  t.equal(first.status, 200);
  check('PrefillReply', first.body);
  const { id, fields, components, completion } = first.body.prefill;
  t.strictSame(completion, { by: 'fetch', until: '2026-11-23T05:00:00.000Z' });
  t.match(fields['/dwelling/mapSheet'], { status: 'pending', reason: 'key-unavailable' });
  t.match(fields['/fullName'], { status: 'filled' });
  t.match(
    components.find((paper) => paper.id === 'dwelling-ownership'),
    { verdict: 'pending', reason: 'unavailable' },
  );
  t.match(
    components.find((paper) => paper.id === 'kinship'),
    { verdict: 'replaced' },
    'what does not wait does not',
  );
  t.match(first.body.receipt.entry, { unfilled: { '/dwelling/mapSheet': 'pending' }, papers: { 'dwelling-ownership': 'pending' } });
  verifyReply(first.body, logKey(on), request);

  const pending = await fetched(on, id);
  t.equal(pending.status, 202);
  check('CompletionPending', pending.body);
  t.ok(Number(pending.headers.get('retry-after')) >= 5);
  t.match(await fetch(`${on.address}/readyz`).then((reply) => reply.json()), { completions: { pending: 1, failing: 0 } });
  for (const stranger of [await fetched(on, id, 'X02.1'), await fetched(on, randomUUID())])
    t.match([stranger.status, stranger.body.code], [404, 'unknown-completion'], 'a stranger learns nothing');
  const before = sandbox.requests('population');
  const asked = sandbox.requests('land');
  on.time.now += 4000;
  await after(600);
  t.equal(sandbox.requests('land'), asked, 'not before it is worth it');
  on.time.now += 6000;
  const incomplete = await onRecord(on, ({ outcome }) => outcome === 'incomplete');
  t.equal(sandbox.requests('population'), before, 'while what is missing is away, the person is read nowhere else');
  t.match(incomplete, { kind: 'outcome', completes: id, dossier: (request as { dossier: string }).dossier });
  t.notOk('fields' in incomplete, 'and nothing left');

  sandbox.tell('land', { mode: 'ok' });
  on.time.now += 60_000;
  const done = await eventually(async () => {
    const reply = await fetched(on, id);
    return reply.status === 200 && reply;
  });
  check('CompletedReply', done.body);
  verifyReply(done.body, logKey(on), request);
  const whole = done.body.prefill;
  t.equal(whole.completes, id);
  t.not(whole.id, id, 'an exchange of its own');
  t.notOk('completion' in whole);
  t.match(whole.fields['/dwelling/mapSheet'], { status: 'filled', freshness: 'live', observedAt: new Date(on.time.now).toISOString() });
  t.match(whole.fields['/fullName'], { status: 'filled', freshness: 'live' }, 'and all of it of one moment');
  t.match(
    whole.components.find((paper) => paper.id === 'dwelling-ownership'),
    { verdict: 'replaced' },
  );
  t.equal((await fetched(on, id)).status, 200, 'again, for as long as it is kept');

  const entries = (await on.entries()).filter((entry) => entry.id === whole.id);
  t.strictSame(
    entries.map(({ kind, outcome, completes }) => [kind, outcome, completes]),
    [
      ['intent', undefined, id],
      ['outcome', 'answered', id],
      ['delivery', 'fetched', id],
      ['delivery', 'fetched', id],
    ],
    'each time it was handed out is on record',
  );
  for (const entry of entries) check('AuditEntry', entry);
  t.equal(entries[3]?.replyDigest, entries[1]?.replyDigest);

  const search = { id: whole.id, reason: 'a test of completion' };
  const page = await ask(on, '/v1/audit/search', search, 'X09.1');
  check('AuditPage', page.body);
  const { entries: listed } = page.body as unknown as { entries: { index: number }[] };
  t.equal(listed.length, 4, 'auditors find it');
  const explained = await ask(on, `/v1/audit/entries/${listed[0]?.index}/explanation`, undefined, 'X09.1');
  check('AuditExplanation', explained.body);
  t.match(explained.body, { completes: id, outcome: 'answered' });
  const citizen = await sandboxCitizenToken(
    on.dataDirectory,
    on.gateway.catalogue.gateway.citizens as CitizenIssuer,
    ISSUER,
    AN,
    on.time.now,
  );
  const ledger = (await fetch(`${on.address}/v1/accesses`, {
    method: 'POST',
    headers: { authorization: `Bearer ${citizen}`, 'content-type': 'application/json' },
    body: '{}',
  }).then((reply) => reply.json())) as { accesses: { outcome: string; status: { en: string } }[] };
  check('Accesses', ledger);
  t.strictSame(
    ledger.accesses.map(({ outcome }) => outcome),
    ['answered', 'incomplete', 'answered', 'answered'],
  );
  t.match(ledger.accesses[1]?.status.en, /asked again/, 'and the person sees each as what it was');

  const [row] = stored(on);
  t.strictSame(
    Object.keys(row ?? {}).filter((column) => column !== 'sealed' && /0030|NGUY|1\.004222|mapSheet/.test(String(row?.[column]))),
    [],
    'nothing of a person stands there in the clear',
  );
  for (const file of readdirSync(on.dataDirectory).filter((name) => name.startsWith('later.db')))
    t.notMatch(readFileSync(join(on.dataDirectory, file), 'latin1'), /003099000017|NGUY|X01\.1-261122/, file);
  on.time.now += 73 * HOUR;
  await eventually(() => stored(on).length === 0);
  t.match((await fetched(on, id)).body, { code: 'unknown-completion' }, 'and when its time is over it is gone');
});

t.test('where nothing is away nothing is kept, and where it cannot be kept the answer says so', async (t) => {
  const on = await start();
  t.teardown(() => on.close());
  sandbox.tell('land', { mode: 'ok' });
  const { body } = await prefill(on, { completion: 'deliver' });
  t.notOk('completion' in body.prefill);
  t.strictSame(stored(on), []);
  t.match((await fetched(on, body.prefill.id)).body, { code: 'unknown-completion' });
  sandbox.tell('land', { mode: 'fail' });
  const lock = new DatabaseSync(join(on.dataDirectory, 'later.db'));
  lock.exec('BEGIN IMMEDIATE');
  const unkept = await prefill(on, { completion: 'fetch' });
  lock.exec('ROLLBACK');
  lock.exec('DROP TABLE later');
  lock.close();
  t.equal(unkept.status, 200);
  t.match(unkept.body.prefill.fields['/dwelling/mapSheet'], { status: 'unavailable' }, 'nothing is promised that is not kept');
  t.notOk('completion' in unkept.body.prefill);
  t.match(await fetched(on, randomUUID()), { status: 503, body: { code: 'completion-unavailable' } });
  t.equal((await prefill(on)).status, 200, 'and who does not ask for it does not notice');
});

t.test('it is delivered, signed, until it is acknowledged, and is the same each time', async (t) => {
  const on = await start();
  t.teardown(() => on.close());
  receiver.came.length = 0;
  receiver.behave = (response) => void response.writeHead(500).end();
  sandbox.tell('land', { mode: 'fail' });
  const request = requestOf({ completion: 'deliver' });
  const { id } = (await ask(on, '/v1/prefills', request)).body.prefill;
  sandbox.tell('land', { mode: 'ok' });
  on.time.now += 10_000;
  await eventually(() => receiver.came.length === 1);
  await eventually(() => stored(on)[0]?.state === 'failing');
  t.match(await fetch(`${on.address}/readyz`).then((reply) => reply.json()), { completions: { pending: 0, failing: 1 } });
  t.ok(
    on.lines.some((line) => line.includes('could not be delivered')),
    'the operator hears of it',
  );
  t.equal((await fetched(on, id)).status, 200, 'until then it can be fetched too');
  receiver.behave = (response) => void response.writeHead(307, { location: elsewhere.address }).end();
  on.time.now += 10_000;
  await eventually(() => receiver.came.length === 2);
  receiver.behave = acknowledge;
  await eventually(() => stored(on)[0]?.lease === null);
  on.time.now += 60_000;
  await eventually(() => stored(on)[0]?.state === 'delivered');
  t.equal(receiver.came.length, 3);
  t.equal(elsewhere.came.length, 0);

  const jwks = createLocalJWKSet((await fetch(`${on.address}/.well-known/jwks.json`).then((reply) => reply.json())) as JSONWebKeySet);
  const options = { issuer: ISSUER, audience: 'X01.1', typ: 'secevent+jwt', algorithms: ['ES256'], requiredClaims: ['jti', 'txn'] };
  const events = await Promise.all(receiver.came.map(({ body }) => jwtVerify(body, jwks, options)));
  t.equal(new Set(events.map(({ payload }) => payload.jti)).size, 1, 'recognisably the same');
  const [payload] = events.map((event) => event.payload);
  t.equal(payload?.txn, id);
  t.strictSame(
    receiver.came.map(({ headers }) => headers['content-type']),
    Array(3).fill('application/secevent+jwt'),
  );
  const reply = (payload?.events as Record<string, { prefill: Prefill; receipt: Receipt }> | undefined)?.[COMPLETED];
  if (reply === undefined) throw new Error('the event says nothing');
  verifyReply(reply, logKey(on), request);
  t.match(reply, { prefill: { completes: id, id: payload?.jti } });
  const token = await fetch(`${on.address}/v1/sources`, { headers: { authorization: `Bearer ${receiver.came[0]?.body}` } });
  t.equal(token.status, 401, 'an event is no access token');

  t.match(await fetched(on, id), { status: 410, body: { code: 'completion-delivered' } });
  const kept = sealWith(loadKeys(on.dataDirectory, true).later).open({
    id,
    agency: 'X01.1',
    sealed: Buffer.from(stored(on)[0]?.sealed as Uint8Array),
  });
  t.strictSame(kept, {}, 'only the fact is kept');
  const sent = (await on.entries()).filter(({ kind }) => kind === 'delivery').map(({ outcome }) => outcome);
  t.strictSame(sent, ['sent', 'fetched', 'sent', 'sent'], 'each delivery is on record');
});

t.test('nothing is delivered while the log cannot be written', async (t) => {
  let writes = Number.POSITIVE_INFINITY;
  const on = await start({
    breakLog: (store) => ({
      ...store,
      append: (compose) => (writes-- > 0 ? store.append(compose) : Promise.reject(new LogUnavailable('the disk is full'))),
    }),
  });
  t.teardown(() => on.close());
  receiver.came.length = 0;
  receiver.behave = (response) => void response.writeHead(500).end();
  sandbox.tell('land', { mode: 'fail' });
  const { id } = (await prefill(on, { completion: 'deliver' })).body.prefill;
  writes = 1;
  t.equal((await prefill(on, { completion: 'deliver' })).status, 503, 'the intent was written, the outcome was not');
  t.equal(stored(on).length, 1, 'who got no answer has nothing kept');
  writes = Number.POSITIVE_INFINITY;
  sandbox.tell('land', { mode: 'ok' });
  on.time.now += 10_000;
  await eventually(() => stored(on)[0]?.state === 'failing' && stored(on)[0]?.lease === null);
  const { length } = receiver.came;
  receiver.behave = acknowledge;
  writes = 0;
  on.time.now += 10_000;
  await eventually(() => Number(stored(on)[0]?.due) > on.time.now);
  t.equal(receiver.came.length, length);
  t.match(await fetched(on, id), { status: 503, body: { code: 'log-unavailable' } }, 'nor fetched');
  writes = Number.POSITIVE_INFINITY;
  on.time.now += 60_000;
  await eventually(() => stored(on)[0]?.state === 'delivered');
});

type File = { grants?: { id: string }[] };
const forDays = { 'gateway.yaml': (file: object) => ({ ...file, completion: { forHours: 720, keepHours: 720 } }) };
/** A configuration in which the agency's file, and its grant, are changed. */
const changed = (agency: object, grant: object | undefined, more: Parameters<typeof editedConfig>[0] = {}): string => {
  const directory = editedConfig({
    ...forDays,
    'agencies/X01.1.yaml': (file) => ({
      ...file,
      deliveries: { address: receiver.address },
      suppliers: undefined,
      grants: ((file as File).grants ?? []).flatMap((one) =>
        one.id !== 'residence' ? one : grant === undefined ? [] : { ...one, ...grant },
      ),
      ...agency,
    }),
    ...more,
  });
  return directory;
};
const disclosure = { withheldUntil: '2026-12-31', legalBasis: 'nq-66-7-2025#art-2' };

t.test('an attempt is authorised by what the files say at its moment', async (t) => {
  const base = temporaryDirectory();
  const first = await start({ dataDirectory: base, configDirectory: changed({}, { disclosure }) });
  sandbox.tell('land', { mode: 'fail' });
  const { id } = (await prefill(first, { completion: 'deliver' })).body.prefill;
  const foreign = { completion: 'deliver', dossier: 'X02.1-261122-0001', officer: 'X02.1-0001', procedure: '1.012768', related: undefined };
  const refused = await ask(first, '/v1/prefills', requestOf(foreign), 'X02.1');
  t.match([refused.status, refused.body.code], [400, 'no-delivery-address'], 'an agency without an address has nothing delivered');
  t.match((await first.entries()).at(-1), { kind: 'refusal', outcome: 'no-delivery-address' });
  await first.close();
  sandbox.tell('land', { mode: 'ok' });
  const ends = { 'procedures/1.004222.yaml': (file: object) => ({ ...file, validTo: '2026-11-22' }) };
  const nobody = changed({}, {});
  rmSync(join(nobody, 'agencies', 'X01.1.yaml'));
  const ROWS: [rule: string, config: string, later: number, code: string][] = [
    ['the grant is gone', changed({}, undefined), HOUR, 'procedure-not-granted'],
    ['the grant is over', changed({}, { validTo: '2026-11-22' }), 24 * HOUR, 'grant-not-in-force'],
    ['the procedure is over', changed({}, {}, ends), 24 * HOUR, 'procedure-not-in-force'],
    ['the agency may ask for no prefill any more', changed({ scopes: ['audit'] }, {}), HOUR, 'procedure-not-granted'],
    ['the agency is gone', nobody, HOUR, 'procedure-not-granted'],
    ['its address is gone', changed({ deliveries: undefined }, {}), HOUR, 'no-delivery-address'],
  ];
  for (const [rule, configDirectory, later, code] of ROWS) {
    const dataDirectory = temporaryDirectory();
    cpSync(base, dataDirectory, { recursive: true });
    const asked = SOURCES.map((source) => sandbox.requests(source));
    const on = await start({ dataDirectory, configDirectory, now: NOON + later });
    await eventually(() => stored(on)[0]?.state === 'refused');
    t.strictSame(
      SOURCES.map((source) => sandbox.requests(source)),
      asked,
      `${rule}: nobody is asked`,
    );
    t.match((await on.entries()).at(-1), { kind: 'refusal', outcome: code, completes: id, agency: 'X01.1' }, rule);
    t.equal((await on.entries()).at(-1)?.withheldUntil, '2026-12-31', `${rule}: what is withheld stays so`);
    if (configDirectory !== nobody && !rule.includes('no prefill'))
      t.match(await fetched(on, id), { status: 410, body: { code: 'completion-refused', detail: code } });
    await on.close();
  }
  receiver.came.length = 0;
  const on = await start({ dataDirectory: base, configDirectory: changed({}, {}), now: NOON + HOUR });
  await eventually(() => stored(on)[0]?.state === 'delivered');
  t.equal(receiver.came.length, 1, 'where nothing speaks against it, it comes');
  await on.close();
});

t.test('what was completed is handed out by what the files say then', async (t) => {
  const base = temporaryDirectory();
  const original = changed({}, {});
  const first = await start({ dataDirectory: base, configDirectory: original });
  receiver.came.length = 0;
  receiver.behave = (response) => void response.writeHead(500).end();
  sandbox.tell('land', { mode: 'fail' });
  const [fetching, sending] = await Promise.all([prefill(first, { completion: 'fetch' }), prefill(first, { completion: 'deliver' })]);
  sandbox.tell('land', { mode: 'ok' });
  first.time.now += 10_000;
  await eventually(() => stored(first).every(({ state, lease }) => state !== 'pending' && state !== 'delivering' && lease === null));
  await first.close();
  receiver.behave = acknowledge;
  receiver.came.length = 0;
  const ROWS: [rule: string, config: string, code: string][] = [
    ['the grant gives less by now', changed({}, { fields: ['/fullName'] }), 'grant-not-in-force'],
    ['the grant gives fewer papers by now', changed({}, { components: ['declaration'] }), 'grant-not-in-force'],
    ['there is no grant any more', changed({}, undefined), 'procedure-not-granted'],
  ];
  for (const [rule, configDirectory, code] of ROWS) {
    const dataDirectory = temporaryDirectory();
    cpSync(base, dataDirectory, { recursive: true });
    const on = await start({ dataDirectory, configDirectory, now: NOON + HOUR });
    const { prefill: one } = fetching.body;
    t.match(await fetched(on, one.id), { status: 410, body: { code: 'completion-refused', detail: code } }, rule);
    t.match((await on.entries()).at(-1), { kind: 'delivery', outcome: 'completion-refused', completes: one.id }, 'and that is on record');
    await eventually(() => stored(on).find(({ id }) => id === sending.body.prefill.id)?.state === 'refused');
    t.equal(receiver.came.length, 0, `${rule}: nothing leaves`);
    const refused = (await on.entries()).filter(({ outcome }) => outcome === 'completion-refused').map(({ completes }) => completes);
    t.strictSame(new Set(refused), new Set([one.id, sending.body.prefill.id]), `${rule}: both are on record`);
    await on.close();
  }
});

t.test('what registers disagree about is told of a person as a value is', async (t) => {
  const narrowed = changed({}, { fields: ['/dateOfBirth'] });
  const catalogue = openCatalogue(narrowed, true);
  const caller = callerAgain(catalogue.agencies, everybodyStands, 'X01.1', 'test');
  const said = (fields: object): string => JSON.stringify({ fields, components: [] });
  const again = (fields: object) => () =>
    allowAgain(caller, { request: requestOf() as PrefillRequest }, said(fields), {
      catalogue,
      standing: everybodyStands,
      clock: () => NOON,
    });
  const disagree = { status: 'conflict', reason: 'no-register-prevails' };
  t.throws(again({ '/fullName': disagree }), { code: 'grant-not-in-force' });
  t.doesNotThrow(again({ '/dateOfBirth': disagree, '/fullName': { status: 'not-authorised' }, '/phone': { status: 'ask' } }));
});

t.test('it is tried until its time is over', async (t) => {
  const on = await start();
  t.teardown(() => on.close());
  sandbox.tell('land', { mode: 'fail' });
  const { id } = (await prefill(on, { completion: 'fetch' })).body.prefill;
  on.time.now += 25 * HOUR;
  await eventually(() => stored(on)[0]?.state === 'expired');
  t.match(await fetched(on, id), { status: 410, body: { code: 'completion-expired' } });
  on.time.now += 73 * HOUR;
  await eventually(() => stored(on).length === 0);
});

t.test('a registry that is left alone is not asked for the sake of a completion', async (t) => {
  const circuit = { pauseSeconds: 100, longestPauseSeconds: 100 };
  const configDirectory = changed({}, {}, { 'sources/land.yaml': (file) => ({ ...file, circuit }) });
  const on = await start({ configDirectory });
  t.teardown(() => on.close());
  sandbox.tell('land', { mode: 'fail' });
  const first = (await prefill(on, { completion: 'fetch' })).body.prefill.id;
  // Five failures in a row open its circuit.
  for (let i = 0; i < 5; i++) await prefill(on, { subject: `00309900001${i}` });
  const { id, fields } = (await prefill(on, { completion: 'fetch' })).body.prefill;
  t.match(fields['/dwelling/mapSheet'], { status: 'pending' });
  sandbox.tell('land', { mode: 'ok' });
  on.time.now += 30_000;
  await eventually(() => stored(on).every(({ due, lease }) => Number(due) > on.time.now && lease === null));
  on.time.now += 200_000;
  await eventually(async () => (await fetched(on, id)).status === 200 && (await fetched(on, first)).status === 200);
  const attempts = (await on.entries()).filter(({ completes, kind }) => completes !== undefined && kind === 'outcome');
  t.strictSame(
    attempts.map(({ outcome }) => outcome),
    ['answered', 'answered'],
    'and once it is tried again, the completions try it',
  );
});

t.test('told to stop, it leaves what is under way to the next', async (t) => {
  const dataDirectory = temporaryDirectory();
  const on = await start({ dataDirectory });
  receiver.came.length = 0;
  receiver.behave = () => {};
  sandbox.tell('land', { mode: 'fail' });
  const sending = (await prefill(on, { completion: 'deliver' })).body.prefill.id;
  sandbox.tell('land', { mode: 'ok' });
  on.time.now += 10_000;
  await eventually(() => receiver.came.length === 1);
  sandbox.tell('land', { mode: 'fail' });
  const asking = (await prefill(on, { completion: 'fetch', dossier: 'X01.1-261122-900001' })).body.prefill.id;
  sandbox.tell('land', { mode: 'hang' });
  on.time.now += 10_000;
  await onRecord(on, ({ kind, completes }) => kind === 'intent' && completes === asking);
  const began = performance.now();
  await on.close();
  t.ok(performance.now() - began < 2000, 'promptly');
  const left = stored(on).map(({ state, lease, due }) => [state, lease, Number(due) <= on.time.now]);
  t.strictSame(
    left.sort(),
    [
      ['delivering', null, true],
      ['pending', null, true],
    ],
    'and holds on to nothing',
  );
  sandbox.tell('land', { mode: 'ok' });
  receiver.behave = acknowledge;
  const next = await start({ dataDirectory, now: on.time.now + 60_000 });
  t.teardown(() => next.close());
  t.ok(
    (await next.entries()).some(({ completes, outcome }) => completes === asking && outcome === 'abandoned'),
    'that is on record',
  );
  await eventually(async () => (await fetched(next, asking)).status === 200);
  await eventually(() => stored(next).some(({ id, state }) => id === sending && state === 'delivered'));
});

t.test('two gateways of one database share the work, and do nothing twice', { skip: noPostgres }, async (t) => {
  const databaseUrl = typeof postgres === 'string' ? '' : await postgres.fresh();
  const dataDirectory = temporaryDirectory();
  receiver.came.length = 0;
  receiver.behave = acknowledge;
  sandbox.tell('land', { mode: 'fail' });
  const one = await start({ dataDirectory, databaseUrl });
  const two = await start({ dataDirectory, databaseUrl });
  t.teardown(() => Promise.all([one.close(), two.close()]));
  const replies: Answered[] = [];
  for (let i = 0; i < 8; i++) replies.push(await prefill(i % 2 ? one : two, { completion: 'deliver' }));
  const ids = replies.map(({ body }) => body.prefill.id).sort();
  sandbox.tell('land', { mode: 'ok' });
  one.time.now += 60_000;
  two.time.now += 60_000;
  await eventually(async () => {
    const states = await Promise.all(ids.map((id) => fetched(two, id)));
    return states.every(({ body }) => body.code === 'completion-delivered');
  });
  const entries = (await one.entries()).filter(({ completes }) => completes !== undefined);
  for (const kind of ['outcome', 'delivery'])
    t.strictSame(
      entries
        .filter((entry) => entry.kind === kind && entry.outcome !== 'fetched')
        .map(({ completes }) => completes)
        .sort(),
      ids,
      `one ${kind} of each`,
    );
  t.equal(receiver.came.length, ids.length);
});

t.test('killed at any moment, it neither forgets what it promised nor what it was delivering', async (t) => {
  const dataDirectory = temporaryDirectory();
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  receiver.came.length = 0;
  receiver.behave = () => {};
  const first = await startChild(dataDirectory, port, { ONCEGATE_CONFIG: delivering });
  t.teardown(() => first.process.kill('SIGKILL'));
  const token = await childToken(issuer, dataDirectory, 'X01.1');
  const land = /(http:\/\/[0-9.:]+) +land$/m.exec(first.welcome)?.[1];
  await fetch(`${land}/sandbox/mode`, { method: 'PUT', body: '{"mode":"fail"}' });
  const request = requestOf({ completion: 'deliver' });
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const reply = await fetch(`${issuer}/v1/prefills`, { method: 'POST', headers, body: JSON.stringify(request) });
  const { prefill: promised } = (await reply.json()) as { prefill: Prefill };
  first.process.kill('SIGKILL');
  await first.ended;
  t.equal(promised.completion?.by, 'deliver');

  const anHourLater = `data:text/javascript,${encodeURIComponent(`const now = Date.now; Date.now = () => now() + ${HOUR};`)}`;
  const second = await startChild(dataDirectory, port, { ONCEGATE_CONFIG: delivering, NODE_OPTIONS: `--import=${anHourLater}` });
  t.teardown(() => second.process.kill('SIGKILL'));
  await eventually(() => receiver.came.length === 1);
  second.process.kill('SIGKILL');
  await second.ended;

  receiver.behave = acknowledge;
  const third = await start({ dataDirectory, issuer, now: shiftedNow() + 2 * HOUR });
  t.teardown(() => third.close());
  await eventually(() => stored(third)[0]?.state === 'delivered');
  t.equal(receiver.came.length, 2);
  const jwks = createLocalJWKSet((await fetch(`${third.address}/.well-known/jwks.json`).then((keys) => keys.json())) as JSONWebKeySet);
  const verified = await Promise.all(
    receiver.came.map(({ body }) => jwtVerify(body, jwks, { issuer, audience: 'X01.1', typ: 'secevent+jwt' })),
  );
  t.equal(verified[0]?.payload.jti, verified[1]?.payload.jti, 'it came twice, and says that it is the same');
  t.equal(verified[0]?.payload.txn, promised.id);
});
