/** What adapters make of answers that no sandbox gives, and what is said of a description that cannot be used. */

import { readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Ajv2020 } from 'ajv/dist/2020.js';
import t from 'tap';
import { adapters, faultsOf } from '../adapters/index.ts';
import { type Answer, type JsonObject, type JsonValue, SourceError, type SourceFailure } from '../src/adapter.ts';

const KEY = '003099000017';

/** Asks an adapter that is connected to a server of its own. */
async function ask(
  adapter: string,
  dataset: string,
  listener: RequestListener,
  datasets: Record<string, JsonObject> = {},
): Promise<Answer | SourceError> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const made = adapters[adapter]?.({ address, credential: undefined, datasets });
  try {
    return (await made?.lookUp({ dataset, key: KEY }, AbortSignal.timeout(5000))) as Answer;
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    return error;
  } finally {
    await made?.close();
    server.close();
  }
}

const json = { 'content-type': 'application/json' };
const says =
  (body: JsonValue): RequestListener =>
  (_, response) =>
    response.writeHead(200, json).end(JSON.stringify(body));
/** JSON that JSON.stringify does not make. */
const writes =
  (body: string): RequestListener =>
  (_, response) =>
    response.writeHead(200, json).end(body);
const citizen = (more: JsonObject) => says({ MaKetQua: '00', DuLieu: { SoDinhDanh: KEY, HoVaTen: { KhaiSinh: 'A' }, ...more } });

const ODD: [string, SourceFailure, RequestListener][] = [
  ['a redirect is not followed', 'error', (_, response) => response.writeHead(307, { location: '/elsewhere' }).end()],
  ['a gateway in between gave up', 'timeout', (_, response) => response.writeHead(504).end()],
  ['deeper than any record', 'malformed', (_, response) => response.writeHead(200, json).end(`${'['.repeat(50)}${']'.repeat(50)}`)],
  ['not UTF-8', 'malformed', (_, response) => response.writeHead(200, json).end(Buffer.from([0x22, 0xff, 0x22]))],
  ['no content type', 'malformed', (_, response) => response.writeHead(200).end('{}')],
  ['cut in the middle', 'unreachable', (request, response) => response.writeHead(200, json).write('{"a"', () => request.socket.destroy())],
  ['not HTTP', 'malformed', (request) => request.socket.end('HTTP/9.9 what\r\n\r\n')],
  ['a list for an object', 'malformed', says([])],
  ['an unknown outcome', 'malformed', says({ MaKetQua: '77' })],
  ['an inherited name is no code', 'malformed', says({ MaKetQua: 'constructor' })],
  ['not allowed', 'refused', says({ MaKetQua: '91' })],
  ['an unknown code in the record', 'malformed', citizen({ GioiTinh: '9' })],
  ['a day that is not one', 'malformed', citizen({ NgayChet: '20230230' })],
  ['a number for a text', 'malformed', citizen({ DienThoai: 12 })],
  ['a year that is none', 'malformed', citizen({ NgayChet: '0000' })],
  ['a day of a year before there were registers', 'malformed', citizen({ NgayChet: '09991231' })],
  ['a text longer than any, though not once it is composed', 'malformed', citizen({ DienThoai: 'a\u0301'.repeat(2001) })],
  ['marks piled on a letter', 'malformed', citizen({ DienThoai: `a${'\u0301\u0323'.repeat(150)}` })],
  [
    'a list longer than any',
    'malformed',
    citizen({ ChuHo: { HoVaTen: { KhaiSinh: 'A' } }, ThanhVien: Array(1001).fill({ HoVaTen: { KhaiSinh: 'A' } }) }),
  ],
  ['a record without its number', 'malformed', says({ MaKetQua: '00', DuLieu: { HoVaTen: { KhaiSinh: 'A' } } })],
];

