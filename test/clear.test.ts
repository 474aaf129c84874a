/** Promise 6: outside the answer itself no person stands in the clear, in any byte that the gateway writes or has others write. */
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { Redis } from 'ioredis';
import t, { type Test } from 'tap';
import { sandboxCitizenToken } from '../src/citizen-keys.ts';
import { type ChildGateway, childToken, shiftedNow, startChild } from './support/child.ts';
import { temporaryDirectory } from './support/gateway.ts';
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

const json = { 'content-type': 'application/json' };

/** Everything that callers ask and strangers try, about marked people, with their numbers in every place where none belongs too. */
async function drive(gateway: ChildGateway, dataDirectory: string, told: Told[]): Promise<void> {
  const { address, welcome } = gateway;
  const tokens = new Map<string, string>();
  for (const agency of ['X01.1', 'X02.1', 'X05.1', 'X09.1']) tokens.set(agency, await childToken(address, dataDirectory, agency));
  const ask = async (what: string, path: string, init: RequestInit & { agency?: string; duplex?: 'half' } = {}): Promise<Told> => {
    const { agency = 'X01.1', headers, ...rest } = init;
    const reply = await fetch(address + path, { headers: { authorization: `Bearer ${tokens.get(agency)}`, ...headers }, ...rest });
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
    const gateway = await startChild(dataDirectory, await freePort(), {
      LOG_LEVEL: 'trace',
      // A file of its own: where an error arose is said, and a URL with the code in it would say who it is about.
      NODE_OPTIONS: `--import file://${join(t.testdir({ 'fault.mjs': faulty(how) }), 'fault.mjs')}`,
      ...(cache ? { REDIS_URL: `redis://127.0.0.1:${cache.port}` } : {}),
      ...(databaseUrl ? { DATABASE_URL: databaseUrl } : {}),
    });
    t.teardown(() => gateway.process.kill('SIGKILL'));
    const told: Told[] = [];
    await drive(gateway, dataDirectory, told);

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
