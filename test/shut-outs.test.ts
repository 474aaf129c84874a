/** Whoever must be kept out is kept out: within a second, at every gateway, on record, whatever they hold already; and let in again. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, cpSync } from 'node:fs';
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as after } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { openKeptOut } from '../src/access/kept-out.ts';
import { FOLLOW_MS, openShutOuts } from '../src/access/open-shut-outs.ts';
import { shutOutDesk } from '../src/access/shut-out-desk.ts';
import type { ShutOut, ShutOutStore } from '../src/access/shut-outs.ts';
import { openPostgresShutOuts } from '../src/access/shut-outs-postgres.ts';
import { openSqliteShutOuts } from '../src/access/shut-outs-sqlite.ts';
import type { AuditEntry } from '../src/audit/entry.ts';
import { LogUnavailable } from '../src/audit/log.ts';
import { openSqliteLog } from '../src/audit/sqlite.ts';
import { Problem } from '../src/problems.ts';
import { startSandbox } from '../src/sandbox/index.ts';
import { childToken, shiftedNow, startChild } from './support/child.ts';
import { runHere } from './support/command-line.ts';
import {
  ASSERTION_TYPE,
  agencyKey,
  assertion,
  editedConfig,
  NOON,
  requestToken,
  startGateway,
  type TestGateway,
  temporaryDirectory,
} from './support/gateway.ts';
import { makeLogKey, openLog } from './support/log.ts';
import { isDatabase, openAt, placesFor } from './support/places.ts';
import { freePort } from './support/ports.ts';
import { command, findPostgres } from './support/postgres.ts';
import { schemaCheck } from './support/schemas.ts';
import { eventually } from './support/waiting.ts';

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

const PLACES = placesFor('shut-outs.db', postgres);
const openStore = (address: string): Promise<ShutOutStore> => openAt(address, openSqliteShutOuts, openPostgresShutOuts);

const shutOutOf = (more: Partial<ShutOut> = {}): ShutOut => ({
  id: randomUUID(),
  kind: 'agency',
  whose: 'X01.1',
  reason: 'a test',
  by: { agency: 'X00.1', officer: 'X00.1-0001' },
  from: NOON,
  ...more,
});
const add = (store: ShutOutStore, shutOut: ShutOut): Promise<void> => store.change(async () => shutOut);

for (const { name, skip, make } of PLACES) {
  t.test(`${name} keeps who is shut out`, { skip }, async (t) => {
    const address = await make();
    const [one, two] = await Promise.all([openStore(address), openStore(address)]);
    t.strictSame(await one.since(0), []);
    const first = shutOutOf({ kind: 'officer', value: 'X01.1-0042', perMinute: 6, until: NOON + 5 });
    await add(one, first);
    t.strictSame(await two.since(0), [{ change: 1, shutOut: first }], 'another process sees it as it was put');
    t.strictSame(await two.since(1), [], 'and once');

    await t.rejects(
      one.change(async () => {
        throw new Problem('log-unavailable');
      }),
      { code: 'log-unavailable' },
    );
    await two.change(async () => undefined);
    t.strictSame(await one.since(1), [], 'what was refused, or not wanted, is not kept');

    let atOnce = 0;
    const seen: number[] = [];
    const decided = Array.from({ length: 6 }, (_, i) =>
      (i % 2 ? one : two).change(async (all) => {
        t.equal(++atOnce, 1, 'one decides at a time, whoever else would');
        seen.push(all.length);
        await after(5);
        t.equal((await one.since(all.length)).length, 0, 'and nobody sees what is not decided yet');
        atOnce--;
        return shutOutOf();
      }),
    );
    await Promise.all(decided);
    t.strictSame(seen, [1, 2, 3, 4, 5, 6], 'each with all that were decided before');

    const lifted: ShutOut = { ...first, lifted: { by: { agency: 'X00.1' }, at: NOON, reason: 'a test' } };
    await add(two, lifted);
    t.strictSame(await one.since(7), [{ change: 8, shutOut: lifted }], 'what changes is in place of what was');
    t.equal((await one.since(0)).length, 7);

    if (isDatabase(address)) {
      const cut = one.change(async () => {
        await command(address, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'`);
        return shutOutOf();
      });
      await t.rejects(cut, 'a connection that breaks keeps nothing');
      await add(one, shutOutOf());
      t.equal((await two.since(8)).length, 1, 'and the next is a new one');
    }
    const count = (await two.since(0)).length;
    await Promise.all([one.close(), two.close()]);
    const later = await openStore(address);
    t.equal((await later.since(0)).length, count, 'they are there after a restart');
    await later.close();
  });

  t.test(`${name}: gateways that see the same misuse at once make one shut-out and one entry of it`, { skip }, async (t) => {
    const address = await make();
    const entries: AuditEntry[] = [];
    const logStore = openSqliteLog(join(temporaryDirectory(), 'log.db'));
    const log = await openLog(logStore, makeLogKey());
    let away = false;
    const append: typeof log.append = async (entry, options) => {
      if (away) throw new LogUnavailable('no space left');
      entries.push(entry);
      return log.append(entry, options);
    };
    await using opened = new AsyncDisposableStack();
    opened.defer(() => logStore.close());
    const reports: object[] = [];
    const gateways = [];
    const time = { now: NOON };
    for (let i = 0; i < 3; i++) {
      const report = (what: string, about?: object): number => reports.push({ what, about });
      const options = { path: address, databaseUrl: isDatabase(address) ? address : undefined, clock: () => time.now, report };
      const { keptOut, desk } = await openShutOuts(options, opened);
      gateways.push({ keptOut, desk: desk({ log: { append }, configDigest: 'none' }) });
    }
    const misuse = (i: number) => ({ agency: 'X01.1', officer: 'X01.1-0042', perMinute: 6, until: NOON + HOUR + i, reason: 'misuse' });
    const made = await Promise.all([...gateways, ...gateways].map(({ desk }, i) => desk.stop(misuse(i))));
    t.equal(new Set(made.map((one) => one?.id)).size, 1);
    t.match(entries, [{ kind: 'shut-out', agency: 'gateway', client: 'gateway', outcome: 'shut-out', id: made[0]?.id }]);
    t.equal(entries.length, 1);
    check('AuditEntry', entries[0]);
    t.strictSame(reports, [{ what: 'shut out for misuse', about: { id: made[0]?.id, kind: 'officer' } }], 'the operator hears of it once');
    for (const { keptOut } of gateways) {
      await keptOut.refresh();
      t.equal(keptOut.pace('X01.1', 'X01.1-0042'), 6);
      keptOut.checkOfficer('X01.1', 'X01.1-0042');
      t.equal(keptOut.pace('X02.1', 'X01.1-0042'), undefined, 'an agency that names another’s official has nobody slowed there');
    }
    const [first] = gateways as [(typeof gateways)[0]];
    await first.desk.stop({ ...misuse(0), perMinute: 2 });
    t.equal(first.keptOut.pace('X01.1', 'X01.1-0042'), 2, 'the slower pace is the one that counts');
    time.now += HOUR + 10;
    t.equal(first.keptOut.pace('X01.1', 'X01.1-0042'), undefined, 'its end comes by the clock');
    t.ok(await first.desk.stop(misuse(HOUR * 2)), 'and then it may be made anew');
    t.equal(entries.length, 3);

    away = true;
    const wanted = { kind: 'agency', whose: 'X02.1', reason: 'a test' } as const;
    await t.rejects(first.desk.shutOut(wanted, { agency: 'X00.1' }), { code: 'log-unavailable' });
    t.notOk(first.keptOut.shutOut({ agency: { id: 'X02.1' } }), 'what is not on record does not take effect');
    away = false;
  });
}

t.test('nobody fills the store: no agency with officials that it invents, no thief with an operator’s key', async (t) => {
  const all = new Map<string, ShutOut>();
  const store: ShutOutStore = {
    async change(decide) {
      const decided = await decide([...all.values()]);
      if (decided !== undefined) all.set(decided.id, decided);
    },
    since: async (change) => [...all.values()].slice(change).map((shutOut, i) => ({ change: change + i + 1, shutOut })),
    close: async () => {},
  };
  const time = { now: NOON };
  const clock = (): number => time.now;
  const keptOut = await openKeptOut(store, clock, () => {});
  const logStore = openSqliteLog(join(temporaryDirectory(), 'log.db'));
  t.teardown(() => logStore.close());
  const log = await openLog(logStore, makeLogKey());
  const desk = shutOutDesk({ store, keptOut, log, configDigest: 'none', clock, told: () => {} });
  for (let i = 0; i < 199; i++)
    all.set(String(i), shutOutOf({ id: String(i), kind: 'officer', value: `X01.1-${i}`, by: { agency: 'gateway' } }));
  const misuse = { agency: 'X01.1', until: NOON + HOUR, reason: 'misuse' };
  t.ok(await desk.stop({ ...misuse, officer: 'X01.1-200' }));
  t.equal(await desk.stop({ ...misuse, officer: 'X01.1-201' }), undefined);
  t.ok(await desk.stop({ ...misuse, agency: 'X02.1', officer: 'X02.1-201' }), 'others are stopped all the same');
  t.throws(() => keptOut.checkOfficer('X02.1', 'X02.1-201'), { code: 'officer-stopped' });
  t.doesNotThrow(() => keptOut.checkOfficer('X02.1.1', 'X02.1-201'), 'what the gateway saw in one agency stops nobody in another');
  const elsewhere = await desk.stop({ ...misuse, agency: 'X02.1.1', officer: 'X02.1-201' });
  t.match(elsewhere, { whose: 'X02.1.1' }, 'nor hides what it sees there');
  for (let i = 0; i < 59; i++) all.set(`own ${i}`, shutOutOf({ id: `own ${i}`, whose: `H${i}` }));
  const by = { agency: 'X00.1', officer: 'X00.1-0001' };
  const wanted = { kind: 'agency', whose: 'X02.1', reason: 'a test' } as const;
  const made = await desk.shutOut(wanted, by);
  await t.rejects(desk.shutOut({ ...wanted, whose: 'X04.1' }, by), { code: 'too-many-shut-outs' });
  t.equal((await desk.shutOut(wanted, { ...by, names: ['agency X00.1'] })).id, made.id, 'what there is already is no more');
  t.ok((await desk.letIn(made.id, 'a test', by)).lifted, 'and to let in is never too much');
  time.now += 60_000;
  const acting = { ...by, names: ['agency X00.1', 'key X00.1 one'] };
  t.ok(await desk.shutOut(wanted, acting));
  // Of two operators who shut each other out at the same moment one stays.
  all.set('other', shutOutOf({ id: 'other', kind: 'key', whose: 'X00.1', value: 'one', by: { agency: 'X00.2' } }));
  await t.rejects(desk.shutOut({ ...wanted, whose: 'X00.2' }, acting), { code: 'unauthenticated' });
  await t.rejects(desk.letIn('other', 'a test', acting), { code: 'unauthenticated' });
});

t.test('who is shut out is known from memory, also while the store is away', async (t) => {
  const store = openSqliteShutOuts(join(temporaryDirectory(), 'shut-outs.db'));
  t.teardown(() => store.close());
  await add(store, shutOutOf({ kind: 'supplier', whose: 'S01' }));
  await add(store, shutOutOf({ kind: 'key', whose: 'S02', value: 'one' }));
  let away = false;
  const troubles: unknown[] = [];
  const since: ShutOutStore['since'] = (change) => (away ? Promise.reject(new Error('away')) : store.since(change));
  const on = await openKeptOut(
    { since },
    () => NOON,
    (error) => troubles.push(error),
  );
  const agency = { id: 'X01.1' };
  const ROWS: [shown: Parameters<typeof on.shutOut>[0], out: boolean][] = [
    [{ agency }, false],
    [{ agency, actor: 'S01' }, true],
    [{ agency: { id: 'S01' } }, false],
    [{ agency, actor: 'S02' }, false],
    [{ agency, actor: 'S02', key: 'one' }, true],
    [{ agency, actor: 'S02', key: 'two' }, false],
    [{ agency, key: 'one' }, false],
    [{ agency, token: 'one' }, false],
  ];
  const look = (): void => {
    for (const [shown, out] of ROWS) t.equal(on.shutOut(shown), out, JSON.stringify(shown));
  };
  look();
  away = true;
  await on.refresh();
  await on.refresh();
  look();
  t.equal(on.readable(), false);
  t.equal(troubles.length, 1, 'it is said once');
  away = false;
  await add(store, shutOutOf({ whose: 'X02.1' }));
  await on.refresh();
  t.ok(on.readable() && on.shutOut({ agency: { id: 'X02.1' } }), 'and it comes back by itself');
  away = true;
  await t.rejects(
    openKeptOut(
      { since },
      () => NOON,
      () => {},
    ),
    'whoever cannot read it when it starts does not start',
  );
});

// Over HTTP

const AN = '003099000017';
interface Shown {
  readonly id: string;
  readonly holds: boolean;
}
interface Answered {
  readonly status: number;
  readonly text: string;
  readonly body: {
    readonly code: string;
    readonly shutOut: Shown;
    readonly shutOuts: Shown[];
    readonly errors?: { readonly pointer: string }[];
    readonly prefill: { readonly id: string };
    readonly entries: { readonly entry: AuditEntry }[];
  };
}
async function send(
  address: string,
  token: string | undefined,
  path: string,
  body?: unknown,
  method = body === undefined ? 'GET' : 'POST',
): Promise<Answered> {
  const reply = await fetch(`${address}${path}`, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await reply.text();
  return { status: reply.status, text, body: text.startsWith('{') ? (JSON.parse(text) as Answered['body']) : ({} as Answered['body']) };
}
const SIGNED = { reason: 'a test of shutting out', officer: 'X00.1-0001' };
const ask = async (on: TestGateway, path: string, body?: unknown, agency = 'X00.1', method?: string): Promise<Answered> =>
  send(on.address, await on.token(agency), path, body, method);
const shutOut = async (on: TestGateway, target: object): Promise<string> => {
  const done = await ask(on, '/v1/shut-outs', { ...SIGNED, ...target });
  if (done.status !== 200) throw new Error(done.text);
  check('ShutOutReply', done.body);
  return done.body.shutOut.id;
};
const letIn = (on: TestGateway, id: string): Promise<Answered> => ask(on, `/v1/shut-outs/${id}/lift`, SIGNED);
let dossiers = 0;
const asked = (more: object = {}): object => ({
  procedure: '1.004222',
  dossier: `X01.1-261122-${++dossiers}`,
  officer: 'X01.1-0042',
  subject: AN,
  ...more,
});
const fill = (on: TestGateway, more: object = {}, agency = 'X01.1'): Promise<Answered> => ask(on, '/v1/prefills', asked(more), agency);
/** Asks for a token with which a supplier acts for X01.1. */
const supplierToken = async (on: TestGateway, supplier: string): Promise<Response> =>
  fetch(`${on.address}/oauth2/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_assertion_type: ASSERTION_TYPE,
      client_assertion: await assertion(agencyKey(on.dataDirectory, supplier), supplier, { now: on.time.now }),
      agency: 'X01.1',
    }),
  });
const tokenFor = async (on: TestGateway, supplier: string): Promise<string> =>
  ((await (await supplierToken(on, supplier)).json()) as { access_token: string }).access_token;

const claimsOf = (token: string): { jti: string; client_key: string } =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());

/** An agency's receiver, as a real HTTP server. */
let delivered = 0;
const receiver = createServer((request, response) => {
  request.resume().once('end', () => {
    delivered++;
    response.writeHead(202).end();
  });
}).listen(0, '127.0.0.1');
await once(receiver, 'listening');
t.teardown(() => receiver.close());
const deliveries = { address: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/events` };

