/** Auditors: who read what, whole and in the order asked; every look is on record first; an export is never silently short. */
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as after, setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t, { type Test } from 'tap';
import type { AuditEntry } from '../src/audit/entry.ts';
import type { DayTally, Found, LogSearch, SearchQuery } from '../src/audit/search.ts';
import { LogBroken, type LogStore } from '../src/audit/store.ts';
import { cell, FORMATS } from '../src/http/audit/formats.ts';
import { Problem } from '../src/problems.ts';
import { startSandbox } from '../src/sandbox/index.ts';
import type { Standing } from '../src/stages/authenticate.ts';
import { chance, seedOf } from './support/chance.ts';
import { type Answered, startReaders } from './support/readers.ts';
import { schemaCheck } from './support/schemas.ts';
import { everybodyStands } from './support/standing.ts';

const seed = seedOf();
t.comment(`seed ${seed}: SEED=${seed} shows this run again`);
const AN = '003099000017';
const BINH = '003060000021';
const HUONG = '003301000034';

interface Page {
  readonly entries: { readonly index: number; readonly entry: AuditEntry }[];
  readonly next?: string;
}
interface ProblemBody {
  readonly code: string;
  readonly detail?: string;
  readonly errors?: { readonly pointer: string; readonly detail: string }[];
}

const check = schemaCheck();
const sandbox = await startSandbox();
let writable = true;
const on = await startReaders({
  sandbox,
  aroundStore: (store): LogStore => ({
    ...store,
    append: (compose) => (writable ? store.append(compose) : Promise.reject(new Error('no space left'))),
    head: () => store.head(),
    read: (from, to) => store.read(from, to),
    tile: (level, index) => store.tile(level, index),
    prune: (indexes, retention) => store.prune(indexes, retention),
    close: () => store.close(),
  }),
});
t.teardown(async () => {
  await on.close();
  await sandbox.close();
});
const plain = on.searching.by;

const minute = 60_000;
await on.prefill('X01.1', { related: { householder: BINH } });
on.time.now += minute;
on.rotate();
await on.prefill('X01.1', { procedure: '1.000894', dossier: 'X01.1-261122-0002', subject: HUONG, related: { husband: AN } });
on.time.now += minute;
await on.prefill('X01.1', { procedure: '1.012768', dossier: 'X01.1-261122-0003' });
await on.prefill('X02.1', { procedure: '1.012768', dossier: 'X02.1-261122-0001', officer: 'X02.1-0001', subject: '003078000091' });
on.time.now += minute;
const requests = await on.entries();

const REASON = 'Complaint 12/2026';
const search = (body: object): Promise<Answered<Page & ProblemBody>> => on.post('/v1/audit/search', { reason: REASON, ...body });

t.test('a search finds every entry that meets all its conditions, newest first', async (t) => {
  const about = (role: string) => (entry: AuditEntry) => role in (entry.subjects ?? {});
  const [first] = requests;
  const ROWS: [rule: string, conditions: object, meets: (entry: AuditEntry) => boolean][] = [
    [
      'a person, in whatever role, before and after the key of pseudonyms was changed',
      { subject: AN },
      (e) => e.dossier !== 'X02.1-261122-0001',
    ],
    ['another person', { subject: HUONG }, (e) => e.procedure === '1.000894'],
    ['a person nobody asked about', { subject: '003091000199' }, () => false],
    ['a request', { id: first?.id }, (e) => e.id === first?.id],
    ['an agency', { agency: 'X02.1' }, (e) => e.agency === 'X02.1'],
    ['an officer', { officer: 'X02.1-0001' }, (e) => e.officer === 'X02.1-0001'],
    ['a procedure', { procedure: '1.012768' }, (e) => e.procedure === '1.012768'],
    ['a dossier', { dossier: 'X01.1-261122-0002' }, (e) => e.dossier === 'X01.1-261122-0002'],
    ['a law', { legalBasis: 'luat-31-2024#art-133' }, (e) => e.grant === 'land-change'],
    ['a registry', { source: 'land' }, (e) => e.sources?.some(({ source }) => source === 'land') === true],
    ['a field', { field: '/wife/fullName' }, (e) => e.fields?.includes('/wife/fullName') === true],
    ['a kind', { kind: 'refusal' }, (e) => e.kind === 'refusal'],
    ['an outcome', { outcome: 'procedure-not-granted' }, (e) => e.outcome === 'procedure-not-granted'],
    ['not before', { from: '2026-11-22T05:01:00Z' }, (e) => e.time >= '2026-11-22T05:01:00.000Z'],
    ['before', { to: '2026-11-22T05:01:00Z' }, (e) => e.time < '2026-11-22T05:01:00.000Z'],
    ['a leap second', { from: '2026-11-21T23:59:60Z' }, () => true],
    [
      'several at once',
      { subject: AN, kind: 'outcome', agency: 'X01.1', source: 'land' },
      (e) => e.kind === 'outcome' && about('householder')(e),
    ],
  ];
  for (const [rule, conditions, meets] of ROWS) {
    const { status, body } = await search({ limit: 500, ...conditions });
    t.equal(status, 200, rule);
    check('AuditPage', body);
    const found = body.entries.filter(({ index }) => index < requests.length).map(({ index }) => index);
    const expected = [...requests.keys()].filter((index) => meets(requests[index] as AuditEntry)).reverse();
    t.strictSame(found, expected, rule);
  }
});

