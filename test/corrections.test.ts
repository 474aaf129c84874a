/** A wrong value is reported to the owner of its register: on record, for nobody else to see, told with every answer until it is answered. */
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as after } from 'node:timers/promises';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import t from 'tap';
import { parseVerifierKey } from '../src/audit/checkpoint.ts';
import type { AuditEntry } from '../src/audit/entry.ts';
import { LogUnavailable } from '../src/audit/log.ts';
import { verifyReply } from '../src/audit/verify.ts';
import { sandboxCitizenToken } from '../src/citizen-keys.ts';
import { CLOSED, REPORTED } from '../src/corrections/deliver.ts';
import { openPostgresTickets } from '../src/corrections/postgres.ts';
import { openSqliteTickets } from '../src/corrections/sqlite.ts';
import type { Ticket, TicketStore } from '../src/corrections/store.ts';
import type { CitizenIssuer, Prefill, Receipt } from '../src/domain.ts';
import { startSandbox } from '../src/sandbox/index.ts';
import {
  editedConfig,
  ISSUER,
  NOON,
  startGateway,
  type TestGateway,
  type TestGatewayOptions,
  temporaryDirectory,
} from './support/gateway.ts';
import { openAt, placesFor } from './support/places.ts';
import { findPostgres } from './support/postgres.ts';
import { schemaCheck } from './support/schemas.ts';
import { eventually } from './support/waiting.ts';

const AN = '003099000017';
const DAY = 86_400_000;
const check = schemaCheck();
const sandbox = await startSandbox();
const postgres = await findPostgres();
const noPostgres = typeof postgres === 'string' ? postgres : false;
t.teardown(async () => {
  await sandbox.close();
  if (typeof postgres !== 'string') await postgres.stop();
});

// The stores

const openStore = (address: string): Promise<TicketStore> => openAt(address, openSqliteTickets, openPostgresTickets);

const ticketOf = (more: Partial<Ticket> = {}): Ticket => ({
  id: randomUUID(),
  agency: 'X01.1',
  source: 'population',
  dataset: 'person',
  record: randomUUID(),
  values: '/fullName',
  state: 'reported',
  created: NOON,
  due: NOON,
  ends: NOON + DAY,
  sealed: randomBytes(40),
  ...more,
});

for (const { name, skip, make } of placesFor('corrections.db', postgres)) {
  t.test(`${name} keeps reports`, { skip }, async (t) => {
    const address = await make();
    const [one, two] = await Promise.all([openStore(address), openStore(address)]);
    const empty = await one.openMark();
    const ticket = ticketOf();
    t.equal(await one.add(ticket), true);
    t.strictSame(await two.get(ticket.id), ticket, 'another process sees it as it was put');
    t.equal(await two.get(randomUUID()), undefined);
    t.equal(await two.add({ ...ticket, id: randomUUID() }), false, 'an agency has one open of a value');
    t.strictSame(await two.same(ticket), ticket);
    for (const other of [{ agency: 'X02.1' }, { record: 'another' }, { values: '/gender' }])
      t.equal(await one.add(ticketOf({ ...ticket, due: undefined, ...other, id: randomUUID(), created: NOON + 5 })), true);
    t.equal(await two.openOf('X01.1'), 3);
    t.strictSame((await two.list('population', 'reported', 2))[0], ticket, 'the oldest first');
    t.equal((await two.list('population', 'reported', 2)).length, 2);
    t.strictSame(await two.list('land', 'reported', 2), []);
    const mark = await two.openMark();
    t.not(mark, empty);
    t.equal((await two.open()).length, 4);

    t.strictSame(await one.take(NOON - 1, NOON + 9, 9), []);
    const [taken] = await one.take(NOON, NOON + 9, 9);
    t.strictSame(taken?.task, ticket);
    t.strictSame(await two.take(NOON + 8, NOON + 99, 9), [], 'and nobody else has it in its time');
    const answered: Ticket = { ...ticket, state: 'answered', due: undefined, ends: NOON + 7, sealed: Buffer.from('closed') };
    t.equal(await two.change(answered, 'unanswered'), false, 'not what it is not any more');
    t.equal(await two.change(answered, 'reported'), true, 'whoever works on it');
    t.equal(taken && (await one.put(taken)), false, 'and who did puts nothing back');
    t.strictSame(await one.get(ticket.id), answered);
    t.not(await one.openMark(), mark);
    t.equal(await one.same(ticket), undefined);
    t.equal(await one.add(ticketOf({ ...ticket, id: randomUUID() })), true, 'once it is closed, it may be reported again');
    t.equal(await two.forget(NOON + 6), 0);
    t.equal(await two.forget(NOON + 7), 1);
    t.equal(await one.get(ticket.id), undefined);
    const [again] = await two.take(NOON, NOON + 9, 9);
    t.equal(again && (await two.put({ ...again, task: { ...again.task, due: undefined } })), true);
    await Promise.all([one.close(), two.close()]);
    const later = await openStore(address);
    t.equal((await later.open()).length, 4, 'they are there after a restart');
    await later.close();
  });
}