const main = await startGateway({
  sandbox,
  configDirectory: editedConfig({ 'agencies/X01.1.yaml': (file) => ({ ...file, deliveries }) }),
});
t.teardown(() => main.close());

await t.test('an agency, a key, a token and an official, each alone, and let in again', async (t) => {
  const on = main;
  const token = await on.token();
  const { jti, client_key: kid } = claimsOf(token);
  const request = async (key = agencyKey(on.dataDirectory, 'X01.1')): Promise<Response> =>
    requestToken(on.address, await assertion(key, 'X01.1', { now: on.time.now }));
  const { access_token: another } = (await (await request()).json()) as { access_token: string };
  const supplierKey = agencyKey(on.dataDirectory, 'S01');
  const forSupplier = (): Promise<Response> => supplierToken(on, 'S01');
  const acting = await tokenFor(on, 'S01');
  const unknown = await send(on.address, 'eyJ', '/v1/procedures');
  const noKey = await (await request({ ...agencyKey(on.dataDirectory, 'X01.1'), kid: 'none' })).text();

  const ROWS: [target: object, all: boolean, tokens: boolean][] = [
    [{ kind: 'agency', whose: 'X01.1' }, true, false],
    [{ kind: 'key', whose: 'X01.1', value: kid }, true, false],
    [{ kind: 'token', value: jti }, false, true],
    [{ kind: 'officer', whose: 'X01.1', value: 'X01.1-0042' }, false, true],
    [{ kind: 'officer', value: 'X01.1-0042', perMinute: 3 }, false, true],
    [{ kind: 'supplier', whose: 'S01' }, false, true],
    [{ kind: 'key', whose: 'S01', value: supplierKey.kid }, false, true],
  ];
  for (const [target, all, tokens] of ROWS) {
    const { kind, whose, perMinute } = target as { kind: string; whose?: string; perMinute?: number };
    const name = JSON.stringify(target);
    const id = await shutOut(on, target);
    const again = await ask(on, '/v1/shut-outs', { ...SIGNED, ...target });
    t.equal(again.body.shutOut.id, id, `${name}: the same again is the same`);
    const stopped = kind === 'officer' && perMinute === undefined;
    const filled = await send(on.address, token, '/v1/prefills', asked());
    const out = all || kind === 'token';
    t.match(
      [filled.status, filled.body.code],
      out ? [401, 'unauthenticated'] : stopped ? [403, 'officer-stopped'] : [200, undefined],
      name,
    );
    if (out) t.equal(filled.text, unknown.text, 'who is shut out hears what strangers hear');
    t.equal((await send(on.address, another, '/v1/procedures')).status, all ? 401 : 200, `${name}: another token`);
    t.equal(
      (await send(on.address, another, '/v1/prefills', asked({ officer: 'X01.1-0043' }))).status,
      all ? 401 : 200,
      `${name}: another official`,
    );
    const both = whose === 'S01' || kind === 'agency';
    t.equal((await send(on.address, acting, '/v1/procedures')).status, both ? 401 : 200, `${name}: who acts for the agency`);
    t.equal((await forSupplier()).status, both ? 401 : 200, `${name}: and a new token`);
    const issued = await request();
    t.equal(issued.status, tokens ? 200 : 401, `${name}: a new token`);
    if (!tokens) t.equal(await issued.text(), noKey, 'with the refusal that every bad proof gets');
    t.equal(
      (await fill(on, { procedure: '1.012768', dossier: 'X02.1-261122-0001', officer: 'X02.1-0001' }, 'X02.1')).status,
      200,
      'others are served',
    );
    t.equal((await letIn(on, id)).status, 200);
    t.equal((await send(on.address, token, '/v1/prefills', asked())).status, 200, `${name}: let in`);
    const entries = (await on.entries()).filter((entry) => entry.id === id);
    for (const entry of entries) check('AuditEntry', entry);
    const doer = { kind: 'shut-out', agency: 'X00.1', officer: 'X00.1-0001', reason: SIGNED.reason, shutOut: target };
    t.match(entries, [
      { ...doer, outcome: 'shut-out' },
      { ...doer, outcome: 'let-in' },
    ]);
    t.equal(entries.length, 2, 'each once');
  }
  t.match((await on.entries()).filter(({ outcome }) => outcome === 'officer-stopped').length, 1, 'an official who is stopped is on record');
  t.ok(
    on.lines.some((line) => line.includes('shut out')),
    'why no token was given stands in the process log',
  );

  const list = await ask(on, '/v1/shut-outs?all=true');
  check('ShutOuts', list.body);
  t.equal(list.body.shutOuts.length, ROWS.length);
  t.strictSame((await ask(on, '/v1/shut-outs')).body.shutOuts, []);

  for (const [concerns, count] of [
    ['X01.1', 8],
    ['X01.1-0042', 4],
    ['S01', 4],
    [kid, 2],
    ['X02.1', 0],
  ] as const) {
    const found = await ask(on, '/v1/audit/search', { reason: 'who was kept out', kind: 'shut-out', concerns }, 'X09.1');
    check('AuditPage', found.body);
    t.equal(found.body.entries.length, count, `an auditor finds what befell ${concerns}`);
  }

  await shutOut(on, { kind: 'agency', whose: 'X02.1', until: new Date(on.time.now + 1000).toISOString() });
  const theirs = await requestToken(on.address, await assertion(agencyKey(on.dataDirectory, 'X02.1'), 'X02.1'));
  t.equal(theirs.status, 401);
  on.time.now += 1000;
  t.equal((await ask(on, '/v1/procedures', undefined, 'X02.1')).status, 200, 'until then, and not longer');
});

