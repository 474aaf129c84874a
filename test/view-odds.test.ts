/** Views as sources without a database: what is said of a description or an address that cannot be used, and what servers do that are none. */
import { hash } from 'node:crypto';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { adapterFacts, adapters } from '../adapters/index.ts';
import { type Session, sessions } from '../adapters/sessions.ts';
import { viewFaultsOf } from '../adapters/view-description.ts';
import { type Adapter, type AdapterSettings, type JsonObject, SourceError, type SourceFailure } from '../src/adapter.ts';
import type { Fault } from '../src/catalogue/faults.ts';
import { type Catalogue, loadCatalogue } from '../src/catalogue/load.ts';
import { plugSources } from '../src/plug.ts';

const KEY = '003099000017';
const never = new AbortController().signal;

const GOOD: JsonObject = {
  request: { key: 'person', view: 'civil.person', where: 'number' },
  answer: { about: '/number' },
  map: { '/a': '/b' },
};
const ITEMS = { from: '', each: { '/a': '/a' } };

/** A change to a good description → where the fault is found. */
const FAULTS: [string, JsonObject, string[]][] = [
  ['none', {}, []],
  [
    'a list of the rows in their order',
    { request: { key: 'certificate', view: 'v', where: 'w', order: ['a', 'b'] }, map: { '/l': ITEMS } },
    [],
  ],
  [
    'all that there is',
    {
      answer: { about: '/number', recordedAt: { from: '/at', date: 'iso' }, cancelled: { at: '/gone', equals: true } },
      map: { '/a': { from: '/b/c', codes: 'x' }, '/l': { from: '/l', each: { '/a': '/a/b', '/b': '' } }, '/f': { value: 'x', with: '/b' } },
      codes: { x: { '1': 'one' } },
    },
    [],
  ],
  ['no parts at all', { request: 1, answer: 1, map: 1 }, ['/d/request', '/d/answer', '/d/map']],
  [
    'a request of HTTP',
    { request: { key: 'person', method: 'POST', path: '/p', body: '{key}' } },
    ['/d/request/method', '/d/request/path', '/d/request/body', '/d/request/view', '/d/request/where'],
  ],
  [
    'a statement',
    { request: { key: 'x', view: 'v WHERE 1=1 --', where: 'a" = b' } },
    ['/d/request/key', '/d/request/view', '/d/request/where'],
  ],
  ['a name in quotes', { request: { key: 'person', view: '"v"', where: 'a.b' } }, ['/d/request/view', '/d/request/where']],
  ['a view of three parts', { request: { key: 'person', view: 'a.b.c', where: 'a' } }, ['/d/request/view']],
  ['an empty part', { request: { key: 'person', view: 'a.', where: '' } }, ['/d/request/view', '/d/request/where']],
  ['an order of nothing', { request: { key: 'person', view: 'v', where: 'a', order: ['a'] } }, ['/d/request/order']],
  ['no order', { request: { key: 'person', view: 'v', where: 'a', order: ['a; b'] }, map: { '/l': ITEMS } }, ['/d/request/order']],
  [
    'no columns',
    { answer: { about: '', recordedAt: { from: '/a b', date: 'us' }, cancelled: { at: 'x', equals: 'y' }, found: {} } },
    ['/d/answer/found', '/d/answer/about', '/d/answer/recordedAt/date', '/d/answer/recordedAt/from', '/d/answer/cancelled/at'],
  ],
  ['half a condition', { answer: { about: '/a', cancelled: { at: '/a' } } }, ['/d/answer/cancelled/equals']],
  [
    'a condition of HTTP',
    { answer: { about: '/a', cancelled: { at: '/a', equals: {}, status: 404 } } },
    ['/d/answer/cancelled/status', '/d/answer/cancelled/equals'],
  ],
  ['no condition', { answer: { about: '/a', cancelled: 'x', recordedAt: '/b' } }, ['/d/answer/recordedAt', '/d/answer/cancelled']],
  [
    'rules',
    { map: { '/a': '/a"b', '/b': { from: '/', as: 'text' }, '/c': { value: 'x', with: '' }, '/d': '', '/e': { from: '', as: 'text' } } },
    ['/d/map/~1a', '/d/map/~1b/from', '/d/map/~1c/with', '/d/map/~1d', '/d/map/~1e/from'],
  ],
  ['columns in a list of the rows', { map: { '/l': { from: '', each: { '/a': '/a-b' } } } }, ['/d/map/~1l/each/~1a']],
  ['rows within a row', { map: { '/l': { from: '', each: { '/m': ITEMS } } } }, ['/d/map/~1l/each/~1m/from']],
  ['two lists of the rows', { map: { '/l': ITEMS, '/m': ITEMS } }, ['/d/map/~1m']],
  ['an unknown list of codes', { map: { '/a': { from: '/b', codes: 'x' } } }, ['/d/map/~1a/codes']],
  ['codes that are none', { codes: { x: { a: null } } }, ['/d/codes/x']],
];

