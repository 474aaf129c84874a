/** Registries that hang, break, drip and come back, over real HTTP: what they cost, whom, and for how long. */
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as after } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { adapters } from '../adapters/index.ts';
import type { Adapter, SourceError } from '../src/adapter.ts';
import { openCatalogue } from '../src/app.ts';
import type { Opened, Prefill, Source } from '../src/domain.ts';
import type { SandboxSource } from '../src/sandbox/index.ts';
import { makeWorld } from '../src/sandbox/people.ts';
import { type Around, around } from '../src/stages/around/around.ts';
import { askSource } from '../src/stages/ask.ts';
import { type Edited, editedConfig, NOON, startGateway, type TestGateway } from './support/gateway.ts';
import { noRecords } from './support/records.ts';
import { schemaCheck } from './support/schemas.ts';

const catalogue = openCatalogue('config', true);
const population = catalogue.sources.get('population') as Source;

interface Asked {
  readonly server: Server;
  readonly protectedBy: Around;
  look(): Promise<string>;
}

/** The population database as a server that behaves as a test says, with the shipped protection but for short times. */
async function registry(t: Test, listener: RequestListener, port = 0): Promise<Asked> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const address = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const adapter = adapters.population?.({ address, credential: undefined, connections: 8, datasets: {} }) as Adapter;
  t.teardown(async () => {
    await adapter.close();
    server.closeAllConnections();
    server.close();
  });
  const { protection } = population;
  const source: Source = {
    ...population,
    timeoutMs: 80,
    protection: { ...protection, atOnce: 8, circuit: { ...protection.circuit, pauseSeconds: 1 } },
  };
  const protectedBy = around(source, { clock: Date.now, random: () => 0, changed: () => {} });
  const ask = askSource(source, adapter, {
    validators: new Map(),
    cache: noRecords,
    clock: Date.now,
    around: protectedBy,
    report: () => {},
  });
  let people = 0;
  const look = (): Promise<string> =>
    ask(
      { source: 'population', dataset: 'person', kind: 'person', key: String(people++) },
      async () => ({ index: 0 }) as Opened,
      'X01.1',
    ).then(
      ({ answer }) => (answer.found ? 'found' : 'absent'),
      (error: SourceError) => error.reason,
    );
  return { server, protectedBy, look };
}

const json = { 'content-type': 'application/json' };
const nobody: RequestListener = (_, response) => response.writeHead(200, json).end('{"MaKetQua":"01"}');