t.test('pages follow one another without a gap or an entry twice, whatever is appended meanwhile', async (t) => {
  const seen: number[] = [];
  for (let cursor: string | undefined; ; ) {
    const { body } = await search({ agency: 'X01.1', limit: 2, ...(cursor === undefined ? {} : { cursor }) });
    seen.push(...body.entries.map(({ index }) => index));
    cursor = body.next;
    if (cursor === undefined) break;
    await on.append({ agency: 'X01.1' });
  }
  t.strictSame(seen, [...requests.keys()].filter((index) => requests[index]?.agency === 'X01.1').reverse());
});

t.test('a look is on record before anything is shown, with who looked, why, and of a person only the pseudonym', async (t) => {
  const INSPECTOR = 'X09.1-0007';
  const header = { 'audit-officer': INSPECTOR, 'audit-reason': Buffer.from('Đơn khiếu nại').toString('latin1') };
  const ROWS: [rule: string, look: () => Promise<Answered<unknown>>, entry: object][] = [
    [
      'a search',
      () => search({ subject: AN, auditor: INSPECTOR, field: '/fullName', to: '2026-11-22T05:01:00Z', cursor: '7' }),
      {
        reason: REASON,
        auditor: INSPECTOR,
        query: { subject: on.people.of('person', AN), field: '/fullName', to: '2026-11-22T05:01:00Z', before: 7 },
      },
    ],
    [
      'an export',
      () => on.post('/v1/audit/export', { reason: REASON, auditor: INSPECTOR, agency: 'X02.1', format: 'csv' }),
      { reason: REASON, auditor: INSPECTOR, query: { agency: 'X02.1', format: 'csv' } },
    ],
    [
      'a summary',
      () => on.get('/v1/audit/summary?from=2026-11-22&to=2026-11-22&by=agency&reason=Yearly%20report', { 'audit-officer': INSPECTOR }),
      { reason: 'Yearly report', auditor: INSPECTOR, query: { view: 'summary', from: '2026-11-22', to: '2026-11-22', by: 'agency' } },
    ],
    ['an entry', () => on.get('/v1/audit/entries/0', header), { auditor: INSPECTOR, reason: 'Đơn khiếu nại', query: { index: 0 } }],
    [
      'an explanation',
      () => on.get('/v1/audit/entries/0/explanation', { 'audit-reason': 'C%C3%B4ng%20v%C4%83n%207' }),
      { reason: 'Công văn 7', query: { index: 0, view: 'explanation' } },
    ],
    ['an entry that is not there', () => on.get('/v1/audit/entries/99999'), { query: { index: 99999 } }],
  ];
  for (const [rule, look, entry] of ROWS) {
    let recorded: AuditEntry | undefined;
    const watched: LogSearch = {
      ...plain,
      async search(query) {
        recorded ??= (await on.entries()).at(-1);
        return plain.search(query);
      },
    };
    on.searching.by = watched;
    await look();
    on.searching.by = plain;
    const { time: _time, id: _id, ...last } = (await on.entries()).at(-1) as AuditEntry;
    const expected = { v: 1, kind: 'audit-read', agency: 'X09.1', client: 'X09.1', config: on.catalogue.digest, ...entry };
    t.strictSame(last, expected, rule);
    if (recorded !== undefined) t.equal(recorded.kind, 'audit-read', `${rule}: the search comes after`);
    check('AuditEntry', { ...last, time: _time, id: _id });

    writable = false;
    on.searching.by = { ...plain, search: () => t.fail('searched'), summary: () => t.fail('counted') } as unknown as LogSearch;
    const refused = (await look()) as Answered<ProblemBody>;
    t.equal(refused.status, 503, `${rule}: refused where it cannot be on record`);
    t.equal(refused.body.code, 'log-unavailable');
    t.equal(refused.headers.get('retry-after'), '2');
    writable = true;
    on.searching.by = plain;
  }
  t.notMatch(JSON.stringify(await on.entries()), AN);
});