const address = new URL('postgres://reader@127.0.0.1:1/civil?sslmode=disable');

for (const [name, change, pointers] of FAULTS) {
  t.test(`a description: ${name}`, async (t) => {
    const datasets = { d: { ...GOOD, ...change } };
    t.strictSame(
      viewFaultsOf(datasets).map(({ pointer }) => pointer),
      pointers,
    );
    const make = () => adapters.postgres?.({ address, credential: undefined, datasets });
    if (pointers.length > 0) t.throws(make, { message: new RegExp(pointers.map((pointer) => `${pointer} .*`).join('\n')) });
    else await make()?.close();
  });
}

/** An address, and what is said of it where it cannot be used. */
const ADDRESSES: ['postgres' | 'mysql', string, RegExp | undefined][] = [
  ['postgres', 'postgres://reader@db.example:5432/civil', undefined],
  ['postgres', 'postgres://reader@db.example/civil', undefined],
  ['postgres', 'postgres://reader@10.0.0.5/civil', undefined],
  ['postgres', 'postgres://reader@[fd00::5]:5432/civil?sslmode=disable', undefined],
  ['postgres', 'postgres://a%20reader@db.example/civil%20status', undefined],
  ['mysql', 'mysql://reader@db.example/civil?sslmode=disable', undefined],
  ['mysql', 'mysql://reader@10.0.0.5/civil?sslmode=disable', undefined],
  ['mysql', 'mysql://reader@10.0.0.5/civil', /must name the server/],
  ['mysql', 'postgres://reader@db.example/civil', /must be of the form mysql:/],
  ['postgres', 'https://reader@db.example/civil', /must be of the form postgres:/],
  ['postgres', 'postgres://db.example/civil', /must be of the form/],
  ['postgres', 'postgres://reader@db.example', /must be of the form/],
  ['postgres', 'postgres://reader@db.example/', /must be of the form/],
  ['postgres', 'postgres://reader@db.example/civil/more', /must be of the form/],
  ['postgres', 'postgres://reader@/civil', /must be of the form/],
  ['postgres', 'postgres://reader@db.example/%ZZ', /must be of the form/],
  ['postgres', 'postgres://reader:hidden@db.example/civil', /holds a password/],
  ['postgres', 'postgres://reader@db.example/civil?sslmode=require', /at most/],
  ['postgres', 'postgres://reader@db.example/civil?host=evil.example', /at most/],
  ['postgres', 'postgres://reader@db.example/civil#x', /at most/],
];

/** A dataset that only the source of these tests has. */
const DEEDS = {
  $id: 'oncegate:datasets/deeds',
  title: 'Deeds',
  'x-key': 'person',
  'x-legal': { basis: 'the law under which they are kept', decree58AnnexV: 'not listed' },
  type: 'object',
  additionalProperties: false,
  required: ['personalId', 'deeds'],
  properties: {
    personalId: { $ref: 'oncegate:datasets/types#/$defs/personalId' },
    deeds: {
      type: 'array',
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['serial'],
        properties: { serial: { $ref: 'oncegate:datasets/types#/$defs/text' } },
      },
    },
  },
};