for (const [name, reason, listener] of ODD) {
  t.test(`an odd answer: ${name}`, async (t) => {
    const answer = await ask('population', 'person', listener);
    t.match(answer, { reason });
    t.notOk(answer instanceof SourceError && answer.message.includes(KEY));
  });
}

t.test('nothing is as good as absent, and text is NFC', async (t) => {
  const answer = await ask(
    'population',
    'person',
    citizen({ HoVaTen: { KhaiSinh: 'HÒA'.normalize('NFD') }, DienThoai: '', NgayChet: null }),
  );
  t.match(answer, { found: true, recordedAt: null });
  t.strictSame('record' in answer && answer.record, { fullName: 'HÒA', personalId: KEY });
});

t.test('a text as long as allowed, with the marks of a real language, is read', async (t) => {
  const long = 'ế '.repeat(2000);
  t.match(await ask('population', 'person', citizen({ DienThoai: long })), { found: true, record: { phone: long } });
});

t.test('hostile marks do not hold the process', async (t) => {
  const marks = `a${'\u0301\u0323'.repeat(120_000)}`;
  const began = performance.now();
  t.match(await ask('population', 'person', citizen({ DienThoai: marks })), { reason: 'malformed' });
  t.ok(performance.now() - began < 2000, 'normalised, it takes ten seconds');
});

/** How long a busy registry asks to be left alone, in its answer or by HTTP → what is passed on of it. */
const WAITS: [string, JsonValue, string, number | undefined][] = [
  ['at once', 0, '0', 0],
  ['a day', 86_400, '86400', 86_400],
  ['as text', '30', '30', 30],
  ['longer than a day', 86_401, '86401', undefined],
  ['for eleven days', '999999', '999999', undefined],
  ['into the past', -1, '-1', undefined],
  ['half a second', 0.5, '0.5', undefined],
  ['no number', {}, 'Wed, 21 Oct 2026 07:28:00 GMT', undefined],
];

for (const [name, given, header, expected] of WAITS) {
  t.test(`ask again: ${name}`, async (t) => {
    const busy = { reason: 'error', retryAfterSeconds: expected };
    const told = await ask('population', 'person', says({ MaKetQua: '90', ThuLaiSauGiay: given }));
    t.match(told, busy);
    t.match(await ask('population', 'person', (_, response) => response.writeHead(503, { 'retry-after': header }).end()), busy);
  });
}

t.test('ask again: never', async (t) => {
  const told = await ask('population', 'person', writes('{"MaKetQua":"90","ThuLaiSauGiay":1e999}'));
  t.match(told, { reason: 'error', retryAfterSeconds: undefined });
});

const GOOD: JsonObject = {
  request: { key: 'person', method: 'POST', path: '/look', body: { who: '{key}' } },
  answer: { notFound: [{ status: 404 }], record: '', about: '/id' },
  map: { '/a': '/b' },
};

/** A number as it stands in the answer's text → the member of the record that an ordinary source's file makes of it, or malformed. */
const NUMBERS: [string, JsonValue, string, JsonValue | undefined][] = [
  ['a number', { from: '/n', as: 'number' }, '1.5', 1.5],
  ['infinite', { from: '/n', as: 'number' }, '1e999', undefined],
  ['infinite the other way', { from: '/n', as: 'number' }, '-1e999', undefined],
  ['infinite, as it stands', '/n', '1e999', undefined],
  ['infinite, as text', { from: '/n', as: 'text' }, '1e999', undefined],
  ['a number as text', { from: '/n', as: 'text' }, '12', '12'],
];

for (const [name, rule, written, expected] of NUMBERS) {
  t.test(`numbers: ${name}`, async (t) => {
    const answer = await ask('json-http', 'd', writes(`{"id":"${KEY}","n":${written}}`), { d: { ...GOOD, map: { '/n': rule } } });
    t.match(answer, expected === undefined ? { reason: 'malformed' } : { found: true, record: { n: expected } });
  });
}

