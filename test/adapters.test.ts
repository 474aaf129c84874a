/** The contract of `src/adapter.ts`: one suite, run against every adapter and dataset over HTTP. */

import { channel } from 'node:diagnostics_channel';
import { readdirSync, readFileSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import t from 'tap';
import { parse } from 'yaml';
import { adapterFacts, adapters } from '../adapters/index.ts';
import { type Adapter, type AdapterSettings, type JsonObject, SourceError } from '../src/adapter.ts';
import { birthNotices } from '../src/sandbox/birth-notices.ts';
import { type Behaviour, SANDBOX_SOURCES, type SandboxSource, startSandbox } from '../src/sandbox/index.ts';
import { makeWorld } from '../src/sandbox/people.ts';
import { population } from '../src/sandbox/population.ts';
import type { Route } from '../src/sandbox/registry.ts';
import { startSoapRegistry } from './support/soap-registry.ts';

const sandbox = await startSandbox();
t.teardown(() => sandbox.close());
const world = makeWorld();
const UNKNOWN = { person: '003091000199', certificate: 'ZZ 99999999' };
const never = new AbortController().signal;

const paths: string[] = [];
channel('undici:request:create').subscribe((message) => paths.push((message as { request: { path: string } }).request.path));

const ajv = new Ajv2020({ strict: false });
(formats as unknown as (ajv: Ajv2020) => void)(ajv);
for (const file of readdirSync('schemas/datasets')) ajv.addSchema(JSON.parse(readFileSync(`schemas/datasets/${file}`, 'utf8')));

interface File {
  adapter: string;
  datasets: Record<string, JsonObject>;
}
const file = (source: SandboxSource): File => parse(readFileSync(`config/sources/${source}.yaml`, 'utf8'));

/** Which records the sandbox holds, by dataset. */
const HOLDS: Record<string, (key: string) => boolean> = {
  person: (key) => world.people.has(key),
  birth: (key) => world.person(key).birthDigitised,
  marriage: (key) => world.marriagesOf(key).length > 0,
  death: (key) => world.person(key).death !== undefined,
  'land-holding': (key) => world.holdingsOf(key).length > 0,
  'land-certificate': (key) => world.certificates.has(key),
  'birth-notice': (key) => world.notices.has(key),
};

/** The same registries again as a file alone describes them: another dialect, and the key in a header. */
const DESCRIBED: [SandboxSource, string, JsonObject][] = [
  [
    'population',
    'person',
    {
      request: {
        key: 'person',
        method: 'POST',
        path: '/dich-vu/tra-cuu-cong-dan',
        headers: { 'x-khoa-ket-noi': '{credential}' },
        body: { SoDinhDanh: '{key}' },
      },
      answer: {
        found: { at: '/MaKetQua', equals: '00' },
        notFound: [{ at: '/MaKetQua', equals: '01' }],
        cancelled: { at: '/MaKetQua', equals: '02' },
        record: '/DuLieu',
        about: '/DuLieu/SoDinhDanh',
        recordedAt: { from: '/DuLieu/NgayCapNhat', date: 'yyyymmdd' },
      },
      map: {
        '/personalId': '/SoDinhDanh',
        '/fullName': '/HoVaTen/KhaiSinh',
        '/gender': { from: '/GioiTinh', codes: 'gender' },
        '/members': { from: '/ThanhVien', each: { '/fullName': '/HoVaTen/KhaiSinh', '/gender': { from: '/GioiTinh', codes: 'gender' } } },
        '/placeOfBirth/text': '/NoiSinh/DayDu',
        '/placeOfBirth/country': { value: 'VNM', with: '/NoiSinh/DayDu' },
      },
      codes: { gender: { '1': 'male', '2': 'female' } },
    },
  ],
  [
    'birth-notices',
    'birth-notice',
    {
      ...file('birth-notices').datasets['birth-notice'],
      request: {
        key: 'person',
        method: 'GET',
        path: '/birth-notices/latest',
        headers: { authorization: 'Bearer {credential}', 'x-mother': '{key}' },
      },
    },
  ],
];

/** What an adapter is connected to, and can be told to misbehave. */
interface Registry {
  readonly address: URL;
  readonly credential: string;
  requests(): number;
  tell(behaviour: Behaviour): void;
  /** Seconds that it asks to be left alone for when it fails. */
  readonly busy?: number | undefined;
}

interface Row {
  name: string;
  registry: Registry;
  dataset: string;
  make(changed?: Partial<AdapterSettings>): Adapter;
}

const rowOf = (registry: Registry, name: string, adapter: string, dataset: string, datasets: AdapterSettings['datasets']): Row => ({
  name: `${adapter} for ${name}, ${dataset}`,
  registry,
  dataset,
  make: (changed) => {
    const settings = { address: registry.address, credential: registry.credential, datasets, ...changed };
    return (adapters[adapter] as NonNullable<(typeof adapters)[string]>)(settings);
  },
});

const BUSY: Partial<Record<SandboxSource, number>> = { population: 2, 'civil-registry': 3 };

const row = (source: SandboxSource, adapter: string, dataset: string, datasets: AdapterSettings['datasets']): Row => {
  const registry: Registry = {
    address: sandbox.addresses[source],
    credential: sandbox.credentials[source],
    requests: () => sandbox.requests(source),
    tell: (behaviour) => sandbox.tell(source, behaviour),
    // What a code inside the answer says, only the adapter of that registry reads.
    busy: adapter === source ? BUSY[source] : undefined,
  };
  return rowOf(registry, source, adapter, dataset, datasets);
};

/** Two registries again, behind services that speak SOAP: how each speaks, and how a file describes it. */
const routeOf = (routes: Readonly<Record<string, Route>>, path: string): Route => routes[path] as Route;
const XROAD = await startSoapRegistry({
  version: '1.1',
  path: '/cgi-bin/consumer_proxy',
  action: '',
  operation: 'getCitizen',
  namespace: 'urn:example:population',
  route: routeOf(population(world).routes, 'POST /dich-vu/tra-cuu-cong-dan'),
});
const PLAIN = await startSoapRegistry({
  version: '1.2',
  path: '/notices',
  action: 'urn:example:notices/find',
  operation: 'FindNotice',
  namespace: 'urn:example:notices',
  route: routeOf(birthNotices(world).routes, 'POST /birth-notices/latest'),
  faultOf: ({ status }) => (status === 404 ? 'NoNotice' : undefined),
});
t.teardown(() => {
  XROAD.close();
  PLAIN.close();
});
const member = { xRoadInstance: 'VN', memberClass: 'GOV', memberCode: '000.00.00.G01', subsystemCode: 'oncegate' };
const address = (at: string, from: string): JsonObject => ({
  [`${at}/text`]: `${from}/DayDu`,
  [`${at}/provinceCode`]: `${from}/MaTinh`,
  [`${at}/communeCode`]: `${from}/MaXa`,
  [`${at}/codeListDate`]: { from: `${from}/NgayDanhMuc`, date: 'yyyymmdd' },
  [`${at}/detail`]: `${from}/ChiTiet`,
});
const OVER_SOAP: [Registry, string, string, JsonObject][] = [
  [
    { ...XROAD, busy: 45 },
    'population behind X-Road',
    'person',
    {
      request: {
        key: 'person',
        path: '/cgi-bin/consumer_proxy',
        soap: '1.1',
        headers: { 'x-api-key': '{credential}' },
        xroad: {
          client: member,
          service: { ...member, subsystemCode: 'population', serviceCode: 'getCitizen', serviceVersion: 'v1' },
          userId: 'VN-oncegate',
        },
        body: '<q:getCitizen xmlns:q="urn:example:population">\n  <number>{key}</number>\n</q:getCitizen>\n',
      },
      answer: {
        namespaces: { p: 'urn:example:population' },
        notFound: [{ at: '/p:getCitizenResponse/MaKetQua', equals: '01' }],
        cancelled: { at: '/p:getCitizenResponse/MaKetQua', equals: '02' },
        record: '/p:getCitizenResponse/DuLieu',
        about: '/p:getCitizenResponse/DuLieu/SoDinhDanh',
        recordedAt: { from: '/p:getCitizenResponse/DuLieu/NgayCapNhat', date: 'yyyymmdd' },
      },
      map: {
        '/personalId': '/SoDinhDanh',
        '/fullName': '/HoVaTen/KhaiSinh',
        '/gender': { from: '/GioiTinh', codes: 'gender' },
        ...address('/permanentResidence', '/ThuongTru'),
        ...address('/temporaryResidence', '/TamTru'),
        '/members': {
          from: '/ThanhVien/Item',
          each: { '/fullName': '/HoVaTen/KhaiSinh', '/gender': { from: '/GioiTinh', codes: 'gender' } },
        },
        '/phone': '/DienThoai',
        '/dateOfDeath': { from: '/NgayChet', date: 'yyyymmdd' },
      },
      codes: { gender: { '1': 'male', '2': 'female' } },
    },
  ],
  [
    { ...PLAIN, busy: 45 },
    'birth-notices in SOAP 1.2',
    'birth-notice',
    {
      ...file('birth-notices').datasets['birth-notice'],
      request: {
        key: 'person',
        path: '/notices',
        soap: 1.2,
        action: 'urn:example:notices/find',
        headers: { 'x-api-key': '{credential}' },
        body: '<q:FindNotice xmlns:q="urn:example:notices"><number>{key}</number></q:FindNotice>',
      },
      answer: {
        namespaces: { n: 'urn:example:notices' },
        notFound: [{ fault: 'NoNotice' }],
        record: '/n:FindNoticeResponse/notice',
        about: '/n:FindNoticeResponse/notice/mother/number',
        recordedAt: { from: '/n:FindNoticeResponse/signedAt', date: 'iso' },
      },
    },
  ],
];

const ROWS: Row[] = [
  ...SANDBOX_SOURCES.flatMap((source) => {
    const { adapter, datasets } = file(source);
    return Object.keys(datasets).map((dataset) => row(source, adapter, dataset, datasets));
  }),
  ...DESCRIBED.map(([source, dataset, description]) => row(source, 'json-http', dataset, { [dataset]: description })),
  ...OVER_SOAP.map(([registry, name, dataset, description]) => rowOf(registry, name, 'soap', dataset, { [dataset]: description })),
];

const sockets = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
const quiet = sockets();

async function until(holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 2000; !holds(); ) {
    if (Date.now() > end) throw new Error('it did not come to hold');
    await turn();
  }
}