t.test('what an auditor may not say is refused, and leaves nothing on record', async (t) => {
  const summary =
    (query: string, headers: Record<string, string> = {}): (() => Promise<Answered<ProblemBody>>) =>
    () =>
      on.get(`/v1/audit/summary?${query}`, headers);
  const DAYS = 'from=2026-11-01&to=2026-11-30';
  const look = (conditions: object) => () => search(conditions);
  const entry = (headers: Record<string, string>) => () => on.get<ProblemBody>('/v1/audit/entries/0', headers);
  const exported = (body: object) => () => on.post<ProblemBody>('/v1/audit/export', body);
  const ROWS: [rule: string, look: () => Promise<Answered<ProblemBody>>, pointer: string | undefined][] = [
    ['no reason', look({ reason: undefined }), '/reason'],
    ['a reason of two characters', look({ reason: 'no' }), '/reason'],
    ['a reason with a number', look({ reason: `about ${AN}` }), '/reason'],
    ['a reason with a number in pieces', look({ reason: 'about 003 099-000.017' }), '/reason'],
    ['a reason with a number in other digits', look({ reason: 'about ００３０９９０００' }), '/reason'],
    ['a reason with a control character', look({ reason: 'about\u0007it' }), '/reason'],
    ['an inspector of another agency', look({ auditor: 'X01.1-0001' }), '/auditor'],
    ['an inspector whose agency begins alike', look({ auditor: 'X09.10-0001' }), '/auditor'],
    ['an inspector’s own number', look({ auditor: AN }), '/auditor'],
    ['a member that is not known', look({ name: 'NGUYEN VAN AN' }), '/name'],
    ['a number as a number', look({ subject: 3099000017 }), '/subject'],
    ['eleven digits', look({ subject: AN.slice(1) }), '/subject'],
    ['a kind that is none', look({ kind: 'look' }), '/kind'],
    ['a time with an offset', look({ from: '2026-11-22T05:00:00+07:00' }), '/from'],
    ['a day for a time', look({ to: '2026-11-22' }), '/to'],
    ['a cursor that is none', look({ cursor: '-1' }), '/cursor'],
    ['an id that is none', look({ id: AN }), '/id'],
    ['a law that is none', look({ legalBasis: 'Law 68/2020' }), '/legalBasis'],
    ['a field that is none', look({ field: 'fullName' }), '/field'],
    ['too many at once', look({ limit: 501 }), '/limit'],
    ['an export without a format', exported({ reason: REASON }), '/format'],
    ['an export in a format that is none', exported({ reason: REASON, format: 'xlsx' }), '/format'],
    ['an export by the page', exported({ reason: REASON, format: 'csv', limit: 10 }), '/limit'],
    ['an export without a reason', exported({ format: 'csv' }), '/reason'],
    ['a summary without days', summary('from=2026-11-01'), '/to'],
    ['a summary backwards', summary('from=2026-11-30&to=2026-11-01'), '/to'],
    ['a summary of 401 days', summary('from=2025-11-01&to=2026-12-06'), '/to'],
    ['a summary of a day that is none', summary('from=2026-02-30&to=2026-03-01'), '/from'],
    ['a summary by people', summary(`${DAYS}&by=officer`), '/by'],
    ['a summary by the same twice', summary(`${DAYS}&by=agency,agency`), '/by'],
    ['a summary with a member twice', summary(`${DAYS}&by=agency&by=procedure`), '/by'],
    ['a summary with a member that is not known', summary(`${DAYS}&subject=${AN}`), '/subject'],
    ['a summary with a reason that names', summary(`${DAYS}&reason=${AN}`), '/reason'],
    ['a summary with two reasons', summary(`${DAYS}&reason=Report`, { 'audit-reason': 'Another' }), undefined],
    ['a header reason that names', entry({ 'audit-reason': `about ${AN}` }), undefined],
    ['a header reason that is not UTF-8', entry({ 'audit-reason': 'caf\xe9' }), undefined],
    ['a header reason with a lone per cent', entry({ 'audit-reason': '50% of it' }), undefined],
    ['a header reason that is too short', entry({ 'audit-reason': 'no' }), undefined],
    ['a header reason that is too long', entry({ 'audit-reason': 'a'.repeat(501) }), undefined],
    ['a header reason with a line end, encoded', entry({ 'audit-reason': 'one%0Atwo' }), undefined],
    ['a header inspector of another agency', entry({ 'audit-officer': 'X01.1-0001' }), undefined],
    ['a header inspector by number', entry({ 'audit-officer': AN }), undefined],
    ['an index that is none', () => on.get('/v1/audit/entries/00'), '/index'],
  ];
  const { length } = await on.entries();
  for (const [rule, look, pointer] of ROWS) {
    const { status, body, text } = await look();
    t.equal(status, 400, rule);
    check('Problem', body);
    t.equal(body.code, 'invalid-request', rule);
    t.strictSame(
      body.errors?.map((error) => error.pointer),
      pointer === undefined ? undefined : [pointer],
      rule,
    );
    if (pointer === undefined) t.ok(body.detail, rule);
    t.notMatch(text, AN, rule);
  }
  t.equal((await on.entries()).length, length);
});