// Over HTTP

interface Shown {
  readonly id: string;
  readonly state: string;
  readonly field: string;
  readonly owner: string;
  readonly report?: object;
  readonly answer?: object;
}
interface Answered {
  readonly status: number;
  readonly text: string;
  readonly body: {
    readonly prefill: Prefill;
    readonly correction: Shown;
    readonly corrections: Shown[];
    readonly verification: { readonly claims: Record<string, object> };
    readonly receipt: Receipt;
    readonly code: string;
    readonly detail?: string;
  };
}
async function ask(on: TestGateway, path: string, body?: object, agency = 'X01.1', method = body === undefined ? 'GET' : 'POST') {
  const reply = await fetch(`${on.address}${path}`, {
    method,
    headers: { authorization: `Bearer ${await on.token(agency)}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await reply.text();
  return { status: reply.status, text, body: JSON.parse(text) as Answered['body'] };
}
const CLAIM = 'NGUYỄN VĂN KHÁC';
const EVIDENCE = 'Giấy khai sinh số 7777/1999';
const REASON = 'Sai tên đệm, theo lời ông Tuyệt Mật';
let dossiers = 0;
const asked = (more: object = {}): object => ({
  procedure: '1.004222',
  dossier: `X01.1-261122-${++dossiers}`,
  officer: 'X01.1-0042',
  subject: AN,
  ...more,
});
const wrong = (more: object = {}): object =>
  asked({ field: '/fullName', source: 'population', claim: CLAIM, evidence: EVIDENCE, reason: REASON, ...more });
const tell = (on: TestGateway, more?: object, agency?: string): Promise<Answered> => ask(on, '/v1/corrections', wrong(more), agency);
const fill = async (on: TestGateway, more?: object, agency?: string): Promise<Prefill> =>
  (await ask(on, '/v1/prefills', asked(more), agency)).body.prefill;
const LAND = { procedure: '1.012768', dossier: 'X02.1-261122-0001', officer: 'X02.1-0001' };
const start = (more: TestGatewayOptions = {}): Promise<TestGateway> => startGateway({ sandbox, ...more });
const logKey = (on: TestGateway) => parseVerifierKey(readFileSync(join(on.dataDirectory, 'log.vkey'), 'utf8'));
const onRecord = (on: TestGateway, fits: (entry: AuditEntry) => boolean): Promise<AuditEntry> =>
  eventually(async () => (await on.entries()).find(fits));

const bytesOf = (on: TestGateway): string =>
  readdirSync(on.dataDirectory)
    .filter((name) => /^(corrections|log)/.test(name))
    .map((name) => readFileSync(join(on.dataDirectory, name), 'latin1'))
    .join('') + on.lines.join('');
const MARKED = [CLAIM, EVIDENCE, REASON, 'Tuyệt Mật', AN].flatMap((text) => [text, Buffer.from(text).toString('latin1')]);
const ledger = async (
  on: TestGateway,
): Promise<{ outcome: string; agency: { id: string }; fields: { at: string }[]; status: { en: string } }[]> => {
  const { citizens } = on.gateway.catalogue.gateway;
  const token = await sandboxCitizenToken(on.dataDirectory, citizens as CitizenIssuer, ISSUER, AN, on.time.now);
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const body = await (await fetch(`${on.address}/v1/accesses`, { method: 'POST', headers, body: '{}' })).json();
  check('Accesses', body);
  return (body as { accesses: Awaited<ReturnType<typeof ledger>> }).accesses;
};

// One gateway for what follows; a form has a field that is bound to what a paper rests on.
const area = { at: '/dwelling/area', name: { vi: 'a', en: 'a' }, type: 'area', required: false };
const bound = { ...area, from: [{ role: 'dwelling', dataset: 'land-certificate', value: '/floorArea' }] };
let broken = false;
const main = await start({
  configDirectory: editedConfig({
    'procedures/1.004222.yaml': (file) => ({ ...file, fields: [...(file.fields as unknown as object[]), bound] }),
    'gateway.yaml': (file) => ({ ...file, corrections: { openPerAgency: 5 } }),
    'agencies/X02.1.yaml': (file) => ({ ...file, scopes: ['prefill', 'correct'] }),
  }),
  breakLog: (store) => ({
    ...store,
    append: (compose) => (broken ? Promise.reject(new LogUnavailable('the disk is full')) : store.append(compose)),
  }),
});
t.teardown(() => main.close());

t.test('the whole circle: reported, under review for everybody, answered, heard', async (t) => {
  const on = main;
  const before = await fill(on, LAND, 'X02.1');
  t.match(before.fields['/user/identityDocument'], { status: 'filled' });
  const lookUps = on.lookUps();
  const request = wrong({ procedure: '1.001456', field: '/applicant/identityDocument' });
  const first = await ask(on, '/v1/corrections', request);
  t.equal(first.status, 200);
  check('CorrectionReply', first.body);
  verifyReply(first.body, logKey(on), request);
  const { id } = first.body.correction;
  t.match(first.body.correction, { state: 'reported', owner: 'X05.1', source: 'population', until: '2026-12-02T05:00:00.000Z' });
  t.equal(on.lookUps(), lookUps, 'nobody is asked for the sake of it');
  const reported = (await on.entries()).at(-1);
  check('AuditEntry', reported);
  t.match(reported, { kind: 'outcome', outcome: 'reported', id, fields: ['/applicant/identityDocument'], officer: 'X01.1-0042' });
  t.match(reported?.sources, [{ source: 'population', dataset: 'person', result: 'reported-wrong' }]);

  const again = await ask(on, '/v1/corrections', { ...request, dossier: 'X01.1-261122-77', claim: 'another' });
  t.match(again.body.correction, { id, dossier: (request as { dossier: string }).dossier }, 'a second report is answered with the first');
  t.equal((await ask(on, '/v1/corrections?source=population', undefined, 'X05.1')).body.corrections.length, 1);

  // Everybody's answers
  const since = '2026-11-22T05:00:00.000Z';
  const { body, text } = await ask(on, '/v1/prefills', asked(LAND), 'X02.1');
  check('PrefillReply', body);
  const after = body.prefill;
  t.match(after.fields['/user/identityDocument'], { status: 'under-review', underReviewSince: since, source: 'population' });
  t.strictSame(after.form, before.form, 'the value stays');
  t.match(
    after.components.find((paper) => paper.id === 'identity-card'),
    { verdict: 'partly', reason: 'under-review' },
    'and a paper that rests on it is looked at',
  );
  t.equal(after.summary.filled, before.summary.filled - 1);
  t.match(after.fields['/user/address'], { status: 'filled' }, 'what was not reported is as it was');
  for (const secret of [...MARKED.slice(0, -2), id, 'X01.1', 'X05.1']) t.notOk(text.includes(secret), 'another agency sees no more of it');
  const other = await fill(on, { ...LAND, subject: '003060000021' }, 'X02.1');
  t.match(other.fields['/user/identityDocument'], { status: 'filled' }, 'nor is anybody else’s record under review');

  // The agency, the owner, and a stranger
  const own = await ask(on, `/v1/corrections/${id}`);
  check('CorrectionShown', own.body);
  for (const secret of MARKED) t.notOk(own.text.includes(secret), 'what the agency is shown is of nobody in particular');
  const list = await ask(on, '/v1/corrections?source=population&state=reported', undefined, 'X05.1');
  check('Corrections', list.body);
  for (const secret of MARKED) t.notOk(list.text.includes(secret), 'so is the list');
  const size = (await on.entries()).length;
  const owned = await ask(on, `/v1/corrections/${id}`, undefined, 'X05.1');
  check('CorrectionShown', owned.body);
  t.match(owned.body.correction.report, {
    kind: 'person',
    key: AN,
    values: ['/identityDocument'],
    claim: CLAIM,
    evidence: EVIDENCE,
    reason: REASON,
  });
  const [read] = await on.entries(size);
  check('AuditEntry', read);
  t.match(
    read,
    { kind: 'delivery', outcome: 'fetched', agency: 'X05.1', id, subjects: reported?.subjects },
    'that its owner read it is on record',
  );
  for (const [path, agency, body] of [
    [`/v1/corrections/${id}`, 'X02.1'],
    [`/v1/corrections/${id}`, 'X09.1'],
    [`/v1/corrections/${randomUUID()}`, 'X01.1'],
    ['/v1/corrections/nothing', 'X05.1'],
    [`/v1/corrections/${randomUUID()}/answer`, 'X05.1', { outcome: 'corrected' }],
  ] as const)
    t.match(await ask(on, path, body, agency), { status: 404, body: { code: 'unknown-correction' } }, `${agency} ${path}`);

  // The answer
  on.time.now += 60_000;
  const answer = { outcome: 'corrected', note: 'Đã sửa theo giấy khai sinh.' };
  const answered = await ask(on, `/v1/corrections/${id}/answer`, answer, 'X05.1');
  check('CorrectionAnswered', answered.body);
  t.match(answered.body.correction, { state: 'answered', answer: { ...answer, at: '2026-11-22T05:01:00.000Z' } });
  t.equal((await ask(on, `/v1/corrections/${id}/answer`, answer, 'X05.1')).status, 200, 'the same answer again changes nothing');
  const closed = { status: 409, body: { code: 'correction-closed' } };
  t.match(await ask(on, `/v1/corrections/${id}/answer`, { outcome: 'unfounded' }, 'X05.1'), closed);
  t.match(await ask(on, `/v1/corrections/${id}/withdraw`, undefined, 'X01.1', 'POST'), closed);
  const entry = (await on.entries()).at(-1);
  check('AuditEntry', entry);
  t.match(entry, { kind: 'outcome', outcome: 'corrected', agency: 'X05.1', completes: id, subjects: reported?.subjects });
  t.match((await ask(on, `/v1/corrections/${id}`)).body.correction, { state: 'answered', answer }, 'the dossier hears of it');
  t.notOk(
    'report' in (await ask(on, `/v1/corrections/${id}`, undefined, 'X05.1')).body.correction,
    'what nobody needs any more is not kept',
  );
  t.match(
    (await fill(on, LAND, 'X02.1')).fields['/user/identityDocument'],
    { status: 'filled', freshness: 'live' },
    'what was corrected is asked for anew',
  );

  // Whoever looks afterwards
  const seen = await ledger(on);
  t.match(
    seen.find(({ outcome }) => outcome === 'corrected'),
    { agency: { id: 'X05.1' }, status: { en: /corrected what/ } },
  );
  t.match(seen.filter(({ outcome }) => outcome === 'reported').at(-1), {
    agency: { id: 'X01.1' },
    fields: [{ at: '/applicant/identityDocument' }],
    status: { en: /wrong or missing/ },
  });
  const found = await ask(on, '/v1/audit/search', { outcome: 'reported', subject: AN, reason: 'a test of reports' }, 'X09.1');
  const { entries } = found.body as unknown as { entries: { index: number }[] };
  t.equal(entries.length, 2);
  const explained = await ask(on, `/v1/audit/entries/${entries.at(-1)?.index}/explanation`, undefined, 'X09.1');
  check('AuditExplanation', explained.body);
  t.match(explained.body, { outcome: 'reported', fields: { asked: [{ at: '/applicant/identityDocument' }], left: [] } });
  const summary = await ask(on, '/v1/audit/summary?from=2026-11-22&to=2026-11-23&reason=a+test', undefined, 'X09.1');
  t.match(summary.body, {
    tallies: [{ outcomes: { reported: 2, corrected: 1 }, sources: { population: { 'reported-wrong': 2 } } }],
  });

  const bytes = bytesOf(on);
  t.ok(bytes.includes('/identityDocument'), 'the files are read');
  for (const secret of MARKED) t.notOk(bytes.includes(secret), 'no value, no number and no text stands in a file or a line in the clear');
});

t.test('what compares or rests on a record hears of it too', async (t) => {
  const on = main;
  const ownership = async (): Promise<unknown> => (await fill(on)).components.find(({ id }) => id === 'dwelling-ownership');
  t.match(await ownership(), { verdict: 'replaced' });
  // The certificate is found on the way, in the register.
  const size = (await on.entries()).length;
  const told = await tell(on, { field: '/dwelling/area', source: undefined });
  t.match(
    told.body.correction,
    { source: 'land', owner: 'none', state: 'reported' },
    'where nobody answers for the register, it is followed on paper',
  );
  t.match(
    (await on.entries()).slice(size).map(({ kind }) => kind),
    ['outcome'],
    'what the cache knows is not asked for',
  );
  t.match(await ownership(), { verdict: 'partly', reason: 'under-review' });
  const named = await tell(on, { field: '/dwelling/mapSheet', source: 'land', related: { dwelling: 'ZZ 00000017' } });
  t.equal(named.status, 200, 'one’s own certificate may be named');
  await tell(on);
  const claims = { '/fullName': 'NGUYỄN VĂN AN', '/gender': 'male' };
  const { body } = await ask(on, '/v1/verifications', asked({ claims }));
  check('VerificationReply', body);
  t.match(body.verification.claims['/fullName'], { result: 'match', reason: 'under-review' });
  t.notOk('reason' in (body.verification.claims['/gender'] ?? {}));
});

t.test('every refusal, each on record where it is about a person', async (t) => {
  const on = main;
  const land = { ...LAND, field: '/user/contact/phone', source: 'population' };
  const ROWS: [rule: string, more: object, status: number, code: string, agency?: string][] = [
    ['no such procedure', { procedure: '1.999999' }, 404, 'unknown-procedure'],
    ['a procedure of others', { procedure: '1.012768' }, 403, 'procedure-not-granted'],
    ['an official of others', { officer: 'X02.1-0001' }, 400, 'invalid-request'],
    ['a role that is not there', { related: { neighbour: AN } }, 400, 'unknown-role'],
    ['a field that is not there', { field: '/colour' }, 400, 'unknown-field'],
    ['a field outside the grant', land, 403, 'field-not-granted', 'X02.1'],
    ['a field of no register', { field: '/request', source: undefined }, 400, 'invalid-request'],
    ['a field of several registers', { source: undefined }, 400, 'invalid-request'],
    ['a register that has it not', { source: 'land' }, 400, 'invalid-request'],
    ['whose record it is is not said', { field: '/householder/fullName' }, 422, 'record-unknown'],
    ['no record leads to it', { field: '/dwelling/mapSheet', source: 'land', subject: '003060000021' }, 422, 'record-unknown'],
    ['another’s certificate', { field: '/dwelling/mapSheet', source: 'land', related: { dwelling: 'ZZ 00000018' } }, 422, 'record-unknown'],
  ];
  for (const [rule, more, status, code, agency] of ROWS) {
    const { text, ...reply } = await tell(on, more, agency);
    t.match([reply.status, reply.body.code], [status, code], rule);
    for (const secret of MARKED) t.notOk(text.includes(secret), rule);
    t.match((await on.entries()).at(-1), { kind: 'refusal', outcome: code }, `${rule}: on record`);
  }
  sandbox.tell('land', { mode: 'fail' });
  const away = await tell(on, { field: '/dwelling/mapSheet', source: 'land', subject: '003088000131' });
  t.match([away.status, away.body.code], [422, 'record-unknown'], 'the register that leads to it is away');
  sandbox.tell('land', { mode: 'ok' });

  const size = (await on.entries()).length;
  const UNSEEN: [rule: string, path: string, body: object | undefined, agency: string, status: number, code: string][] = [
    ['without the scope', '/v1/corrections', wrong(), 'X05.1', 403, 'insufficient-scope'],
    ['with more than is asked', '/v1/corrections', wrong({ fields: ['/fullName'] }), 'X01.1', 400, 'invalid-request'],
    ['without a paper', '/v1/corrections', wrong({ evidence: undefined }), 'X01.1', 400, 'invalid-request'],
    ['a register of others', '/v1/corrections?source=land', undefined, 'X05.1', 404, 'unknown-source'],
    ['a list without the scope', '/v1/corrections?source=population', undefined, 'X01.1', 403, 'insufficient-scope'],
    [
      'a note that names somebody',
      `/v1/corrections/${randomUUID()}/answer`,
      { outcome: 'elsewhere', note: AN },
      'X05.1',
      400,
      'invalid-request',
    ],
  ];
  for (const [rule, path, body, agency, status, code] of UNSEEN) {
    const reply = await ask(on, path, body, agency);
    t.match([reply.status, reply.body.code], [status, code], rule);
  }
  t.equal((await on.entries()).length, size, 'nothing was decided about anybody');

  const id = (await tell(on)).body.correction.id;
  for (const field of ['/phone', '/email']) t.equal((await tell(on, { field })).status, 200);
  t.match(await tell(on, { field: '/gender' }), { status: 429, body: { code: 'too-many-corrections' } });
  t.equal((await tell(on)).status, 200, 'one that is there counts once');
  const withdrawn = await ask(on, `/v1/corrections/${id}/withdraw`, undefined, 'X01.1', 'POST');
  t.match(withdrawn, { status: 200, body: { correction: { state: 'withdrawn' } } });
  t.match((await on.entries()).at(-1), { kind: 'outcome', outcome: 'withdrawn', completes: id });
  t.equal((await ask(on, `/v1/corrections/${id}/withdraw`, undefined, 'X01.1', 'POST')).status, 200);
  t.match((await fill(on)).fields['/fullName'], { status: 'filled' });
  const twice = await Promise.all([tell(on, { field: '/gender' }), tell(on, { field: '/gender' })]);
  t.strictSame(
    twice.map(({ status, body }) => [status, body.correction.id]),
    Array(2).fill([200, twice[0]?.body.correction.id]),
    'two at once are one',
  );
});

t.test('without the log nothing is reported, and nothing shown', async (t) => {
  const on = main;
  const { id } = (await tell(on, { field: '/phone' })).body.correction;
  broken = true;
  const unavailable = { status: 503, body: { code: 'log-unavailable' } };
  t.match(await tell(on, { field: '/dateOfBirth' }), unavailable);
  t.match(await ask(on, `/v1/corrections/${id}`, undefined, 'X05.1'), unavailable);
  t.match(await ask(on, `/v1/corrections/${id}/answer`, { outcome: 'unfounded' }, 'X05.1'), unavailable);
  broken = false;
  const { corrections } = (await ask(on, '/v1/corrections?source=population', undefined, 'X05.1')).body;
  t.strictSame(corrections.map(({ field, state }) => `${field} ${state}`).sort(), [
    '/email reported',
    '/gender reported',
    '/phone reported',
  ]);
  const database = new DatabaseSync(join(on.dataDirectory, 'corrections.db'));
  database.exec('DROP TABLE correction');
  database.close();
  t.match(await tell(on), { status: 503, body: { code: 'correction-unavailable' } });
  t.equal((await ask(on, '/v1/prefills', asked())).status, 200, 'and who asks for something else does not notice');
});

// Deliveries

interface Receiver {
  behave: (response: ServerResponse) => void;
  readonly came: string[];
  readonly address: string;
}
async function startReceiver(): Promise<Receiver> {
  const came: string[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    came.push(body);
    receiver.behave(response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  const receiver: Receiver = {
    behave: (response) => void response.writeHead(202).end(),
    came,
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/events`,
  };
  return receiver;
}
const [atOwner, atAgency] = [await startReceiver(), await startReceiver()];
/** It owned the register until it ended, and its successor does now. */
const ENDED = {
  ...{ id: 'X03.1', name: { vi: 'a', en: 'a' }, sandbox: true, keys: 'sandbox' },
  ...{ scopes: ['changes'], owns: ['population'], endedOn: '2026-06-30' },
};
const delivering = editedConfig({
  'agencies/X03.1.yaml': () => ENDED,
  'agencies/X01.1.yaml': (file) => ({ ...file, deliveries: { address: atAgency.address } }),
  'agencies/X05.1.yaml': (file) => ({ ...file, deliveries: { address: atOwner.address } }),
});

t.test('owner and agency are told, signed, until each has it, and the same each time', async (t) => {
  const dataDirectory = temporaryDirectory();
  const first = await start({ configDirectory: delivering, dataDirectory });
  const { behave } = atOwner;
  atOwner.behave = (response) => void response.writeHead(500).end();
  const { id } = (await tell(first)).body.correction;
  await eventually(() => atOwner.came.length === 1);
  await eventually(() => first.lines.some((line) => line.includes('could not be delivered')));
  await first.close();

  // It survives a restart, and so does what is under review.
  const on = await start({ configDirectory: delivering, dataDirectory, now: NOON + 60_000 });
  t.teardown(() => on.close());
  t.match((await fill(on)).fields['/fullName'], { status: 'under-review' });
  await eventually(() => atOwner.came.length === 2);
  atOwner.behave = behave;
  on.time.now += 60_000;
  await eventually(() => atOwner.came.length === 3);
  const sent = (await on.entries()).filter(({ kind, outcome }) => kind === 'delivery' && outcome === 'sent');
  t.equal(sent.length, 3, 'each time it left is on record');
  t.match(sent[0], { agency: 'X05.1', id });

  const jwks = createLocalJWKSet((await fetch(`${on.address}/.well-known/jwks.json`).then((reply) => reply.json())) as JSONWebKeySet);
  const read = async (event: string | undefined, audience: string) =>
    (await jwtVerify(event ?? '', jwks, { issuer: ISSUER, audience, typ: 'secevent+jwt', algorithms: ['ES256'] })).payload;
  const events = await Promise.all(atOwner.came.map((event) => read(event, 'X05.1')));
  t.equal(new Set(events.map(({ jti, iat }) => `${jti} ${iat}`)).size, 1, 'recognisably the same');
  const told = (events[0]?.events as Record<string, { correction: Shown }> | undefined)?.[REPORTED];
  check('Correction', told?.correction);
  t.match(told?.correction, { id, report: { key: AN, claim: CLAIM, values: ['/fullName'] } });

  atAgency.behave = (response) => void response.writeHead(503).end();
  t.equal((await ask(on, `/v1/corrections/${id}/answer`, { outcome: 'elsewhere', note: 'Thủ tục 1.004859' }, 'X05.1')).status, 200);
  await eventually(() => atAgency.came.length === 1);
  atAgency.behave = behave;
  await after(50);
  on.time.now += 60_000;
  await eventually(() => atAgency.came.length === 2);
  const heard = await Promise.all(atAgency.came.map((event) => read(event, 'X01.1')));
  t.equal(new Set(heard.map(({ jti }) => jti)).size, 1);
  t.not(heard[0]?.jti, events[0]?.jti);
  t.equal(heard[0]?.txn, id);
  const outcome = (heard[0]?.events as Record<string, { correction: Shown }> | undefined)?.[CLOSED];
  check('Correction', outcome?.correction);
  t.match(outcome?.correction, { state: 'answered', answer: { outcome: 'elsewhere', note: 'Thủ tục 1.004859' } });
  for (const secret of MARKED) t.notOk(JSON.stringify(heard).includes(secret), 'of nobody in particular');
  await after(600);
  t.strictSame([atOwner.came.length, atAgency.came.length], [3, 2], 'whoever has it is left alone');

  await t.test('whoever is shut out is told nothing until let in', async (t) => {
    const shut = async (whose: string): Promise<string> => {
      const reply = await ask(on, '/v1/shut-outs', { kind: 'agency', whose, reason: 'a test', officer: 'X00.1-0001' }, 'X00.1');
      return (reply.body as unknown as { shutOut: { id: string } }).shutOut.id;
    };
    /** A minute in which it is looked what is due, and let in after it. */
    const held = async (receiver: Receiver, id: string): Promise<void> => {
      const { length } = receiver.came;
      on.time.now += 60_000;
      await after(600);
      t.equal(receiver.came.length, length, 'nothing is brought');
      await ask(on, `/v1/shut-outs/${id}/lift`, { reason: 'a test', officer: 'X00.1-0001' }, 'X00.1');
      on.time.now += 60_000;
      await eventually(() => receiver.came.length === length + 1);
    };
    const owner = await shut('X05.1');
    const { id } = (await tell(on)).body.correction;
    await held(atOwner, owner);
    const agency = await shut('X01.1');
    t.equal((await ask(on, `/v1/corrections/${id}/answer`, { outcome: 'unfounded' }, 'X05.1')).status, 200);
    await held(atAgency, agency);
  });

  await t.test('a report that nobody answers comes to its end, and may be answered late', async (t) => {
    atAgency.came.length = 0;
    const { id } = (await tell(on)).body.correction;
    on.time.now += 10 * DAY - 1;
    t.match((await fill(on)).fields['/fullName'], { status: 'under-review' });
    on.time.now += 1;
    t.match((await fill(on)).fields['/fullName'], { status: 'filled' }, 'nobody blocks a value for longer');
    await eventually(() => atAgency.came.length === 1);
    t.match((await ask(on, `/v1/corrections/${id}`)).body.correction, { state: 'unanswered' });
    const { corrections } = (await ask(on, '/v1/corrections?source=population&state=unanswered', undefined, 'X05.1')).body;
    t.match(corrections, [{ id }]);
    t.not((await tell(on)).body.correction.id, id, 'it may be reported again');
    t.equal((await ask(on, `/v1/corrections/${id}/answer`, { outcome: 'unfounded' }, 'X05.1')).status, 200);
    await eventually(() => atAgency.came.length === 2);
    on.time.now += 91 * DAY;
    await eventually(async () => (await ask(on, `/v1/corrections/${id}`)).status === 404);
  });
});

t.test('what one gateway was told, another knows', { skip: noPostgres }, async (t) => {
  const databaseUrl = typeof postgres === 'string' ? '' : await postgres.fresh();
  const dataDirectory = temporaryDirectory();
  const one = await start({ dataDirectory, databaseUrl });
  const two = await start({ dataDirectory, databaseUrl });
  t.teardown(() => Promise.all([one.close(), two.close()]));
  const { id } = (await tell(one)).body.correction;
  await eventually(async () => (await fill(two)).fields['/fullName']?.status === 'under-review', 200);
  t.equal((await ask(two, `/v1/corrections/${id}/answer`, { outcome: 'unfounded' }, 'X05.1')).status, 200);
  await eventually(async () => (await fill(one)).fields['/fullName']?.status === 'filled', 200);
  await onRecord(one, ({ outcome, completes }) => outcome === 'unfounded' && completes === id);
});
