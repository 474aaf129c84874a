/** Promise 6: outside the answer itself no person stands in the clear, in any byte that the gateway writes or has others write. */
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { type JWK, SignJWT } from 'jose';
import t, { type Test } from 'tap';
import { sandboxCitizenToken } from '../src/citizen-keys.ts';
import { type ChildGateway, childToken, shiftedNow, startChild } from './support/child.ts';
import { prover } from './support/dpop.ts';
import { agencyKey, assertion, editedConfig, temporaryDirectory } from './support/gateway.ts';
import { marksIn, type Spellings, spellingsOf } from './support/marks.ts';
import { freePort } from './support/ports.ts';
import { command, findPostgres } from './support/postgres.ts';
import { findRedis, startRedis } from './support/redis.ts';

/** People whom no document, example or welcome names: married with a child, an owner of land, one whose number was cancelled, one who is in no registry. */
const [HUSBAND, WIFE, CHILD, OWNER, CANCELLED, NOBODY] = [
  '003085000041',
  '003187000042',
  '003219000043',
  '003078000091',
  '003086000161',
  '003091000199',
] as const;
/** What callers write about them by themselves. */
const CLAIM = 'PHẠM MINH ĐỨC KHÁC';
const EVIDENCE = 'Giấy khai sinh số 977/1985';
const REASON = 'Ông Đức nói qua điện thoại 0990977977';
/** Names that no rule of spelling tells from other words, and which answers are sure to hold. */
const NAMED = /^(?:\p{Lu}{2,}(?: \p{Lu}+)+|0[0-9]{9,11}|[A-Z]{2} [0-9]{8}|[^\s@]+@[^\s@]+)$/u;

const postgres = await findPostgres({ log_statement: 'all', log_parameter_max_length: '-1', logging_collector: 'off' });
const redis = await findRedis();
t.teardown(async () => {
  if (typeof postgres !== 'string') await postgres.stop();
  if (typeof redis !== 'string') await redis.stop();
});

/** Code that throws what names a marked person, on a signal: as a fault of the gateway would, with nobody waiting for it. */
const faulty = (how: 'throw' | 'reject'): string => {
  const error = `new Error('no record of ${HUSBAND} PHẠM MINH ĐỨC', { cause: new TypeError('${WIFE}') })`;
  return `process.on('SIGUSR2', () => { ${how === 'throw' ? `throw ${error}` : `void Promise.reject(${error})`}; });`;
};

interface Told {
  /** Of what it is the reply. */
  readonly what: string;
  readonly status: number;
  readonly type: string;
  readonly body: Buffer;
}

/** Who vouches for officials of two agencies, with a key of its own. */
const issuerKey = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ISSUED = {
  id: 'people',
  issuer: 'https://id.people.test',
  keys: [{ ...issuerKey.publicKey.export({ format: 'jwk' }), kid: 'p1', alg: 'ES256' }],
  agencies: ['X01.1', 'X09.1'],
  claims: { agency: 'sub', officer: 'staff' },
};

const json = { 'content-type': 'application/json' };