/** The shipped configuration with one source more. */
function withSource(address: string, more: JsonObject = {}, dataset: JsonObject = {}): { catalogue?: Catalogue; faults: readonly Fault[] } {
  const directory = join(t.testdirName, 'config');
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(join(directory, 'datasets'), { recursive: true });
  writeFileSync(join(directory, 'datasets/deeds.json'), JSON.stringify(DEEDS));
  cpSync('config', directory, { recursive: true });
  const source = {
    id: 'books',
    name: { vi: 'Sổ', en: 'Books' },
    owner: { vi: 'Sở', en: 'Department' },
    database: 'books',
    legalBasis: 'the law under which they are kept',
    adapter: address.startsWith('mysql') ? 'mysql' : 'postgres',
    address,
    timeoutMs: 1500,
    datasets: {
      deeds: {
        maxAgeSeconds: 600,
        absentMaxAgeSeconds: 60,
        request: { key: 'person', view: 'books.deed', where: 'holder', order: ['serial'] },
        answer: { about: '/holder', recordedAt: { from: '/as_of', date: 'iso' }, cancelled: { at: '/gone', equals: true } },
        map: { '/personalId': '/holder', '/deeds': { from: '', each: { '/serial': '/serial' } } },
        ...dataset,
      },
    },
    ...more,
  };
  writeFileSync(join(directory, 'sources/books.yaml'), JSON.stringify(source));
  try {
    return { catalogue: loadCatalogue({ directory, schemaDirectory: 'schemas', adapters: adapterFacts, sandbox: true }), faults: [] };
  } catch (error) {
    return { faults: (error as { faults: Fault[] }).faults };
  }
}

t.test('an address is looked at when the configuration is checked, and told to nobody', async (t) => {
  t.teardown(() => rmSync(t.testdirName, { recursive: true, force: true }));
  for (const [adapter, written, says] of ADDRESSES) {
    const { faults } = withSource(written, { adapter });
    if (says === undefined) t.strictSame(faults, [], written);
    else t.match(faults, [{ file: 'sources/books.yaml', pointer: '/address' }], written);
    t.notMatch(JSON.stringify(faults), 'hidden');
    const made = () => adapters[adapter]?.({ address: new URL(written), credential: undefined, datasets: { d: GOOD } });
    if (!URL.canParse(written)) continue;
    if (says === undefined) t.doesNotThrow(made);
    else t.throws(made, says);
  }
});

/** A change to a source that is good → where its file has faults. */
const FILES: [string, JsonObject, JsonObject, [string, Fault['rule']][]][] = [
  [
    'a certificate for a person',
    {},
    { request: { key: 'certificate', view: 'v', where: 'w' } },
    [['/datasets/deeds/request/key', 'key-mismatch']],
  ],
  [
    'no description',
    {},
    { request: undefined, answer: undefined, map: undefined } as unknown as JsonObject,
    [['/datasets/deeds', 'schema']],
  ],
  ['a request of HTTP', {}, { request: { key: 'person', method: 'GET', path: '/x' } }, [['/datasets/deeds/request', 'schema']]],
  [
    'a member that the dataset has not',
    {},
    { map: { '/personalId': '/holder', '/deeds': { from: '', each: { '/seril': '/serial' } } } },
    [['/datasets/deeds/map/~1deeds~1*~1seril', 'unknown-value']],
  ],
  [
    'two lists of the rows',
    {},
    { map: { '/personalId': { from: '', each: { '/a': '/a' } }, '/deeds': { from: '', each: { '/serial': '/serial' } } } },
    [['/datasets/deeds/map/~1deeds', 'adapter']],
  ],
  [
    'data for crime prevention',
    {},
    { request: { key: 'person', view: 'criminal_record', where: 'holder' } },
    [['/datasets/deeds/request/view', 'crime-prevention-only']],
  ],
  [
    'a token for a database',
    { oauth: { token: 'https://x.example', clientId: 'x', method: 'client_secret_post', credential: 'env:X' } },
    {},
    [['/oauth', 'schema']],
  ],
  [
    'TLS for a connection without it',
    { address: 'postgres://r@h/d?sslmode=disable', tls: { ca: 'file:/ca.pem' } },
    {},
    [['/tls', 'connection']],
  ],
];