t.test('a described list longer than any is not read', async (t) => {
  const map = { '/l': { from: '/l', each: { '/a': '/a' } } };
  const told = (items: number) => ask('json-http', 'd', says({ id: KEY, l: Array(items).fill({ a: 'b' }) }), { d: { ...GOOD, map } });
  t.match(await told(1000), { found: true });
  t.match(await told(1001), { reason: 'malformed' });
});

/** When a registry says that it vouches → whether it is a time at all, and what is kept. */
const TIMES: [string, string, string | undefined][] = [
  ['a date-time', '2026-01-31T23:59:59.123456789+07:00', '2026-01-31T23:59:59.123456789+07:00'],
  ['a date-time in UTC', '2026-01-31T00:00:00Z', '2026-01-31T00:00:00Z'],
  ['a day', '20260131', '2026-01-31'],
  ['more than nanoseconds', '2026-01-31T23:59:59.1234567890Z', undefined],
  ['digits without end', `2026-01-31T23:59:59.${'1'.repeat(3000)}Z`, undefined],
  ['a day that is not one', '2026-02-30T00:00:00Z', undefined],
  ['a month that is not one', '2026-13-01T00:00:00Z', undefined],
  ['hour 24', '2026-01-31T24:00:00Z', undefined],
  ['minute 60', '2026-01-31T23:60:00Z', undefined],
  ['second 61', '2026-01-31T23:59:61Z', undefined],
  ['an offset of a day', '2026-01-31T23:59:59+24:00', undefined],
  ['the year 0000', '0000-01-31T00:00:00Z', undefined],
  ['the year 0999', '0999-01-31T00:00:00Z', undefined],
];

for (const [name, written, expected] of TIMES) {
  t.test(`vouched at: ${name}`, async (t) => {
    const answer = await ask('population', 'person', citizen({ NgayCapNhat: written }));
    t.match(answer, expected === undefined ? { reason: 'malformed' } : { found: true, recordedAt: expected });
    t.ok(expected === undefined || Number.isFinite(Date.parse(expected)));
  });
}

const person = (number: string) => ({ personal_id: number, full_name: `P ${number}` });
const wedding = (year: number, how?: string, wife = '1') => ({
  registration: { number: `1/${year}`, on: `${year}` },
  husband: person(KEY),
  wife: person(wife),
  ...(how === undefined ? {} : { ended: { how, on: `${year + 1}` } }),
});

/** Marriages in the books → what they amount to for the husband. */
const MARRIAGES: [string, JsonObject[], JsonObject | SourceFailure][] = [
  ['a wife who died leaves a widower', [wedding(1990, 'DEATH_OF_WIFE')], { maritalStatus: 'widowed', nextRank: 2 }],
  ['who died himself is nothing of the kind', [wedding(1990, 'DEATH_OF_HUSBAND')], { maritalStatus: 'unknown' }],
  ['the latest end counts', [wedding(2000, 'DIVORCE'), wedding(1990, 'DEATH_OF_WIFE')], { maritalStatus: 'divorced', nextRank: 3 }],
  [
    'an annulled marriage does not count',
    [wedding(1990, 'DIVORCE'), wedding(2000, 'ANNULMENT')],
    { maritalStatus: 'divorced', nextRank: 2 },
  ],
  ['an annulment alone proves nothing', [wedding(1990, 'ANNULMENT')], { maritalStatus: 'unknown', nextRank: 1 }],
  ['a standing marriage after a divorce', [wedding(1990, 'DIVORCE'), wedding(2000)], { maritalStatus: 'married', nextRank: 3 }],
  ['two that stand are a contradiction', [wedding(1990), wedding(2000)], 'malformed'],
  ['an empty list is not a record', [], 'malformed'],
  ['an end of an unknown kind', [wedding(1990, 'ANOTHER')], 'malformed'],
  ['a marriage of other people', [{ ...wedding(1990), husband: person('2') }], 'malformed'],
  ['a marriage with oneself', [wedding(1990, undefined, KEY)], 'malformed'],
];