/** Everything that callers ask and strangers try, about marked people, with their numbers in every place where none belongs too. */
async function drive(gateway: ChildGateway, dataDirectory: string, told: Told[], operators?: string): Promise<void> {
  const { address, welcome } = gateway;
  const tokens = new Map<string, string>();
  for (const agency of ['X00.1', 'X01.1', 'X02.1', 'X05.1', 'X09.1']) tokens.set(agency, await childToken(address, dataDirectory, agency));
  const ask = async (what: string, path: string, init: RequestInit & { agency?: string; duplex?: 'half' } = {}): Promise<Told> => {
    const { agency = 'X01.1', headers, ...rest } = init;
    const door = agency === 'X00.1' ? (operators ?? address) : address;
    const reply = await fetch(door + path, { headers: { authorization: `Bearer ${tokens.get(agency)}`, ...headers }, ...rest });
    const said = {
      what,
      status: reply.status,
      type: reply.headers.get('content-type') ?? '',
      body: Buffer.from(await reply.arrayBuffer()),
    };
    told.push(said);
    return said;
  };
  const post = (what: string, path: string, body: object | string, agency?: string): Promise<Told> =>
    ask(what, path, {
      method: 'POST',
      headers: json,
      body: typeof body === 'string' ? body : JSON.stringify(body),
      ...(agency ? { agency } : {}),
    });
  const request = { procedure: '1.004873', dossier: 'X01.1-261122-0901', officer: 'X01.1-0042', subject: HUSBAND };
  await post('no scope', '/v1/prefills', request, 'X09.1');
  const birth = { ...request, procedure: '1.001193', subject: HUSBAND, related: { father: HUSBAND, mother: WIFE } };
  const land = { procedure: '1.012768', dossier: 'X02.1-261122-0901', officer: 'X02.1-0001', subject: OWNER };

  for (const subject of [HUSBAND, WIFE, CHILD, CANCELLED, NOBODY]) {
    await post(`prefill ${subject}`, '/v1/prefills', { ...request, subject });
    await post(`cached ${subject}`, '/v1/prefills', { ...request, subject });
  }
  await post('two people', '/v1/prefills', birth);
  await post('land', '/v1/prefills', land, 'X02.1');
  const claims = { '/wife/fullName': CLAIM };
  const marriage = { ...request, procedure: '1.000894', subject: WIFE, related: { husband: HUSBAND } };
  for (const _ of Array(6)) await post('claims', '/v1/verifications', { ...marriage, claims, questions: ['wife-of-age'] });
  await post('report', '/v1/corrections', {
    ...request,
    field: '/fullName',
    source: 'population',
    claim: CLAIM,
    evidence: EVIDENCE,
    reason: REASON,
  });
  await post('report', '/v1/corrections', {
    ...request,
    procedure: '1.004222',
    field: '/fullName',
    source: 'population',
    claim: CLAIM,
    evidence: EVIDENCE,
  });
  await ask('reports', '/v1/corrections?source=population', { agency: 'X05.1' });
  const lines = [request, { ...request, subject: WIFE }, { ...request, subject: `${WIFE}x` }].map((one) => JSON.stringify(one));
  await ask('batch', '/v1/prefills/batch', {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: `${lines.join('\n')}\n{"subject":"${CHILD}\n`,
  });
  const change = (key: string): object => ({ changes: [{ dataset: 'person', kind: 'person', key }] });
  await post('changes', '/v1/sources/population/changes', change(HUSBAND), 'X05.1');
  await post('changes', '/v1/sources/population/changes', change(`${HUSBAND} PHẠM MINH ĐỨC`), 'X05.1');

  const registries = [...welcome.matchAll(/(http:\/\/127\.0\.0\.1:[0-9]+) {2}\w/g)].map((match) => match[1] ?? '');
  for (const mode of ['fail', 'garbage', 'wrong-subject', 'flood', 'hang']) {
    for (const registry of registries) await fetch(`${registry}/sandbox/mode`, { method: 'PUT', body: JSON.stringify({ mode }) });
    await post(mode, '/v1/prefills', { ...birth, maxAgeSeconds: 0, completion: 'fetch' });
  }
  for (const registry of registries) await fetch(`${registry}/sandbox/mode`, { method: 'PUT', body: '{"mode":"ok"}' });

  for (const body of [
    { reason: 'Khiếu nại 12/2026', auditor: 'X09.1-0007', subject: HUSBAND },
    { reason: `Ông ${HUSBAND}`, subject: HUSBAND },
    { query: { subject: HUSBAND }, subject: `${HUSBAND}0` },
    { officer: 'X01.1-0042' },
  ]) {
    await post('audit', '/v1/audit/search', body, 'X09.1');
    await post('export', '/v1/audit/export', body, 'X09.1');
  }
  await ask('entry', '/v1/audit/entries/0', { agency: 'X09.1', headers: { 'audit-reason': encodeURIComponent(`Ông ${HUSBAND}`) } });
  await ask('entry', '/v1/audit/entries/0', { agency: 'X09.1' });
  await ask('summary', '/v1/audit/summary?from=2026-11-01&to=2026-11-30&by=agency,procedure', { agency: 'X09.1' });
  const citizens = { issuer: 'https://citizens.oncegate.example', numberClaim: 'sub' } as Parameters<typeof sandboxCitizenToken>[1];
  tokens.set('citizen', await sandboxCitizenToken(dataDirectory, citizens, address, HUSBAND, shiftedNow()));
  await post('ledger', '/v1/accesses', {}, 'citizen');

  await proofsAndTokens({ address, dataDirectory, tokens, ask, post });
  await officials({ ask, post });
  if (operators !== undefined)
    for (const path of ['/metrics', '/readyz', `/v1/${HUSBAND}`, `/v1/shut-outs/${HUSBAND}`]) {
      const reply = await fetch(operators + path, { headers: { authorization: `Bearer ${HUSBAND}` } });
      const body = Buffer.from(await reply.arrayBuffer());
      told.push({ what: 'the operators’ door', status: reply.status, type: '', body });
    }

  // Where no number belongs.
  const odd = `${HUSBAND} PHẠM MINH ĐỨC`;
  const inPath = encodeURIComponent(odd);
  for (const path of [
    `/v1/prefills/${HUSBAND}`,
    `/v1/procedures/${inPath}`,
    `/v1/places/${HUSBAND}`,
    `/v1/${inPath}`,
    `/${HUSBAND}?subject=${HUSBAND}`,
  ])
    await ask('in a path', path);
  await ask('in a query', `/v1/procedures?q=${inPath}`);
  await ask('in a query', `/v1/sources?subject=${inPath}`);
  await ask('in a header', '/v1/sources', {
    headers: { 'x-request-id': HUSBAND, 'user-agent': encodeURIComponent(odd), cookie: `subject=${HUSBAND}` },
  });
  await ask('as a token', '/v1/sources', { headers: { authorization: `Bearer ${HUSBAND}` } });
  await ask('as basic', '/v1/sources', { headers: { authorization: `Basic ${Buffer.from(odd).toString('base64')}` } });
  for (const body of [
    `{"subject":"${HUSBAND}"`,
    `{"subject":"${HUSBAND}","subject":"${WIFE}"}`,
    JSON.stringify({ ...request, [HUSBAND]: 1 }),
    JSON.stringify({ ...request, subject: Number(HUSBAND) }),
    JSON.stringify({ ...request, procedure: HUSBAND }),
    JSON.stringify({ ...request, dossier: `X01.1-${HUSBAND}` }),
    JSON.stringify({ ...request, officer: `X01.1-${HUSBAND}` }),
    JSON.stringify({ ...request, related: { [`p${HUSBAND}`]: WIFE } }),
    JSON.stringify({ ...request, related: { phamMinhDuc: WIFE } }),
    JSON.stringify({ ...request, fields: [`/${HUSBAND}`, '/phamMinhDuc'] }),
    JSON.stringify({ ...request, purpose: HUSBAND }),
    JSON.stringify(odd),
  ])
    await post('an odd body', '/v1/prefills', body);
  const form = new URLSearchParams({ grant_type: odd, client_assertion: HUSBAND, scope: odd });
  await ask('a token request', '/oauth2/token', { method: 'POST', body: form });
  await raw(address, `POST /v1/prefills HTTP/1.1\r\nhost: ${HUSBAND}\r\n${HUSBAND}\r\n\r\n`);
  await raw(address, `${HUSBAND} /${HUSBAND} HTTP/9.9\r\n\r\n`);
  await raw(address, `GET /${'x'.repeat(17_000)}${HUSBAND} HTTP/1.1\r\nhost: x\r\n\r\n`);
  for (const path of [
    '/healthz',
    '/readyz',
    '/metrics',
    '/openapi.json',
    '/v1/log/checkpoint',
    '/v1/log/key',
    '/v1/sources',
    '/.well-known/jwks.json',
  ])
    await ask(path, path);
}