t.test('a file is checked as those of other sources are', async (t) => {
  t.teardown(() => rmSync(t.testdirName, { recursive: true, force: true }));
  for (const [name, more, dataset, expected] of FILES) {
    const { faults } = withSource('postgres://reader@db.example/civil', more, dataset);
    for (const [pointer, rule] of expected) {
      t.ok(
        faults.some((fault) => fault.pointer.startsWith(pointer) && fault.rule === rule),
        `${name}: ${JSON.stringify(faults)}`,
      );
    }
  }
});

t.test('an address that stands elsewhere is looked at when it is read', async (t) => {
  t.teardown(() => rmSync(t.testdirName, { recursive: true, force: true }));
  const { catalogue } = withSource('env:BOOKS_URL', { adapter: 'postgres' });
  const sources = new Map([...(catalogue?.sources ?? [])].filter(([id]) => id === 'books'));
  const plug = (url: string) => plugSources(sources, adapters, { sandbox: undefined, secret: () => url });
  const plugged = plug('postgres://reader@db.example/civil');
  t.strictSame(plugged.get('books')?.adapter.datasets, { deeds: 'person' });
  for (const url of ['postgres://reader:hidden@db.example/civil', 'mysql://hidden@db.example/civil', 'https://hidden.example', 'hidden']) {
    try {
      plug(url);
      t.fail(url);
    } catch (error) {
      const { faults } = error as { faults: Fault[] };
      t.match(faults, [{ file: 'sources/books.yaml', pointer: '/address' }], url);
      t.notMatch(JSON.stringify(faults), 'hidden');
    }
  }
});

const message = (kind: string, body: Buffer | string): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(Buffer.byteLength(body) + 4);
  return Buffer.concat([Buffer.from(kind), length, Buffer.from(body)]);
};
const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const ADMITTED = Buffer.concat([message('R', bytes('00000000')), message('Z', 'I')]);
/** The answer to the settings of a session. */
const SET = Buffer.concat([message('C', 'SET\0'), message('Z', 'I')]);

const packet = (place: number, body: Buffer | string): Buffer => {
  const head = Buffer.alloc(4);
  head.writeUIntLE(Buffer.byteLength(body), 0, 3);
  head[3] = place;
  return Buffer.concat([head, Buffer.from(body)]);
};
/** A greeting of MySQL 5.7 that knows passwords, and no TLS. */
const GREETING = packet(
  0,
  Buffer.concat([
    Buffer.from('\n5.7.0\0'),
    bytes('01000000 6161616161616161 00 fff7 21 0200 0800 15 00000000000000000000'),
    Buffer.from('aaaaaaaaaaaa\0mysql_native_password\0'),
  ]),
);
const OK = packet(2, bytes('00 00 00 02 00 00 00'));

/** What a server says at each thing it is sent, `undefined` to end the connection, names to do that unasked; the first is said before anything is sent, or at once after. */
type Script = readonly (Buffer | 'endless' | 'end' | undefined)[];

