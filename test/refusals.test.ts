/** Promises 1, 3 and 6 at the HTTP edge: what is wrong is refused with a stable code, on record where it is about a person, and says nothing of anyone. */

import { randomUUID } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as after } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { Ajv2020 } from 'ajv/dist/2020.js';
import t, { type Test } from 'tap';
import type { AuditEntry } from '../src/audit/entry.ts';
import type { LogStore } from '../src/audit/store.ts';
import type { Prefill } from '../src/domain.ts';
import { type ProblemCode, problems } from '../src/problems.ts';
import { startSandbox } from '../src/sandbox/index.ts';
import { editedConfig, NOON, startGateway, type TestGateway } from './support/gateway.ts';
import { TreeLog } from './support/tree-log.ts';

/** The marked person. Nothing outside an answer may hold the number or the name, however it is written. */
const NUMBER = '003099000017';
const NAME = 'NGUYỄN VĂN AN';
const MARKS = [NUMBER, NAME, NAME.normalize('NFD'), encodeURIComponent(NAME), 'NGUYEN VAN AN'];
const namesThePerson = (text: string): boolean => MARKS.some((mark) => text.toUpperCase().includes(mark.toUpperCase()));

const GOOD = { procedure: '1.004222', dossier: 'X01.1-261122-0001', officer: 'X01.1-0042', subject: NUMBER };
const MARRIAGE = { ...GOOD, procedure: '1.000894', subject: '003301000034' };

const sandbox = await startSandbox();
const main = await startGateway({ sandbox });

/** How the log of the second gateway behaves. */
let logIs: 'whole' | 'unwritable' | 'unwritable-after-one' | 'unreadable' | 'hanging' | 'pruned' = 'whole';
let release = (): void => {};
const released = new Promise<void>((resolve) => (release = resolve));
const broken = await startGateway({
  sandbox,
  configDirectory: editedConfig({ 'gateway.yaml': (file) => ({ ...file, deadlineMs: 500 }) }),
  breakLog: (store): LogStore => ({
    ...store,
    async append(batch) {
      if (logIs === 'unwritable') throw new Error(`no space left for ${NUMBER} ${NAME}`);
      if (logIs === 'unwritable-after-one') logIs = 'unwritable';
      if (logIs === 'hanging') await released;
      return store.append(batch);
    },
    async head() {
      if (logIs === 'unreadable') throw new Error(`cannot read ${NUMBER} ${NAME}`);
      return { ...(await store.head()), ...(logIs === 'pruned' ? { retention: 1 } : {}) };
    },
    async read(from, to) {
      if (logIs !== 'pruned') return store.read(from, to);
      return from === 0 ? [undefined] : [JSON.stringify({ kind: 'retention', retention: { before: {}, count: 1, upTo: 1 } })];
    },
  }),
});

/** A log for which the third gateway is a witness, and one of which it never heard. */
const [witnessed, strange] = [new TreeLog('log.test'), new TreeLog('strange.test')];
for (const log of [witnessed, strange]) log.grow(2);
const cosign = (checkpoint: string | undefined, proof = ''): Buffer =>
  http('POST', '/v1/witness/add-checkpoint', { 'content-type': 'text/plain' }, `old 0\n${proof}\n${checkpoint}`);

/** A grant that holds longer than the procedure, one that is narrow, two for different purposes, a log to witness, and an issuer of citizens' tokens that is gone. */
const editedDirectory = editedConfig({
  'gateway.yaml': (file) => ({
    ...file,
    witness: { name: 'witness.test', logs: [{ origin: witnessed.origin, keys: [witnessed.verifierKey] }] },
    citizens: { issuer: 'https://id.test', jwks: 'http://127.0.0.1:9/jwks' },
  }),
  'procedures/1.004873.yaml': (file) => ({ ...file, validFrom: '2026-12-01' }),
  'agencies/X01.1.yaml': (file) => {
    const grants = file.grants as unknown as { id: string }[];
    Object.assign(grants.find(({ id }) => id === 'residence') ?? {}, { fields: ['/fullName', '/gender'], components: [] });
    grants.push(
      Object.assign(
        {},
        grants.find(({ id }) => id === 'death'),
        { id: 'death-check', purpose: 'check-afterwards' },
      ),
    );
    return file;
  },
});
const edited = await startGateway({ sandbox, configDirectory: editedDirectory });
t.teardown(async () => {
  await Promise.all([main, broken, edited].map((gateway) => gateway.close()));
  await sandbox.close();
  rmSync(editedDirectory, { recursive: true });
});

const [token, auditToken, ownersToken, brokenToken, brokenAuditToken, editedToken] = await Promise.all([
  main.token(),
  main.token('X09.1'),
  main.token('X05.1'),
  broken.token(),
  broken.token('X09.1'),
  edited.token(),
]);
/** It says an algorithm that is taken, so that a key is looked for. */
const citizensToken = `${Buffer.from('{"alg":"ES256","kid":"one"}').toString('base64url')}.e30.AA`;
const bearer = (value: string): Record<string, string> => ({ authorization: `Bearer ${value}` });

/** An operator, and an official of X01.1 who was stopped by it. */
const operatorsToken = await main.token('X00.1');
const STOPPED = 'X01.1-0666';
const signed = { reason: 'a test of refusals', officer: 'X00.1-0001' };
await fetch(`${main.address}/v1/shut-outs`, {
  method: 'POST',
  headers: { ...bearer(operatorsToken), 'content-type': 'application/json' },
  body: JSON.stringify({ kind: 'officer', value: STOPPED, ...signed }),
});

const LONG_AGO = Date.parse('2026-06-30T16:59:59Z');
const LAPSED = Date.parse('2027-02-28T17:00:00Z');
const [earlyToken, lateToken] = [await at(LONG_AGO), await at(LAPSED)];

/** A token of X01.1 that is valid at another time. */
async function at(now: number): Promise<string> {
  main.time.now = now;
  const token = await main.token();
  main.time.now = NOON;
  return token;
}

type Headers = Record<string, string | undefined>;