interface Driving {
  readonly address: string;
  readonly dataDirectory: string;
  readonly tokens: Map<string, string>;
  readonly ask: (what: string, path: string, init?: RequestInit & { agency?: string }) => Promise<Told>;
  readonly post: (what: string, path: string, body: object | string, agency?: string) => Promise<Told>;
}

const REQUEST = { procedure: '1.004222', dossier: 'X01.1-261122-0901', officer: 'X01.1-0042', subject: HUSBAND };

/** Numbers in whatever a client names itself, its keys, its tokens and its proofs by: some of it is taken, and none of it kept. */
async function proofsAndTokens({ address, dataDirectory, tokens, ask, post }: Driving): Promise<void> {
  const now = shiftedNow();
  const made = (id: string, more: object = {}): Promise<string> =>
    assertion(agencyKey(dataDirectory, id), id, { issuer: address, now, ...more });
  const token = async (clientAssertion: string, form: object = {}, headers: Record<string, string> = {}): Promise<string> => {
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: clientAssertion,
      ...form,
    });
    const { body: said } = await ask('a token request', '/oauth2/token', { method: 'POST', body, headers });
    return String((JSON.parse(said.toString()) as { access_token?: string }).access_token);
  };
  await token(await made('X01.1', { claims: { jti: `${HUSBAND}-${randomUUID()}` } }));
  await token(await made('X01.1', { header: { kid: HUSBAND } }));
  await token(await made('X01.1', { claims: { iss: HUSBAND, sub: HUSBAND } }));
  for (const form of [{ agency: HUSBAND }, { client_id: HUSBAND }, { scope: HUSBAND }, { [HUSBAND]: HUSBAND }])
    await token(await made('X01.1'), form);
  tokens.set('S01', await token(await made('S01'), { agency: 'X01.1' }));
  await token(await made('S01'), { agency: HUSBAND });
  await post('prefill by a supplier', '/v1/prefills', REQUEST, 'S01');
  await post('simulated by a supplier', '/v1/authorisations/simulate', { procedure: '1.004222', related: [`p${HUSBAND}`] }, 'S01');

  const { prove } = await prover();
  const url = `${address}/oauth2/token`;
  const claims = { jti: `${WIFE}-${randomUUID()}` };
  const first = await fetch(url, { method: 'POST', headers: { dpop: prove({ url, now, claims }) } });
  const nonce = first.headers.get('dpop-nonce') ?? undefined;
  const bound = await token(await made('X01.1'), {}, { dpop: prove({ url, now, nonce, claims }) });
  const prefills = `${address}/v1/prefills`;
  for (const proof of [
    prove({ url: prefills, now, nonce, token: bound, claims: { jti: `${WIFE}-${randomUUID()}` } }),
    prove({ url: prefills, now, nonce: HUSBAND, token: bound, header: { kid: HUSBAND } }),
    prove({ url: `${prefills}?${HUSBAND}`, now, nonce, token: bound, claims: { sub: HUSBAND } }),
    HUSBAND,
  ])
    await ask('prefill with a proof', '/v1/prefills', {
      method: 'POST',
      headers: { ...json, authorization: `DPoP ${bound}`, dpop: proof },
      body: JSON.stringify(REQUEST),
    });

  const issued = (more: object = {}, header: object = {}): Promise<string> => {
    const seconds = Math.floor(now / 1000);
    const usual = { iss: ISSUED.issuer, aud: address, iat: seconds, exp: seconds + 300, jti: HUSBAND, sub: 'X01.1', client_id: 'portal' };
    return new SignJWT({ ...usual, scope: 'prefill audit', staff: 'X01.1-0042', ...more })
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'p1', ...header })
      .sign(issuerKey.privateKey);
  };
  tokens.set('issued', await issued());
  await post('prefill with an issuer’s token', '/v1/prefills', REQUEST, 'issued');
  await post('another official', '/v1/prefills', { ...REQUEST, officer: `X01.1-${HUSBAND.slice(0, 8)}` }, 'issued');
  for (const wrong of [
    { client_id: HUSBAND },
    { client_id: `user-${HUSBAND}` },
    { staff: HUSBAND },
    { sub: HUSBAND },
    { iss: `https://${HUSBAND}` },
    { act: { sub: HUSBAND } },
    { scope: HUSBAND },
  ])
    await ask('an issuer’s token', '/v1/sources', { headers: { authorization: `Bearer ${await issued(wrong)}` } });
  await ask('an issuer’s token', '/v1/sources', { headers: { authorization: `Bearer ${await issued({}, { kid: HUSBAND } as JWK)}` } });
}