/** The reason of the failure, after checking that it says nothing of the key. */
async function reasonOf(lookUp: Promise<unknown>, key: string): Promise<SourceError> {
  const error: unknown = await lookUp.then(
    () => new Error('it answered'),
    (thrown) => thrown,
  );
  if (!(error instanceof SourceError)) throw error;
  if (`${error.stack} ${JSON.stringify(error)}`.includes(key)) throw new Error('the error tells the key');
  return error;
}

for (const { name, registry, dataset, make } of ROWS) {
  t.test(name, async (t) => {
    const adapter = make();
    const kind = adapter.datasets[dataset] ?? 'person';
    const keys = kind === 'person' ? [...world.people.keys()] : [...world.certificates.keys()];
    const one = keys.find((key) => HOLDS[dataset]?.(key)) ?? '';
    const { tell } = registry;
    t.afterEach(() => tell({ mode: 'ok' }));

    await t.test('every record of the sandbox fits its dataset, asked for all at once', async (t) => {
      const validate = ajv.getSchema(`oncegate:datasets/${dataset}`);
      const faults: unknown[] = [];
      const check = async (key: string) => {
        const answer = await adapter.lookUp({ dataset, key }, never);
        if (answer.found !== HOLDS[dataset]?.(key)) faults.push([key, 'found', answer.found]);
        if (!answer.found) return;
        if (!validate?.(answer.record)) faults.push([key, validate?.errors]);
        if (answer.about !== key || !/^\d{4}-\d\d-\d\d/.test(answer.recordedAt ?? '')) faults.push([key, answer.about, answer.recordedAt]);
        if (JSON.stringify(answer.record) !== JSON.stringify(answer.record).normalize('NFC')) faults.push([key, 'not NFC']);
      };
      await Promise.all(keys.map(check));
      t.strictSame(faults, []);
    });

    await t.test('no record is an answer', async (t) => {
      t.strictSame(await adapter.lookUp({ dataset, key: UNKNOWN[kind] }, never), { found: false });
    });

    await t.test('an answer is about whom it says, not about whom was asked', async (t) => {
      tell({ mode: 'wrong-subject' });
      const answer = await adapter.lookUp({ dataset, key: one }, never);
      t.ok(answer.found && answer.about !== one);
    });

    await t.test('each failure has its reason', async (t) => {
      const failure = (made: Adapter = adapter) => reasonOf(made.lookUp({ dataset, key: one }, never), one);
      tell({ mode: 'fail' });
      const failed = await failure();
      t.equal(failed.reason, 'error');
      if (!name.startsWith('json-http')) t.equal(failed.retryAfterSeconds, registry.busy, 'it passes on when to come back');
      tell({ mode: 'garbage' });
      t.equal((await failure()).reason, 'malformed', 'a page or half an answer');
      t.equal((await failure()).reason, 'malformed', 'the other of the two');
      tell({ mode: 'flood' });
      t.match(await failure(), { reason: 'malformed', message: 'longer than 1048576 bytes' }, 'a flood is cut');
      tell({ mode: 'slow', delayMs: 20 });
      t.ok((await adapter.lookUp({ dataset, key: one }, never)).found, 'slow is not a failure');
      tell({ mode: 'ok' });

      const others = {
        stranger: make({ credential: 'wrong' }),
        gone: make({ address: new URL('http://127.0.0.1:1') }),
        misplaced: make({ address: new URL('/elsewhere', registry.address) }),
      };
      // A description can name no failures, only that there is neither a record nor none.
      t.equal((await failure(others.stranger)).reason, name === 'json-http for population, person' ? 'error' : 'refused');
      t.equal((await failure(others.gone)).reason, 'unreachable');
      t.equal((await failure(others.misplaced)).reason, 'error', 'a wrong address does not pass for an empty registry');
      for (const other of Object.values(others)) await other.close();
    });

    await adapter.close();

    await t.test('an abort ends it with the signal’s reason and leaves no socket', async (t) => {
      await until(() => sockets() === quiet);
      const own = make();
      tell({ mode: 'hang' });
      const seen = registry.requests();
      const abort = new AbortController();
      const reason = new Error('enough');
      const waiting = own.lookUp({ dataset, key: one }, abort.signal).catch((error: unknown) => error);
      await until(() => registry.requests() > seen);
      abort.abort(reason);
      t.equal(await waiting, reason);
      await until(() => sockets() === quiet);
      t.equal(await own.lookUp({ dataset, key: one }, abort.signal).catch((error: unknown) => error), reason, 'aborted before it began');
      await own.close();
    });

    await t.test('closing releases the connections', async (t) => {
      await until(() => sockets() === quiet);
      const own = make();
      await own.lookUp({ dataset, key: one }, never);
      t.ok(sockets() > quiet, 'kept for the next question');
      await own.close();
      await until(() => sockets() === quiet);
    });
  });
}

t.test('no address ever held a number or a serial', async (t) => {
  t.ok(paths.length > world.people.size);
  t.strictSame(
    [...new Set(paths)].filter((path) => /\d{6}|ZZ/.test(path)),
    [],
  );
});

t.test('the facts about adapters agree with the adapters', async (t) => {
  t.strictSame([...adapterFacts.keys()], Object.keys(adapters));
  for (const [name, { datasets }] of adapterFacts) {
    if (datasets === 'described') continue;
    const adapter = adapters[name]?.({ address: sandbox.addresses.land, credential: undefined, datasets: {} });
    t.strictSame(Object.keys(adapter?.datasets ?? {}), datasets, name);
    await adapter?.close();
  }
});