/** A request as bytes. Undefined leaves out a header that would be there. */
function http(method: string, path: string, headers: Headers = {}, body?: string | Buffer): Buffer {
  const bytes = Buffer.from(body ?? '');
  const all: Headers = {
    host: 'oncegate.test',
    connection: 'close',
    ...(body === undefined ? {} : { 'content-length': String(bytes.length), 'content-type': 'application/json' }),
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : `${name}: ${value}\r\n`));
  return Buffer.concat([Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`), bytes]);
}

const prefill = (body: object | string | Buffer, headers: Headers = {}): Buffer =>
  http(
    'POST',
    '/v1/prefills',
    { ...bearer(token), ...headers },
    typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
  );

/** Everything the gateway says until it closes the connection. */
function send(port: number, bytes: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    socket.setTimeout(8000, () => socket.destroy(new Error('the gateway neither answers nor closes')));
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('end', () => resolve(Buffer.concat(chunks).toString()));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // What was sent in vain is answered by a reset, after the reply.
      if (error.code === 'ECONNRESET' && chunks.length > 0) resolve(Buffer.concat(chunks).toString());
      else reject(error);
    });
  });
}

interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

function parse(raw: string): Reply {
  const end = raw.indexOf('\r\n\r\n');
  const [first = '', ...lines] = raw.slice(0, end).split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );
  return { status: Number(first.split(' ')[1]), headers, body: raw.slice(end + 4) };
}

const statuses = (text: string): number[] => [...text.matchAll(/HTTP\/1\.1 ([0-9]{3}) /g)].map((found) => Number(found[1]));

const problemSchema = new Ajv2020().compile(JSON.parse(readFileSync('schemas/api/problem.json', 'utf8')));

interface Refusal {
  /** Kind and outcome of each entry that it leaves in the audit log; none unless said. */
  readonly record?: readonly { readonly [member in keyof AuditEntry]?: AuditEntry[member] | undefined }[];
  /** The pointers that `errors` holds. */
  readonly pointers?: readonly string[];
  readonly headers?: Headers;
  /** Registries are asked before it is refused. */
  readonly asked?: true;
  readonly gateway?: TestGateway;
  readonly before?: () => void;
  readonly after?: () => void;
}

type Row = readonly [rule: string, request: Buffer, code: ProblemCode, refusal?: Refusal];

const seen = new Set<ProblemCode>();

async function refused(t: Test, [, request, code, refusal = {}]: Row): Promise<void> {
  const { gateway = main, record = [], pointers, headers = {}, asked = false } = refusal;
  const { length: entries } = await gateway.entries();
  const lookUps = gateway.lookUps();
  refusal.before?.();
  const raw = await send(gateway.port, request).finally(() => refusal.after?.());
  const reply = parse(raw);
  const { status, title } = problems[code];

  t.equal(reply.status, status);
  t.match(reply.headers['content-type'], /^application\/problem\+json(;|$)/);
  t.match(reply.headers, { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', ...headers });
  const document = JSON.parse(reply.body);
  t.ok(problemSchema(document), 'fits schemas/api/problem.json');
  t.match(document, { type: `urn:oncegate:problem:${code}`, status, title, code });
  if (pointers) {
    t.same(
      document.errors?.map((error: { pointer: string }) => error.pointer),
      pointers,
    );
  }
  t.notOk(namesThePerson(raw), 'the reply does not name the person');

  const added = await gateway.entries(entries);
  t.equal(added.length, record.length, 'exactly the entries that belong on record');
  for (const [i, entry] of record.entries()) t.match(added[i], entry);
  t.notOk(namesThePerson(JSON.stringify(added)), 'the audit log does not name the person');
  t.equal(gateway.lookUps() > lookUps, asked, 'registries asked');
  seen.add(code);
}

const table = (name: string, rows: readonly Row[]): Promise<unknown> =>
  t.test(name, async (t) => {
    for (const row of rows) await t.test(row[0], (t) => refused(t, row));
  });

const onRecord = (
  outcome: ProblemCode,
  more: { readonly [member in keyof AuditEntry]?: AuditEntry[member] | undefined } = {},
): Refusal => ({
  record: [{ kind: 'refusal', outcome, agency: 'X01.1', client: 'X01.1', dossier: GOOD.dossier, officer: GOOD.officer, ...more }],
});

await t.test('what is right is answered, names the person in the answer and nowhere else', async (t) => {
  const reply = parse(await send(main.port, prefill({ ...GOOD, related: { householder: '003060000021' } })));
  t.equal(reply.status, 200);
  t.ok(reply.body.includes(NUMBER) && reply.body.includes(NAME));
  t.notOk(namesThePerson(JSON.stringify(reply.headers)));
  const [intent, outcome, ...others] = await main.entries(1);
  t.match(intent, { kind: 'intent' });
  t.match(outcome, { kind: 'outcome', outcome: 'answered' });
  t.equal(others.length, 0);
  t.ok(main.lookUps() > 0);
});

const when = (now: number, refusal: Refusal): Refusal => ({
  ...refusal,
  before: () => (main.time.now = now),
  after: () => (main.time.now = NOON),
});
const withLog = (state: typeof logIs, more: Refusal = {}): Refusal => ({
  gateway: broken,
  headers: { 'retry-after': '2' },
  before: () => (logIs = state),
  after: () => (logIs = 'whole'),
  ...more,
});
const search = (body: object, authorization = auditToken): Buffer =>
  http('POST', '/v1/audit/search', bearer(authorization), JSON.stringify(body));

await table('every way of being refused', [
  ['the head of an empty log', http('GET', '/v1/log/checkpoint'), 'not-found', { gateway: edited }],
  ['a stranger', prefill(GOOD, { authorization: undefined }), 'unauthenticated', { headers: { 'www-authenticate': 'Bearer' } }],
  ['a stranger who reads the procedures', http('GET', '/v1/procedures'), 'unauthenticated'],
  ['a stranger who reads the sources', http('GET', '/v1/sources'), 'unauthenticated'],
  ['a stranger who searches the log', http('POST', '/v1/audit/search', {}, '{"reason":"curious"}'), 'unauthenticated'],
  [
    'an auditor who asks about a person',
    prefill(GOOD, bearer(auditToken)),
    'insufficient-scope',
    { headers: { 'www-authenticate': 'Bearer error="insufficient_scope"' } },
  ],
  ['an agency that searches the log', search({ reason: 'curious', subject: NUMBER }, token), 'insufficient-scope'],
  ['an agency that reads an entry', http('GET', '/v1/audit/entries/0', bearer(token)), 'insufficient-scope'],
  [
    'a procedure that is not in the catalogue',
    prefill({ ...GOOD, procedure: '1.999999' }),
    'unknown-procedure',
    onRecord('unknown-procedure', { procedure: '1.999999' }),
  ],
  [
    'a delivery where the agency has no address',
    prefill({ ...GOOD, completion: 'deliver' }),
    'no-delivery-address',
    onRecord('no-delivery-address'),
  ],
  ['a completion that there is not', http('GET', `/v1/prefills/${randomUUID()}`, bearer(token)), 'unknown-completion'],
  [
    'a place’s code without its day',
    http('GET', '/v1/places/00004', bearer(token)),
    'place-date-needed',
    { pointers: ['/listed', '/listed'] },
  ],
  ['a place that the list of the day has not', http('GET', '/v1/places/00005?listed=2020-01-01', bearer(token)), 'unknown-place'],
  [
    'changes of a registry that is another’s',
    http(
      'POST',
      '/v1/sources/land/changes',
      bearer(ownersToken),
      '{"changes":[{"dataset":"land-holding","kind":"person","key":"003099000017"}]}',
    ),
    'unknown-source',
  ],
  ['a procedure that is not there to read', http('GET', '/v1/procedures/1.999999', bearer(token)), 'unknown-procedure'],
  ['a form of which only an annex is known', http('GET', '/v1/procedures/1.014178/form', bearer(token)), 'no-form'],
  ['a person in the place of a day', http('GET', `/v1/procedures/1.004222/form?on=${NUMBER}`, bearer(token)), 'invalid-request'],
  [
    'a procedure that the agency has no grant for',
    prefill({ ...GOOD, procedure: '1.012768' }),
    'procedure-not-granted',
    onRecord('procedure-not-granted', { procedure: '1.012768' }),
  ],
  [
    'a purpose that is not said where there are two',
    prefill({ ...GOOD, procedure: '1.000656' }, bearer(editedToken)),
    'purpose-needed',
    { ...onRecord('purpose-needed', { procedure: '1.000656' }), gateway: edited, pointers: ['/purpose'] },
  ],
  [
    'a purpose that the agency has no grant for',
    prefill({ ...GOOD, purpose: 'check-afterwards' }),
    'purpose-not-granted',
    onRecord('purpose-not-granted'),
  ],
  [
    'a dossier of another agency',
    prefill({ ...GOOD, dossier: 'X02.1-261122-0001' }),
    'invalid-request',
    { ...onRecord('invalid-request', { dossier: 'X02.1-261122-0001' }), pointers: ['/dossier'] },
  ],
  [
    'a dossier of the day after tomorrow',
    prefill({ ...GOOD, dossier: 'X01.1-261124-0001' }),
    'invalid-request',
    { ...onRecord('invalid-request', { dossier: 'X01.1-261124-0001' }), pointers: ['/dossier'] },
  ],
  [
    'a dossier of a day that there is not',
    prefill({ ...GOOD, dossier: 'X01.1-260229-0001' }),
    'invalid-request',
    { ...onRecord('invalid-request', { dossier: 'X01.1-260229-0001' }), pointers: ['/dossier'] },
  ],
  [
    'a person in a call to be simulated',
    http('POST', '/v1/authorisations/simulate', bearer(token), JSON.stringify({ procedure: '1.004222', subject: NUMBER })),
    'invalid-request',
    { pointers: ['/subject'] },
  ],
  [
    'a person in the place of a role',
    http('POST', '/v1/authorisations/simulate', bearer(token), JSON.stringify({ procedure: '1.004222', related: [NUMBER] })),
    'invalid-request',
    { pointers: ['/related/0'] },
  ],
  [
    'a simulated call on a day that there is not',
    http('POST', '/v1/authorisations/simulate', bearer(token), '{"procedure":"1.004222","on":"2026-02-30"}'),
    'invalid-request',
    { pointers: ['/on'] },
  ],
  [
    'an auditor who simulates a call',
    http('POST', '/v1/authorisations/simulate', bearer(auditToken), '{"procedure":"1.004222"}'),
    'insufficient-scope',
  ],
  [
    'an officer of another agency',
    prefill({ ...GOOD, officer: 'X09.1-0001' }),
    'invalid-request',
    { ...onRecord('invalid-request', { officer: undefined }), pointers: ['/officer'] },
  ],
  [
    'an officer of an agency whose identifier begins alike',
    prefill({ ...GOOD, officer: 'X01.10-0001' }),
    'invalid-request',
    { ...onRecord('invalid-request', { officer: undefined }), pointers: ['/officer'] },
  ],
  [
    'somebody who marries himself',
    prefill({ ...GOOD, procedure: '1.000894', related: { husband: NUMBER } }),
    'invalid-request',
    { ...onRecord('invalid-request', { procedure: '1.000894' }), pointers: ['/related/husband'] },
  ],
  [
    'the day before the grant, in Viet Nam',
    prefill(GOOD, bearer(earlyToken)),
    'grant-not-in-force',
    when(LONG_AGO, onRecord('grant-not-in-force')),
  ],
  [
    'the day after the grant, in Viet Nam',
    prefill(GOOD, bearer(lateToken)),
    'grant-not-in-force',
    when(LAPSED, onRecord('grant-not-in-force')),
  ],
  [
    'a procedure whose law is not in force',
    prefill({ ...GOOD, procedure: '1.004873' }, bearer(editedToken)),
    'procedure-not-in-force',
    { ...onRecord('procedure-not-in-force', { procedure: '1.004873' }), gateway: edited },
  ],
  [
    'a role that the procedure has not',
    prefill({ ...GOOD, related: { witness: NUMBER } }),
    'unknown-role',
    { ...onRecord('unknown-role'), pointers: ['/related'] },
  ],
  [
    'a role that nobody gives',
    prefill({ ...MARRIAGE, related: { husband: NUMBER, wifeFormer: NUMBER } }),
    'unknown-role',
    onRecord('unknown-role'),
  ],
  [
    'a role that is demanded and not given',
    prefill(MARRIAGE),
    'role-missing',
    { ...onRecord('role-missing', { procedure: '1.000894' }), pointers: ['/related/husband'] },
  ],
  [
    'no related person where one is demanded',
    prefill({ ...MARRIAGE, related: {} }),
    'role-missing',
    { ...onRecord('role-missing'), pointers: ['/related/husband'] },
  ],
  [
    'a related person who is no number',
    prefill({ ...GOOD, related: { householder: 'NGUYEN VAN AN' } }),
    'invalid-request',
    { ...onRecord('invalid-request'), pointers: ['/related/householder'] },
  ],
  [
    'a field that the form has not',
    prefill({ ...GOOD, fields: ['/fullName', '/criminalRecord'] }),
    'unknown-field',
    { ...onRecord('unknown-field'), pointers: ['/fields/1'] },
  ],
  [
    'an official who was stopped',
    prefill({ ...GOOD, officer: STOPPED }),
    'officer-stopped',
    { ...onRecord('officer-stopped', { officer: STOPPED }) },
  ],
  [
    'somebody let in whom nobody shut out',
    http('POST', `/v1/shut-outs/${randomUUID()}/lift`, bearer(operatorsToken), JSON.stringify(signed)),
    'unknown-shut-out',
  ],
  ['a body that is not JSON', prefill(`${NAME} ${NUMBER}`), 'malformed-json'],
  ['a body that does not fit', prefill({ ...GOOD, subject: NAME }), 'invalid-request', { pointers: ['/subject'] }],
  ['a body over 64 KiB', prefill(JSON.stringify(GOOD).padEnd(65_537)), 'body-too-large'],
  ['a body that is not JSON by its type', prefill(GOOD, { 'content-type': 'text/plain' }), 'unsupported-media-type'],
  ['an address where nothing is', http('GET', `/v1/people/${NUMBER}`, bearer(token)), 'not-found'],
  [
    'a method that is not for the address',
    http('GET', '/v1/prefills', bearer(token)),
    'method-not-allowed',
    { headers: { allow: 'POST' } },
  ],
  ['header fields over 16 KiB', http('GET', '/healthz', { 'x-note': NUMBER.repeat(1500) }), 'headers-too-large'],
  [
    'an entry beyond the log',
    http('GET', '/v1/audit/entries/999999', bearer(auditToken)),
    'unknown-entry',
    { record: [{ kind: 'audit-read', agency: 'X09.1', query: { index: 999_999 } }] },
  ],
  [
    'an explanation of what was forgotten',
    http('GET', '/v1/audit/entries/0/explanation', bearer(brokenAuditToken)),
    'entry-pruned',
    withLog('pruned', { headers: {}, record: [{ kind: 'audit-read', query: { index: 0, view: 'explanation' } }] }),
  ],
  [
    'a citizen whose issuer does not answer',
    http('POST', '/v1/accesses', bearer(citizensToken), '{}'),
    'issuer-unavailable',
    { gateway: edited, headers: { 'retry-after': '30' } },
  ],
  ['an agency among citizens', http('POST', '/v1/accesses', bearer(token), '{}'), 'unauthenticated'],
  ['a log that is not witnessed here', cosign(strange.checkpoint), 'unknown-log', { gateway: edited }],
  [
    'a head that its log did not sign',
    cosign(witnessed.checkpoint?.replace('\n2\n', '\n3\n')),
    'checkpoint-not-signed',
    { gateway: edited },
  ],
  [
    'a head that does not continue the one before',
    cosign(witnessed.checkpoint, `${Buffer.alloc(32).toString('base64')}\n`),
    'checkpoint-inconsistent',
    { gateway: edited },
  ],
  [
    'a log that cannot be written before a registry is asked',
    prefill({ ...GOOD, maxAgeSeconds: 0 }, bearer(brokenToken)),
    'log-unavailable',
    withLog('unwritable'),
  ],
  [
    'a log that cannot be written before the answer leaves',
    prefill({ ...GOOD, maxAgeSeconds: 0 }, bearer(brokenToken)),
    'log-unavailable',
    withLog('unwritable-after-one', { record: [{ kind: 'intent' }], asked: true }),
  ],
  [
    'a log that cannot be written before the refusal leaves',
    prefill({ ...GOOD, procedure: '1.999999' }, bearer(brokenToken)),
    'log-unavailable',
    withLog('unwritable'),
  ],
  [
    'a log that cannot record that it is searched',
    search({ reason: 'Complaint' }, brokenAuditToken),
    'log-unavailable',
    withLog('unwritable'),
  ],
  [
    'a log that cannot record that an entry is read',
    http('GET', '/v1/audit/entries/0', bearer(brokenAuditToken)),
    'log-unavailable',
    withLog('unwritable'),
  ],
]);

await t.test('a fault of the gateway says nothing, to the caller or in the process log', (t) =>
  refused(t, [
    '',
    http('GET', '/v1/log/checkpoint'),
    'internal',
    { gateway: broken, before: () => (logIs = 'unreadable'), after: () => (logIs = 'whole') },
  ]),
);

await t.test('more than can be answered in time are refused at once, and those at work go on', async (t) => {
  logIs = 'hanging';
  const request = {
    method: 'POST',
    url: '/v1/prefills',
    headers: bearer(brokenToken),
    payload: { ...GOOD, procedure: '1.999999' },
  } as const;
  const atWork: Promise<string>[] = [];
  const codes: string[] = [];
  const ask = (): void => {
    const asked = broken.gateway.server.inject(request).then((reply): string => reply.json().code);
    atWork.push(asked);
    void asked.then((code) => codes.push(code));
  };
  for (let i = 0; i < 64; i++) ask();
  t.same(codes, [], 'so few are taken in any case');
  for (; codes.length === 0; await after(20)) ask();
  // On a busy machine several may have come before the first heard.
  t.same([...new Set(codes)], ['overloaded'], 'nothing has left for longer than the deadline');
  await refused(t, ['', prefill(GOOD, bearer(brokenToken)), 'overloaded', { gateway: broken, headers: { 'retry-after': '1' } }]);
  logIs = 'whole';
  release();
  t.same([...new Set(await Promise.all(atWork))].sort(), ['overloaded', 'unknown-procedure']);
  t.ok(codes.filter((code) => code === 'unknown-procedure').length >= 64);
  await refused(t, [
    '',
    prefill({ ...GOOD, procedure: '1.999999' }, bearer(brokenToken)),
    'unknown-procedure',
    { gateway: broken, record: [{ kind: 'refusal' }] },
  ]);
});

await t.test('a request that does not arrive in time is cut', async (t) => {
  const { server } = broken.gateway.server;
  t.equal(server.requestTimeout, 10_000);
  // Node takes the shorter of the two for the header, the longer for the whole.
  server.headersTimeout = server.requestTimeout = 100;
  await Promise.all([
    refused(t, [
      'slow body',
      http('POST', '/v1/prefills', { ...bearer(brokenToken), 'content-length': '500' }, '{'),
      'request-timeout',
      { gateway: broken },
    ]),
    refused(t, [
      'slow header',
      Buffer.from('POST /v1/prefills HTTP/1.1\r\nhost: oncegate.test\r\n'),
      'request-timeout',
      { gateway: broken },
    ]),
  ]);
  server.headersTimeout = server.requestTimeout = 10_000;
});

/** A body with one member written as the text given. */
const withMember = (member: string, value: string): string => `${JSON.stringify(GOOD).slice(0, -1)},${JSON.stringify(member)}:${value}}`;
const nested = (depth: number): string => withMember('related', `${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}`);
const subjects = (rule: string, subject: unknown): Row => [
  `subject: ${rule}`,
  prefill({ ...GOOD, subject }),
  'invalid-request',
  { pointers: ['/subject'] },
];
const invalid = (rule: string, change: object, ...pointers: string[]): Row => [
  rule,
  prefill({ ...GOOD, ...change }),
  'invalid-request',
  { pointers },
];
const json = JSON.stringify(GOOD);
const chunked = (body: string, rest = ''): Buffer =>
  Buffer.concat([
    http('POST', '/v1/prefills', { ...bearer(token), 'transfer-encoding': 'chunked', 'content-type': 'application/json' }),
    Buffer.from(`${Buffer.byteLength(body).toString(16)}\r\n${body}\r\n0\r\n\r\n${rest}`),
  ]);

await table('bodies that are not strict JSON', [
  ['no byte', prefill(''), 'malformed-json'],
  ['white space alone', prefill(' \n'), 'malformed-json'],
  ['no JSON', prefill('subject=003099000017'), 'malformed-json'],
  ['cut off', prefill(json.slice(0, -1)), 'malformed-json'],
  ['cut off in the middle of the number', prefill(json.slice(0, json.indexOf(NUMBER) + 6)), 'malformed-json'],
  ['two documents', prefill(`${json}${json}`), 'malformed-json'],
  ['a comment', prefill(`${json}// ${NAME}`), 'malformed-json'],
  ['a comma too many', prefill(`${json.slice(0, -1)},}`), 'malformed-json'],
  ['single quotes', prefill(json.replaceAll('"', "'")), 'malformed-json'],
  ['NaN', prefill(withMember('maxAgeSeconds', 'NaN')), 'malformed-json'],
  ['a number with a leading zero', prefill(json.replace(`"${NUMBER}"`, NUMBER)), 'malformed-json'],
  ['a control character in a string', prefill(json.replace(NUMBER, `${NUMBER}\n`)), 'malformed-json'],
  ['invalid UTF-8', prefill(Buffer.from(json.replace('0042', '00\xff'), 'latin1')), 'malformed-json'],
  ['an overlong UTF-8 form', prefill(Buffer.from(json.replace('0042', '0\xc0\xb042'), 'latin1')), 'malformed-json'],
  ['UTF-16', prefill(Buffer.from(json, 'utf16le')), 'malformed-json'],
  ['a byte order mark', prefill(`\ufeff${json}`), 'malformed-json'],
  ['a member twice', prefill(withMember('subject', '"003060000021"')), 'malformed-json'],
  ['a member twice with the same value', prefill(withMember('subject', `"${NUMBER}"`)), 'malformed-json'],
  ['a member twice by an escape', prefill(`{"\\u0073ubject":"${NUMBER}",${json.slice(1)}`), 'malformed-json'],
  ['a member twice further in', prefill(withMember('related', `{"householder":"${NUMBER}","householder":"${NUMBER}"}`)), 'malformed-json'],
  ['a member twice, spaced', prefill(`{"subject" \t\r\n:"${NUMBER}",${json.slice(1)}`), 'malformed-json'],
  ['__proto__', prefill(withMember('__proto__', '{"subject":"x"}')), 'malformed-json'],
  ['__proto__ by an escape', prefill(`{"\\u005f_proto__":{},${json.slice(1)}`), 'malformed-json'],
  ['__proto__ further in', prefill(withMember('related', '{"__proto__":"003060000021"}')), 'malformed-json'],
  ['half a surrogate pair', prefill(json.replace(NUMBER, `${NUMBER}\\ud800`)), 'malformed-json'],
  ['half a surrogate pair in a name', prefill(withMember('\udc00', '1')), 'malformed-json'],
  ['33 deep', prefill(nested(33)), 'malformed-json'],
  ['a depth bomb of arrays', prefill('['.repeat(30_000) + ']'.repeat(30_000)), 'malformed-json'],
  ['a depth bomb of objects', prefill(`${'{"a":'.repeat(9000)}1${'}'.repeat(9000)}`), 'malformed-json'],
  ['a depth bomb without end', prefill('['.repeat(65_000)), 'malformed-json'],
  ['gzip that does not say so', prefill(gzipSync(json)), 'malformed-json'],
]);