/** What operators and auditors write and are shown. */
async function officials({ ask, post }: Pick<Driving, 'ask' | 'post'>): Promise<void> {
  const spelled = `${HUSBAND.slice(0, 6)} ${HUSBAND.slice(6)}`;
  for (let i = 1; i < 6; i++)
    await post('prefill of a neighbour', '/v1/prefills', { ...REQUEST, subject: String(Number(HUSBAND) + i).padStart(12, '0') });
  const signed = { reason: 'a test', officer: 'X00.1-0001' };
  for (const body of [
    { ...signed, kind: 'agency', whose: HUSBAND },
    { ...signed, kind: 'supplier', whose: spelled.replace(' ', '-') },
    { ...signed, kind: 'key', whose: 'X01.1', value: HUSBAND },
    { ...signed, kind: 'key', whose: 'X01.1', value: `people:${HUSBAND}` },
    { ...signed, kind: 'token', value: `people:${HUSBAND}` },
    { ...signed, kind: 'officer', value: `X01.1-${HUSBAND}` },
    { ...signed, kind: 'agency', whose: 'X02.1', reason: REASON },
    { ...signed, kind: 'agency', whose: 'X02.1', reason: `Ông ${spelled}` },
    { ...signed, kind: 'agency', whose: 'X02.1', officer: `X00.1-${HUSBAND}` },
    { ...signed, kind: 'agency', whose: 'X02.1', [HUSBAND]: HUSBAND },
  ])
    await post('shut-out', '/v1/shut-outs', body, 'X00.1');
  const { body } = await post('shut-out', '/v1/shut-outs', { ...signed, kind: 'officer', value: 'X02.1-0666' }, 'X00.1');
  const { shutOut } = JSON.parse(body.toString()) as { shutOut: { id: string } };
  for (const [id, reason] of [
    [HUSBAND, 'a test'],
    [shutOut.id, `Bà ${WIFE}`],
    [shutOut.id, 'a test'],
  ] as const)
    await post('let-in', `/v1/shut-outs/${id}/lift`, { ...signed, reason }, 'X00.1');
  await ask('shut-outs', '/v1/shut-outs?all=true', { agency: 'X00.1' });
  await ask('shut-outs', `/v1/shut-outs?all=${HUSBAND}`, { agency: 'X00.1' });
  for (const query of ['', '?limit=500', `?cursor=${HUSBAND}`, `?limit=${HUSBAND}`])
    await ask('alerts', `/v1/alerts${query}`, { agency: 'X00.1' });
  for (const headers of [{ 'audit-reason': spelled }, { 'audit-officer': `X00.1-${HUSBAND}` }, { 'audit-officer': HUSBAND }])
    await ask('alerts', '/v1/alerts', { agency: 'X00.1', headers });
  const months = 'from=2026-11&to=2026-11';
  for (const more of ['', `&reason=${encodeURIComponent(spelled)}`, `&agency=${HUSBAND}`, `&cursor=${HUSBAND}`, `&${HUSBAND}=1`])
    await ask('grants', `/v1/audit/grants?${months}${more}`, { agency: 'X09.1' });
  for (const more of [
    {},
    { purpose: HUSBAND },
    { related: [HUSBAND] },
    { subject: HUSBAND },
    { fields: [`/${HUSBAND}`] },
    { officer: `X01.1-${HUSBAND}` },
    { on: HUSBAND },
  ])
    await post('simulate', '/v1/authorisations/simulate', { procedure: '1.004222', ...more });
}