/** A server that is none → why there is no answer. */
const ROGUES: ['postgres' | 'mysql', string, Script, SourceFailure][] = [
  ['postgres', 'nothing', [undefined], 'unreachable'],
  ['postgres', 'a page', [Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), 'end'], 'unreachable'],
  ['postgres', 'a kind of message that there is not', [message('!', '')], 'malformed'],
  ['postgres', 'a way to prove oneself that there is not', [message('R', bytes('00000063'))], 'malformed'],
  ['postgres', 'a message cut short', [bytes('52 00000000')], 'malformed'],
  ['postgres', 'a notice without end', [bytes('4e 7fffffff'), 'endless'], 'malformed'],
  ['postgres', 'the password in the clear', [message('R', bytes('00000003')), undefined], 'refused'],
  [
    'postgres',
    'a proof that is none',
    [message('R', Buffer.from('\0\0\0\nSCRAM-SHA-256\0\0')), message('R', Buffer.from('\0\0\0\x0br=x,s=x,i=1'))],
    'refused',
  ],
  [
    'postgres',
    'fewer columns than were asked for',
    [
      ADMITTED,
      SET,
      Buffer.concat([
        message('1', ''),
        message('2', ''),
        message('T', bytes('0000')),
        message('D', bytes('0000')),
        message('C', 'SELECT 1\0'),
        message('Z', 'I'),
      ]),
    ],
    'malformed',
  ],
  [
    'postgres',
    'rows that nobody described',
    [ADMITTED, SET, Buffer.concat([message('D', bytes('0001 0000 0001')), message('Z', 'I')])],
    'unreachable',
  ],
  [
    'postgres',
    'an error without a code',
    [ADMITTED, SET, Buffer.concat([message('E', Buffer.from(`M${KEY}\0\0`)), message('Z', 'I')])],
    'malformed',
  ],
  [
    'postgres',
    'an error that quotes',
    [ADMITTED, SET, Buffer.concat([message('E', Buffer.from(`SERROR\0C22P02\0M${KEY}\0D${KEY}\0\0`)), message('Z', 'I')])],
    'error',
  ],
  ['mysql', 'nothing', [undefined], 'unreachable'],
  ['mysql', 'a page', [Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), 'end'], 'unreachable'],
  ['mysql', 'half a greeting', [packet(0, '\n5')], 'malformed'],
  ['mysql', 'a greeting without end', [bytes('ffffff 00'), 'endless'], 'malformed'],
  ['mysql', 'too many connections', [packet(0, Buffer.concat([bytes('ff 1004'), Buffer.from('#08004Too many')]))], 'unreachable'],
  [
    'mysql',
    'a host that is not wanted',
    [packet(0, Buffer.concat([bytes('ff 6a04'), Buffer.from(`Host ${KEY} is not allowed`)]))],
    'refused',
  ],
  ['mysql', 'a way to prove oneself that there is not', [GREETING, packet(2, Buffer.from('\xfeown_way\0aaaa', 'latin1'))], 'refused'],
  ['mysql', 'the password in the clear', [GREETING, packet(2, Buffer.from('\xfemysql_clear_password\0', 'latin1'))], 'refused'],
  ['mysql', 'a question for a file of ours', [GREETING, OK, packet(1, Buffer.from('\xfb/etc/passwd', 'latin1')), undefined], 'unreachable'],
  [
    'mysql',
    'an error that quotes',
    [GREETING, OK, packet(1, Buffer.concat([bytes('ff 2604'), Buffer.from(`#23000Duplicate '${KEY}'`)]))],
    'error',
  ],
];

async function rogue(script: Script, speaksFirst: boolean): Promise<{ port: number; heard: () => string; close: () => void }> {
  let heard = '';
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    const rest = [...script];
    const say = (): void => {
      if (rest.length === 0) return;
      const next = rest.shift();
      if (next === undefined || next === 'end') socket.end();
      else if (next === 'endless') pour(socket);
      else socket.write(next, () => typeof rest[0] === 'string' && say());
    };
    socket.on('error', () => {});
    socket.on('data', (data) => {
      heard += data.toString('latin1');
      say();
    });
    if (speaksFirst) say();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = (): void => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { port: (server.address() as AddressInfo).port, heard: () => heard, close };
}

function pour(socket: Socket): void {
  while (!socket.destroyed && socket.write('x'.repeat(65_536)));
  socket.once('drain', () => pour(socket));
}

const lookUp = (adapter: Adapter | undefined): Promise<unknown> =>
  adapter?.lookUp({ dataset: 'd', key: KEY }, AbortSignal.timeout(5000)).catch((error: unknown) => error) ?? Promise.resolve();