await table('bodies that do not fit the schema', [
  ['no body at all', http('POST', '/v1/prefills', bearer(token)), 'invalid-request', { pointers: [''] }],
  ['32 deep is JSON, but does not fit', prefill(nested(32)), 'invalid-request', { pointers: ['/related'] }],
  ['null', prefill('null'), 'invalid-request', { pointers: [''] }],
  ['an array', prefill([GOOD]), 'invalid-request', { pointers: [''] }],
  ['a string', prefill(JSON.stringify(json)), 'invalid-request', { pointers: [''] }],
  ['a number', prefill('3099000017'), 'invalid-request', { pointers: [''] }],
  ['nothing in it', prefill({}), 'invalid-request', { pointers: ['/procedure'] }],
  ...['procedure', 'dossier', 'officer', 'subject'].map((name) => invalid(`no ${name}`, { [name]: undefined }, `/${name}`)),
  ...['procedure', 'dossier', 'officer', 'subject', 'related', 'fields', 'maxAgeSeconds'].map((name) =>
    invalid(`${name}: null`, { [name]: null }, `/${name}`),
  ),
  subjects('a number, not a string', 103_099_000_017),
  subjects('a list of one', [NUMBER]),
  subjects('an object', { toString: NUMBER }),
  subjects('empty', ''),
  subjects('eleven digits', NUMBER.slice(1)),
  subjects('thirteen digits', `${NUMBER}0`),
  subjects('a space before', ` ${NUMBER}`),
  subjects('a space after', `${NUMBER} `),
  subjects('spaces inside', '003 099 000 017'),
  subjects('a newline after', `${NUMBER}\n`),
  subjects('a newline before', `\n${NUMBER}`),
  subjects('NUL after', `${NUMBER}\0`),
  subjects('a zero-width space', `${NUMBER}\u200b`),
  subjects('full-width digits', '００３０９９００００１７'),
  subjects('Arabic digits', '٠٠٣٠٩٩٠٠٠٠١٧'),
  subjects('a sign', '-03099000017'),
  subjects('an exponent', '3.099000e+10'),
  subjects('the old nine-digit number', '990000017'),
  subjects('a name', NAME),
  ['a member that is not in the schema', prefill({ ...GOOD, motive: 'curious' }), 'invalid-request', { pointers: ['/motive'] }],
  ['a member named like a person’s number', prefill({ ...GOOD, [NUMBER]: 1 }), 'invalid-request', { pointers: [''] }],
  ['a member named like a person', prefill({ ...GOOD, [NAME]: 1 }), 'invalid-request', { pointers: [''] }],
  ['constructor', prefill({ ...GOOD, constructor: { prototype: {} } }), 'invalid-request', { pointers: ['/constructor'] }],
  ['a member in another case', prefill({ ...GOOD, Subject: NUMBER }), 'invalid-request', { pointers: ['/Subject'] }],
  ['an officer’s name beside the officer', prefill({ ...GOOD, officerName: NAME }), 'invalid-request', { pointers: ['/officerName'] }],
  ['a grant of one’s own choice', prefill({ ...GOOD, grant: 'residence' }), 'invalid-request', { pointers: ['/grant'] }],
  ['a day of one’s own choice', prefill({ ...GOOD, today: '2026-11-22' }), 'invalid-request', { pointers: ['/today'] }],
  invalid('related: a list', { related: [NUMBER] }, '/related'),
  invalid('related: a number', { related: { householder: 3_060_000_021 } }, '/related/householder'),
  invalid('related: a list of persons', { related: { householder: [NUMBER, NUMBER] } }, '/related/householder'),
  invalid('related: empty', { related: { householder: '' } }, '/related/householder'),
  invalid('related: a newline', { related: { householder: `${NUMBER}\n` } }, '/related/householder'),
  invalid('related: over 40 characters', { related: { dwelling: 'A'.repeat(41) } }, '/related/dwelling'),
  invalid('related: a name for a role that is a person’s number', { related: { [NUMBER]: NUMBER } }, '/related', '/related'),
  invalid('related: a name for a role that is a person’s', { related: { [NAME]: NUMBER } }, '/related', '/related'),
  invalid('related: a huge name for a role', { related: { ['a'.repeat(60_000)]: NUMBER } }, '/related', '/related'),
  invalid('related: too many', { related: Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`role${i}`, NUMBER])) }, '/related'),
  invalid('fields: a string', { fields: '/fullName' }, '/fields'),
  invalid('fields: none', { fields: [] }, '/fields'),
  invalid('fields: one twice', { fields: ['/fullName', '/fullName'] }, '/fields'),
  invalid('fields: too many', { fields: Array.from({ length: 201 }, (_, i) => `/f${i}`) }, '/fields'),
  invalid('fields: empty', { fields: [''] }, '/fields/0'),
  invalid('fields: every field', { fields: ['/*'] }, '/fields/0'),
  invalid('fields: up and over', { fields: ['/../fullName'] }, '/fields/0'),
  invalid('fields: a person’s number', { fields: [`/${NUMBER}`] }, '/fields/0'),
  invalid('fields: a name', { fields: [NAME] }, '/fields/0'),
  invalid('maxAgeSeconds: negative', { maxAgeSeconds: -1 }, '/maxAgeSeconds'),
  invalid('maxAgeSeconds: a fraction', { maxAgeSeconds: 1.5 }, '/maxAgeSeconds'),
  invalid('maxAgeSeconds: a string', { maxAgeSeconds: '0' }, '/maxAgeSeconds'),
  invalid('maxAgeSeconds: true', { maxAgeSeconds: true }, '/maxAgeSeconds'),
  invalid('maxAgeSeconds: huge', { maxAgeSeconds: 1e99 }, '/maxAgeSeconds'),
  ['maxAgeSeconds: beyond numbers', prefill(withMember('maxAgeSeconds', '1e400')), 'invalid-request', { pointers: ['/maxAgeSeconds'] }],
  invalid('procedure: a number', { procedure: 1.004222 }, '/procedure'),
  invalid('procedure: no code', { procedure: 'permanent residence' }, '/procedure'),
  invalid('procedure: a newline', { procedure: '1.004222\n' }, '/procedure'),
  invalid('procedure: a path', { procedure: '../1.004222' }, '/procedure'),
  invalid('procedure: a person’s number', { procedure: NUMBER }, '/procedure'),
  invalid('dossier: free text', { dossier: `Hồ sơ của ${NAME}` }, '/dossier'),
  invalid('dossier: a person’s number', { dossier: NUMBER }, '/dossier'),
  invalid('dossier: a person’s number as serial number', { dossier: `X01.1-261122-${NUMBER}` }, '/dossier'),
  invalid('dossier: too long', { dossier: `X01${'.1'.repeat(40)}-261122-0001` }, '/dossier'),
  invalid('officer: a person’s number', { officer: NUMBER }, '/officer'),
  invalid('officer: a person’s number as staff number', { officer: `X01.1-${NUMBER}` }, '/officer'),
  invalid('officer: a name', { officer: NAME }, '/officer'),
  invalid('officer: an e-mail address', { officer: 'an@example.com' }, '/officer'),
  invalid('officer: a newline', { officer: `${GOOD.officer}\n` }, '/officer'),
  ...(['dossier', 'officer'] as const).map((name) =>
    invalid(`${name}: a person’s number as agency`, { [name]: GOOD[name].replace('X01.1', `X01.${NUMBER}`) }, `/${name}`),
  ),
]);