/** What Node itself refuses, and may quote. */
async function raw(address: string, bytes: string): Promise<void> {
  const { port } = new URL(address);
  await new Promise<void>((resolve) => {
    const socket = connect(Number(port), '127.0.0.1', () => socket.end(bytes));
    socket.on('error', () => {}).on('close', () => resolve());
    socket.resume();
  });
}

/** What a reply may say of the person it answers about: the answers that were asked for, with their own access. */
const isAnswer = ({ status, type, what }: Told): boolean =>
  (status === 200 && /^(?:prefill|cached|two people|land|fail|garbage|wrong-subject|flood|hang|batch|reports)\b/.test(what)) ||
  (status === 200 && type.includes('csv'));

/** The names, numbers, telephones and serials that the answers about marked people hold. */
function marksOf(told: readonly Told[]): string[] {
  const found = new Set<string>([HUSBAND, WIFE, CHILD, OWNER, CANCELLED, NOBODY, CLAIM, EVIDENCE, REASON]);
  const walk = (value: unknown): void => {
    if (typeof value === 'string' && NAMED.test(value)) found.add(value);
    else if (typeof value === 'object' && value !== null) Object.values(value).forEach(walk);
  };
  for (const { status, body, what } of told) {
    if (status === 200 && /prefill|two people|land/.test(what))
      walk((JSON.parse(body.toString()) as { prefill: { form: object } }).prefill.form);
  }
  return [...found];
}

