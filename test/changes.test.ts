/** Changes told by registries: who may tell them, and that no gateway answers with the old record afterwards, whatever was under way. */
import { rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as after } from 'node:timers/promises';
import t from 'tap';
import { Heard } from '../src/cache/heard.ts';
import { memoryCache } from '../src/cache/memory.ts';
import { Owed } from '../src/cache/owed.ts';
import { recordCache } from '../src/cache/records.ts';
import { keyRing } from '../src/cache/ring.ts';
import { tieredCache } from '../src/cache/tiered.ts';
import type { FieldResult } from '../src/domain.ts';
import { startSandbox } from '../src/sandbox/index.ts';
import { editedConfig, NOON, startGateway, type TestGateway, temporaryDirectory } from './support/gateway.ts';
import { cacheKeys } from './support/records.ts';
import { findRedis } from './support/redis.ts';
import { until } from './support/waiting.ts';
import { stretchWire } from './support/wire.ts';

const found = await findRedis();
const noRedis = typeof found === 'string' ? found : false;
if (typeof found !== 'string') t.teardown(() => found.stop());
const AN = '003099000017';
const ALICE = '003301000034';

/** The population register, whose records a test changes and whose answers it holds. */
class Changing {
  name = 'NGUYỄN VĂN AN';
  asked = 0;
  #held: { readonly go: () => void; readonly may: Promise<void> } | undefined;
  readonly #real: URL;
  readonly #server: Server;

  constructor(real: URL) {
    this.#real = real;
    this.#server = createServer(async (request, response) => {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      const body = Buffer.concat(parts);
      const { host: _, connection: __, 'content-length': ___, ...headers } = request.headers;
      const reply = await fetch(new URL(request.url ?? '', this.#real), {
        method: 'POST',
        headers: headers as Record<string, string>,
        body,
      });
      // What it says is decided when it is asked, and comes when it may.
      const said = (await reply.text()).replace('NGUYỄN VĂN AN', this.name);
      this.asked++;
      await this.#held?.may;
      response.writeHead(reply.status, { 'content-type': 'application/json' }).end(said);
    });
  }

  async listen(): Promise<URL> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return new URL(this.#real.pathname, `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`);
  }

  hold(): void {
    let go = (): void => {};
    const may = new Promise<void>((resolve) => (go = resolve));
    this.#held = { go, may };
  }

  release(): void {
    this.#held?.go();
    this.#held = undefined;
  }

  close(): void {
    this.release();
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

const sandbox = await startSandbox();
const population = new Changing(sandbox.addresses.population as URL);
const changing = { ...sandbox, addresses: { ...sandbox.addresses, population: await population.listen() } };
const LAW = 'nd-104-2022#art-14-2';
const label = { vi: 'a', en: 'a' };
/** A procedure with one field, the name in the population register, and two more owners. */
const config = editedConfig({
  'procedures/2.000001.yaml': () => ({
    code: '2.000001',
    validFrom: '2026-01-01',
    name: label,
    agency: label,
    form: { name: label, confidence: 'unverified' },
    legalBasis: [LAW],
    sources: ['made up'],
    roles: { subject: { kind: 'person', name: label } },
    fields: [
      { at: '/name', name: label, type: 'personName', required: true, from: [{ role: 'subject', dataset: 'person', value: '/fullName' }] },
    ],
    components: [{ id: 'declaration', name: label, confidence: 'unverified', kept: 'declaration' }],
  }),
  'agencies/X01.1.yaml': (file) => {
    const grant = {
      purpose: 'settle-dossier',
      fields: 'all',
      components: 'all',
      legalBasis: [LAW],
      validFrom: '2026-01-01',
      validTo: '2026-12-31',
    };
    const { grants, ...rest } = file as unknown as { grants: object[] };
    return { ...rest, grants: [...grants, { id: 'name', procedure: '2.000001', ...grant }] };
  },
  'agencies/X05.2.yaml': () => ({
    id: 'X05.2',
    name: label,
    sandbox: true,
    scopes: ['changes'],
    keys: 'sandbox',
    owns: ['land', 'civil-registry'],
  }),
});
const dataDirectory = temporaryDirectory();
const gateways: TestGateway[] = [];
async function start(redisUrl?: string): Promise<TestGateway> {
  const options = { configDirectory: config, sandbox: changing, dataDirectory, now: NOON };
  const on = await startGateway({ ...options, ...(redisUrl === undefined ? {} : { redisUrl }) });
  gateways.push(on);
  return on;
}
t.teardown(async () => {
  await Promise.all(gateways.map((on) => on.close()));
  population.close();
  await sandbox.close();
  for (const directory of [config, dataDirectory]) rmSync(directory, { recursive: true });
});

const alone = await start();
const wires = typeof found === 'string' ? [] : [await stretchWire(found.direct), await stretchWire(found.direct)];
t.teardown(() => Promise.all(wires.map((wire) => wire.cut())));
const both = await Promise.all(wires.map(({ url }) => start(url)));

interface Name {
  readonly name: string;
  readonly freshness: FieldResult['freshness'];
}
async function nameAt(on: TestGateway): Promise<Name> {
  const reply = await fetch(`${on.address}/v1/prefills`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await on.token('X01.1')}`, 'content-type': 'application/json' },
    body: JSON.stringify({ procedure: '2.000001', dossier: 'X01.1-261122-0001', officer: 'X01.1-0001', subject: AN }),
  });
  const { prefill } = (await reply.json()) as { prefill: { form: { name: string }; fields: Record<string, FieldResult> } };
  return { name: prefill.form.name, freshness: prefill.fields['/name']?.freshness };
}

const PERSON = { dataset: 'person', kind: 'person', key: AN };
async function tell(on: TestGateway, body: unknown = { changes: [PERSON] }, source = 'population', agency = 'X05.1') {
  const reply = await fetch(`${on.address}/v1/sources/${source}/changes`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await on.token(agency)}`, 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: reply.status, body: (await reply.json()) as Record<string, unknown> };
}