t.test('two header fields of one name are refused', async (t) => {
  const lines = [
    'GET /v1/audit/entries/0 HTTP/1.1',
    'host: x',
    'connection: close',
    'authorization: Bearer X09.1',
    'audit-reason: one',
    'audit-reason: two',
  ];
  const socket = connect(on.port, '127.0.0.1', () => socket.write(`${lines.join('\r\n')}\r\n\r\n`));
  let said = '';
  socket.on('data', (chunk) => (said += chunk));
  await once(socket, 'end');
  t.match(said, /^HTTP\/1\.1 400 [\s\S]*stands twice/);
});

/** Every `Found` of an export in NDJSON, and the count in its last line. */
function readLines(text: string): { entries: Page['entries']; count: number | undefined } {
  const lines = text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
  const last = lines.at(-1);
  return last?.end === true ? { entries: lines.slice(0, -1), count: last.entries } : { entries: lines, count: undefined };
}

/** RFC 4180, read back. */
function readCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  for (const [, quoted, bare, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g)) {
    row.push(quoted?.replaceAll('""', '"') ?? bare ?? '');
    if (end === ',') continue;
    rows.push(row);
    row = [];
  }
  return rows;
}

const exporting = (body: object): Promise<Answered<ProblemBody>> => on.post('/v1/audit/export', { reason: REASON, ...body });

t.test('an export holds what a search would, in one piece, and says that it is whole', async (t) => {
  for (let i = 0; i < 450; i++)
    void on.append({ agency: 'X05.1', officer: `X05.1-${i}`, subjects: { subject: on.people.of('person', AN) } });
  await on.log.settled();
  const { body } = await search({ agency: 'X05.1', limit: 500 });
  t.equal(body.entries.length, 450);

  const ndjson = await exporting({ agency: 'X05.1', format: 'ndjson' });
  t.equal(ndjson.headers.get('content-type'), 'application/x-ndjson; charset=utf-8');
  t.equal(ndjson.headers.get('content-disposition'), 'attachment; filename="audit-20261122T050300Z.ndjson"');
  t.strictSame(readLines(ndjson.text), { entries: body.entries, count: 450 });

  const csv = await exporting({ agency: 'X05.1', format: 'csv' });
  t.equal(csv.headers.get('content-type'), 'text/csv; charset=utf-8');
  const [head = [], ...rows] = readCsv(csv.text);
  t.strictSame(head.slice(0, 4), ['index', 'time', 'kind', 'id']);
  t.ok(rows.every((row) => row.length === head.length));
  t.strictSame(rows.at(-1)?.slice(0, 2), ['end', '450']);
  t.strictSame(
    rows.slice(0, -1).map((row) => [row[0], row[head.indexOf('officer')], row[head.indexOf('subjects')]]),
    body.entries.map(({ index, entry }) => [String(index), entry.officer, `subject=${entry.subjects?.subject}`]),
  );

  const rest = await exporting({ agency: 'X05.1', format: 'ndjson', cursor: String(body.entries[400]?.index) });
  t.strictSame(readLines(rest.text).entries, body.entries.slice(401), 'one that was cut off goes on where it stopped');
  t.equal((await exporting({ agency: 'X77', format: 'ndjson' })).text, '{"end":true,"entries":0}\n', 'and one of nothing says so');
  t.equal(readCsv((await exporting({ agency: 'X77', format: 'csv' })).text).length, 2);
});

t.test('a column for every member of an entry', async (t) => {
  const entry = {
    ...requests[1],
    conflicts: ['/a', '/b'],
    withheldUntil: '2027-01-01',
    actor: 'S01',
    auditor: 'X09.1-1',
    reason: 'r',
    query: { index: 1 },
  };
  const special = {
    retention: { before: { intent: '2026' }, count: 2, upTo: 9 },
    logKey: { key: 'k', signature: 's' },
    unfilled: { '/c': 'ask' },
    shutOut: { kind: 'agency', whose: 'X01.1' },
    alert: { count: 13, threshold: 12, action: 'warn' },
  };
  const body = JSON.stringify({ ...entry, ...special });
  const [head = [], row = []] = readCsv(FORMATS.csv.head + FORMATS.csv.line({ index: 1, body }));
  const members = Object.keys({ ...entry, ...special }).filter((name) => name !== 'v');
  t.strictSame(head.slice(1).sort(), members.sort());
  t.strictSame(
    row.filter((one) => one === ''),
    [],
  );
  t.equal(row[head.indexOf('retention')], 'upTo=9 count=2 intent=2026');
  t.equal(row[head.indexOf('alert')], 'count=13 threshold=12 action=warn');
  t.match(row[head.indexOf('sources')], /^civil-registry\/birth:subject=found\(live,\d+\) /);
});