await table('what auditors may not ask', [
  ['no reason', search({ subject: NUMBER }), 'invalid-request', { pointers: ['/reason'] }],
  [
    'a person by number in the reason, however it is spelled',
    search({ reason: 'about 003-099-000 017' }),
    'invalid-request',
    { pointers: ['/reason'] },
  ],
  ['a person by number in wide digits', search({ reason: 'about ００３０９９０００' }), 'invalid-request', { pointers: ['/reason'] }],
  [
    'a time with another separator',
    search({ reason: 'testing', from: '2016-12-31\u202823:59:59Z' }),
    'invalid-request',
    { pointers: ['/from'] },
  ],
  [
    'a person by number in a time',
    search({ reason: 'testing', from: '2016-12-31T23:59:59.003099000017Z' }),
    'invalid-request',
    { pointers: ['/from'] },
  ],
  ['an empty reason', search({ reason: '' }), 'invalid-request', { pointers: ['/reason'] }],
  ['a person by name', search({ reason: 'Complaint', subject: NAME }), 'invalid-request', { pointers: ['/subject'] }],
  ['a person by pseudonym', search({ reason: 'Complaint', subjects: 'x' }), 'invalid-request', { pointers: ['/subjects'] }],
  ['a time in no time zone', search({ reason: 'Complaint', from: '2026-11-22T00:00:00' }), 'invalid-request', { pointers: ['/from'] }],
  ['a day that is not', search({ reason: 'Complaint', to: '2026-02-30T00:00:00Z' }), 'invalid-request', { pointers: ['/to'] }],
  ['everything at once', search({ reason: 'Complaint', limit: 1e6 }), 'invalid-request', { pointers: ['/limit'] }],
  ['a cursor of SQL', search({ reason: 'Complaint', cursor: '0 OR 1=1' }), 'invalid-request', { pointers: ['/cursor'] }],
  ['an entry that is no number', http('GET', `/v1/audit/entries/${encodeURIComponent(NAME)}`, bearer(auditToken)), 'invalid-request'],
  ['an entry before the first', http('GET', '/v1/audit/entries/-1', bearer(auditToken)), 'invalid-request'],
]);

