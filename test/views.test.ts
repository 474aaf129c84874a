/** Views in databases as sources: the contract of `src/adapter.ts` against real servers, and what only databases can do to a look-up. */
import { readdirSync, readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import t, { type Test } from 'tap';
import { adapters } from '../adapters/index.ts';
import { type Adapter, type AdapterSettings, type JsonObject, type JsonValue, SourceError } from '../src/adapter.ts';
import { makeWorld } from '../src/sandbox/people.ts';
import { findAuthority } from './support/certificates.ts';
import { makeRegisters, REGISTERS, TABLES, VIEWS } from './support/registers.ts';
import { type Kind, mysqlKind, PASSWORD, postgresKind } from './support/view-kinds.ts';
import { eventually } from './support/waiting.ts';
import { stretchWire } from './support/wire.ts';

// A day that is shifted shows best where the process, the server and the country are in three different days.
process.env.TZ = 'Pacific/Pago_Pago';

const KEY = '003099000017';
const never = new AbortController().signal;
const world = makeWorld();
const authority = findAuthority();
const proof =
  typeof authority === 'string'
    ? undefined
    : { issued: authority.issue({ names: 'DNS:localhost', by: authority.ca }), ca: authority.ca.certificate };
t.teardown(() => typeof authority !== 'string' && authority.close());

const ajv = new Ajv2020({ strict: false });
(formats as unknown as (ajv: Ajv2020) => void)(ajv);
for (const file of readdirSync('schemas/datasets')) ajv.addSchema(JSON.parse(readFileSync(`schemas/datasets/${file}`, 'utf8')));

const HOLDS: Record<string, (key: string) => boolean> = {
  person: (key) => world.people.has(key),
  'birth-notice': (key) => world.notices.has(key),
  'land-holding': (key) => world.holdingsOf(key).length > 0,
  'land-certificate': (key) => world.certificates.has(key),
};
const UNKNOWN = { person: '003091000199', certificate: 'ZZ 99999999' };

const sockets = (): number => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
const quiet = sockets();

/** The failure, after checking that it tells nothing of the key or of what the database holds. */
async function failureOf(lookUp: Promise<unknown>, ...secrets: string[]): Promise<SourceError> {
  const error: unknown = await lookUp.then(
    (answer) => new Error(`it answered ${JSON.stringify(answer)}`),
    (thrown) => thrown,
  );
  if (!(error instanceof SourceError)) throw error;
  const told = `${error.stack} ${JSON.stringify(error)} ${error.cause instanceof Error ? error.cause.stack : ''} ${JSON.stringify(error.cause)}`;
  for (const secret of [...secrets, PASSWORD, world.person(KEY).name])
    if (secret && told.includes(secret)) throw new Error('the error tells');
  return error;
}

type Make = (changed?: Partial<AdapterSettings>) => Adapter;

const kinds = {
  postgres: await postgresKind(),
  mysql: await mysqlKind(proof),
};

for (const [name, kind] of Object.entries(kinds)) {
  if (typeof kind === 'string') {
    t.test(name, { skip: kind }, async () => {});
    continue;
  }
  t.teardown(() => kind.stop());
  const make: Make = (changed) => {
    const datasets = Object.fromEntries(Object.entries(REGISTERS).map(([dataset, { description }]) => [dataset, description]));
    const made = adapters[name]?.({ address: kind.address, credential: PASSWORD, datasets, ...changed });
    if (made === undefined) throw new Error(`there is no adapter ${name}`);
    return made;
  };
  t.test(name, async (t) => {
    await kind.run(...makeRegisters(world, kind.sql));
    await kind.admit(VIEWS);
    for (const dataset of Object.keys(REGISTERS)) await t.test(dataset, (t) => contract(t, kind, dataset, make));
    await t.test('a connection that breaks', (t) => broken(t, kind, make));
    await t.test('keys that are no keys', (t) => strangeKeys(t, kind, make));
    await t.test('rows', (t) => rows(t, kind, make));
    await t.test('values', (t) => values(t, kind, make));
    await t.test('nothing is written', (t) => readOnly(t, kind, make));
    await t.test('TLS', { skip: typeof authority === 'string' ? authority : !kind.server && 'the server is not ours' }, (t) =>
      tls(t, kind, make),
    );
  });
}

/** The dataset's description, of one of the odd views. */
function odd(dataset: string, how: string): Partial<AdapterSettings> {
  const { description, view } = REGISTERS[dataset] ?? {};
  const request = { ...(description?.request as JsonObject), view: `${how}_${view}`, where: 'asked' };
  return { datasets: { [dataset]: { ...description, request } } };
}

async function contract(t: Test, kind: Kind, dataset: string, make: Make): Promise<void> {
  const adapter = make();
  const of = adapter.datasets[dataset] ?? 'person';
  const keys = of === 'person' ? [...world.people.keys()] : [...world.certificates.keys()];
  const one = keys.find((key) => HOLDS[dataset]?.(key)) ?? '';

  await t.test('every record of the sandbox fits its dataset, asked for all at once', async (t) => {
    const validate = ajv.getSchema(`oncegate:datasets/${dataset}`);
    const faults: unknown[] = [];
    const check = async (key: string) => {
      const answer = await adapter.lookUp({ dataset, key }, never);
      if (answer.found !== HOLDS[dataset]?.(key)) faults.push([key, 'found', answer.found]);
      if (!answer.found) return;
      if (!validate?.(answer.record)) faults.push([key, validate?.errors]);
      if (answer.about !== key || !/^\d{4}-\d\d-\d\d/.test(answer.recordedAt ?? '')) faults.push([key, answer.about, answer.recordedAt]);
    };
    await Promise.all(keys.map(check));
    t.strictSame(faults, []);
    t.ok((await kind.connected()) <= 8, 'with no more than a few connections');
  });

  await t.test('no record is an answer', async (t) => {
    t.strictSame(await adapter.lookUp({ dataset, key: UNKNOWN[of] }, never), { found: false });
  });

  await t.test('an answer is about whom it says, not about whom was asked', async (t) => {
    const lying = make(odd(dataset, 'lying'));
    const answer = await lying.lookUp({ dataset, key: one }, never);
    t.ok(answer.found && answer.about !== one);
    await lying.close();
  });

  await t.test('each failure has its reason', async (t) => {
    const view = (name: string): Partial<AdapterSettings> => {
      const { description } = REGISTERS[dataset] ?? {};
      return { datasets: { [dataset]: { ...description, request: { ...(description?.request as JsonObject), view: name } } } };
    };
    const at = (change: (address: URL) => void): Partial<AdapterSettings> => {
      const address = new URL(kind.address);
      change(address);
      return { address };
    };
    // MySQL does not tell what is not there from what may not be seen.
    const hidden = kind.adapter === 'mysql' ? 'refused' : 'error';
    const failures: [string, Partial<AdapterSettings>, string, RegExp?][] = [
      ['a view that fails', odd(dataset, 'failing'), 'error'],
      ['a flood', odd(dataset, 'flooding'), 'malformed', /longer than 1048576 bytes/],
      ['no such view', view('nowhere'), hidden],
      ['no such schema', view('nowhere.citizen'), hidden],
      ['a view that may not be read', odd(dataset, 'private'), 'refused'],
      ['a stranger', at((address) => (address.username = 'stranger')), 'refused'],
      ['no such database', at((address) => (address.pathname = '/nowhere')), hidden],
      ['nobody there', at((address) => (address.port = '1')), 'unreachable'],
      ['no such host', at((address) => (address.hostname = 'nowhere.invalid')), 'unreachable'],
    ];
    if (kind.server !== undefined) {
      failures.push(['a wrong secret', { credential: 'wrong' }, 'refused'], ['no secret', { credential: undefined }, 'refused']);
    }
    for (const [name, changed, reason, says = /./] of failures) {
      const made = make(changed);
      t.match(await failureOf(made.lookUp({ dataset, key: one }, never), one), { reason, message: says }, name);
      await made.close();
    }
    const slow = make(odd(dataset, 'slow'));
    const began = performance.now();
    t.ok((await slow.lookUp({ dataset, key: one }, never)).found, 'slow is not a failure');
    t.ok(performance.now() - began >= 50);
    await slow.close();
  });

  await adapter.close();

  await t.test('an abort ends it with the signal’s reason, at the server too, and leaves no socket', async (t) => {
    await eventually(() => sockets() === quiet);
    const own = make();
    const unlock = await kind.lock(TABLES);
    const abort = new AbortController();
    const reason = new Error('enough');
    const waiting = Array.from({ length: 20 }, () => own.lookUp({ dataset, key: one }, abort.signal).catch((error: unknown) => error));
    await eventually(async () => (await kind.busy()) === 8);
    abort.abort(reason);
    t.strictSame(new Set(await Promise.all(waiting)), new Set([reason]));
    await eventually(async () => (await kind.connected()) === 0);
    t.equal(await own.lookUp({ dataset, key: one }, abort.signal).catch((error: unknown) => error), reason, 'aborted before it began');
    await unlock();
    await eventually(() => sockets() === quiet);
    t.ok((await own.lookUp({ dataset, key: one }, never)).found, 'and the next is answered');
    await own.close();
  });

  await t.test('closing releases the connections', async (t) => {
    await eventually(() => sockets() === quiet);
    const own = make();
    await own.lookUp({ dataset, key: one }, never);
    t.ok(sockets() > quiet, 'kept for the next question');
    await own.close();
    await eventually(() => sockets() === quiet);
  });
}

const PERSON = { dataset: 'person', key: KEY };

async function broken(t: Test, kind: Kind, make: Make): Promise<void> {
  await t.test('is a failure of who waits for it, and of nobody after', async (t) => {
    const adapter = make();
    const unlock = await kind.lock(TABLES);
    const waiting = failureOf(adapter.lookUp(PERSON, never), KEY);
    await eventually(async () => (await kind.busy()) === 1);
    await kind.kill();
    t.match(await waiting, { reason: 'unreachable' });
    await unlock();
    t.ok((await adapter.lookUp(PERSON, never)).found);
    await kind.kill();
    await eventually(async () => (await kind.connected()) === 0);
    await eventually(() => sockets() === quiet);
    t.ok((await adapter.lookUp(PERSON, never)).found, 'one that broke while it had nothing to do is not even noticed');
    await adapter.close();
  });

  await t.test('the server ends what takes longer than the source may', async (t) => {
    const adapter = make({ timeoutMs: 200 });
    const unlock = await kind.lock(TABLES);
    t.match(await failureOf(adapter.lookUp(PERSON, never), KEY), { reason: 'timeout' });
    await eventually(async () => (await kind.busy()) === 0);
    await unlock();
    await adapter.close();
  });

  await t.test('a server that freezes is left, and asked again when it thaws', async (t) => {
    const address = new URL(kind.address);
    const wire = await stretchWire(address.href);
    address.port = new URL(wire.url).port;
    const adapter = make({ address });
    t.ok((await adapter.lookUp(PERSON, never)).found);
    wire.freeze();
    for (const how of ['a connection that was good', 'a new one']) {
      const signal = AbortSignal.timeout(100);
      t.equal(await adapter.lookUp(PERSON, signal).catch((error: unknown) => error), signal.reason, how);
    }
    await wire.mend();
    t.ok((await adapter.lookUp(PERSON, never)).found);
    await wire.cut();
    t.match(await failureOf(adapter.lookUp(PERSON, never), KEY), { reason: 'unreachable' }, 'gone');
    await wire.mend();
    t.ok((await adapter.lookUp(PERSON, never)).found, 'back');
    await adapter.close();
    await wire.cut();
  });

  await t.test(
    'a server that is started anew is asked by the same adapter',
    { skip: !kind.server && 'the server is not ours' },
    async (t) => {
      const adapter = make();
      t.ok((await adapter.lookUp(PERSON, never)).found);
      await kind.server?.restart();
      t.ok((await adapter.lookUp(PERSON, never)).found, 'after a restart');
      await kind.server?.crash();
      t.match(await failureOf(adapter.lookUp(PERSON, never), KEY), { reason: 'unreachable' }, 'while it is down');
      await kind.server?.start();
      t.ok((await adapter.lookUp(PERSON, never)).found, 'after a crash');
      await adapter.close();
    },
  );
}

/** No key of a record, and no part of a statement. */
const STRANGE = [
  `' OR 1=1 --`,
  `' OR '1'='1`,
  `" OR 1=1 --`,
  `\\' OR 1=1 -- `,
  `\\`,
  `x'; DROP TABLE citizens; --`,
  '$1',
  '?',
  ':key',
  '%',
  '_'.repeat(12),
  '0030990000%',
  '',
  ' ',
  ` ${KEY}`,
  '０'.repeat(12),
  // The second half of a character where the server takes the bytes for GBK or Shift-JIS, and then a quote that is none.
  "\u00bf' OR 1=1 -- ",
  "縗' OR 1=1 -- ",
  "\u0095\\' OR 1=1 -- ",
  'é'.repeat(50_000),
];

async function strangeKeys(t: Test, kind: Kind, make: Make): Promise<void> {
  const adapter = make();
  for (const key of STRANGE) {
    t.strictSame(await adapter.lookUp({ dataset: 'person', key }, never), { found: false }, JSON.stringify(key).slice(0, 40));
    t.strictSame(await adapter.lookUp({ dataset: 'land-certificate', key }, never), { found: false });
  }
  for (const key of [`${KEY}\0`, '\0', `${KEY}\ud800`]) {
    t.match(await failureOf(adapter.lookUp({ dataset: 'person', key }, never), KEY), { reason: 'error' }, 'never put as something else');
  }
  t.match(await failureOf(adapter.lookUp({ dataset: 'nothing', key: KEY }, never), KEY), { reason: 'error' });
  t.equal((await kind.run('SELECT number FROM citizens')).length, world.people.size + world.cancelled.size);
  await adapter.close();
}

interface Trial {
  /** Of a view, whose columns are `number` and others. */
  readonly select: string;
  readonly description: JsonObject;
}

/** What look-ups of KEY make of views. */
async function outcomes(kind: Kind, make: Make, trials: readonly Trial[]): Promise<(JsonObject | SourceError)[]> {
  const datasets: Record<string, JsonObject> = {};
  const views: string[] = [];
  for (const { select, description } of trials) {
    made += 1;
    views.push(`CREATE VIEW trial_${made} AS ${select}`);
    const { order, answer, ...rest } = description;
    const request = { key: 'person', view: `trial_${made}`, where: 'number', ...(order === undefined ? {} : { order }) };
    datasets[`trial_${made}`] = { request, answer: { about: '/number', ...(answer as JsonObject) }, ...rest };
  }
  await kind.run(...views);
  await kind.admit(Object.keys(datasets));
  const adapter = make({ datasets });
  const outcome = async (dataset: string): Promise<JsonObject | SourceError> => {
    const asked = adapter.lookUp({ dataset, key: KEY }, never);
    return asked.then(
      (answer) => ({ ...answer }),
      () => failureOf(asked, KEY),
    );
  };
  const all = await Promise.all(Object.keys(datasets).map(outcome));
  await adapter.close();
  return all;
}
let made = 0;

const ROW = `SELECT '${KEY}' AS number`;
const OTHER = '003099999999';
const LIST = { '/items': { from: '', each: { '/item': '/item' } } };
const union = (...rows: string[]): string => rows.map((row) => `${ROW}, ${row}`).join(' UNION ALL ');

/** The rows of a key → the answer, or why there is none. */
const ROWS: [string, string, JsonObject, object][] = [
  ['one', `${ROW}, 'A' AS name`, { map: { '/name': '/name' } }, { found: true, about: KEY, record: { name: 'A' }, recordedAt: null }],
  [
    'several where one should be',
    union(`'A' AS name`, `'B'`),
    { map: { '/name': '/name' } },
    { reason: 'malformed', message: /several rows/ },
  ],
  ['equal ones where one should be', union(`'A' AS name`, `'A'`), { map: { '/name': '/name' } }, { reason: 'malformed' }],
  [
    'a list in its order',
    union(`'B' AS item, 'x' AS name`, `'A', 'x'`, `'C', 'x'`),
    { order: ['item'], map: { '/name': '/name', ...LIST } },
    { record: { name: 'x', items: [{ item: 'A' }, { item: 'B' }, { item: 'C' }] } },
  ],
  ['a list of one', union(`'A' AS item`), { map: LIST }, { record: { items: [{ item: 'A' }] } }],
  [
    'an outer join with nothing',
    union(`NULL AS item, 'x' AS name`),
    { map: { '/name': '/name', ...LIST } },
    { record: { name: 'x', items: [] } },
  ],
  [
    'rows that differ in what is not of the list',
    union(`'A' AS item, 'x' AS name`, `'B', 'y'`),
    { map: { '/name': '/name', ...LIST } },
    { reason: 'malformed', message: '/name is not the same in all rows of one key' },
  ],
  [
    'rows about two people',
    `${ROW}, '1' AS who, 'A' AS item UNION ALL ${ROW}, '2', 'B'`,
    { answer: { about: '/who' }, map: LIST },
    { reason: 'malformed' },
  ],
  [
    'a list is as old as its oldest part',
    union(`'A' AS item, '2024-05-01' AS said`, `'B', '2023-01-31'`),
    { answer: { recordedAt: { from: '/said', date: 'iso' } }, map: LIST },
    { recordedAt: '2023-01-31' },
  ],
  [
    'a list with a part of no age has none',
    union(`'A' AS item, '2024-05-01' AS said`, `'B', NULL`),
    { answer: { recordedAt: { from: '/said', date: 'iso' } }, map: LIST },
    { recordedAt: null },
  ],
  ['a thousand', `${ROW}, a.d AS item FROM digits a, digits b, digits c`, { map: LIST }, { found: true }],
  [
    'a thousand and one',
    `${ROW}, a.d AS item FROM digits a, digits b, digits c UNION ALL ${ROW}, 1`,
    { map: LIST },
    { reason: 'malformed', message: 'the view has more than 1000 rows' },
  ],
  ['of nobody', `SELECT '${OTHER}' AS number, 'A' AS name`, { map: { '/name': '/name' } }, { found: false }],
  [
    'of a number that was withdrawn',
    `${ROW}, 'x' AS withdrawn, NULL AS name`,
    { answer: { cancelled: { at: '/withdrawn', equals: 'x' } }, map: { '/name': '/name' } },
    { found: false, why: 'cancelled' },
  ],
  [
    'of a number that was withdrawn, in a database without booleans',
    `${ROW}, 1 AS withdrawn`,
    { answer: { cancelled: { at: '/withdrawn', equals: true } }, map: { '/name': '/number' } },
    { found: false, why: 'cancelled' },
  ],
  [
    'of a number that was not withdrawn',
    `${ROW}, NULL AS withdrawn`,
    { answer: { cancelled: { at: '/withdrawn', equals: 'null' } }, map: { '/name': '/number' } },
    { found: true },
  ],
  [
    'of a number that nobody said anything of',
    `${ROW}, NULL AS standing`,
    { answer: { cancelled: { at: '/standing', equals: null } }, map: { '/name': '/number' } },
    { found: false, why: 'cancelled' },
  ],
  [
    'of another number that was withdrawn',
    `${ROW}, '${OTHER}' AS who, 'x' AS withdrawn`,
    { answer: { about: '/who', cancelled: { at: '/withdrawn', equals: 'x' } }, map: { '/name': '/who' } },
    { reason: 'wrong-subject' },
  ],
  ['about nobody', `${ROW}, NULL AS who`, { answer: { about: '/who' }, map: { '/name': '/number' } }, { reason: 'malformed' }],
  ['about a number', `${ROW}, 3099000017 AS who`, { answer: { about: '/who' }, map: { '/name': '/number' } }, { reason: 'malformed' }],
  [
    'an unknown code',
    `${ROW}, 7 AS c`,
    { map: { '/c': { from: '/c', codes: 'c' } }, codes: { c: { '1': 'one' } } },
    { reason: 'malformed' },
  ],
  ['a known code', `${ROW}, 1 AS c`, { map: { '/c': { from: '/c', codes: 'c' } }, codes: { c: { '1': 'one' } } }, { record: { c: 'one' } }],
  ['no date', `${ROW}, '31/02/2024' AS d`, { map: { '/d': { from: '/d', date: 'dd/mm/yyyy' } } }, { reason: 'malformed' }],
  [
    'a list that is none',
    `${ROW}, 'A' AS l`,
    { map: { '/l': { from: '/l', each: { '/a': '/a' } } } },
    { reason: 'malformed', message: /\/l is not valid JSON/ },
  ],
  ['a list that is no list', `${ROW}, '{"a": 1}' AS l`, { map: { '/l': { from: '/l', each: { '/a': '/a' } } } }, { reason: 'malformed' }],
  [
    'JSON in a column of text',
    `${ROW}, '[{"a": "x", "b": 12345678901234567890, "c": 1.50}]' AS l`,
    { map: { '/l': { from: '/l', each: { '/a': '/a', '/b': '/b', '/c': '/c' } } } },
    { record: { l: [{ a: 'x', b: '12345678901234567890', c: 1.5 }] } },
  ],
  [
    'JSON that is nothing',
    `${ROW}, '' AS l`,
    { map: { '/l': { from: '/l', each: { '/a': '/a' } }, '/n': '/number' } },
    { record: { n: KEY } },
  ],
  ['JSON deeper than any record', `${ROW}, '${'['.repeat(40)}${']'.repeat(40)}' AS l`, { map: { '/l': '/l/a' } }, { reason: 'malformed' }],
  ['a whole object', `${ROW}, '{"a": {"b": 1}}' AS l`, { map: { '/l': '/l/a' } }, { reason: 'malformed' }],
  ['nothing', `${ROW}, NULL AS a, '' AS b`, { map: { '/a': '/a', '/b': '/b', '/n': '/number' } }, { record: { n: KEY } }],
  ['text is composed', `${ROW}, 'HÒA' AS a`, { map: { '/a': '/a' } }, { record: { a: 'HÒA' } }],
];

async function rows(t: Test, kind: Kind, make: Make): Promise<void> {
  await kind.run('CREATE TABLE digits (d int)', 'INSERT INTO digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)');
  const got = await outcomes(
    kind,
    make,
    ROWS.map(([, select, description]) => ({ select, description })),
  );
  for (const [n, [name, , , expected]] of ROWS.entries()) t.match(got[n], expected, name);
}

const INSTANT = { from: '/v', date: 'iso' };
const WORD = { from: '/v', codes: 'word' };
const FLAG = { from: '/v', codes: 'flag' };

/** A type, a value of it as SQL writes it, how the file reads it → what stands in the record, null for nothing, or `malformed`. */
const VALUES: Record<Kind['adapter'] | 'both', [string, string, JsonValue, JsonValue][]> = {
  both: [
    ['varchar(20)', `'ab '`, '/v', 'ab '],
    ['char(20)', `'ab'`, '/v', 'ab'],
    ['text', `'Đắk R’Moan'`, '/v', 'Đắk R’Moan'],
    ['smallint', '-7', '/v', -7],
    ['int', '12', { from: '/v', as: 'text' }, '12'],
    ['int', '2', WORD, 'two'],
    ['bigint', '12', '/v', 12],
    ['bigint', '9007199254740993', '/v', '9007199254740993'],
    ['bigint', '-9007199254740993', { from: '/v', as: 'text' }, '-9007199254740993'],
    ['bigint', '9007199254740993', { from: '/v', as: 'number' }, 'malformed'],
    ['numeric(12, 4)', '12.5', '/v', 12.5],
    ['numeric(12, 4)', '0', '/v', 0],
    ['numeric(12, 2)', '1000', '/v', 1000],
    ['numeric(12, 8)', '0.00000001', '/v', 0.00000001],
    ['numeric(30, 10)', '12345678901234567890.5', '/v', '12345678901234567890.5000000000'],
    ['real', '0.1', '/v', 0.1],
    ['double precision', '0.1', '/v', 0.1],
    ['double precision', '1e300', '/v', 1e300],
    ['date', `'2024-02-29'`, INSTANT, '2024-02-29'],
    ['date', `'2024-02-29'`, '/v', '2024-02-29'],
    ['date', `'0999-02-28'`, INSTANT, 'malformed'],
    ['time', `'08:30:00'`, '/v', '08:30:00'],
    ['date', 'NULL', INSTANT, null],
  ],
  postgres: [
    ['boolean', 'true', '/v', true],
    ['boolean', 'false', '/v', false],
    ['numeric', `'NaN'`, '/v', 'malformed'],
    ['double precision', `'infinity'`, '/v', 'malformed'],
    ['timestamp', `'2024-01-01 00:30:00.25'`, INSTANT, '2024-01-01'],
    ['timestamp', `'2024-01-01 00:30:00.25'`, '/v', '2024-01-01T00:30:00.25'],
    ['timestamptz', `'2023-12-31 17:30:00+00'`, INSTANT, '2024-01-01'],
    ['timestamptz', `'2023-12-31 17:30:00+00'`, '/v', '2024-01-01T00:30:00+07:00'],
    ['timestamptz', `'1960-05-17 00:00:00 Asia/Ho_Chi_Minh'`, INSTANT, '1960-05-17'],
    ['timestamptz', `'infinity'`, INSTANT, 'malformed'],
    ['date', `'infinity'`, INSTANT, 'malformed'],
    ['date', `'0044-03-15 BC'`, INSTANT, 'malformed'],
    ['uuid', `'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'`, '/v', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
    ['word', `'two'`, '/v', 'two'],
    ['shorter', `'two'`, '/v', 'two'],
    ['json', `'"x"'`, '/v', 'x'],
    ['jsonb', `'{"a": 9007199254740993}'`, '/v/a', '9007199254740993'],
    ['jsonb', `'{"a": 1}'`, '/v', 'malformed'],
    ['text[]', `'{a,b}'`, '/v', 'malformed'],
    ['bytea', `'abc'`, '/v', 'malformed'],
    ['money', '1', '/v', 'malformed'],
    ['int4range', `'[1,2)'`, '/v', 'malformed'],
  ],
  mysql: [
    ['boolean', 'true', '/v', 1],
    ['boolean', 'true', FLAG, true],
    ['boolean', 'false', FLAG, false],
    ['tinyint unsigned', '200', '/v', 200],
    ['mediumint', '-70000', '/v', -70000],
    ['bit(1)', `b'1'`, FLAG, true],
    ['bit(1)', `b'0'`, FLAG, false],
    ['bit(64)', `b'${'1'.repeat(64)}'`, '/v', '18446744073709551615'],
    ['bigint unsigned', '18446744073709551615', '/v', '18446744073709551615'],
    ['year', '1999', INSTANT, '1999'],
    ['year', '0', INSTANT, 'malformed'],
    ['date', `'0000-00-00'`, INSTANT, null],
    ['date', `'1999-00-00'`, INSTANT, '1999'],
    ['date', `'1999-05-00'`, INSTANT, '1999-05'],
    ['datetime', `'0000-00-00'`, INSTANT, null],
    ['datetime', `'2024-01-01 00:30:00'`, INSTANT, '2024-01-01'],
    ['datetime(2)', `'2024-01-01 00:30:00.25'`, '/v', '2024-01-01T00:30:00.25'],
    ['timestamp NULL', `CONVERT_TZ('2023-12-31 17:30:00', '+00:00', @@session.time_zone)`, INSTANT, '2024-01-01'],
    ['timestamp NULL', `CONVERT_TZ('2023-12-31 17:30:00', '+00:00', @@session.time_zone)`, '/v', '2024-01-01T00:30:00+07:00'],
    ['timestamp NULL', `'0000-00-00'`, INSTANT, null],
    [`enum('one', 'two')`, `'two'`, '/v', 'two'],
    [`set('one', 'two')`, `'one,two'`, '/v', 'one,two'],
    ['varchar(9) CHARACTER SET latin1', `'é'`, '/v', 'é'],
    ['varchar(9) CHARACTER SET gbk', `'戶'`, '/v', '戶'],
    ['longtext', `'x'`, '/v', 'x'],
    ['json', `'{"a": 9007199254740993}'`, '/v/a', '9007199254740993'],
    ['varbinary(9)', `'abc'`, '/v', 'malformed'],
    ['blob', `'abc'`, '/v', 'malformed'],
    ['point', 'POINT(1, 2)', '/v', 'malformed'],
  ],
};

async function values(t: Test, kind: Kind, make: Make): Promise<void> {
  const database = kind.address.pathname.slice(1);
  if (kind.adapter === 'postgres') {
    await kind.run(`CREATE TYPE word AS ENUM ('one', 'two')`, `CREATE DOMAIN shorter AS text CHECK (length(VALUE) < 9)`);
    const odd = {
      timezone: `'Pacific/Kiritimati'`,
      datestyle: `'SQL, DMY'`,
      extra_float_digits: '-3',
      default_transaction_read_only: 'off',
    };
    for (const [name, value] of Object.entries(odd)) await kind.run(`ALTER DATABASE ${database} SET ${name} = ${value}`);
  }
  const all = [...VALUES.both, ...VALUES[kind.adapter]];
  const tables = all.flatMap(([type, value], n) => [
    `CREATE TABLE value_${n} (number varchar(12), v ${type})`,
    `INSERT INTO value_${n} VALUES ('${KEY}', ${value})`,
  ]);
  await kind.run(...(kind.adapter === 'mysql' ? [`SET sql_mode = ''`] : []), ...tables);
  const codes = { word: { '2': 'two' }, flag: { '0': false, '1': true } };
  const got = await outcomes(
    kind,
    make,
    all.map(([, , rule], n) => ({ select: `SELECT * FROM value_${n}`, description: { map: { '/v': rule }, codes } })),
  );
  for (const [n, [type, value, rule, expected]] of all.entries()) {
    const name = `${type} ${value}: ${JSON.stringify(rule)}`;
    const answer = got[n] ?? {};
    if (expected === 'malformed') t.match(answer, { reason: 'malformed' }, name);
    else t.strictSame('record' in answer ? answer.record : answer, expected === null ? {} : { v: expected }, name);
  }
}

async function readOnly(t: Test, kind: Kind, make: Make): Promise<void> {
  const meddling =
    kind.adapter === 'mysql'
      ? `CREATE FUNCTION meddle() RETURNS varchar(9) MODIFIES SQL DATA BEGIN INSERT INTO traces VALUES (1); RETURN 'x'; END`
      : `CREATE FUNCTION meddle() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ INSERT INTO traces VALUES (1) RETURNING 'x' $$`;
  await kind.run('CREATE TABLE traces (n int)', meddling);
  const meddled = { select: `${ROW}, meddle() AS name`, description: { map: { '/name': '/name' } } };
  t.match(await outcomes(kind, make, [meddled]), [{ reason: 'error' }]);
  t.strictSame(await kind.run('SELECT * FROM traces'), [], 'not even by a function of the registry’s own');
}

async function tls(t: Test, kind: Kind, make: Make): Promise<void> {
  if (typeof authority === 'string' || kind.server === undefined) return;
  const ca = authority.ca.certificate;
  const at = (host: string): URL => {
    const address = new URL(kind.address);
    address.hostname = host;
    address.search = '';
    return address;
  };
  const outcome = async (changed: Partial<AdapterSettings>): Promise<string> => {
    const adapter = make(changed);
    const answer = await adapter.lookUp(PERSON, never).catch((error: unknown) => error);
    await adapter.close();
    return answer instanceof SourceError ? `${answer.reason}: ${answer.message}` : 'found';
  };
  if (kind.adapter === 'postgres')
    t.match(await outcome({ address: at('localhost'), tls: { ca } }), /^unreachable/, 'a server without TLS');
  const show = async (names: string, days?: number): Promise<void> => {
    await kind.server?.show(authority.issue({ names, by: authority.ca, ...(days === undefined ? {} : { days }) }));
  };
  await show('DNS:localhost');
  t.equal(await outcome({ address: at('localhost'), tls: { ca } }), 'found', 'a certificate of the CA for that name');
  t.match(await outcome({ address: at('localhost') }), /^unreachable: .*CA that is not trusted/, 'of a CA that the system does not know');
  if (kind.adapter === 'mysql') t.throws(() => make({ address: at('127.0.0.1'), tls: { ca } }), /must name the server/);
  else t.match(await outcome({ address: at('127.0.0.1'), tls: { ca } }), /^unreachable: .*for another name/, 'for another name');
  t.equal(await outcome({ address: at('127.0.0.1'), tls: { ca, serverName: 'localhost' } }), 'found', 'for the name that the file says');
  t.match(await outcome({ address: at('localhost'), tls: { ca, serverName: 'registry.example' } }), /^unreachable: .*for another name/);
  const own = authority.issue({ names: 'DNS:gateway', by: authority.ca });
  await kind.server.demand(ca);
  t.match(await outcome({ address: at('localhost'), tls: { ca } }), /^refused/, 'a gateway that shows no certificate where one is wanted');
  t.equal(await outcome({ address: at('localhost'), tls: { ca, certificate: own.certificate, key: own.key } }), 'found', 'one that does');
  await show('DNS:localhost', -1);
  t.match(await outcome({ address: at('localhost'), tls: { ca } }), /^unreachable: .*expired/, 'one that has ended');
}