t.test('no cell of a CSV is a formula to a spreadsheet, wherever it is split', async (t) => {
  const ROWS: [text: string, cell: string][] = [
    ['plain', 'plain'],
    ['', ''],
    ['a-b=c+d@e', 'a-b=c+d@e'],
    ['=1+1', "'=1+1"],
    ['+84', "'+84"],
    ['-1', "'-1"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['\tx', "'\tx"],
    ['  =1', "'  =1"],
    ['＝1', "'＝1"],
    ['a;=1', "a;'=1"],
    ['a,=1', '"a,\'=1"'],
    ['a\n=1', '"a\n\'=1"'],
    ['a\t=1', "a\t'=1"],
    ['say "hi"', '"say ""hi"""'],
    ['a,b', '"a,b"'],
    ['a\r\nb', '"a\r\nb"'],
    [' a', '" a"'],
  ];
  for (const [text, expected] of ROWS) t.equal(cell(text), expected, JSON.stringify(text));
  const random = chance(seed);
  const LETTERS = ['=', '+', '-', '@', '\t', '\r', '\n', ';', ',', '|', '"', "'", ' ', 'a', '1', '＝', 'ế'];
  for (let n = 0; n < 20_000; n++) {
    const text = Array.from({ length: random(8) }, () => LETTERS[random(LETTERS.length)]).join('');
    const [[read = ''] = []] = readCsv(`${cell(text)}\r\n`);
    const formula = [read, ...read.split(/[;,|\t\r\n]/)].find((part) => /^\s*[=+\-@＝＋－＠]/.test(part));
    if (formula !== undefined || read.replaceAll("'", '') !== text.replaceAll("'", ''))
      t.fail(`seed ${seed}: ${JSON.stringify(text)} was written ${JSON.stringify(cell(text))}`);
  }
});

t.test('a reason that is a formula comes out as text', async (t) => {
  await search({ reason: "=cmd|' /C calc'!A0" });
  const { text } = await exporting({ kind: 'audit-read', format: 'csv' });
  const [head = [], ...rows] = readCsv(text);
  t.ok(rows.some((row) => row[head.indexOf('reason')] === "'=cmd|' /C calc'!A0"));
});

/** A search over a log of any size that is not there: bodies of about 500 bytes. */
function generated(size: number, watch: (query: SearchQuery) => unknown = () => {}): LogSearch {
  const filling = 'x'.repeat(400);
  return {
    ...plain,
    async search(query) {
      await watch(query);
      const first = Math.min(size, query.before ?? size) - 1;
      return Array.from({ length: Math.min(query.limit, first + 1) }, (_, i): Found => {
        const body = `{"v":1,"time":"2026-11-22T05:00:00.000Z","kind":"outcome","id":"${first - i}","agency":"X01.1","client":"${filling}","config":"c"}`;
        return { index: first - i, body };
      });
    },
  };
}

/** An export as it comes in. */
function opened(body: object, address = on.address): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: 'Bearer X09.1', 'content-type': 'application/json' };
    const sent = httpRequest(`${address}/v1/audit/export`, { method: 'POST', headers, agent: false }, resolve);
    sent.on('error', reject);
    sent.end(JSON.stringify({ reason: REASON, ...body }));
  });
}

/** Resolves with how a reply ended. */
const ending = (reply: IncomingMessage): Promise<string> =>
  new Promise((resolve) => {
    reply.on('end', () => resolve('whole'));
    reply.on('error', (error) => resolve(`broken: ${(error as NodeJS.ErrnoException).code}`));
    reply.on('close', () => resolve('left'));
  });

t.test('an export takes constant memory however many entries it has', async (t) => {
  const SIZE = 300_000;
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const held: number[] = [];
  let page = 0;
  on.searching.by = generated(SIZE, () => {
    if (page++ % 150 !== 0) return;
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    held.push((heapUsed + arrayBuffers) / 1e6);
  });
  const began = performance.now();
  const reply = await opened({ format: 'ndjson' });
  let bytes = 0;
  let tail = '';
  reply.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    tail = (tail + chunk.subarray(-100).toString()).slice(-100);
  });
  t.equal(await ending(reply), 'whole');
  on.searching.by = plain;
  t.match(tail, /\n\{"end":true,"entries":300000\}\n$/);
  // Buffers are let go of some time after their collection: what is kept shows in the least that is held.
  const grown = Math.min(...held.slice(-4)) - (held[0] ?? 0);
  t.comment(
    `${Math.round(bytes / 1e6)} MB in ${Math.round(performance.now() - began)} ms; it holds ${grown.toFixed(1)} MB more than at its first page`,
  );
  t.ok(held.length >= 10 && bytes > 150e6 && grown < 20, held.map(Math.round).join(' '));
});

const closed = (socket: Socket): Promise<void> => new Promise((resolve) => socket.once('close', () => resolve()));
/** The next connection, as the server has it. */
const nextConnection = async (): Promise<Socket> => ((await once(on.server.server, 'connection')) as [Socket])[0];

/** With a search, and with another patience for a connection on which nothing moves. */
async function during(by: LogSearch, timeout: number, work: () => Promise<void>): Promise<void> {
  const { server } = on.server;
  const usual = server.timeout;
  server.timeout = timeout;
  on.searching.by = by;
  await work().finally(() => {
    server.timeout = usual;
    on.searching.by = plain;
  });
}