const typed = (type: string | undefined, body = json): Buffer => prefill(body, { 'content-type': type });

await table('media types and codings', [
  ...[
    'text/plain',
    'text/json',
    'application/jsonx',
    'application/problem+json',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'text/plain, application/json',
    'application/json, text/plain',
    'json',
    '',
    ';',
  ].map((type): Row => [`Content-Type: ${type}`, typed(type), 'unsupported-media-type']),
  ['no Content-Type', typed(undefined), 'unsupported-media-type'],
  ['gzip', prefill(gzipSync(json), { 'content-encoding': 'gzip' }), 'unsupported-media-type'],
  ['gzip that is none', prefill(json, { 'content-encoding': 'gzip' }), 'unsupported-media-type'],
  ['two codings', prefill(json, { 'content-encoding': 'identity, br' }), 'unsupported-media-type'],
  ...['utf-16', '"UTF-16LE"', 'latin1', '', 'utf-8; charset=utf-16'].map(
    (charset): Row => [`charset=${charset}`, typed(`application/json; charset=${charset}`), 'unsupported-media-type'],
  ),
]);

await table('methods and addresses', [
  ...['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY', 'SEARCH'].flatMap((method): Row[] =>
    method === 'HEAD'
      ? []
      : [[`${method} /v1/prefills`, http(method, '/v1/prefills', bearer(token)), 'method-not-allowed', { headers: { allow: 'POST' } }]],
  ),
  [
    'a wrong method with a body that is not JSON',
    http('PUT', '/v1/prefills', {}, NAME),
    'method-not-allowed',
    { headers: { allow: 'POST' } },
  ],
  [
    'a wrong method at an address with a person in the query',
    http('GET', `/v1/prefills?subject=${NUMBER}`, bearer(token)),
    'method-not-allowed',
    { headers: { allow: 'POST' } },
  ],
  [
    'a wrong method for one procedure',
    http('DELETE', '/v1/procedures/1.004222', bearer(token)),
    'method-not-allowed',
    { headers: { allow: 'GET' } },
  ],
  ['a wrong method for the keys', http('POST', '/.well-known/jwks.json', {}, '{}'), 'method-not-allowed', { headers: { allow: 'GET' } }],
  ['a token by GET', http('GET', '/oauth2/token?scope=prefill'), 'method-not-allowed', { headers: { allow: 'POST' } }],
  ['an unknown address for a stranger', http('GET', '/v1/nothing'), 'not-found'],
  ['an unknown address with a body that is not JSON', http('POST', `/v1/persons/${NUMBER}`, bearer(token), NAME), 'not-found'],
  ['a person in the path', http('GET', `/v1/prefills/${NUMBER}`, bearer(token)), 'unknown-completion'],
  ['a person’s name in the path', http('GET', `/v1/prefills/${encodeURIComponent(NAME)}`, bearer(token)), 'unknown-completion'],
  ['a person in the place of a procedure', http('GET', `/v1/procedures/${NUMBER}`, bearer(token)), 'unknown-procedure'],
  ['a slash at the end', http('POST', '/v1/prefills/', bearer(token), json), 'not-found'],
  ['two slashes at the start', http('POST', '//v1/prefills', bearer(token), json), 'not-found'],
  ['another case', http('POST', '/V1/Prefills', bearer(token), json), 'not-found'],
  ['dots', http('GET', '/v1/../v1/procedures', bearer(token)), 'not-found'],
  ['a bad percent', http('GET', `/v1/procedures/%zz${NUMBER}`, bearer(token)), 'not-found'],
  ['a percent alone', http('GET', '/%', bearer(token)), 'not-found'],
  ['invalid UTF-8 by percent', http('GET', '/v1/procedures/%c0%af', bearer(token)), 'not-found'],
  ['NUL by percent', http('GET', '/v1/procedures/%00', bearer(token)), 'unknown-procedure'],
  ['a slash by percent', http('GET', '/v1/procedures/..%2f..%2fkeys.json', bearer(token)), 'unknown-procedure'],
  ['a method of a prototype', http('GET', '/v1/procedures/constructor', bearer(token)), 'unknown-procedure'],
  ['a very long code', http('GET', `/v1/procedures/${'1'.repeat(1000)}`, bearer(token)), 'not-found'],
  ['a URL of 10,000 characters', http('GET', `/${'a'.repeat(10_000)}`, bearer(token)), 'not-found'],
  ['a URL of 20,000 characters', http('GET', `/${'a'.repeat(20_000)}`, bearer(token)), 'headers-too-large'],
  ['NUL in the pages', http('GET', '/docs/static/%00'), 'not-found'],
  ['out of the pages', http('GET', '/docs/static/..%2f..%2fpackage.json'), 'not-found'],
  ['a hidden file of the pages', http('GET', '/docs/static/.git'), 'not-found'],
  ['a range that the pages have not', http('GET', '/docs/static/index.css', { range: 'bytes=999999999-' }), 'invalid-request'],
  ['another version of the pages', http('GET', '/docs/static/index.css', { 'if-match': '"x"' }), 'invalid-request'],
  ['every server there is', http('OPTIONS', '*'), 'not-found'],
]);