await t.test('what is at work already ends', async (t) => {
  const on = main;
  const UNDER_WAY: [what: string, path: string, more: object, target: object, status: number, code: string][] = [
    ['a prefill', '/v1/prefills', {}, { kind: 'agency', whose: 'X01.1' }, 401, 'unauthenticated'],
    ['of an official', '/v1/prefills', {}, { kind: 'officer', value: 'X01.1-0042' }, 403, 'officer-stopped'],
    [
      'a comparison',
      '/v1/verifications',
      { claims: { '/fullName': 'X' } },
      { kind: 'officer', value: 'X01.1-0042' },
      403,
      'officer-stopped',
    ],
  ];
  for (const [what, path, more, target, status, code] of UNDER_WAY)
    await t.test(`${what} whose registry is slow`, async (t) => {
      sandbox.tell('population', { mode: 'slow', delayMs: 300 });
      t.teardown(() => sandbox.tell('population', { mode: 'ok' }));
      const lookUps = sandbox.requests('population');
      const filled = ask(on, path, asked({ maxAgeSeconds: 0, ...more }), 'X01.1');
      await eventually(() => sandbox.requests('population') > lookUps);
      const id = await shutOut(on, target);
      t.match(await filled, { status, body: { code } }, 'its answer does not leave');
      const refused = (await on.entries()).findLast(({ kind }) => kind === 'refusal');
      t.match(refused, { outcome: code, subjects: { subject: String } });
      await letIn(on, id);
    });

  await t.test('a batch', async (t) => {
    const headers = { authorization: `Bearer ${await on.token()}`, 'content-type': 'application/x-ndjson' };
    const sent = httpRequest(`${on.address}/v1/prefills/batch`, { method: 'POST', headers, agent: false });
    sent.write(`${JSON.stringify(asked())}\n`);
    const [reply] = (await once(sent, 'response')) as [IncomingMessage];
    let said = '';
    reply.setEncoding('utf8').on('data', (text: string) => (said += text));
    await eventually(() => said.includes('"line":1,"prefill"'));
    const id = await shutOut(on, { kind: 'token', value: claimsOf(await on.token()).jti });
    sent.end(`${JSON.stringify(asked())}\n`);
    await eventually(() => said.includes('"end"'));
    t.match(JSON.parse(said.trimEnd().split('\n').at(-1) ?? ''), { end: false, answered: 1, problem: { code: 'unauthenticated' } });
    t.notMatch(said, '"line":2');
    await letIn(on, id);
  });

  await t.test('an inspector', async (t) => {
    const id = await shutOut(on, { kind: 'officer', value: 'X09.1-0007' });
    const search = await ask(on, '/v1/audit/search', { reason: 'a test', auditor: 'X09.1-0007' }, 'X09.1');
    t.match(search, { status: 403, body: { code: 'officer-stopped' } }, 'an inspector who is stopped reads nothing');
    t.match((await on.entries()).at(-1), { kind: 'refusal', outcome: 'officer-stopped', auditor: 'X09.1-0007' });
    await letIn(on, id);
  });

  for (const target of [
    { kind: 'agency', whose: 'X01.1' },
    { kind: 'officer', value: 'X01.1-0042' },
    { kind: 'supplier', whose: 'S01' },
  ]) {
    await t.test(`what is to be delivered is held, and comes once ${target.kind} is let in`, async (t) => {
      sandbox.tell('land', { mode: 'fail' });
      t.teardown(() => sandbox.tell('land', { mode: 'ok' }));
      const more = { related: { householder: '003060000021' }, maxAgeSeconds: 0, completion: 'deliver' };
      const token = target.kind === 'supplier' ? await tokenFor(on, 'S01') : await on.token();
      const filled = await send(on.address, token, '/v1/prefills', asked(more));
      t.match(filled.body.prefill, { completion: { by: 'deliver' } });
      const before = delivered;
      const id = await shutOut(on, target);
      sandbox.tell('land', { mode: 'ok' });
      const lookUps = on.lookUps();
      for (let i = 0; i < 3; i++) {
        on.time.now += 60_000;
        await after(300);
      }
      t.equal(delivered, before, 'nothing is brought');
      t.equal(on.lookUps(), lookUps, 'and nobody asked');
      await letIn(on, id);
      on.time.now += 60_000;
      await eventually(() => delivered > before);
      t.equal(delivered, before + 1);
    });
  }

  await t.test('what is held beyond its time is over, and keeps nobody from theirs', async (t) => {
    const waiting = async (): Promise<number> =>
      ((await (await fetch(`${on.address}/readyz`)).json()) as { completions: { pending: number } }).completions.pending;
    sandbox.tell('land', { mode: 'fail' });
    const more = { related: { householder: '003060000021' }, maxAgeSeconds: 0, completion: 'fetch' };
    const { prefill } = (await fill(on, more)).body;
    const id = await shutOut(on, { kind: 'agency', whose: 'X01.1' });
    sandbox.tell('land', { mode: 'ok' });
    t.equal(await waiting(), 1);
    const before = on.time.now;
    on.time.now += 24 * HOUR;
    await eventually(async () => (await waiting()) === 0, 50);
    on.time.now = before;
    await letIn(on, id);
    t.match(await ask(on, `/v1/prefills/${prefill.id}`, undefined, 'X01.1'), { status: 410, body: { code: 'completion-expired' } });
  });

  await t.test('what is ready is not fetched in the name of an official who is stopped, and is not lost', async (t) => {
    sandbox.tell('land', { mode: 'fail' });
    const more = { related: { householder: '003060000021' }, maxAgeSeconds: 0, completion: 'fetch' };
    const { prefill } = (await fill(on, more)).body;
    sandbox.tell('land', { mode: 'ok' });
    on.time.now += 60_000;
    const path = `/v1/prefills/${prefill.id}`;
    await eventually(async () => (await ask(on, path, undefined, 'X01.1')).status === 200);
    const id = await shutOut(on, { kind: 'officer', value: 'X01.1-0042' });
    t.match(await ask(on, path, undefined, 'X01.1'), { status: 403, body: { code: 'officer-stopped' } });
    await letIn(on, id);
    t.equal((await ask(on, path, undefined, 'X01.1')).status, 200);
  });
});