t.test('a caller who does not read is not searched for, and is cut off when nothing moves for long', async (t) => {
  let pages = 0;
  await during(
    generated(10_000_000, () => pages++),
    200,
    async () => {
      const [socket, reply] = await Promise.all([nextConnection(), opened({ format: 'ndjson' })]);
      const ended = ending(reply);
      reply.pause();
      await closed(socket);
      const fetched = pages;
      t.ok(fetched < 300, `${fetched} pages of 100 kB`);
      reply.resume();
      t.match(await ended, /^broken/);
      t.equal(pages, fetched, 'and the search stops');
    },
  );
});

t.test('a caller who goes away is not searched for any more', async (t) => {
  let pages = 0;
  await during(
    generated(10_000_000, () => pages++),
    30_000,
    async () => {
      const [socket, reply] = await Promise.all([nextConnection(), opened({ format: 'csv' })]);
      await once(reply, 'data');
      reply.destroy();
      await closed(socket);
      await turn();
      const fetched = pages;
      for (let n = 0; n < 20; n++) await turn();
      t.ok(pages <= fetched + 1, `${pages - fetched} pages more`);
    },
  );
});

t.test('a search that takes its time is not the caller’s fault', async (t) => {
  let pages = 0;
  await during(
    generated(600, () => (++pages < 3 ? after(400) : undefined)),
    100,
    async () => {
      const { text } = await exporting({ format: 'ndjson' });
      t.equal(readLines(text).count, 600);
    },
  );
});

t.test('a failure in mid-stream breaks the connection, and one before it is a refusal', async (t) => {
  const failing = (page: number, error: Error): LogSearch => {
    let pages = 0;
    return generated(10_000, () => {
      if (++pages === page) throw error;
    });
  };
  for (const format of ['ndjson', 'csv']) {
    await during(failing(3, new Error(`disk of ${AN} failed`)), 30_000, async () => {
      const reply = await opened({ format });
      let text = '';
      reply.on('data', (chunk) => (text += chunk));
      t.equal(await ending(reply), 'broken: ECONNRESET', format);
      t.notMatch(text, /"end"|^end,/m, 'and nothing says that it is whole');
    });
  }
  t.equal(on.lines.filter((line) => line.includes('"export broke off"')).length, 2, 'the operator hears of it');
  t.notMatch(on.lines.join(''), AN, 'without what the error said');
  for (const [error, status, detail] of [
    [new Error('disk failed'), 500, undefined],
    [new LogBroken('entry 7 is not the one that the tree holds', 7), 500, 'entry 7 is not the one that the tree holds'],
  ] as const) {
    await during(failing(1, error), 30_000, async () => {
      const { status: got, body } = await exporting({ format: 'csv' });
      t.match({ got, detail: body.detail }, { got: status, detail });
      t.equal(body.code, 'internal');
    });
  }
});

t.test('four exports at a time: the fifth is told so, and their places are given back', async (t) => {
  const LOTS = generated(10_000_000);
  await during(LOTS, 30_000, async () => {
    const replies = await Promise.all(Array.from({ length: 4 }, () => opened({ format: 'ndjson' })));
    const refused = await exporting({ format: 'ndjson' });
    t.match({ status: refused.status, code: refused.body.code }, { status: 503, code: 'overloaded' });
    t.ok(refused.headers.get('retry-after'));
    const gone = replies.map(ending);
    for (const reply of replies) reply.destroy();
    await Promise.all(gone);
  });
  writable = false;
  await until(async () => (await exporting({ format: 'ndjson' })).body.code === 'log-unavailable');
  for (let n = 0; n < 5; n++) t.equal((await exporting({ format: 'ndjson' })).body.code, 'log-unavailable');
  writable = true;
  t.equal((await exporting({ agency: 'X77', format: 'ndjson' })).status, 200);
});

t.test('a gateway that stops does not wait for who reads an export, and they see it', async (t) => {
  const other = await startReaders({ sandbox });
  other.searching.by = generated(10_000_000);
  const reply = await opened({ format: 'ndjson' }, other.address);
  const ended = ending(reply);
  reply.resume();
  await once(reply, 'data');
  await other.server.close();
  t.match(await ended, /^broken/);
  await other.close();
});

t.test('an export breaks off once its reader is shut out', async (t) => {
  const out = { agency: false, officer: false };
  const standing: Standing = {
    ...everybodyStands,
    shutOut: () => out.agency,
    checkOfficer: (_agency, officer) => {
      if (out.officer && officer === 'X09.1-0007') throw new Problem('officer-stopped');
    },
  };
  const other = await startReaders({ sandbox, standing });
  other.searching.by = generated(10_000_000);
  for (const who of ['agency', 'officer'] as const) {
    const reply = await opened({ format: 'ndjson', auditor: 'X09.1-0007' }, other.address);
    const ended = ending(reply);
    reply.resume();
    await once(reply, 'data');
    out[who] = true;
    t.match(await ended, /^broken/, who);
    t.match((await opened({ format: 'ndjson', auditor: 'X09.1-0007' }, other.address)).statusCode, who === 'agency' ? 401 : 403);
    out[who] = false;
  }
  await other.close();
});

