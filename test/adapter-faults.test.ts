/** What adapters make of answers that no sandbox gives, and what is said of a description that cannot be used. */

import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { adapters, faultsOf } from '../adapters/index.ts';
import { type Answer, type JsonObject, type JsonValue, SourceError, type SourceFailure } from '../src/adapter.ts';

const KEY = '003099000017';

/** Asks an adapter that is connected to a server of its own. */
async function ask(adapter: string, dataset: string, listener: RequestListener): Promise<Answer | SourceError> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const made = adapters[adapter]?.({ address, credential: undefined, datasets: {} });
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
];

for (const [name, marriages, expected] of MARRIAGES) {
  t.test(`marriages: ${name}`, async (t) => {
    const answer = await ask('civil-registry', 'marriage', says({ personal_id: KEY, all_books_digitised: true, marriages }));
    t.match(answer, typeof expected === 'string' ? { reason: expected } : { found: true, record: expected });
  });
}

const right = (serial: number, number = KEY) => ({
  certificate: { serial: `ZZ ${serial}` },
  holders: [{ name: 'A', id: { kind: 'PERSONAL', number } }],
});

/** Pages of a search that cannot be trusted, one for each question. */
const PAGES: [string, (page: number) => JsonObject][] = [
  ['more than the total', () => ({ total: 1, holder: { number: KEY }, items: [right(1), right(2)] })],
  ['fewer than the total', (page) => ({ total: 3, holder: { number: KEY }, items: page === 1 ? [right(1)] : [] })],
  ['without end', (page) => ({ total: 9999, holder: { number: KEY }, items: [right(page)] })],
  ['about two people', (page) => ({ total: 2, holder: { number: page === 1 ? KEY : '2' }, items: [right(page)] })],
  ['of other people', () => ({ total: 1, holder: { number: KEY }, items: [right(1, '2')] })],
];

for (const [name, pageOf] of PAGES) {
  t.test(`pages: ${name}`, async (t) => {
    let page = 0;
    const answer = await ask('land', 'land-holding', (request, response) => {
      page += 1;
      request.resume();
      says(pageOf(page))(request, response);
    });
    t.match(answer, { reason: 'malformed' });
    t.ok(page <= 200);
  });
}

const GOOD: JsonObject = {
  request: { key: 'person', method: 'POST', path: '/look', body: { who: '{key}' } },
  answer: { notFound: [{ status: 404 }], record: '', about: '/id' },
  map: { '/a': '/b' },
};

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