function filesOf(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function clear(t: Test, spellings: Spellings, name: string, bytes: Buffer): void {
  t.strictSame(marksIn(bytes, spellings), [], name);
}

const CASES = [
  { name: 'SQLite, a fault that is thrown', how: 'throw', shared: false },
  { name: 'PostgreSQL and Redis, a fault that nobody catches', how: 'reject', shared: true },
] as const;

// Each has processes of its own, and waits for them most of the time.
t.jobs = CASES.length;
for (const { name, how, shared } of CASES) {
  const missing = shared && [postgres, redis].find((one) => typeof one === 'string');
  t.test(`no person stands in any byte: ${name}`, { skip: missing || false, buffered: true }, async (t) => {
    const root = temporaryDirectory();
    t.teardown(() => rmSync(root, { recursive: true, force: true }));
    const dataDirectory = join(root, 'data');
    mkdirSync(dataDirectory);
    const cache = shared ? await startRedis() : undefined;
    t.teardown(() => cache?.stop());
    const overheard: string[] = [];
    const listener = cache && new Redis({ port: cache.port, host: '127.0.0.1' });
    t.teardown(() => listener?.disconnect());
    const monitor = await listener?.monitor();
    t.teardown(() => monitor?.disconnect());
    monitor?.on('monitor', (_time: string, words: string[]) => overheard.push(words.join(' ')));
    const databaseUrl = shared && typeof postgres !== 'string' ? await postgres.fresh() : undefined;
    const operators = shared ? `127.0.0.1:${await freePort()}` : undefined;
    const configDirectory = editedConfig({ 'issuers/people.yaml': () => ISSUED });
    t.teardown(() => rmSync(configDirectory, { recursive: true }));
    const gateway = await startChild(dataDirectory, await freePort(), {
      ONCEGATE_CONFIG: configDirectory,
      ...(operators ? { ONCEGATE_OPERATORS: operators } : {}),
      LOG_LEVEL: 'trace',
      // A file of its own: where an error arose is said, and a URL with the code in it would say who it is about.
      NODE_OPTIONS: `--import file://${join(t.testdir({ 'fault.mjs': faulty(how) }), 'fault.mjs')}`,
      ...(cache ? { REDIS_URL: `redis://127.0.0.1:${cache.port}` } : {}),
      ...(databaseUrl ? { DATABASE_URL: databaseUrl } : {}),
    });
    t.teardown(() => gateway.process.kill('SIGKILL'));
    const told: Told[] = [];
    await drive(gateway, dataDirectory, told, operators && `http://${operators}`);
    t.ok(
      told.some(({ what, body }) => what === 'alerts' && body.includes('numbers-in-sequence')),
      'there is an alert about them',
    );

    const marks = marksOf(told);
    const spellings = spellingsOf(marks);
    t.ok(marks.length >= 15, `${marks.length} marks`);
    for (const mark of [HUSBAND, 'PHẠM MINH ĐỨC']) {
      const answers = Buffer.concat(told.filter(isAnswer).map(({ body }) => body));
      t.ok(marksIn(answers, spellingsOf([mark])).length > 0, 'the search finds what is there');
    }
    const statuses = new Set(told.map(({ status }) => status));
    for (const status of [200, 400, 401, 403, 404, 429]) t.ok(statuses.has(status), `a reply was ${status}`);
    t.notOk(
      told.some(({ status }) => status >= 500 && status !== 503),
      'nothing failed',
    );

    for (const reply of told.filter((one) => !isAnswer(one)))
      clear(t, spellings, `the reply to ${reply.what} (${reply.status})`, reply.body);
    // What is written behind the request is written now.
    await after(1200);
    if (cache && listener) {
      await listener.call('SAVE');
      const [, directory] = (await listener.config('GET', 'dir')) as string[];
      t.ok(overheard.length > 50, `Redis was asked ${overheard.length} times`);
      clear(t, spellings, 'what Redis was told', Buffer.from(overheard.join('\n')));
      clear(t, spellings, 'what Redis keeps', readFileSync(join(directory ?? '', 'dump.rdb')));
    }
    gateway.process.kill('SIGUSR2');
    t.equal(await gateway.ended, 1, 'a fault ends the process');
    const written = gateway.written().toString();
    t.match(written, /"level":60,.*"msg":"crashed"/, 'and it is said');
    clear(t, spellings, 'what the process wrote', Buffer.from(written.replaceAll(/^ *try .*$/gm, '')));
    for (const file of filesOf(root)) clear(t, spellings, file.slice(root.length + 1), readFileSync(file));
    if (databaseUrl && typeof postgres !== 'string') await searchDatabase(t, spellings, databaseUrl);
  });
}

async function searchDatabase(t: Test, spellings: Spellings, url: string): Promise<void> {
  if (typeof postgres === 'string') return;
  const rows: Buffer[] = [];
  const tables = await command(
    url,
    `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
  );
  for (const { name } of tables) {
    for (const { line } of await command(url, `SELECT to_jsonb(one)::text AS line FROM ${name} AS one`))
      rows.push(Buffer.from(String(line)));
  }
  t.ok(rows.length > 50, `${rows.length} rows`);
  clear(t, spellings, 'what the tables say', Buffer.concat(rows));
  const { server } = postgres;
  if (server === undefined) return;
  t.match(server.said(), /INSERT/, 'the server says what it is told');
  clear(t, spellings, 'what PostgreSQL was told', Buffer.from(server.said()));
  const [{ base } = {}] = await command(url, `CHECKPOINT; SELECT 1`).then(() =>
    command(url, `SELECT 'base/' || oid AS base FROM pg_database WHERE datname = current_database()`),
  );
  for (const part of ['pg_wal', String(base)]) {
    for (const file of filesOf(join(server.directory, part)))
      clear(t, spellings, file.slice(server.directory.length + 1), readFileSync(file));
  }
}
