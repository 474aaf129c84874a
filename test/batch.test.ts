/** Many prefills in one request: each line by itself, nothing cut off unnoticed, constant memory, and nobody else kept waiting. */
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { setTimeout as after, setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { parseVerifierKey } from '../src/audit/checkpoint.ts';
import type { LogStore } from '../src/audit/store.ts';
import { verifyReceipt } from '../src/audit/verify.ts';
import type { Receipt } from '../src/domain.ts';
import { LINE_BYTES, Lines } from '../src/http/agency/batch/lines.ts';
import { Slots } from '../src/http/agency/batch/slots.ts';
import { endLine, type Work, workOff } from '../src/http/agency/batch/work.ts';
import { Problem } from '../src/problems.ts';
import { makeWorld } from '../src/sandbox/people.ts';
import { chance, seedOf } from './support/chance.ts';
import { editedConfig, startGateway, type TestGateway } from './support/gateway.ts';
import { schemaCheck } from './support/schemas.ts';

const seed = seedOf();
t.comment(`seed ${seed}: SEED=${seed} shows this run again`);
const check = schemaCheck();

interface Reply {
  readonly line?: number;
  readonly prefill?: { readonly fields: Record<string, { status: string }> };
  readonly receipt?: Receipt;
  readonly problem?: { readonly code: string; readonly detail?: string };
  readonly end?: boolean;
  readonly read?: number;
  readonly answered?: number;
  readonly refused?: number;
}

const GOOD = {
  procedure: '1.004222',
  dossier: 'X01.1-261122-0001',
  officer: 'X01.1-0042',
  subject: '003099000017',
  related: { householder: '003060000021' },
};
const line = (changes: object = {}): string => JSON.stringify({ ...GOOD, ...changes });

const never = new AbortController().signal;

let writable = true;
const on = await startGateway({
  configDirectory: editedConfig({
    'gateway.yaml': (file) => ({ ...file, batch: { batches: 3 } }),
    'sources/population.yaml': (file) => ({ ...file, concurrency: { atOnce: 1 } }),
  }),
  breakLog: (store): LogStore => ({
    ...store,
    append: (compose) => (writable ? store.append(compose) : Promise.reject(new Error('no space left'))),
    head: () => store.head(),
    read: (from, to) => store.read(from, to),
    tile: (level, index) => store.tile(level, index),
    prune: (indexes, retention) => store.prune(indexes, retention),
    close: () => store.close(),
  }),
});
t.teardown(() => on.close());

/** A batch whose lines a test sends and reads one by one. */
interface Open {
  readonly sent: ClientRequest;
  readonly reply: IncomingMessage;
  /** The next line of the reply, or undefined at its end. */
  next(): Promise<Reply | undefined>;
  /** What is still to come. */
  rest(): Promise<Reply[]>;
}

async function open(gateway: TestGateway, first: string, agency = 'X01.1'): Promise<Open> {
  const headers = { authorization: `Bearer ${await gateway.token(agency)}`, 'content-type': 'application/x-ndjson' };
  const sent = httpRequest(`${gateway.address}/v1/prefills/batch`, { method: 'POST', headers, agent: false });
  sent.on('error', () => {});
  sent.write(first);
  const [reply] = (await once(sent, 'response')) as [IncomingMessage];
  const lines = linesOf(reply);
  const next = async (): Promise<Reply | undefined> => (await lines.next()).value ?? undefined;
  return { sent, reply, next, rest: () => whole(lines) };
}

async function whole(lines: AsyncIterable<Reply>): Promise<Reply[]> {
  const all: Reply[] = [];
  for await (const one of lines) all.push(one);
  return all;
}

async function* linesOf(reply: AsyncIterable<Buffer>): AsyncGenerator<Reply, undefined> {
  let text = '';
  for await (const chunk of reply) {
    const whole = (text + chunk.toString('latin1')).split('\n');
    text = whole.pop() ?? '';
    for (const one of whole) yield JSON.parse(Buffer.from(one, 'latin1').toString()) as Reply;
  }
  if (text !== '') throw new Error('the reply ends in the middle of a line');
  return undefined;
}

async function post(
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string; lines: Reply[] }> {
  const reply = await fetch(`${on.address}/v1/prefills/batch`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await on.token()}`, 'content-type': 'application/x-ndjson', ...headers },
    body,
  });
  const text = await reply.text();
  const ndjson = reply.headers.get('content-type')?.startsWith('application/x-ndjson');
  const lines = ndjson
    ? text
        .trimEnd()
        .split('\n')
        .map((one) => JSON.parse(one) as Reply)
    : [];
  for (const one of lines) check('PrefillBatchLine', one);
  return { status: reply.status, text, lines };
}

const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await condition())) await after(5);
};

/** A line → what it gets. */
const LINES: readonly [rule: string, text: string | Uint8Array, code: string | undefined, record: string | undefined][] = [
  ['a good one', line(), undefined, 'outcome'],
  ['an empty one', '', 'malformed-json', undefined],
  ['spaces', '  \t ', 'malformed-json', undefined],
  ['no JSON', '{"procedure":', 'malformed-json', undefined],
  ['two values', `${line()} ${line()}`, 'malformed-json', undefined],
  ['an array of requests', `[${line()}]`, 'invalid-request', undefined],
  ['a member twice', `{"procedure":"1.004222",${line().slice(1)}`, 'malformed-json', undefined],
  ['a member called __proto__', `{"__proto__":{},${line().slice(1)}`, 'malformed-json', undefined],
  ['not UTF-8', Buffer.from(line({ dossier: 'caf\xe9' }), 'latin1'), 'malformed-json', undefined],
  ['a byte order mark', `\ufeff${line()}`, 'malformed-json', undefined],
  ['a number for a text', line({ subject: 3099000017 }), 'invalid-request', undefined],
  ['an unknown member', line({ subjects: [] }), 'invalid-request', undefined],
  ['an unknown procedure', line({ procedure: '1.999999' }), 'unknown-procedure', 'refusal'],
  ['a role that is missing', line({ procedure: '1.000894', related: {} }), 'role-missing', 'refusal'],
  ['another agency’s officer', line({ officer: 'X02.1-0001' }), 'invalid-request', 'refusal'],
  ['too long', line({ dossier: 'x'.repeat(LINE_BYTES) }), 'body-too-large', undefined],
  ['as long as may be', line().padEnd(LINE_BYTES), undefined, 'outcome'],
  ['a carriage return at its end', `${line()}\r`, undefined, 'outcome'],
  ['the last, without a newline', line({ dossier: 'X01.1-261122-0009' }), undefined, 'outcome'],
];

t.test('each line is answered, refused and put on record by itself, as a single request is', async (t) => {
  const before = (await on.entries()).length;
  const body = Buffer.concat(LINES.flatMap(([, text], i) => [Buffer.from(text), Buffer.from(i < LINES.length - 1 ? '\n' : '')]));
  const { status, text, lines } = await post(body);
  t.equal(status, 200);
  const good = LINES.filter(([, , code]) => code === undefined).length;
  t.strictSame(lines.at(-1), { end: true, read: LINES.length, answered: good, refused: LINES.length - good });
  t.equal(lines.length, LINES.length + 1);
  const key = parseVerifierKey((await (await fetch(`${on.address}/v1/log/key`)).text()).trim());
  const entries = (await on.entries(before)).filter(({ kind }) => kind !== 'intent');
  for (const [i, [rule, , code, record]] of LINES.entries()) {
    const reply = lines.find((one) => one.line === i + 1);
    t.equal(reply?.problem?.code, code, rule);
    if (code !== undefined) continue;
    t.equal(record, 'outcome');
    t.doesNotThrow(() => verifyReceipt(reply?.receipt as Receipt, key), rule);
    const sent = text.split('\n').find((one) => one.startsWith(`{"line":${i + 1},`)) ?? '';
    const prefill = sent.slice(sent.indexOf('"prefill":') + 10, sent.lastIndexOf(',"receipt":'));
    t.equal(hash('sha256', prefill, 'base64'), reply?.receipt?.entry.replyDigest, `${rule}: the bytes that were hashed`);
    t.ok(entries.some(({ id }) => id === reply?.receipt?.entry.id));
  }
  const expected = LINES.flatMap(([, , , record]) => record ?? []).sort();
  t.strictSame(entries.map(({ kind }) => kind).sort(), expected, 'and nothing else is on record');
  t.notMatch(on.lines.join(''), /003099000017/, 'nobody is named in the process’s log');
});

t.test('what is no batch is refused as a whole', async (t) => {
  t.match(await post('', { authorization: 'Bearer x' }), { status: 401, text: /"unauthenticated"/ });
  t.match(await post('', { authorization: `Bearer ${await on.token('X09.1')}` }), { status: 403, text: /"insufficient-scope"/ });
  t.match(await post('{}', { 'content-type': 'application/json' }), { status: 415, text: /"unsupported-media-type"/ });
  t.match(await post('{}', { 'content-encoding': 'gzip' }), { status: 415 });
  t.strictSame((await post('')).lines, [{ end: true, read: 0, answered: 0, refused: 0 }], 'no line at all is a batch of none');
});

t.test('lines are the same however they arrive', async (t) => {
  const below = chance(seed);
  const lengths = [0, 0, 1, 5, 300, LINE_BYTES - 1, LINE_BYTES, LINE_BYTES + 1, 3 * LINE_BYTES];
  for (let run = 0; run < 30; run++) {
    const texts = Array.from({ length: 1 + below(12) }, (_, i) => String(i % 10).repeat(lengths[below(lengths.length)] ?? 0));
    const newline = below(2) === 0;
    const body = Buffer.from(texts.join('\n') + (newline ? '\n' : ''));
    const pieces: Buffer[] = [];
    const longest = [2, 1000, 100_000][below(3)] ?? 1;
    for (let at = 0; at < body.length; ) {
      // Byte for byte only where something ends.
      const length = longest === 2 && at % LINE_BYTES > 50 ? LINE_BYTES - 20 : 1 + below(longest);
      pieces.push(body.subarray(at, (at += length)));
    }
    const lines = new Lines(Readable.from(pieces, { objectMode: false }));
    const expected = texts.map((text) => (text.length > LINE_BYTES ? undefined : text));
    if (!newline && expected.at(-1) === '') expected.pop();
    const found: (string | undefined)[] = [];
    for (let one = await lines.next(1000, never); one !== undefined; one = await lines.next(1000, never)) {
      found.push(one.bytes && Buffer.from(one.bytes).toString());
    }
    if (!t.strictSame(found, expected, `run ${run}`)) return;
  }
});

t.test('answers come while the request is still being sent, and each line is judged by its own clock', async (t) => {
  on.time.now = Date.parse('2027-02-28T16:55:00Z');
  const batch = await open(on, `${line()}\n`);
  t.match(await batch.next(), { line: 1, receipt: {} });
  on.time.now += 6 * 60_000;
  batch.sent.write(`${line()}\n`);
  t.match(await batch.next(), { line: 2, problem: { code: 'grant-not-in-force' } }, 'it is 1 March in Viet Nam');
  on.time.now += 4 * 60_000;
  batch.sent.write(`${line()}\n${line()}\n`);
  const last = { end: false, read: 2, answered: 1, refused: 1, problem: { code: 'unauthenticated' } };
  t.match(await batch.next(), last, 'and with its token the batch ends');
  batch.sent.end();
  t.strictSame(await batch.rest(), []);
  t.ok(batch.reply.complete, 'the reply itself is whole');
  on.time.now = Date.parse('2026-11-22T05:00:00Z');
});

t.test('a batch may take longer to arrive than another request, which is cut', async (t) => {
  const { server } = on.gateway.server;
  const usual = server.requestTimeout;
  const batch = await open(on, `${line()}\n`);
  t.match(await batch.next(), { line: 1 });
  server.headersTimeout = server.requestTimeout = 100;
  const slow = connect(on.port, '127.0.0.1');
  slow.write(
    `POST /v1/prefills HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${await on.token()}\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{`,
  );
  const [cut] = (await once(slow, 'data')) as [Buffer];
  t.match(cut.toString(), /^HTTP\/1.1 408/);
  batch.sent.end(`${line()}\n`);
  t.match(await batch.rest(), [
    { line: 2, receipt: {} },
    { end: true, read: 2 },
  ]);
  server.headersTimeout = server.requestTimeout = usual;
});

t.test('a caller who sends all before reading gets all, where it is of moderate size', async (t) => {
  const token = await on.token();
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' };
  const sent = httpRequest(`${on.address}/v1/prefills/batch`, { method: 'POST', headers, agent: false });
  const replied = once(sent, 'response') as Promise<[IncomingMessage]>;
  sent.end(`${line()}\n`.repeat(300));
  await once(sent, 'finish');
  const [reply] = await replied;
  const lines = await whole(linesOf(reply));
  t.match(lines.at(-1), { end: true, read: 300, answered: 300 });
  t.equal(new Set(lines.map((one) => one.line)).size, 301, 'each line once');
});

t.test('a caller who does not read is not read from either, and misses nothing when it reads again', async (t) => {
  const accepted = once(on.gateway.server.server, 'connection') as Promise<[Socket]>;
  const client = connect(on.port, '127.0.0.1');
  client.write(
    `POST /v1/prefills/batch HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${await on.token()}\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n`,
  );
  const [server] = await accepted;
  const piece = `{}${' '.repeat(997)}\n`.repeat(60);
  let sent = 0;
  let [taken, still] = [-1, 0];
  // Until it takes no more for a while.
  for (; still < 15 || server.writableLength === 0; await after(10)) {
    while (!client.writableNeedDrain) {
      client.write(`${piece.length.toString(16)}\r\n${piece}\r\n`);
      sent += 60;
    }
    still = server.bytesRead === taken ? still + 1 : 0;
    taken = server.bytesRead;
  }
  t.ok(client.writableLength > 0 && taken < sent * 1000, `${taken} of ${sent * 1000} bytes were taken`);
  t.ok(server.writableLength < 512 * 1024, `and ${server.writableLength} bytes wait at the connection`);
  client.write('0\r\n\r\n');
  let [text, lines] = ['', 0];
  for await (const chunk of client as AsyncIterable<Buffer>) {
    const arrived = chunk.toString();
    lines += arrived.split('{"line":').length - 1;
    text = (text + arrived).slice(-200);
  }
  t.match(text, `{"end":true,"read":${sent},"answered":0,"refused":${sent}}`);
  t.ok(lines > 0.99 * sent && lines <= sent, `${lines} of ${sent}, but for those that a piece ended in the middle of`);
});

/** What works off a batch, with an end to the caller's patience that does not last. */
function work(changes: Partial<Work> = {}): Work {
  return {
    lines: new Lines(Readable.from(['1\n2\n3\n'], { objectMode: false })),
    out: new PassThrough({ writableHighWaterMark: 100_000 }),
    atOnce: 4,
    patienceMs: 1000,
    halt: never,
    turn: nextTurn,
    answer: async () => ({ text: '"problem":{}', refused: true }),
    ...changes,
  };
}

t.test('memory is constant however many lines there are and however slowly they are read', async (t) => {
  const LINES_SENT = 8000;
  const text = `"prefill":"${'x'.repeat(8000)}"`;
  let [sent, atWork, most, waiting, unread] = [0, 0, 0, 0, 0];
  const body = Readable.from(
    (function* () {
      for (; sent < LINES_SENT; sent += 10) yield '{}\n'.repeat(10);
    })(),
    { objectMode: false, highWaterMark: 1000 },
  );
  const out = new PassThrough({ writableHighWaterMark: 100_000 });
  const done = workOff(
    work({
      lines: new Lines(body),
      out,
      answer: async ({ number }) => {
        most = Math.max(most, ++atWork);
        for (let turns = number % 7; turns > 0; turns--) await nextTurn();
        unread = Math.max(unread, out.writableLength + out.readableLength);
        atWork--;
        return { text, refused: false };
      },
    }),
  ).then((worked) => {
    out.end();
    return worked;
  });
  let bytes = 0;
  for await (const chunk of out as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    for (let turns = 0; turns < 40; turns++) await nextTurn();
    waiting = Math.max(waiting, sent * 8000 - bytes);
  }
  t.match(await done, { read: LINES_SENT, answered: LINES_SENT });
  t.ok(bytes > LINES_SENT * 8000);
  t.equal(most, 4);
  t.ok(unread > 100_000 && unread < 300_000, `at most ${unread} bytes were unread of ${bytes}`);
  t.ok(waiting < 10_000_000, `and few lines were taken for them: ${waiting}`);
});

function trickle(): Readable {
  const body = new PassThrough();
  body.write('{}\n{');
  const timer = setInterval(() => body.write(' '), 5);
  t.teardown(() => clearInterval(timer));
  return body;
}

/** How a batch ends early. */
const ENDINGS: readonly [rule: string, changes: () => Partial<Work>, end: object][] = [
  ['nothing comes', () => ({ lines: new Lines(new PassThrough()) }), { read: 0, problem: { code: 'request-timeout' } }],
  ['a line comes byte by byte', () => ({ lines: new Lines(trickle()) }), { read: 1, refused: 1, problem: { code: 'request-timeout' } }],
  [
    'answers are not read',
    () => ({
      out: new PassThrough({ highWaterMark: 1 }),
      atOnce: 1,
      lines: new Lines(Readable.from(['{}\n'.repeat(9)], { objectMode: false })),
    }),
    { read: 1, refused: 1, problem: { code: 'reply-not-read' } },
  ],
  [
    'no further line is to be taken',
    () => ({ turn: () => Promise.reject(new Problem('overloaded', { retryAfterSeconds: 7 })) }),
    { read: 0, problem: { code: 'overloaded' }, retryAfterSeconds: 7 },
  ],
  [
    'the gateway stops while a line is waited for',
    () => ({ halt: AbortSignal.abort(new Problem('stopping')), lines: new Lines(new PassThrough()) }),
    { read: 0, problem: { code: 'stopping' } },
  ],
];

t.test('a batch that ends early says why, and up to which line it was worked off', async (t) => {
  for (const [rule, changes, end] of ENDINGS) {
    const said = JSON.parse(endLine(await workOff(work({ patienceMs: 40, ...changes() })))) as object;
    check('PrefillBatchLine', said);
    t.match(said, { end: false, answered: 0, refused: 0, ...end }, rule);
  }
  const gone = AbortSignal.abort(new Error('gone'));
  await t.rejects(workOff(work({ lines: new Lines(new PassThrough()), halt: gone })), /gone/, 'to nobody it says nothing');
});

t.test('where the log cannot be written the batch ends', async (t) => {
  const batch = await open(on, `${line()}\n`);
  t.match(await batch.next(), { line: 1, receipt: {} });
  writable = false;
  batch.sent.write(`${line()}\n`);
  t.match(await batch.next(), { line: 2, problem: { code: 'log-unavailable' } });
  t.match(await batch.next(), { end: false, read: 2, answered: 1, refused: 1, problem: { code: 'log-unavailable' }, retryAfterSeconds: 2 });
  writable = true;
  batch.sent.end();
  t.strictSame(await batch.rest(), []);
  t.match(on.lines.join(''), /"code":"log-unavailable".*"request failed"/, 'and the operator hears of it');
});

t.test('so many batches at a time, and no agency has them all', async (t) => {
  const both = [await open(on, '{}\n'), await open(on, '{}\n')];
  const refused = await post('{}');
  t.match(refused, { status: 503, text: /"overloaded"/ });
  const other = await open(on, '{}\n', 'X02.1');
  t.match(await other.next(), { line: 1 }, 'the last is another agency’s');
  for (const { sent } of both) sent.destroy();
  other.sent.end();
  await other.rest();
  await until(async () => (await post('{}')).status === 200);

  const slots = new Slots(1);
  t.strictSame([slots.enter('A'), slots.enter('A'), slots.enter('B')], [true, false, false]);
  slots.leave('A');
  t.ok(slots.enter('B'), 'where there is but one, whoever comes first has it');
});

/** People of whom nothing is at hand. */
const strangers = [...makeWorld().people.keys()].filter((number) => number.startsWith('0030')).slice(50);
const aboutStrangers = (count: number): string =>
  `${strangers
    .splice(0, count)
    .map((subject) => line({ subject }))
    .join('\n')}\n`;

t.test('who waits for one answer does not wait for the batch of the same agency', async (t) => {
  on.sandbox.tell('population', { mode: 'slow', delayMs: 60 });
  const asked = on.sandbox.requests('population');
  const batch = open(on, aboutStrangers(8));
  await until(() => on.sandbox.requests('population') > asked);
  const single = fetch(`${on.address}/v1/prefills`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await on.token()}`, 'content-type': 'application/json' },
    body: line({ subject: strangers.pop(), fields: ['/fullName'] }),
  }).then((reply) => reply.json() as Promise<Reply>);
  const order: string[] = [];
  const { sent, next } = await batch;
  sent.end();
  const reading = (async () => {
    for (let one = await next(); one?.line !== undefined; one = await next()) order.push('line');
  })();
  const { prefill } = await single.finally(() => order.push('single'));
  await reading;
  on.sandbox.tell('population', { mode: 'ok' });
  t.equal(prefill?.fields['/fullName']?.status, 'filled');
  t.equal(order.length, 9);
  t.ok(order.indexOf('single') <= 2, order.join(' '));
});

t.test('a caller who goes away: lines at work are abandoned, and no further one is taken', async (t) => {
  const before = (await on.entries()).length;
  on.sandbox.tell('population', { mode: 'hang' });
  const asked = on.sandbox.requests('population');
  const client = connect(on.port, '127.0.0.1');
  const body = aboutStrangers(10);
  const head = `POST /v1/prefills/batch HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${await on.token()}\r\ncontent-type: application/x-ndjson`;
  client.write(`${head}\r\ncontent-length: 100000\r\n\r\n${body}`);
  await until(() => on.sandbox.requests('population') > asked);
  client.destroy();
  const outcomes = async (): Promise<unknown[]> =>
    (await on.entries(before)).filter(({ kind }) => kind !== 'intent').map(({ outcome }) => outcome);
  await until(async () => (await outcomes()).length >= 4);
  on.sandbox.tell('population', { mode: 'ok' });
  await post('');
  t.strictSame(await outcomes(), Array(4).fill('abandoned'));
  t.match(on.lines.at(-1), /"read":0/);
});

t.test('a gateway that stops finishes the lines at work and says which those were', async (t) => {
  const other = await startGateway();
  other.sandbox.tell('population', { mode: 'slow', delayMs: 100 });
  const batch = open(other, aboutStrangers(10));
  await until(() => other.sandbox.requests('population') > 0);
  const closed = other.gateway.close();
  const { sent, next } = await batch;
  const lines: Reply[] = [];
  for (let one = await next(); one !== undefined; one = await next()) {
    lines.push(one);
    // A client that learns that it is over stops sending; the gateway waits for that a little.
    if (one.end !== undefined) sent.end();
  }
  const last = lines.at(-1);
  t.match(last, { end: false, refused: 0, problem: { code: 'stopping' }, retryAfterSeconds: 30 });
  t.ok((last?.read ?? 0) >= 1 && (last?.read ?? 9) <= 4, `${last?.read}`);
  t.strictSame(
    lines
      .slice(0, -1)
      .map((one) => one.line)
      .sort(),
    Array.from({ length: last?.read ?? 0 }, (_, i) => i + 1),
  );
  t.ok(lines.slice(0, -1).every(({ receipt }) => receipt !== undefined));
  await closed;
  await other.close();
});

t.test('the lines that the document shows are those that are sent', async (t) => {
  const { examples } = JSON.parse(readFileSync('schemas/api/prefill-batch-line.json', 'utf8')) as { examples: Reply[] };
  for (const example of examples) check('PrefillBatchLine', example);
  const document = (await (await fetch(`${on.address}/openapi.json`)).json()) as {
    paths: Record<string, { post: { requestBody: { content: Record<string, { example: string }> } } }>;
  };
  const { example } = document.paths['/v1/prefills/batch']?.post.requestBody.content['application/x-ndjson'] ?? {};
  const { lines } = await post(`${example}\n`);
  t.strictSame(
    lines.filter(({ receipt }) => receipt === undefined),
    examples.slice(0, 2),
  );
});