const names = ['NGUYỄN VĂN AN', 'NGUYỄN VĂN ANH', 'NGUYỄN VĂN ÂN', 'NGUYỄN VĂN ẤN', 'NGUYỄN VĂN ÁN', 'NGUYỄN VĂN ẨN', 'NGUYỄN VĂN ĂN'];
/** The record changes, and its registry has not told yet. */
const change = (): string => {
  population.name = names[(names.indexOf(population.name) + 1) % names.length] ?? '';
  return population.name;
};

const many = (count: number): object[] => Array.from({ length: count }, (_, i) => ({ ...PERSON, key: `003${String(i).padStart(9, '0')}` }));
const REFUSED: [rule: string, body: unknown, source: string, agency: string, status: number, code: string, pointer?: string][] = [
  ['another’s registry', undefined, 'land', 'X05.1', 404, 'unknown-source'],
  ['one that is not there', undefined, 'nowhere', 'X05.1', 404, 'unknown-source'],
  ['a name that every object has', undefined, 'constructor', 'X05.1', 404, 'unknown-source'],
  ['whoever owns others', undefined, 'population', 'X05.2', 404, 'unknown-source'],
  ['without the scope', undefined, 'population', 'X01.1', 403, 'insufficient-scope'],
  ['an inspectorate', undefined, 'population', 'X09.1', 403, 'insufficient-scope'],
  [
    'a dataset of another registry',
    { changes: [PERSON, { ...PERSON, dataset: 'birth' }] },
    'population',
    'X05.1',
    400,
    'invalid-request',
    '/changes/1/dataset',
  ],
  [
    'a dataset that every object has',
    { changes: [{ ...PERSON, dataset: 'constructor' }] },
    'population',
    'X05.1',
    400,
    'invalid-request',
    '/changes/0/dataset',
  ],
  [
    'the kind of another dataset',
    { changes: [{ ...PERSON, kind: 'certificate' }] },
    'population',
    'X05.1',
    400,
    'invalid-request',
    '/changes/0/kind',
  ],
  ['a kind that is none', { changes: [{ ...PERSON, kind: 'name' }] }, 'population', 'X05.1', 400, 'invalid-request', '/changes/0/kind'],
  [
    'a number of eleven digits',
    { changes: [{ ...PERSON, key: AN.slice(1) }] },
    'population',
    'X05.1',
    400,
    'invalid-request',
    '/changes/0/key',
  ],
  ['a key that is none', { changes: [{ ...PERSON, key: '*' }] }, 'population', 'X05.1', 400, 'invalid-request', '/changes/0/key'],
  [
    'a key that is a number',
    { changes: [{ ...PERSON, key: 3099000017 }] },
    'population',
    'X05.1',
    400,
    'invalid-request',
    '/changes/0/key',
  ],
  [
    'the new record told along',
    { changes: [{ ...PERSON, record: { fullName: 'X' } }] },
    'population',
    'X05.1',
    400,
    'invalid-request',
    '/changes/0/record',
  ],
  ['no changes', { changes: [] }, 'population', 'X05.1', 400, 'invalid-request', '/changes'],
  ['no list', { changes: PERSON }, 'population', 'X05.1', 400, 'invalid-request', '/changes'],
  ['nothing', {}, 'population', 'X05.1', 400, 'invalid-request', '/changes'],
  ['1,001 of them', { changes: many(1001) }, 'population', 'X05.1', 400, 'invalid-request', '/changes'],
  [
    'a hostile member',
    `{"changes":[${JSON.stringify(PERSON)}],"__proto__":{"owns":["land"]}}`,
    'population',
    'X05.1',
    400,
    'malformed-json',
  ],
  ['what is too large', { changes: [{ ...PERSON, key: '1'.repeat(300_000) }] }, 'population', 'X05.1', 413, 'body-too-large'],
];