/** A request of its own that must not be seen where it stands in another's body. */
const smuggled = http('POST', '/v1/prefills', bearer(token), json).toString();
const raw = (...lines: string[]): Buffer => Buffer.from(lines.join('\r\n'));
const CHUNK = json.length.toString(16);
const start = ['POST /v1/prefills HTTP/1.1', 'host: oncegate.test', `authorization: Bearer ${token}`, 'content-type: application/json'];

await table('what is not HTTP', [
  ['both lengths', raw(...start, 'content-length: 5', 'transfer-encoding: chunked', '', '0', '', smuggled), 'invalid-request'],
  [
    'both lengths, turned round',
    raw(...start, 'transfer-encoding: chunked', 'content-length: 5', '', '0', '', smuggled),
    'invalid-request',
  ],
  ['two lengths', raw(...start, 'content-length: 0', 'content-length: 44', '', smuggled), 'invalid-request'],
  ['a length that is a list', raw(...start, 'content-length: 0, 44', '', smuggled), 'invalid-request'],
  ['a length with a sign', raw(...start, 'content-length: +5', '', smuggled), 'invalid-request'],
  ['a negative length', raw(...start, 'content-length: -1', '', smuggled), 'invalid-request'],
  ['a length beyond numbers', raw(...start, 'content-length: 99999999999999999999', '', smuggled), 'invalid-request'],
  ['a coding beside chunked', raw(...start, 'transfer-encoding: chunked, identity', '', '0', '', smuggled), 'invalid-request'],
  ['a coding that is not chunked', raw(...start, 'transfer-encoding: xchunked', '', '0', '', smuggled), 'invalid-request'],
  ...[
    'gzip, chunked',
    'identity, chunked',
    'chunked, chunked',
    'chunked;q=1',
    '"chunked"',
    '\x0bchunked',
    'chunked\r\ntransfer-encoding: identity',
  ].map(
    (coding): Row => [
      `Transfer-Encoding: ${JSON.stringify(coding)}`,
      raw(...start, `transfer-encoding: ${coding}`, 'connection: close', '', CHUNK, json, '0', '', smuggled),
      'invalid-request',
    ],
  ),
  [
    'a coding by HTTP/1.0',
    raw(...start, 'transfer-encoding: chunked', '', CHUNK, json, '0', '', smuggled).fill('0', 27, 28),
    'invalid-request',
  ],
  ...[`${CHUNK};a=\n`, `${CHUNK}\n`, `0x${CHUNK}\r\n`, ` ${CHUNK}\r\n`, `${CHUNK} \r\n`, `-${CHUNK}\r\n`, `1${'0'.repeat(16)}\r\n`].map(
    (size): Row => [
      `a chunk of ${JSON.stringify(size)}`,
      raw(...start, 'transfer-encoding: chunked', '', `${size}${json}`, '0', '', smuggled),
      'invalid-request',
    ],
  ),
  [
    'a chunk that a bare line feed ends',
    raw(...start, 'transfer-encoding: chunked', '', CHUNK, `${json}\n0`, '', smuggled),
    'invalid-request',
  ],
  ['a bare carriage return', raw(...start, 'x-note: a\rcontent-length: 0', '', smuggled), 'invalid-request'],
  ['a length in hexadecimals', raw(...start, 'content-length: 0x5', '', smuggled), 'invalid-request'],
  ['the same length twice', raw(...start, 'content-length: 5', 'content-length: 5', '', smuggled), 'invalid-request'],
  ['two hosts', raw(...start, 'host: elsewhere.test', 'connection: close', `content-length: ${json.length}`, '', json), 'invalid-request'],
  [
    'two media types',
    raw(...start, 'Content-Type: text/plain', 'connection: close', `content-length: ${json.length}`, '', json),
    'invalid-request',
  ],
  ['a chunk without size', raw(...start, 'transfer-encoding: chunked', '', 'zz', '', smuggled), 'invalid-request'],
  ['a chunk longer than it says', raw(...start, 'transfer-encoding: chunked', '', '1', '{}}', '0', '', ''), 'invalid-request'],
  ['a space before the colon', raw(...start, 'content-length : 5', '', smuggled), 'invalid-request'],
  ['a folded header', raw(...start, 'x-note: a', ` ${NUMBER}`, 'content-length: 0', '', ''), 'invalid-request'],
  ['a bare line feed', Buffer.from(`POST /v1/prefills HTTP/1.1\nhost: oncegate.test\n\n${smuggled}`), 'invalid-request'],
  ['NUL in a header', raw(...start, 'x-note: a\0b', 'content-length: 0', '', ''), 'invalid-request'],
  ['a line with no name', raw(...start, ': x', 'content-length: 0', '', ''), 'invalid-request'],
  ['a space in the path', raw(`GET /v1/people/${NAME} HTTP/1.1`, 'host: oncegate.test', '', ''), 'invalid-request'],
  ['a method that is not', raw(`${NUMBER} /v1/prefills HTTP/1.1`, 'host: oncegate.test', '', ''), 'invalid-request'],
  ['another version', raw('GET /healthz HTTP/3.0', 'host: oncegate.test', '', ''), 'invalid-request'],
  ['HTTP/2 without asking', raw('PRI * HTTP/2.0', '', 'SM', '', ''), 'invalid-request'],
  ['TLS', Buffer.from('16030100a5010000a10303', 'hex'), 'invalid-request'],
  ['a person alone', raw(NUMBER, NAME, '', ''), 'invalid-request'],
  [
    'many header fields',
    http('GET', '/healthz', Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`x-${i}`, '1']))),
    'headers-too-large',
  ],
]);