/** How a registry misbehaves → what it is called, whether the circuit opens over it, how many requests a look-up may become. */
const MISDEEDS: [how: string, listener: RequestListener, reason: string, opens: boolean][] = [
  ['hangs', () => {}, 'timeout', true],
  ['resets', (request) => request.socket.destroy(), 'unreachable', true],
  ['fails', (_, response) => response.writeHead(500).end(), 'error', true],
  ['drips', drip, 'timeout', true],
  [
    'shows a page of the proxy in front',
    (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'),
    'malformed',
    false,
  ],
  ['refuses', (_, response) => response.writeHead(403).end(), 'refused', false],
];

/** A byte at a time, for ever. */
function drip(...[, response]: Parameters<RequestListener>): void {
  response.writeHead(200, json).write('{"a":"');
  const timer = setInterval(() => response.write('x'), 5);
  response.once('close', () => clearInterval(timer));
}

for (const [how, listener, reason, opens] of MISDEEDS) {
  t.test(`a registry that ${how}`, async (t) => {
    let away = true;
    let [atOnce, most, requests] = [0, 0, 0];
    const one = await registry(t, (request, response) => {
      requests++;
      most = Math.max(most, ++atOnce);
      response.once('close', () => atOnce--);
      (away ? listener : nobody)(request, response);
    });
    const many = (): Promise<string[]> => Promise.all(Array.from({ length: 60 }, () => one.look()));
    let said = await many();
    while (!said.includes(reason)) said = await many();
    // A machine that is itself too busy to hear an answer in time lets that count against nobody.
    while (opens && one.protectedBy.state('X01.1').state !== 'open') said = await many();
    const before = requests;
    const then = new Set(await many());
    t.strictSame(opens ? then : then.has('circuit-open'), opens ? new Set(['circuit-open']) : false);
    t.ok(opens ? requests === before : requests > before);
    t.ok(most <= 8, `never more than eight at once: ${most}`);
    while (await connections(one.server)) await after(5);
    t.pass('no connection is held');
    away = false;
    const began = performance.now();
    while ((await one.look()) !== 'absent') await after(5);
    while ((await many()).some((word) => word !== 'absent')) await after(5);
    t.ok(performance.now() - began < 5000, `it is back for all after ${Math.round(performance.now() - began)} ms`);
  });
}

/** Those at which something is under way: idle ones are kept. */
function connections(server: Server): Promise<number> {
  server.closeIdleConnections();
  return new Promise((resolve) => server.getConnections((_, count) => resolve(count)));
}

t.test('a registry that is not there, and then is', async (t) => {
  const place = await registry(t, nobody);
  const { port } = place.server.address() as AddressInfo;
  place.server.closeAllConnections();
  await new Promise((resolve) => place.server.close(resolve));
  t.match(await Promise.all(Array.from({ length: 12 }, () => place.look())), Array(12).fill('unreachable'));
  t.equal(await place.look(), 'circuit-open');
  const server = createServer(nobody).listen(port, '127.0.0.1');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  while ((await place.look()) !== 'absent') await after(5);
  t.match(place.protectedBy.state('X01.1').recent.reasons, { unreachable: Number, 'circuit-open': Number });
});

t.test('a connection that the registry closed while it was idle costs nobody an answer', async (t) => {
  let answered = 0;
  const one = await registry(t, (request, response) => {
    if (answered++ === 1) request.socket.destroy();
    else nobody(request, response);
  });
  t.strictSame([await one.look(), await one.look()], ['absent', 'absent']);
  t.equal(answered, 3);
  t.equal(one.protectedBy.state('X01.1').recent.retried, 1);
});

const check = schemaCheck();
const people = [...makeWorld().people.keys()];

/** A gateway whose clock goes, with short pauses. */
async function gateway(
  t: Test,
  edits: Parameters<typeof editedConfig>[0] = {},
): Promise<{
  on: TestGateway;
  prefill: (n: number, agency?: string) => Promise<{ reply: Prefill; took: number }>;
  sources: () => Promise<Told[]>;
}> {
  // The registries, the callers and the gateway share one process here, so it is slow: who is well is given time.
  const short = (file: Edited): object => ({
    ...file,
    timeoutMs: file.id === 'land' ? 1500 : 8000,
    circuit: { pauseSeconds: 0.3, longestPauseSeconds: 0.6 },
  });
  const all = ['population', 'civil-registry', 'land', 'birth-notices'].map((source) => [`sources/${source}.yaml`, short] as const);
  const on = await startGateway({ configDirectory: editedConfig({ ...Object.fromEntries(all), ...edits }) });
  t.teardown(() => on.close());
  const began = performance.now();
  const [token, others] = [await on.token('X01.1'), await on.token('X02.1')];
  Object.defineProperty(on.time, 'now', { get: () => Math.floor(NOON + performance.now() - began) });
  const prefill = async (n: number, agency = 'X01.1'): Promise<{ reply: Prefill; took: number }> => {
    const from = performance.now();
    const reply = await on.gateway.server.inject({
      method: 'POST',
      url: '/v1/prefills',
      headers: { authorization: `Bearer ${agency === 'X01.1' ? token : others}` },
      payload: {
        procedure: agency === 'X01.1' ? '1.004222' : '1.012768',
        dossier: `${agency}-261122-0001`,
        officer: `${agency}-0001`,
        subject: people[n % people.length],
        maxAgeSeconds: 0,
      },
    });
    if (reply.statusCode !== 200) throw new Error(reply.payload);
    return { reply: reply.json().prefill as Prefill, took: performance.now() - from };
  };
  const sources = async (): Promise<Told[]> => {
    const reply = await on.gateway.server.inject({ url: '/v1/sources', headers: { authorization: `Bearer ${token}` } });
    check('Sources', reply.json());
    return (reply.json() as { sources: Told[] }).sources;
  };
  return { on, prefill, sources };
}

interface Told {
  readonly id: string;
  readonly state: string;
  readonly since: string;
  readonly retryAfterSeconds?: number;
  readonly recent: {
    readonly asked: number;
    readonly failed: number;
    readonly failureRate?: number;
    readonly p95Ms?: number;
    readonly reasons: Record<string, number>;
  };
}

const sockets = (): number => process.getActiveResourcesInfo().filter((one) => one === 'TCPSocketWrap').length;
const reasons = (reply: Prefill): Set<string | undefined> => new Set(Object.values(reply.fields).map(({ reason }) => reason));

t.test(
  'two hundred callers and a registry that hangs: everybody is answered in time, nobody else is harmed, and it is back within seconds',
  async (t) => {
    const deadlineMs = 12_000;
    const { on, prefill, sources } = await gateway(t, { 'gateway.yaml': (file) => ({ ...file, deadlineMs }) });
    const healthy = await prefill(0);
    const filled = Object.values(healthy.reply.fields).filter(({ source }) => source !== undefined && source !== 'land');
    on.sandbox.tell('land', { mode: 'hang' });
    const asked = on.sandbox.requests('land');
    const first = await Promise.all(Array.from({ length: 200 }, (_, n) => prefill(n)));
    t.ok(
      first.every(({ took }) => took < deadlineMs),
      `within the deadline: ${Math.round(Math.max(...first.map(({ took }) => took)))} ms`,
    );
    t.ok(on.sandbox.requests('land') - asked < 200, `${on.sandbox.requests('land') - asked} look-ups, then nobody asked any more`);
    const [held, before] = [sockets(), (await on.entries()).length];

    const second = await Promise.all(Array.from({ length: 80 }, (_, n) => prefill(n)));
    t.ok(
      Math.max(held, sockets()) <= 4 * 2 * 32,
      `${held}, ${sockets()} sockets: no more than 32 to each of four registries, of which we see both ends`,
    );
    t.match(second[0]?.reply.fields['/dwelling/certificateSerial'], { status: 'unavailable', reason: /circuit-open|key-unavailable/ });
    const [unharmed] = second.filter(({ reply }) => reply.fields['/fullName']?.status === 'filled');
    t.match(unharmed?.reply.fields['/fullName'], { source: /civil-registry|population/ });
    t.ok(second.every(({ reply }) => !Object.values(reply.fields).some(({ source }) => source === 'land')));
    t.equal(
      Object.values((await prefill(0)).reply.fields).filter(({ source }) => source !== undefined).length,
      filled.length,
      'what others hold is all there',
    );
    const land = (await sources()).find(({ id }) => id === 'land');
    t.match(land, { state: /open|degraded/, recent: { failed: Number, reasons: { timeout: Number, 'circuit-open': Number } } });
    t.match(
      (await sources()).find(({ id }) => id === 'population'),
      { state: 'ok', recent: { failed: 0, failureRate: 0, p95Ms: Number } },
    );
    const uses = (await on.entries()).slice(before).flatMap(({ sources: used = [], kind }) => (kind === 'outcome' ? used : []));
    const spared = uses.filter(({ result }) => result === 'circuit-open');
    t.ok(spared.length > 75 && spared.every((use) => use.milliseconds === undefined), 'on record as not asked');

    on.sandbox.tell('land', { mode: 'ok' });
    const began = performance.now();
    const whole = (reply: Prefill): boolean => Object.values(reply.fields).every(({ status }) => status !== 'unavailable');
    while (!whole((await prefill(0)).reply)) await after(10);
    t.ok(performance.now() - began < 3000, `back after ${Math.round(performance.now() - began)} ms`);
    while (!(await Promise.all(Array.from({ length: 50 }, (_, n) => prefill(n)))).every(({ reply }) => whole(reply)));
    t.pass('for everybody');
    t.ok(
      on.lines.filter((line) => line.includes('registry left alone')).length >= 1 &&
        on.lines.some((line) => line.includes('registry asked again')),
      'the operator is told of both',
    );
  },
);

t.test('a registry in maintenance is not asked, and a request that only it could answer leaves no intent', async (t) => {
  const window = {
    maintenance: { weekly: [{ days: ['sun'], from: '11:30', to: '14:00' }], once: [{ from: '2026-11-22T14:00', to: '2026-11-22T15:30' }] },
  };
  const edits = (['population', 'civil-registry', 'land', 'birth-notices'] as SandboxSource[]).map(
    (source) => [`sources/${source}.yaml`, (file: object) => ({ ...file, ...window })] as const,
  );
  const { on, prefill, sources } = await gateway(t, Object.fromEntries(edits));
  const { reply } = await prefill(0);
  const field = reply.fields['/fullName'];
  t.match(field, { status: 'unavailable', reason: 'maintenance' });
  t.ok(Math.abs((field?.retryAfterSeconds ?? 0) - 3.5 * 3600) < 10, 'until the second of two windows that meet is over');
  t.equal(on.lookUps(), 0);
  t.strictSame(
    (await on.entries()).map(({ kind }) => kind),
    ['outcome'],
  );
  t.match(await sources(), Array(4).fill({ state: 'maintenance', since: '2026-11-22T04:30:00.000Z' }));
  t.notMatch(JSON.stringify(await sources()), /127\.0\.0\.1|sandbox:/);
});

t.test('one agency over its budget is told so, and another is answered', async (t) => {
  const budget = { eachAgency: { perSecond: 0.5, burst: 3 }, perSecond: 100 };
  const { prefill, sources } = await gateway(t, { 'sources/land.yaml': (file) => ({ ...file, timeoutMs: 8000, budget }) });
  const replies = await Promise.all(Array.from({ length: 8 }, (_, n) => prefill(n)));
  const told = replies.map(({ reply }) => reply.fields['/dwelling/certificateSerial']);
  t.ok(told.some((field) => /budget|key-unavailable/.test(field?.reason ?? '') && (field?.retryAfterSeconds ?? 0) >= 1));
  t.match(
    (await sources()).find(({ id }) => id === 'land'),
    { state: 'ok', budget: { perSecond: 100 }, ownBudget: { perSecond: 0.5 }, recent: { reasons: { budget: Number } } },
  );
  const { reply } = await prefill(0, 'X02.1');
  t.notOk(reasons(reply).has('budget'));
});