for (const [name, marriages, expected] of MARRIAGES) {
  t.test(`marriages: ${name}`, async (t) => {
    const answer = await ask('civil-registry', 'marriage', says({ personal_id: KEY, all_books_digitised: true, marriages }));
    t.match(answer, typeof expected === 'string' ? { reason: expected } : { found: true, record: expected });
  });
}

const birth = (parents: JsonObject): JsonObject => ({
  personal_id: KEY,
  child: { full_name: 'A' },
  registration: { number: '1' },
  ...parents,
});

/** The parents in a register of births → what they are read as. */
const BIRTHS: [string, JsonObject, JsonObject | SourceFailure][] = [
  ['of two parents', { father: person('1'), mother: person('2') }, { father: { personalId: '1' }, mother: { personalId: '2' } }],
  ['of its own father', { father: person(KEY), mother: person('2') }, 'malformed'],
  ['of its own mother', { mother: person(KEY) }, 'malformed'],
];

for (const [name, parents, expected] of BIRTHS) {
  t.test(`a birth: ${name}`, async (t) => {
    const answer = await ask('civil-registry', 'birth', says(birth(parents)));
    t.match(answer, typeof expected === 'string' ? { reason: expected } : { found: true, record: expected });
  });
}

const right = (serial: number, number = KEY) => ({
  certificate: { serial: `ZZ ${serial}` },
  holders: [{ name: 'A', id: { kind: 'PERSONAL', number } }],
});

/** Pages of a search that cannot be trusted, one for each question; after how many no more are asked for. */
const PAGES: [string, (page: number) => JsonObject, number][] = [
  ['more than the total', () => ({ total: 1, holder: { number: KEY }, items: [right(1), right(2)] }), 1],
  ['fewer than the total', (page) => ({ total: 3, holder: { number: KEY }, items: page === 1 ? [right(1)] : [] }), 2],
  ['without end', (page) => ({ total: 1000, holder: { number: KEY }, items: [right(page)] }), 200],
  ['more than anyone holds', (page) => ({ total: 1001, holder: { number: KEY }, items: [right(page)] }), 1],
  ['more than a page holds', () => ({ total: 1000, holder: { number: KEY }, items: Array.from({ length: 101 }, (_, n) => right(n)) }), 1],
  ['a hundred thousand of nothing', () => ({ total: 1000, holder: { number: KEY }, items: Array(100_000).fill(0) }), 1],
  ['half a right', () => ({ total: 0.5, holder: { number: KEY }, items: [right(1)] }), 1],
  ['less than none', () => ({ total: -1, holder: { number: KEY }, items: [] }), 1],
  ['about two people', (page) => ({ total: 2, holder: { number: page === 1 ? KEY : '2' }, items: [right(page)] }), 2],
  ['of other people', () => ({ total: 1, holder: { number: KEY }, items: [right(1, '2')] }), 1],
];

for (const [name, pageOf, most] of PAGES) {
  t.test(`pages: ${name}`, async (t) => {
    let page = 0;
    const answer = await ask('land', 'land-holding', (request, response) => {
      page += 1;
      request.resume();
      says(pageOf(page))(request, response);
    });
    t.match(answer, { reason: 'malformed' });
    t.equal(page, most);
    if (name.startsWith('more than a page') || name.startsWith('a hundred')) t.match(answer, { message: /has more than 100 items/ });
  });
}

t.test('vouched at: the form iso takes no clock that is none for a day', async (t) => {
  const answer = await ask('land', 'land-holding', (request, response) => {
    request.resume();
    says({ total: 1, holder: { number: KEY }, items: [{ ...right(1), vouchedAt: '2026-01-31T99:99' }] })(request, response);
  });
  t.match(answer, { reason: 'malformed' });
});