for (const [name, what, script, reason] of ROGUES) {
  t.test(`${name}: a server that says ${what}`, async (t) => {
    const { port, heard, close } = await rogue(script, name === 'mysql');
    const at = new URL(`${name}://reader@127.0.0.1:${port}/civil?sslmode=disable`);
    const adapter = adapters[name]?.({ address: at, credential: 'a secret', datasets: { d: GOOD } });
    const failure = await lookUp(adapter);
    t.match(failure, { reason }, String(failure));
    t.ok(failure instanceof SourceError && !`${failure.stack} ${JSON.stringify(failure.cause)}`.includes(KEY));
    t.notMatch(heard(), 'root:');
    t.notMatch(heard(), 'a secret', 'a password is shown to nobody');
    await adapter?.close();
    close();
  });
}

t.test('a server that offers no TLS is told nothing', async (t) => {
  for (const [name, script] of [
    ['postgres', [Buffer.from('N'), undefined]],
    ['mysql', [GREETING, undefined]],
  ] as const) {
    const { port, heard, close } = await rogue(script, name === 'mysql');
    const at = new URL(`${name}://reader@localhost:${port}/civil`);
    const adapter = adapters[name]?.({ address: at, credential: 'a secret', datasets: { d: GOOD } });
    t.match(await lookUp(adapter), { reason: 'unreachable' }, name);
    t.notMatch(heard(), 'reader');
    await adapter?.close();
    close();
  }
});

t.test('sessions', async (t) => {
  const question = { statement: '', key: '', columns: [], json: new Set<string>() };
  const make = () => {
    const log: string[] = [];
    let opened = 0;
    const ends: (() => void)[] = [];
    const open = (): Session => {
      const mine = (opened += 1);
      return {
        ready: Promise.resolve(),
        alive: true,
        ask: () => new Promise((resolve) => ends.push(() => resolve([]))),
        leave: () => log.push(`leaves ${mine}`),
        cut: () => log.push(`cut ${mine}`),
      };
    };
    return { log, ends, open, opened: () => opened };
  };
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  await t.test('who has waited in vain lets the next have the turn', async (t) => {
    const { ends, open, opened } = make();
    const { ask, close } = sessions(open);
    const first = Array.from({ length: 8 }, () => ask(question, never));
    const leaving = new AbortController();
    const left = ask(question, leaving.signal).catch((error: unknown) => error);
    const last = ask(question, never);
    await settle();
    t.equal(ends.length, 8);
    ends.shift()?.();
    leaving.abort(new Error('enough'));
    t.match(await left, { message: 'enough' });
    await settle();
    for (const end of ends.splice(0)) end();
    await Promise.all([...first, last]);
    t.equal(opened(), 8, 'what was given back is used again');
    await close();
  });

  await t.test('one that nobody needs is left after a while', async (t) => {
    const { log, ends, open } = make();
    const { ask, close } = sessions(open, 5);
    const asked = ask(question, never);
    await settle();
    ends[0]?.();
    await asked;
    while (log.length === 0) await settle();
    t.strictSame(log, ['leaves 1']);
    await close();
    t.strictSame(log, ['leaves 1'], 'once');
  });
});

t.test('the environment of the process is not asked', async (t) => {
  const settings: AdapterSettings = { address, credential: undefined, datasets: { d: GOOD } };
  const { port, heard, close } = await rogue([message('R', Buffer.from('\0\0\0\x05salt')), undefined], false);
  const set = {
    PGPASSWORD: 'of the environment',
    PGUSER: 'other',
    PGHOST: 'other',
    PGDATABASE: 'other',
    PGSSLMODE: 'require',
  };
  Object.assign(process.env, set);
  const at = new URL(address);
  at.port = String(port);
  const adapter = adapters.postgres?.({ ...settings, address: at });
  t.match(await lookUp(adapter), { reason: 'unreachable' });
  for (const name of Object.keys(set)) delete process.env[name];
  t.match(heard(), 'reader');
  const md5 = (text: string): string => hash('md5', text);
  t.match(heard(), `md5${md5(`${md5('reader')}salt`)}`, 'an empty password');
  t.notMatch(heard(), /other|of the environment/);
  await adapter?.close();
  close();
});