t.test('changes are taken from the owner of the registry alone, and only whole', async (t) => {
  const on = alone;
  for (const [rule, body, source, agency, status, code, pointer] of REFUSED) {
    const reply = await tell(on, body, source, agency);
    t.match(reply, { status, body: { code } }, rule);
    if (pointer !== undefined) t.match(reply.body.errors, [{ pointer }], rule);
    t.notMatch(JSON.stringify(reply.body), /0?3099000017/, 'and no number is repeated');
  }
  const anonymous = await fetch(`${on.address}/v1/sources/population/changes`, { method: 'POST', body: '{}' });
  t.equal(anonymous.status, 401);
  const one = { ...PERSON, key: 'ZZ 00000101' };
  t.match(await tell(on, { changes: [{ dataset: 'land-certificate', kind: 'certificate', key: one.key }] }, 'land', 'X05.2'), {
    status: 200,
    body: { dropped: 1, otherGateways: 'none' },
  });
  t.strictSame(
    await tell(on, { changes: [...many(999), many(1)[0]] }),
    { status: 200, body: { dropped: 999, otherGateways: 'none' } },
    'each once',
  );
  t.match(await tell(on, { changes: many(1000) }), { status: 200, body: { dropped: 1000 } });
  const told = on.lines.filter((line) => line.includes('changes told'));
  t.match(
    told.map((line) => JSON.parse(line) as object),
    [{ source: 'land', records: 1 }, { source: 'population', records: 999 }, { records: 1000 }],
  );
  t.notMatch(on.lines.join('\n'), /003[0-9]{9}|ZZ 0/, 'the process log holds no key');
  t.strictSame(await on.entries(), [], 'nobody’s data was read');
});

t.test('one gateway: after the change the old record is not used, nor what was being asked for', async (t) => {
  const on = alone;
  const before = await nameAt(on);
  const [old, now] = [before.name, change()];
  t.strictSame(await nameAt(on), { name: old, freshness: 'cached' }, 'the gateway does not know yet');
  t.match(await tell(on), { body: { dropped: 1, otherGateways: 'none' } });
  t.strictSame(await nameAt(on), { name: now, freshness: 'live' });
  t.strictSame(await nameAt(on), { name: now, freshness: 'cached' });

  await tell(on);
  population.hold();
  const asked = population.asked;
  const waiting = nameAt(on);
  await until('asked', () => population.asked === asked + 1);
  const newest = change();
  await tell(on);
  const later = nameAt(on);
  await until('asked again: who comes after the change does not share what began before', () => population.asked === asked + 2);
  const shared = nameAt(on);
  population.release();
  t.strictSame(
    (await Promise.all([waiting, later, shared])).map(({ name }) => name),
    [now, newest, newest],
  );
  t.equal(population.asked, asked + 2, 'those who come after it share one');
  t.strictSame(await nameAt(on), { name: newest, freshness: 'cached' }, 'the older answer, whenever it came, was not kept');
});