t.test('a summary counts by day, and by what each day is divided by', async (t) => {
  const ask = (query: string): Promise<Answered<{ tallies: DayTally[] } & ProblemBody>> =>
    on.get(`/v1/audit/summary?from=2026-11-22&to=2026-11-22${query}`);
  const { status, body } = await ask('&by=procedure,agency');
  t.equal(status, 200);
  check('AuditSummary', body);
  t.match(body, { from: '2026-11-22', to: '2026-11-22', by: ['procedure', 'agency'] });
  const residence = body.tallies.find(({ procedure }) => procedure === '1.004222');
  t.match(residence, { day: '2026-11-22', agency: 'X01.1', outcomes: { answered: 1 }, papers: { replaced: 2 } });
  t.equal(residence?.fields, requests[1]?.fields?.length);
  t.strictSame(
    Object.values(residence?.unfilled ?? {}).reduce((sum, count) => sum + count, 0),
    Object.keys(requests[1]?.unfilled ?? {}).length,
  );
  const marriage = body.tallies.find(({ procedure }) => procedure === '1.000894');
  t.match(
    { conflicts: marriage?.conflicts, residence: residence?.conflicts },
    { conflicts: requests[3]?.conflicts?.length ?? 0, residence: 0 },
  );
  t.equal((await ask('')).body.tallies.length, 1, 'a day in one row');

  await during({ ...plain, summary: () => Promise.reject(new RangeError('too many')) }, 30_000, async () => {
    const refused = await ask('&by=agency');
    t.match({ status: refused.status, code: refused.body.code }, { status: 400, code: 'invalid-request' });
    t.match(refused.body.detail, /more than 20,000 rows: ask for fewer days/);
  });
  await during({ ...plain, summary: () => Promise.reject(new Error('failed')) }, 30_000, async () => {
    t.equal((await ask('')).status, 500);
  });
  t.equal((await on.get('/v1/audit/summary?from=2025-11-01&to=2026-12-05')).status, 200, '400 days are not too many');
});

interface Explanation {
  readonly [member: string]: unknown;
  readonly sources: readonly { readonly source: string; readonly role: string; readonly intended: boolean; readonly result?: string }[];
}

async function explained(t: Test, index: number): Promise<Explanation> {
  const { status, body, text } = await on.get<Explanation>(`/v1/audit/entries/${index}/explanation`);
  t.equal(status, 200, text);
  check('AuditExplanation', body);
  return body;
}

t.test('an explanation says who asked under which rule, what was asked, what left and what did not', async (t) => {
  const body = await explained(t, 0);
  t.strictSame(body, await explained(t, 1), 'the same from whichever of its entries');
  const [intent, outcome] = requests;
  t.match(body, {
    id: intent?.id,
    entries: [
      { index: 0, kind: 'intent' },
      { index: 1, kind: 'outcome' },
    ],
    configuration: { digest: on.catalogue.digest, current: true },
    who: { agency: 'X01.1', name: { en: 'One-stop desk of Thử Nghiệm commune' }, client: 'X01.1', officer: 'X01.1-0042' },
    what: { procedure: '1.004222', name: { en: 'Permanent-residence registration' }, dossier: 'X01.1-261122-0001' },
    rule: {
      grant: { id: 'residence', validFrom: '2026-07-01', validTo: '2027-02-28', fields: 'all' },
      legalBasis: [{ ref: 'luat-68-2020#art-20-22', citation: 'Luật 68/2020/QH14, articles 20 to 22', validFrom: '2021-07-01' }, {}],
    },
    outcome: 'answered',
    fields: { asked: [{ at: '/agency', name: { en: 'To' } }], left: outcome?.fields?.map((at) => ({ at })), conflicts: [] },
    timing: { first: intent?.time, last: outcome?.time, fromIntentMilliseconds: 0, milliseconds: 0 },
  });
  t.strictSame((body.what as { roles: { role: string }[] }).roles.map(({ role }) => role).sort(), ['dwelling', 'householder', 'subject']);
  t.match(
    (body.papers as object[]).find((paper) => (paper as { id: string }).id === 'kinship'),
    { name: { en: /^Proof of kinship/ }, verdict: 'replaced' },
  );
  t.match(body.sources, [
    {
      source: 'civil-registry',
      name: { en: /civil-status/ },
      dataset: 'birth',
      role: 'subject',
      intended: true,
      result: 'found',
      freshness: 'live',
    },
  ]);
  t.match(
    body.sources.find(({ role }) => role === 'landlord'),
    { intended: true, result: 'role-not-given' },
  );
  t.notMatch(JSON.stringify(body), new RegExp(`${AN}|${BINH}|NGUYỄN`));
});