t.test('pages: none for somebody else is no word about who was asked', async (t) => {
  const none = (number: string): RequestListener => says({ total: 0, holder: { number }, items: [] });
  t.match(await ask('land', 'land-holding', none('2')), { reason: 'wrong-subject' });
  t.strictSame(await ask('land', 'land-holding', none(KEY)), { found: false });
});

const certificate = (more: JsonObject, areaM2: JsonValue = 100): JsonObject => ({
  certificate: { serial: 'ZZ 1' },
  parcel: { number: '1', sheet: '1', areaM2 },
  holders: [{ name: 'A' }],
  ...more,
});
const floors = (...areas: JsonValue[]): JsonObject => ({ assets: areas.map((floorM2) => ({ type: 'DWELLING', floorM2 })) });

/** A certificate → the floor area in the record, `none` where it has no such member, or malformed. */
const AREAS: [string, JsonObject, number | 'none' | 'malformed'][] = [
  ['of two floors', certificate(floors(40.1, '40.2')), 80.3],
  ['of no dwelling', certificate({ assets: [] }), 'none'],
  ['of a dwelling of nothing', certificate(floors(0)), 'none'],
  ['of a dwelling of nothing, in words', certificate(floors('0.0', '-0')), 'none'],
  ['of a negative floor', certificate(floors(-1)), 'malformed'],
  ['of a negative floor below a larger one', certificate(floors(80, '-1.0')), 'malformed'],
  ['of floors without end', certificate(floors(1e308, 1e308)), 'malformed'],
  ['of a negative parcel', certificate({}, -1), 'malformed'],
  ['of a negative use', certificate({ rights: [{ purpose: 'ODT', areaM2: -1 }] }), 'malformed'],
];

for (const [name, body, expected] of AREAS) {
  t.test(`a certificate: ${name}`, async (t) => {
    const answer = await ask('land', 'land-certificate', says(body));
    if (expected === 'malformed') return t.match(answer, { reason: 'malformed' });
    t.equal('record' in answer && (answer.record.floorArea ?? 'none'), expected);
  });
}

const ajv = new Ajv2020();
ajv.addSchema(JSON.parse(readFileSync('schemas/datasets/types.json', 'utf8')));

/** A type of `schemas/datasets/types.json`, a value of it and whether it is one. */
const VALUES: [string, string, boolean][] = [
  ['personName', 'Nguyễn Thị Hoà', true],
  ['personName', "H'Hen Niê", true],
  ['personName', 'Y Bih Aliô', true],
  ['personName', 'K’Brểu Lơ-mu', true],
  ['personName', 'Siu H’Ñao', true],
  ['personName', 'ẤU', true],
  ['personName', 'សុខ សុវណ្ណ', true],
  ['text', 'Số 12/5B, tổ 3 (khu A); P. Thượng Cát – TP. Hà Nội – “Nhà số 7” & 80 m²', true],
  ['text', 'Thôn Đắk R’Moan, xã Đắk R\u2011lấp', true],
  ['text', '1', true],
  ...['personName', 'text'].flatMap((type): [string, string, boolean][] =>
    [
      '',
      ' ',
      '\u00A0\u3000',
      '\u200B\uFEFF',
      'A\u0000',
      'A\nB',
      '\tA',
      'A\u001F',
      'A\u007F',
      '\u0085A',
      'A\u009F',
      'A\u2028',
      '\u2029A',
      'A\u202AB',
      'A\u202EB',
      '\u2066A',
      'A\u2069',
    ].map((value) => [type, value, false]),
  ),
  ['email', 'an.nguyen+1@example.vn', true],
  ['email', 'an\u0000@example.vn', false],
  ['email', 'an\u202Egpj@example.vn', false],
  ['email', 'an@example.vn\u2069', false],
  ['date', '1000-01', true],
  ['date', '0000', false],
  ['date', '0999-01-01', false],
];