/** Two gateways on one Redis, each at a wire of its own, that share and hear; time moves for both. */
async function pair() {
  const [[one, two], [wire, otherWire]] = [both, wires];
  if (one === undefined || two === undefined || wire === undefined || otherWire === undefined) throw new Error('there is no Redis');
  const pass = (milliseconds: number): void => {
    for (const { time } of both) time.now += milliseconds;
  };
  await until('both share and hear', async () => {
    change();
    const told = (await tell(one)).body.otherGateways;
    // What is asked for so soon after a change that clocks may differ is not shared.
    pass(3000);
    await nameAt(one);
    await after(20);
    return told === 'told' && (await nameAt(two)).freshness === 'cached' && (await nameAt(two)).name === population.name;
  });
  return { one, two, wire, otherWire, pass };
}

t.test('two gateways: what is told at one, the other knows within a second', { skip: noRedis }, async (t) => {
  const { one, two, pass } = await pair();
  for (let round = 0; round < 5; round++) {
    const now = change();
    pass(3000);
    const start = performance.now();
    t.match(await tell(one), { body: { dropped: 1, otherGateways: 'told' } });
    await until('the new value', async () => (await nameAt(two)).name === now);
    t.ok(performance.now() - start < 1000);
    t.equal((await nameAt(one)).name, now);
  }
});

t.test('two gateways: what one was asking for as the other was told is kept nowhere', { skip: noRedis }, async (t) => {
  const { one, two, pass } = await pair();
  await tell(one);
  await until('dropped at both', async () => (await nameAt(two)).freshness === 'live');
  await tell(one);
  pass(3000);
  population.hold();
  const [old, asked] = [population.name, population.asked];
  const waiting = nameAt(two);
  await until('asked', () => population.asked > asked);
  const now = change();
  await tell(one);
  await after(50);
  population.release();
  t.equal((await waiting).name, old, 'who asked before the change has what was true then');
  pass(3000);
  t.strictSame(await nameAt(one), { name: now, freshness: 'live' }, 'it did not come back through Redis');
  t.equal((await nameAt(two)).name, now, 'nor was it kept near');
});

t.test('two gateways: one that was cut off does not go on with what it cannot vouch for', { skip: noRedis }, async (t) => {
  const { one, two, otherWire, pass } = await pair();
  const old = population.name;
  t.strictSame(await nameAt(two), { name: old, freshness: 'cached' });
  await otherWire.cut();
  await until('away', () => two.lines.some((line) => line.includes('"redis":"away"')));
  const now = change();
  pass(3000);
  t.match(await tell(one), { body: { otherGateways: 'told' } }, 'it is not known who hears it');
  t.equal((await nameAt(two)).name, old, 'what is near serves until its age while Redis is away');
  await otherWire.mend();
  await until('the new value', async () => (await nameAt(two)).name === now);

  // And what it was asking for all the while.
  await tell(one);
  pass(3000);
  await until('nothing near', async () => (await nameAt(two)).freshness === 'live');
  await tell(one);
  await after(50);
  population.hold();
  const asked = population.asked;
  const waiting = nameAt(two);
  await until('asked', () => population.asked > asked);
  await otherWire.cut();
  const newest = change();
  pass(3000);
  await tell(one);
  population.release();
  await waiting;
  await otherWire.mend();
  await until('the newest value', async () => (await nameAt(two)).name === newest);
  pass(3000);
  t.equal((await nameAt(one)).name, newest, 'nor did it come back through Redis');
});

t.test('two gateways: a change told while Redis is away reaches the other when it is back', { skip: noRedis }, async (t) => {
  const { one, two, wire, pass } = await pair();
  await wire.cut();
  await until('away', () => one.lines.some((line) => line.includes('"redis":"away"')));
  const old = population.name;
  const now = change();
  pass(3000);
  t.match(await tell(one), { status: 200, body: { dropped: 1, otherGateways: 'later' } });
  t.equal((await nameAt(one)).name, now, 'here at once');
  t.equal((await nameAt(two)).name, old);
  await wire.mend();
  await until('there too', async () => (await nameAt(two)).name === now);
});