await t.test('what operators, and those who are none, may not', async (t) => {
  const on = main;
  const target = { kind: 'agency', whose: 'X02.1' };
  const wanted = (more: object): object => ({ ...SIGNED, ...target, ...more });
  const own = claimsOf(await on.token('X00.1')).client_key;
  const id = await shutOut(on, { kind: 'supplier', whose: 'S01' });
  await letIn(on, id);
  const later = (ms: number): string => new Date(on.time.now + ms).toISOString();
  const ROWS: [rule: string, status: number, code: string, body: unknown, pointer?: string | undefined, agency?: string, path?: string][] =
    [
      ['an agency', 403, 'insufficient-scope', wanted({}), undefined, 'X01.1'],
      ['an inspectorate', 403, 'insufficient-scope', wanted({}), undefined, 'X09.1'],
      ['an agency lists', 403, 'insufficient-scope', undefined, undefined, 'X01.1'],
      ['an agency lets itself in', 403, 'insufficient-scope', SIGNED, undefined, 'X01.1', `/v1/shut-outs/${id}/lift`],
      ['an unknown agency', 400, 'invalid-request', wanted({ whose: 'X77.1' }), '/whose'],
      ['a member of every object', 400, 'invalid-request', wanted({ whose: 'constructor' }), '/whose'],
      ['an agency in another case', 400, 'invalid-request', wanted({ whose: 'x02.1' }), '/whose'],
      ['no agency', 400, 'invalid-request', { ...SIGNED, kind: 'agency' }, '/whose'],
      ['an agency and a part of it', 400, 'invalid-request', wanted({ value: 'X02.1' }), '/value'],
      ['an unknown key', 400, 'invalid-request', wanted({ kind: 'key', value: 'none' }), '/value'],
      ['an unknown supplier', 400, 'invalid-request', wanted({ kind: 'supplier', whose: 'S77' }), '/whose'],
      ['an agency for a supplier', 400, 'invalid-request', wanted({ kind: 'supplier' }), '/whose'],
      ['a supplier for an agency', 400, 'invalid-request', wanted({ whose: 'S01' }), '/whose'],
      ['an official of a supplier', 400, 'invalid-request', wanted({ kind: 'officer', whose: 'S01', value: 'S01-1' }), '/whose'],
      ['an unknown key of a supplier', 400, 'invalid-request', wanted({ kind: 'key', whose: 'S01', value: own }), '/value'],
      ['a key of another agency', 400, 'invalid-request', wanted({ kind: 'key', value: own }), '/value'],
      ['no key', 400, 'invalid-request', wanted({ kind: 'key' }), '/value'],
      ['a token with an agency', 400, 'invalid-request', wanted({ kind: 'token', value: randomUUID() }), '/whose'],
      ['a token that is a number', 400, 'invalid-request', { ...SIGNED, kind: 'token', value: AN }, '/value'],
      [
        'a token that hides a number',
        400,
        'invalid-request',
        { ...SIGNED, kind: 'token', value: `${AN.slice(0, 6)}-${AN.slice(6)}` },
        '/value',
      ],
      ['an official of another agency', 400, 'invalid-request', wanted({ kind: 'officer', value: 'X01.1-0042' }), '/value'],
      ['an official of no agency', 400, 'invalid-request', { ...SIGNED, kind: 'officer', value: 'X77.1-0042' }, '/whose'],
      ['an official who is a number', 400, 'invalid-request', wanted({ kind: 'officer', value: `X02.1-${AN}` }), '/value'],
      ['an agency slowed', 400, 'invalid-request', wanted({ perMinute: 3 }), '/perMinute'],
      ['slowed to nothing', 400, 'invalid-request', wanted({ kind: 'officer', value: 'X02.1-1', perMinute: 0 }), '/perMinute'],
      ['a kind that is none', 400, 'invalid-request', wanted({ kind: 'everybody' }), '/kind'],
      ['everybody', 400, 'invalid-request', wanted({ whose: '*' }), '/whose'],
      ['a list', 400, 'invalid-request', wanted({ whose: ['X02.1'] }), '/whose'],
      ['the past', 400, 'invalid-request', wanted({ until: later(-1) }), '/until'],
      ['this very moment', 400, 'invalid-request', wanted({ until: later(0) }), '/until'],
      ['a time in no zone', 400, 'invalid-request', wanted({ until: '2027-01-01T00:00:00' }), '/until'],
      ['a day that is not', 400, 'invalid-request', wanted({ until: '2027-02-30T00:00:00Z' }), '/until'],
      ['no reason', 400, 'invalid-request', wanted({ reason: undefined }), '/reason'],
      ['a short reason', 400, 'invalid-request', wanted({ reason: 'no' }), '/reason'],
      ['a huge reason', 400, 'invalid-request', wanted({ reason: 'x'.repeat(501) }), '/reason'],
      ['a reason beyond all bounds', 413, 'body-too-large', wanted({ reason: 'x'.repeat(70_000) })],
      ['a person by number', 400, 'invalid-request', wanted({ reason: `sold ${AN}` }), '/reason'],
      ['a person by number, however spelled', 400, 'invalid-request', wanted({ reason: 'sold 003-099 000.017' }), '/reason'],
      ['a person in wide digits', 400, 'invalid-request', wanted({ reason: 'sold ００３０９９００００１７' }), '/reason'],
      ['a reason with a line of its own', 400, 'invalid-request', wanted({ reason: 'one\n{"level":50}' }), '/reason'],
      ['nobody who decides', 400, 'invalid-request', wanted({ officer: undefined }), '/officer'],
      ['an official of others who decides', 400, 'invalid-request', wanted({ officer: 'X02.1-0001' }), '/officer'],
      ['one whose agency begins alike', 400, 'invalid-request', wanted({ officer: 'X00.10-0001' }), '/officer'],
      ['the agency that calls', 400, 'invalid-request', wanted({ whose: 'X00.1' }), '/whose'],
      ['the key that it calls with', 400, 'invalid-request', wanted({ kind: 'key', whose: 'X00.1', value: own }), '/value'],
      ['by whom, of one’s own choice', 400, 'invalid-request', wanted({ by: { agency: 'gateway' } }), '/by'],
      ['an identifier of one’s own choice', 400, 'invalid-request', wanted({ id: randomUUID() }), '/id'],
      ['__proto__', 400, 'malformed-json', '{"__proto__":{"kind":"agency"},"kind":"agency"}'],
      ['a member twice', 400, 'malformed-json', '{"kind":"agency","kind":"token"}'],
      ['a query that is none', 400, 'invalid-request', undefined, undefined, 'X00.1', '/v1/shut-outs?all=yes'],
      ['all twice', 400, 'invalid-request', undefined, undefined, 'X00.1', '/v1/shut-outs?all=true&all=true'],
      ['one that is not', 404, 'unknown-shut-out', SIGNED, undefined, 'X00.1', `/v1/shut-outs/${randomUUID()}/lift`],
      ['SQL', 404, 'unknown-shut-out', SIGNED, undefined, 'X00.1', `/v1/shut-outs/${encodeURIComponent("' OR 1=1 --")}/lift`],
      ['a path', 404, 'unknown-shut-out', SIGNED, undefined, 'X00.1', '/v1/shut-outs/..%2F..%2Fetc/lift'],
      ['a way round', 404, 'not-found', SIGNED, undefined, 'X00.1', `//v1/shut-outs/${id}/lift`],
      ['another case', 404, 'not-found', SIGNED, undefined, 'X00.1', `/v1/Shut-Outs/${id}/lift`],
      ['lifted without a reason', 400, 'invalid-request', { officer: SIGNED.officer }, '/reason', 'X00.1', `/v1/shut-outs/${id}/lift`],
      ['lifted for a number', 400, 'invalid-request', { ...SIGNED, reason: `for ${AN}` }, '/reason', 'X00.1', `/v1/shut-outs/${id}/lift`],
    ];
  const before = (await on.entries()).length;
  for (const [rule, status, code, body, pointer, agency, path = '/v1/shut-outs'] of ROWS) {
    const reply = await ask(on, path, body, agency);
    t.match([reply.status, reply.body.code], [status, code], rule);
    if (pointer !== undefined)
      t.ok(
        reply.body.errors?.some((error) => error.pointer === pointer),
        `${rule}: ${reply.text}`,
      );
    t.notMatch(reply.text, AN, rule);
  }
  t.match(await send(on.address, undefined, '/v1/shut-outs', wanted({})), { status: 401 });
  t.match(await send(on.address, await on.token('X00.1'), `/v1/shut-outs/${id}`, undefined, 'DELETE'), { status: 404 });

  t.equal((await letIn(on, id)).body.shutOut.holds, false, 'lifted again, it stays as it was');
  t.equal((await on.entries()).length, before, 'and of all this nothing is on record, since nothing came of it');
  t.strictSame((await ask(on, '/v1/shut-outs')).body.shutOuts, []);
  t.notOk(on.lines.some((line) => line.includes(AN)));

  const stopped = await shutOut(on, { kind: 'officer', value: 'X00.1-0666' });
  t.match(await ask(on, '/v1/shut-outs', wanted({ officer: 'X00.1-0666' })), { status: 403, body: { code: 'officer-stopped' } });
  t.match((await on.entries()).at(-1), { kind: 'refusal', agency: 'X00.1', officer: 'X00.1-0666', outcome: 'officer-stopped' });
  await letIn(on, stopped);
});