/** The index of the first entry that a request of the sandbox makes. */
async function ask(agency: string, request: object, gone?: AbortSignal): Promise<number> {
  const { length } = await on.entries();
  await on.prefill(agency, request, gone);
  return length;
}

t.test('an explanation of what did not end in an answer', async (t) => {
  await t.test('a refusal, with the grants that the agency holds', async (t) => {
    t.match(
      await explained(
        t,
        requests.findIndex(({ outcome }) => outcome === 'procedure-not-granted'),
      ),
      {
        outcome: 'procedure-not-granted',
        refusal: { code: 'procedure-not-granted', title: 'The agency holds no grant for this procedure' },
        rule: { legalBasis: [], held: [] },
        sources: [],
      },
    );
    const index = await ask('X01.1', { fields: ['/criminalRecord'] });
    t.match(await explained(t, index), { outcome: 'unknown-field', rule: { held: [{ id: 'residence', validTo: '2027-02-28' }] } });
  });

  await t.test('fields outside the grant', async (t) => {
    const index = requests.findIndex(({ grant }) => grant === 'land-change');
    t.match((await explained(t, index)).fields, {
      unfilled: [
        { at: '/user/contact/email', name: { en: 'E-mail' }, status: 'not-authorised' },
        { at: '/user/contact/phone', status: 'not-authorised' },
      ],
    });
  });

  await t.test('a caller who went away', async (t) => {
    t.match(await explained(t, await ask('X01.1', { maxAgeSeconds: 0 }, AbortSignal.abort())), {
      outcome: 'abandoned',
      fields: { left: [] },
    });
  });

  await t.test('an answer that the cache knew whole', async (t) => {
    await ask('X01.1', { related: { householder: BINH } });
    const body = await explained(t, await ask('X01.1', { related: { householder: BINH } }));
    t.match(body, { entries: [{ kind: 'outcome' }], outcome: 'answered', fields: { asked: [] } });
    t.notOk('fromIntentMilliseconds' in (body.timing as object));
    t.ok(body.sources.every(({ intended }) => !intended));
  });

  await t.test('an intent that came to no outcome', async (t) => {
    const { index } = await on.append({ ...requests[0], id: '11111111-1111-4111-8111-111111111111' } as AuditEntry);
    const body = await explained(t, index);
    t.match(body, { outcome: 'unfinished', entries: [{ kind: 'intent' }] });
    t.ok(body.sources.every(({ intended, result }) => intended && result === undefined));
  });

  await t.test('one that another configuration decided: what that said is not guessed', async (t) => {
    const { index } = await on.append({ ...requests[1], id: '22222222-2222-4222-8222-222222222222', config: 'another' } as AuditEntry);
    const body = await explained(t, index);
    t.match(body, {
      configuration: { digest: 'another', current: false },
      rule: { grant: { id: 'residence' }, legalBasis: [{ ref: 'luat-68-2020#art-20-22' }, {}] },
      outcome: 'answered',
    });
    t.notMatch(JSON.stringify(body), /"citation"|"name"/);
  });

  await t.test('a look at the log', async (t) => {
    await search({ agency: 'X02.1', auditor: 'X09.1-0007' });
    const index = (await on.entries()).length - 1;
    t.match(await explained(t, index), {
      entries: [{ kind: 'audit-read' }],
      who: { agency: 'X09.1' },
      reading: { auditor: 'X09.1-0007', reason: REASON, query: { agency: 'X02.1' } },
    });
  });
});

t.test('of an entry whose body was forgotten, the proof of its hash and the entry that says why', async (t) => {
  const { index } = await on.append({ kind: 'intent', id: 'old' });
  const retention = { before: { intent: '2027-01-01T00:00:00.000Z' }, count: 1, upTo: index + 1 };
  const { index: why } = await on.append({ kind: 'retention', agency: 'gateway', client: 'gateway', retention });
  await on.store.prune([index], why);
  const { status, body } = await on.get<object>(`/v1/audit/entries/${index}`);
  t.equal(status, 200);
  check('EntryProof', body);
  t.match(body, { index, pruned: true, retention: why });
  const gone = await on.get<ProblemBody>(`/v1/audit/entries/${index}/explanation`);
  t.match({ status: gone.status, code: gone.body.code }, { status: 410, code: 'entry-pruned' });
  const kept = await on.get<object>(`/v1/audit/entries/${why}`);
  check('EntryProof', kept.body);
  t.match(kept.body, { entry: { kind: 'retention', retention } });
  t.equal((await on.get<ProblemBody>('/v1/audit/entries/99999')).body.code, 'unknown-entry');
  t.equal((await on.get<ProblemBody>('/v1/audit/entries/99999/explanation')).body.code, 'unknown-entry');
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 10_000; !(await holds()); ) if (Date.now() > end) throw new Error('it does not come to that');
}