t.test('what was heard is bounded: beyond it, nothing that was asked for before is kept', async (t) => {
  const heard = new Heard(3);
  const start = heard.now;
  heard.changed('a');
  t.strictSame([heard.since(start, 'a'), heard.since(start, 'b'), heard.since(heard.now, 'a')], [true, false, false]);
  const middle = heard.now;
  for (const key of ['b', 'c', 'b', 'd', 'b']) heard.changed(key);
  t.ok(heard.since(start, 'a'), 'forgotten, and true of everything asked for before');
  t.ok(heard.since(start, 'never heard of'));
  t.notOk(heard.since(middle, 'never heard of'));
  t.ok(heard.since(middle, 'c'));
  const end = heard.now;
  heard.missed();
  t.ok(heard.since(end, 'anything'));
  t.notOk(heard.since(heard.now, 'anything'));
  t.notOk(heard.since(heard.now, ALICE));
});

t.test('what is owed is bounded and none of it lost: beyond it, changes are refused', async (t) => {
  const owed = new Owed(3);
  t.ok(owed.add(['a', 'b'], 1));
  t.ok(owed.add(['b'], 2), 'told again it is owed once');
  t.notOk(owed.add(['c', 'd'], 3));
  t.ok(owed.add(['c'], 3));
  t.strictSame(
    [...owed.all()],
    [
      [1, ['a']],
      [2, ['b']],
      [3, ['c']],
    ],
  );
  owed.confirm(['b'], 1);
  t.notOk(owed.add(['d'], 4), 'an earlier one’s confirmation is not its own');
  owed.confirm(['b', 'c'], 2);
  t.ok(owed.pressing);
  t.strictSame([...owed.all()].length, 3, 'what was confirmed a moment ago is repeated too');
  t.ok(owed.add(['d'], 4), 'but has to give way');
  for (const [at, keys] of owed.all()) owed.confirm(keys, at);
  t.notOk(owed.pressing);
});

t.test('a record sealed before a rotation is found after it, and dropped under both keys', async (t) => {
  const time = { now: 999_999 };
  const clock = (): number => time.now;
  const [older, newer] = [cacheKeys(0), cacheKeys(1_000_000)];
  const tiers = tieredCache(memoryCache(100_000), undefined, clock);
  const [before, during] = [recordCache(tiers, keyRing([older], 100, clock)), recordCache(tiers, keyRing([newer, older], 100, clock))];
  const name = { source: 'population', dataset: 'person', kind: 'person', key: AN } as const;
  const [old, recent] = [1, 2].map((observedAt) => ({ answer: { found: false } as const, observedAt }));
  if (old === undefined || recent === undefined) throw new Error('made above');
  before.set(name, old, before.moment(), 60);
  t.strictSame([await before.get(name), await during.get(name)], [old, old], 'before its time all gateways use the old one');
  time.now = 1_000_000;
  t.strictSame(await during.get(name), old);
  during.set(name, recent, during.moment(), 60);
  t.strictSame([await before.get({ ...name }), await during.get({ ...name })], [old, recent], 'the newest first');
  await during.drop([name]);
  t.strictSame([await before.get(name), await during.get(name)], [undefined, undefined]);
});

t.test('the keys of the cache rotate: all change at once, and what is alive is found', async (t) => {
  const [first, second, third] = [cacheKeys(0), cacheKeys(1_000_000), cacheKeys(9_000_000)];
  const name = { source: 'population', dataset: 'person', kind: 'person', key: AN } as const;
  const at = (now: number) => {
    const ring = keyRing([third, second, first], 100, () => now);
    const seals = [third, second, first];
    const shown = (all: readonly { seal: object }[]): string =>
      all.map(({ seal }) => 3 - seals.findIndex((one) => one.seal === seal)).join();
    return [shown([ring.current()]), shown(ring.readable()), shown(ring.all())];
  };
  for (const [now, current, readable, dropped] of [
    [999_999, '1', '1', '3,2,1'],
    [1_000_000, '2', '2,1', '3,2,1'],
    [1_102_000, '2', '2,1', '3,2,1'],
    [1_102_001, '2', '2', '3,2'],
    [9_000_000, '3', '3,2', '3,2'],
    [9_200_000, '3', '3', '3'],
  ] as const)
    t.strictSame(at(now), [current, readable, dropped], String(now));
  t.not(keyRing([first], 1, Date.now).current().nameOf(name), keyRing([second], 1, Date.now).current().nameOf(name));
});