for (const [type, value, good] of VALUES) {
  t.test(
    `a value: ${type} ${JSON.stringify(value).replace(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)}`,
    async (t) => {
      t.equal(ajv.validate(`oncegate:datasets/types#/$defs/${type}`, value), good);
    },
  );
}

t.test('a value: the longest text that is refused at its end is refused at once', async (t) => {
  const began = performance.now();
  t.notOk(ajv.validate('oncegate:datasets/types#/$defs/text', `${' '.repeat(1_000_000)}${'a'.repeat(1_000_000)}\u0000`));
  t.ok(performance.now() - began < 1000);
});

/** A change to a good description → where the fault is found. */
const FAULTS: [string, JsonObject, string[]][] = [
  ['none', {}, []],
  ['no parts at all', { request: 1, answer: 1, map: 1 }, ['/d/request', '/d/answer', '/d/map']],
  ['a person in the path', { request: { key: 'person', method: 'GET', path: '/p/{key}', headers: { x: '{key}' } } }, ['/d/request/path']],
  ['a query', { request: { key: 'person', method: 'GET', path: '/p?id=1', headers: { x: '{key}' } } }, ['/d/request/path']],
  ['nobody is asked about', { request: { key: 'person', method: 'GET', path: '/p' } }, ['/d/request']],
  ['a secret in the body', { request: { key: 'person', method: 'POST', path: '/p', body: ['{key}{credential}'] } }, ['/d/request/body/0']],
  [
    'a GET with a body, a wrong key and header',
    { request: { key: 'x', method: 'GET', path: '/p', headers: { 'A/': '' }, body: '{key}' } },
    ['/d/request/key', '/d/request/body', '/d/request/headers/A~1'],
  ],
  ['an unknown word', { answer: { notFound: [{ status: 404 }], record: '', about: '/id', recrod: '' } }, ['/d/answer/recrod']],
  ['nothing says that there is none', { answer: { record: '', about: '/id', notFound: [] } }, ['/d/answer/notFound']],
  [
    'half a condition',
    { answer: { record: '', about: '/id', notFound: [{ at: '/x' }], found: {}, cancelled: { status: 600 } } },
    ['/d/answer/notFound/0', '/d/answer/found', '/d/answer/cancelled/status'],
  ],
  [
    'no pointer',
    { answer: { notFound: [{ status: 404 }], record: 'x', recordedAt: { from: '/t', date: 'us' } } },
    ['/d/answer/record', '/d/answer/about', '/d/answer/recordedAt/date'],
  ],
  [
    'rules',
    { map: { a: '/a', '/b': { from: '/b', codes: 'none' }, '/c': { from: '/c' }, '/d': { value: 'x' }, '/e': { from: '/e', as: 'date' } } },
    ['/d/map/a', '/d/map/~1b/codes', '/d/map/~1c', '/d/map/~1d/with', '/d/map/~1e/as'],
  ],
  ['a list', { map: { '/a': { from: '/a', each: { '/b': 1 } }, '/a/b': '/b' } }, ['/d/map/~1a', '/d/map/~1a/each/~1b']],
  ['codes', { codes: { x: { a: null } } }, ['/d/codes/x']],
  ['a name with a meaning of its own', { map: { '/__proto__/x': '/a' } }, ['/d/map/~1__proto__~1x']],
];

for (const [name, change, pointers] of FAULTS) {
  t.test(`a description: ${name}`, async (t) => {
    const datasets = { d: { ...GOOD, ...change } };
    t.strictSame(
      faultsOf(datasets).map(({ pointer }) => pointer),
      pointers,
    );
    const make = () => adapters['json-http']?.({ address: new URL('http://127.0.0.1:1'), credential: undefined, datasets });
    if (pointers.length > 0) t.throws(make, { message: new RegExp(pointers.map((pointer) => `${pointer} .*`).join('\n')) });
    else await make()?.close();
  });
}