/** What goes right at the same edges, so that the tables above are not passed by refusing everything. */
const accepted: [string, Buffer][] = [
  ['64 KiB', prefill(json.padEnd(65_536))],
  ['white space around', prefill(`\r\n\t ${json} \n`)],
  ['a charset', typed('application/json; charset=utf-8')],
  ['another case of the media type', typed('Application/JSON')],
  ['the identity coding', prefill(json, { 'content-encoding': 'identity' })],
  ['chunks', chunked(json)],
  ['chunks in capitals', Buffer.from(chunked(json).toString().replace('chunked', 'Chunked'))],
  ['a charset in quotes', typed('application/json; Charset="UTF-8"')],
  ['an empty related', prefill({ ...GOOD, related: {} })],
  ['a whole number written as a fraction', prefill(withMember('maxAgeSeconds', '0.0'))],
  ['a member by an escape', prefill(json.replace('"subject"', '"\\u0073ubject"'))],
  ['Expect: 100-continue', prefill(json, { expect: '100-continue' })],
  ['an expectation that nobody knows', prefill(json, { expect: '200-maybe' })],
  ['an offer to change the protocol', prefill(json, { connection: 'close, upgrade', upgrade: 'websocket' })],
  [
    'a person in the query, which nobody reads',
    http('POST', `/v1/prefills?subject=${NUMBER}&name=${encodeURIComponent(NAME)}`, bearer(token), json),
  ],
];

await t.test('what is right is answered, however it is written', async (t) => {
  for (const [rule, request] of accepted) {
    const answers = (await send(main.port, request)).replace('HTTP/1.1 100 Continue\r\n\r\n', '');
    t.equal(parse(answers).status, 200, rule);
  }
});

await t.test('requests one after the other on a connection', async (t) => {
  const open = http('GET', '/healthz', { connection: undefined });
  const last = http('GET', '/v1/nothing');
  t.same(statuses(await send(main.port, Buffer.concat([open, last]))), [200, 404], 'are answered in order');

  const { length } = await main.entries();
  const bad = await send(
    main.port,
    Buffer.concat([http('POST', '/v1/prefills', { ...bearer(token), connection: undefined }, json), Buffer.from(`${NUMBER}\r\n\r\n`)]),
  );
  t.match(statuses(bad).join(), /^(200,)?400$/, 'and what follows a good one is refused');
  t.match((await main.entries(length)).at(-1) ?? { outcome: 'abandoned' }, { outcome: /answered|abandoned/ });

  const hidden = http('GET', '/v1/sources', { ...bearer(token), connection: undefined });
  const next = http('GET', '/v1/sources', bearer(token));
  const { length: before } = await main.entries();
  for (const [method, path, status] of [
    ['POST', '/v1/prefills', 401],
    ['POST', '/nothing', 404],
    ['PUT', '/v1/prefills', 405],
    ['HEAD', '/v1/sources', 405],
  ] as const) {
    const refusal = http(method, path, { connection: undefined, 'content-length': String(hidden.length) });
    t.same(
      statuses(await send(main.port, Buffer.concat([refusal, hidden, next]))),
      [status, 200],
      `${status}: what stands in a body that nobody read is no request`,
    );
  }
  t.equal((await main.entries()).length, before);

  const rest = chunked(json, `${NUMBER}\r\n\r\n`).toString().replace('connection: close\r\n', '');
  t.match(statuses(await send(main.port, Buffer.from(rest))).join(), /^(200,)?400$/, 'as after a chunked body');
});

await t.test('HEAD is refused like any other method, without a body', async (t) => {
  const reply = parse(await send(main.port, http('HEAD', '/v1/prefills', bearer(token))));
  t.match(reply, { status: 405, headers: { allow: 'POST' }, body: /^$/ });
});

await t.test('what HTTP itself has no answer for is closed', async (t) => {
  t.equal(await send(main.port, raw('CONNECT registry.test:443 HTTP/1.1', 'host: registry.test', '', '')), '');
  t.match(parse(await send(main.port, raw('GET /v1/procedures HTTP/1.1', '', ''))), { status: 400, body: /^0?\s*$/ }, 'no Host');
});