// Many gateways

t.test('two gateways over one PostgreSQL', { skip: noPostgres }, async (t) => {
  const databaseUrl = typeof postgres === 'string' ? '' : await postgres.fresh();
  const one = await startGateway({ sandbox, databaseUrl });
  t.teardown(() => one.close());
  const second = temporaryDirectory();
  copyFileSync(join(one.dataDirectory, 'keys.json'), join(second, 'keys.json'));
  cpSync(join(one.dataDirectory, 'agencies'), join(second, 'agencies'), { recursive: true });
  const two = await startGateway({ sandbox, databaseUrl, dataDirectory: second });
  t.teardown(() => two.close());
  t.equal((await fill(two)).status, 200);
  await follows(t, await shutOut(one, { kind: 'agency', whose: 'X01.1' }), async () => (await fill(two)).status === 401);
  const { id } = (await ask(two, '/v1/shut-outs')).body.shutOuts[0] as Shown;
  t.equal((await letIn(two, id)).status, 200, 'whichever is asked lets in');
  await follows(t, id, async () => (await send(one.address, await two.token(), '/v1/prefills', asked())).status === 200);
  const ids = await Promise.all([one, two, one, two].map((on) => shutOut(on, { kind: 'officer', value: 'X01.1-0042' })));
  t.equal(new Set(ids).size, 1, 'asked for at both at once, it is one');
});

/** Waits for what another gateway is to do, and says how long it took: by design one look, which a busy machine may delay. */
async function follows(t: Test, id: string, done: () => Promise<boolean>): Promise<void> {
  const began = performance.now();
  await eventually(done);
  const took = Math.round(performance.now() - began);
  t.ok(FOLLOW_MS <= 500, 'a look is made at least twice a second');
  t.comment(`${id.slice(0, 8)}: the other gateway followed after ${took} ms`);
  t.ok(took < 3000, `after ${took} ms`);
}

t.test('two processes over one data directory, one of them killed; and a restart', async (t) => {
  const data = temporaryDirectory();
  const issuer = { ONCEGATE_ISSUER: 'http://gateways.test' };
  const one = await startChild(data, await freePort(), issuer);
  t.teardown(() => one.process.kill('SIGKILL'));
  const start = () => startGateway({ sandbox, dataDirectory: data, issuer: issuer.ONCEGATE_ISSUER, now: shiftedNow() });
  const two = await start();
  const tokenOf = (agency: string): Promise<string> => childToken(one.address, data, agency, issuer.ONCEGATE_ISSUER);
  const [operator, agency] = await Promise.all([tokenOf('X00.1'), tokenOf('X01.1')]);
  // Its clock stands still, and a token of the future is none.
  two.time.now = shiftedNow() + 1000;
  const refused = async (address: string): Promise<boolean> => (await send(address, agency, '/v1/procedures?limit=1')).status === 401;
  t.notOk(await refused(two.address));
  const made = await send(one.address, operator, '/v1/shut-outs', { ...SIGNED, kind: 'agency', whose: 'X01.1' });
  t.equal(made.status, 200, made.text);
  one.process.kill('SIGKILL');
  await follows(t, made.body.shutOut.id, () => refused(two.address));
  await two.close();
  const again = await start();
  t.teardown(() => again.close());
  t.ok(await refused(again.address), 'who was shut out is so from the first request of the next process on');
});