await t.test('a caller who leaves in the middle of a request is no failure of the gateway', async (t) => {
  const arrived = new Promise<void>((resolve) => main.gateway.server.server.once('request', () => resolve()));
  const socket = connect(main.port, '127.0.0.1', () =>
    socket.write(http('POST', '/v1/prefills', { ...bearer(token), 'content-length': '500' }, json)),
  );
  await arrived;
  socket.destroy();
  await new Promise<void>((resolve) => socket.once('close', () => resolve()));
  t.equal(parse(await send(main.port, http('GET', '/healthz'))).status, 200);
});

/** Every text of a form but the shortest, which could stand anywhere. */
function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return value.length > 4 ? [value] : [];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : [];
}

/** The prefill of a good request, and the reply as it was sent. */
async function fill(gateway: TestGateway, request: object, authorization: string): Promise<Prefill & { raw: string }> {
  const raw = await send(gateway.port, prefill(request, bearer(authorization)));
  return { ...(JSON.parse(parse(raw).body) as { prefill: Prefill }).prefill, raw };
}

await t.test('an answer holds only what was asked for and granted', async (t) => {
  const landToken = await main.token('X02.1');
  const whole = await fill(main, GOOD, token);
  const phone = String(whole.form.phone);
  const email = String(whole.form.email);
  t.ok(textsOf(whole.form).length > 5 && phone.length > 5 && email.length > 5, 'there is something to leave out');

  await t.test('fewer fields asked, fewer values; the papers are judged all the same', async (t) => {
    const narrow = await fill(main, { ...GOOD, fields: ['/gender', '/fullName'] }, token);
    t.same(Object.keys(narrow.fields).sort(), ['/fullName', '/gender']);
    t.same(narrow.form, { fullName: whole.form.fullName, gender: whole.form.gender });
    t.same(
      narrow.components.map(({ id, verdict }) => [id, verdict]),
      whole.components.map(({ id, verdict }) => [id, verdict]),
    );
    for (const text of textsOf(whole.form)) t.equal(narrow.raw.includes(text), text === NAME, 'nothing else of the form');
  });

  for (const [rule, request] of [
    ['a field outside the grant stays out', {}],
    ['and asking for it by name does not widen the grant', { fields: ['/user/contact/phone', '/user/contact/email', '/user/name'] }],
    ['or asking for it alone', { fields: ['/user/contact/phone'] }],
  ] as const) {
    await t.test(rule, async (t) => {
      const { length } = await main.entries();
      const land = { ...GOOD, procedure: '1.012768', dossier: 'X02.1-261122-0001', officer: 'X02.1-0042', maxAgeSeconds: 0 };
      const cut = await fill(main, { ...land, ...request }, landToken);
      t.match(cut.fields['/user/contact/phone'], { status: 'not-authorised' });
      t.notOk(cut.raw.includes(phone), 'the telephone number is nowhere in the reply');
      t.notOk(cut.raw.includes(email), 'nor is the e-mail address');
      const entries = await main.entries(length);
      t.same(
        entries.map((entry) => [entry.kind, entry.agency, entry.fields?.some((field) => field.startsWith('/user/contact'))]),
        [
          ['intent', 'X02.1', false],
          ['outcome', 'X02.1', false],
        ],
      );
    });
  }

  await t.test('what is not granted is not looked up', async (t) => {
    const land = sandbox.requests('land');
    const cut = await fill(edited, { ...GOOD, maxAgeSeconds: 0 }, editedToken);
    t.same(Object.keys(cut.form).sort(), ['fullName', 'gender']);
    t.same(
      [...new Set(Object.entries(cut.fields).map(([at, { status }]) => [at === '/fullName' || at === '/gender', status].join()))].sort(),
      ['false,not-authorised', 'true,filled'],
    );
    t.same([...new Set(cut.components.map(({ verdict, reason }) => [verdict, reason].join()))], ['ask,not-authorised']);
    for (const text of textsOf(whole.form)) t.equal(cut.raw.includes(text), text === NAME, 'nothing else of the form');
    t.equal(sandbox.requests('land'), land, 'the land register was not asked');
  });
});

await t.test('no line of the process log names a person, and no refusal counts as a failure of the gateway', async (t) => {
  for (const gateway of [main, edited, broken]) {
    t.ok(gateway.lines.length > 0);
    t.same(gateway.lines.filter(namesThePerson), []);
  }
  const failures = (gateway: TestGateway): unknown[] =>
    gateway.lines.map((line) => JSON.parse(line)).filter(({ level, status }) => level >= 50 || status >= 500);
  t.same(failures(main), []);
  const gone = failures(edited);
  t.equal(gone.length, 2, 'but an issuer that is gone does');
  t.match(gone, [{ code: 'issuer-unavailable' }, { route: '/v1/accesses', status: 503 }]);
  t.match(failures(broken)[0], { code: 'log-unavailable' }, 'as what fails does');
});

await t.test('after five wrong claims nothing more is compared about the person', async (t) => {
  const guess = http(
    'POST',
    '/v1/verifications',
    bearer(token),
    JSON.stringify({ ...MARRIAGE, related: { husband: NUMBER }, claims: { '/wife/fullName': 'A' } }),
  );
  for (let i = 0; i < 5; i++) t.match(parse(await send(main.port, guess)), { status: 200 });
  await refused(t, ['', guess, 'too-many-mismatches', { ...onRecord('too-many-mismatches'), headers: { 'retry-after': '86400' } }]);
});

/** What takes more than one request to come to is produced where the tests are of what it is about. */
const ELSEWHERE: readonly ProblemCode[] = [
  'access-unavailable',
  'completion-delivered',
  'completion-expired',
  'completion-refused',
  'completion-unavailable',
  'correction-closed',
  'correction-unavailable',
  'field-not-granted',
  'record-unknown',
  'reply-not-read',
  'shut-out-unavailable',
  'signer-unavailable',
  'stopping',
  'supplier-not-allowed',
  'too-many-corrections',
  'too-many-shut-outs',
  'too-many-requests',
  'unknown-correction',
];
await t.test('every code can be produced', async (t) => t.same([...seen, ...ELSEWHERE].sort(), Object.keys(problems).sort()));

/** The rows of the tables below a heading of docs/problems.md, without their code marks. */
function documented(heading: string): string[][] {
  const section =
    readFileSync('docs/problems.md', 'utf8')
      .split(/^## /m)
      .find((text) => text.startsWith(heading)) ?? '';
  const rows = section.split('\n').filter((line) => line.startsWith('| `'));
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('`', '')),
  );
}

await t.test('docs/problems.md says what the code says', async (t) => {
  t.same(
    documented('Codes').map(([code, status, title]) => ({ code, status: Number(status), title })),
    Object.entries(problems).map(([code, { status, title }]) => ({ code, status, title })),
  );
  for (const [heading, schema] of [
    ['Why a field', 'field-result'],
    ['Why a paper', 'component-result'],
  ] as const) {
    const { description } = JSON.parse(readFileSync(`schemas/api/${schema}.json`, 'utf8')).properties.reason;
    const words = [...description.matchAll(/`([a-z-]+)`/g)].map((found) => found[1]);
    t.ok(words.length > 5);
    t.same(
      documented(heading)
        .map(([reason]) => reason)
        .sort(),
      words.sort(),
      heading,
    );
  }
  const { enum: statuses } = JSON.parse(readFileSync('schemas/api/field-result.json', 'utf8')).properties.status;
  t.same(
    documented('Why a field').filter(([, status]) => !statuses.includes(status)),
    [],
  );
});

await t.test('a caller who sends many and reads none is cut', async (t) => {
  const many = Buffer.concat(Array.from({ length: 200 }, () => http('GET', '/healthz')));
  const socket = connect(main.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.pause();
  socket.write(many);
  await new Promise((resolve) => socket.once('close', resolve).resume());
  t.ok(socket.destroyed);
  t.equal((await fetch(`${main.address}/healthz`)).status, 200, 'and others are served');
});