t.test('the command line of an operator; and a store that goes away', async (t) => {
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const on = await startGateway({ sandbox, issuer, port, now: Date.now() });
  t.teardown(() => on.close());
  const run = async (...argv: string[]): Promise<{ code: number; said: string }> => {
    // The command line has the clock of this machine.
    on.time.now = Date.now();
    const { code, out, error } = await runHere(argv, { issuer, dataDirectory: on.dataDirectory });
    return { code, said: out + error };
  };
  const why = ['--reason', 'a test of commands', '--officer', 'X00.1-0001'];
  const { kid = '' } = agencyKey(on.dataDirectory, 'X01.1');
  const ROWS: [code: number, says: RegExp, argv: string[]][] = [
    [0, /agency X02\.1 shut out from .* by X00\.1-0001: a test of commands/, ['agency', 'X02.1']],
    [0, /key X01\.1 /, ['key', 'X01.1', kid]],
    [1, /\/whose is no supplier/, ['supplier', 'S77']],
    [0, /token /, ['token', randomUUID()]],
    [0, /officer X01\.1-0042 shut out/, ['officer', 'X01.1-0042']],
    [
      0,
      /officer X01\.1-0043 slowed to 6 a minute from .* until /,
      ['officer', 'X01.1-0043', '--per-minute', '6', '--until', '2099-01-01T00:00:00+07:00'],
    ],
    [0, /supplier S01/, ['supplier', 'S01']],
    [1, /invalid-request.*\n {2}\/whose is no agency/, ['agency', 'X77.1']],
    [1, /\/whose is no supplier/, ['supplier', 'S09']],
    [2, /--until/, ['agency', 'X01.1', '--until', 'yesterday']],
    [2, /--per-minute/, ['officer', 'X01.1-0042', '--per-minute', '0']],
    [2, /shut-out takes/, ['agency']],
    [2, /shut-out takes/, ['constructor', 'X01.1']],
    [1, /insufficient|invalid_scope/, ['agency', 'X02.1', '--operator', 'X04.1']],
  ];
  for (const [code, says, argv] of ROWS) t.match(await run('shut-out', ...argv, ...why), { code, said: says }, argv.join(' '));
  t.match(await run('shut-out', 'agency', 'X02.1', '--reason', 'a test'), { code: 2, said: /--officer/ });
  const listed = await run('shut-outs');
  t.equal(listed.said.trim().split('\n').length, 6);
  const [id = '', ...others] = listed.said
    .trim()
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '');
  t.match(await run('let-in', id, ...why), { code: 0, said: /let in/ });
  t.match(await run('let-in', randomUUID(), ...why), { code: 1, said: /unknown-shut-out/ });
  t.equal((await run('shut-outs')).said.trim().split('\n').length, 5);
  t.equal((await run('shut-outs', '--all')).said.trim().split('\n').length, 6);
  for (const other of others) await run('let-in', other, ...why);
  t.match(await run('shut-outs'), { code: 0, said: 'nobody is shut out' });

  await t.test('while the store is away what is known stands, and nobody is shut out unseen', async (t) => {
    const ready = async (): Promise<unknown> => ((await (await fetch(`${on.address}/readyz`)).json()) as { shutOuts: string }).shutOuts;
    const token = await on.token();
    await shutOut(on, { kind: 'agency', whose: 'X01.1' });
    t.equal(await ready(), 'ok');
    const db = new DatabaseSync(join(on.dataDirectory, 'shut-outs.db'), { timeout: 1000 });
    t.teardown(() => db.close());
    db.exec('ALTER TABLE shut_out RENAME TO away');
    await eventually(async () => (await ready()) === 'unreadable');
    t.equal((await send(on.address, token, '/v1/procedures')).status, 401);
    t.ok(on.lines.some((line) => line.includes('who is shut out cannot be read')));
    const target = { kind: 'agency', whose: 'X02.1' };
    t.match(await ask(on, '/v1/shut-outs', { ...SIGNED, ...target }), { status: 503, body: { code: 'shut-out-unavailable' } });
    db.exec('ALTER TABLE away RENAME TO shut_out');
    await eventually(async () => (await ready()) === 'ok');
    // The entry can be written, and what it says is not kept.
    db.exec(`CREATE TRIGGER full BEFORE INSERT ON shut_out BEGIN SELECT RAISE(ABORT, 'full'); END`);
    t.match(await ask(on, '/v1/shut-outs', { ...SIGNED, ...target }), { status: 503, body: { code: 'shut-out-unavailable' } });
    const entries = (await on.entries()).slice(-2);
    t.match(entries, [{ outcome: 'shut-out' }, { outcome: 'shut-out-unavailable' }], 'that is on record too');
    t.equal(entries[0]?.id, entries[1]?.id);
    for (const entry of entries) check('AuditEntry', entry);
    db.exec('DROP TRIGGER full');
    t.equal((await ask(on, '/v1/procedures', undefined, 'X02.1')).status, 200);
  });
});
