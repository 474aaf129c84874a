/** The log as the gateway writes it: before anything is asked or leaves, whatever fails, and with nobody in the clear. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import canonicalize from 'canonicalize';
import t from 'tap';
import { openCheckpoint, parseVerifierKey } from '../src/audit/checkpoint.ts';
import type { AuditEntry } from '../src/audit/entry.ts';
import { openSqliteSearch } from '../src/audit/log-search.ts';
import { openSqliteLog } from '../src/audit/sqlite.ts';
import type { Batch, LogStore } from '../src/audit/store.ts';
import type { Receipt } from '../src/domain.ts';
import { SANDBOX_SOURCES, startSandbox } from '../src/sandbox/index.ts';
import { makeWorld } from '../src/sandbox/people.ts';
import { type Answered, NOW, startGateway, type TestGateway } from './support/audit-gateway.ts';
import { around, entryOf, type Hook, makeLogKey, openLog } from './support/log.ts';
import { holds } from './support/oracle.ts';

let directories = 0;
const root = t.testdir({});
/** A new directory for a log. */
const newDirectory = (): string => join(root, String(directories++));

const sandbox = await startSandbox();
t.teardown(() => sandbox.close());
const AN = '003099000017';
const BINH = '003060000021';
const asked = (): number => SANDBOX_SOURCES.reduce((sum, source) => sum + sandbox.requests(source), 0);

let serial = 0;
const prefillOf = (subject: string, more: object = {}): { dossier: string; subject: string; [member: string]: unknown } => ({
  procedure: '1.004222',
  dossier: `X01.1-261122-${++serial}`,
  officer: 'X01.1-0042',
  subject,
  ...more,
});

const entriesIn = async (store: LogStore): Promise<AuditEntry[]> =>
  (await store.read(0, 100_000)).map((bytes) => JSON.parse(bytes ?? '') as AuditEntry);

interface Opened {
  gateway: TestGateway;
  store: LogStore;
  directory: string;
}

async function opened(hook?: Hook, directory = newDirectory()): Promise<Opened> {
  let store: LogStore | undefined;
  const gateway = await startGateway(directory, sandbox, (inner) => (store = hook === undefined ? inner : around(inner, hook)));
  return { gateway, store: store as LogStore, directory };
}

t.test('a log that cannot be written: 503, and no registry was asked', async (t) => {
  let broken = false;
  const { gateway, store } = await opened((_batch, write) =>
    broken ? Promise.reject(Object.assign(new Error(`disk full near ${AN}`), { code: 'ENOSPC' })) : write(),
  );
  t.teardown(() => gateway.close());
  t.equal((await gateway.post('/v1/prefills', prefillOf(AN), 'X01.1')).status, 200, 'the cache knows this person now');
  await gateway.post('/v1/audit/search', { reason: 'warm up' }, 'X09.1');
  t.equal((await gateway.get('/readyz')).status, 200);
  const size = (await store.head()).size;
  const before = asked();

  broken = true;
  const ROWS: [rule: string, send: () => Promise<Answered>][] = [
    ['a prefill that would ask registries', () => gateway.post('/v1/prefills', prefillOf('003085000041'), 'X01.1')],
    ['a prefill from the cache alone', () => gateway.post('/v1/prefills', prefillOf(AN), 'X01.1')],
    ['a refusal about a person', () => gateway.post('/v1/prefills', prefillOf(AN, { procedure: '1.012768' }), 'X01.1')],
    ['a search of the log', () => gateway.post('/v1/audit/search', { reason: 'while it is down' }, 'X09.1')],
    ['an entry of the log', () => gateway.get('/v1/audit/entries/0', 'X09.1')],
  ];
  for (const [rule, send] of ROWS) {
    const reply = await send();
    t.match(reply, { status: 503, body: { code: 'log-unavailable' }, headers: { 'content-type': /problem\+json/ } }, rule);
    t.match(String(reply.headers['retry-after']), /^[1-9]\d*$/, `${rule}: Retry-After`);
    t.notOk(reply.text.includes(AN) || reply.text.includes('disk'), `${rule}: nothing of the cause`);
    t.match(await gateway.get('/readyz'), { status: 503, body: { status: 'unready', log: 'unwritable' } });
  }
  t.equal((await gateway.get('/healthz')).status, 200, 'it lives all the same');
  t.equal(asked(), before, 'nobody was asked');
  t.equal((await store.head()).size, size, 'and nothing is on record');

  broken = false;
  t.equal((await gateway.get('/readyz')).status, 200, 'it is ready again by itself');
  const reply = await gateway.post('/v1/prefills', prefillOf('003085000041'), 'X01.1');
  t.equal(reply.status, 200);
  t.ok(asked() > before);
});

t.test('without a probe, the next request finds the log back', async (t) => {
  let broken = false;
  const { gateway } = await opened((_batch, write) => (broken ? Promise.reject(new Error('disk full')) : write()));
  t.teardown(() => gateway.close());
  broken = true;
  t.equal((await gateway.post('/v1/prefills', prefillOf(AN), 'X01.1')).status, 503);
  broken = false;
  t.equal((await gateway.post('/v1/prefills', prefillOf(AN), 'X01.1')).status, 200);
});

t.test('the log that breaks after the registries were asked: the answer does not leave', async (t) => {
  const { gateway, store } = await opened((batch, write) =>
    batch.entries.some((bytes) => bytes.includes('"kind":"outcome"')) ? Promise.reject(new Error('disk full')) : write(),
  );
  t.teardown(() => gateway.close());
  const reply = await gateway.post('/v1/prefills', prefillOf(AN), 'X01.1');
  t.match(reply, { status: 503, body: { code: 'log-unavailable' } });
  t.notOk(reply.text.includes('NGUYỄN'));
  t.strictSame(
    (await entriesIn(store)).map(({ kind }) => kind),
    ['intent'],
  );
});

t.test('the intent is durable before the first registry is asked, the outcome before the answer leaves', async (t) => {
  const steps: string[] = [];
  const kinds = (batch: Batch): string => batch.entries.map((bytes) => (JSON.parse(bytes) as AuditEntry).kind).join();
  const start = asked();
  const { gateway, store } = await opened(async (batch, write) => {
    steps.push(`${kinds(batch)} begins after ${asked() - start > 0 ? 'asking' : 'nobody was asked'}`);
    // Long enough for a registry that was asked too early to have noticed.
    for (let i = 0; i < 20; i++) await turn();
    await write();
    steps.push(`${kinds(batch)} is durable after ${asked() - start > 0 ? 'asking' : 'nobody was asked'}`);
  });
  t.teardown(() => gateway.close());
  const reply = await gateway.post('/v1/prefills', prefillOf(AN, { related: { householder: BINH } }), 'X01.1');
  steps.push(`${reply.status} left`);
  t.strictSame(steps, [
    'intent begins after nobody was asked',
    'intent is durable after nobody was asked',
    'outcome begins after asking',
    'outcome is durable after asking',
    '200 left',
  ]);
  const [intent, outcome] = await entriesIn(store);
  t.equal(intent?.id, outcome?.id, 'both are of one request');
  t.ok(
    (intent?.sources?.length ?? 0) > 2 && intent?.sources?.every(({ result }) => result === 'to-ask'),
    'the intent names whom it will ask',
  );
  t.ok(outcome?.sources?.every(({ result }) => result !== 'to-ask'));
  t.strictSame(Object.keys(intent?.subjects ?? {}).sort(), ['householder', 'subject']);

  await t.test('a pure cache hit asks nobody, so it writes an outcome and no intent', async (t) => {
    const [before, size] = [asked(), (await store.head()).size];
    t.equal((await gateway.post('/v1/prefills', prefillOf(AN, { related: { householder: BINH } }), 'X01.1')).status, 200);
    t.equal(asked(), before);
    t.match((await entriesIn(store)).slice(size), [{ kind: 'outcome', outcome: 'answered' }]);
    const freshness = (await entriesIn(store)).at(-1)?.sources?.flatMap((use) => use.freshness ?? []);
    t.strictSame([...new Set(freshness)], ['cached']);
  });

  await t.test('where only some is to be asked anew there is one intent', async (t) => {
    const size = (await store.head()).size;
    t.equal((await gateway.post('/v1/prefills', prefillOf(AN, { maxAgeSeconds: 0 }), 'X01.1')).status, 200);
    t.strictSame(
      (await entriesIn(store)).slice(size).map(({ kind }) => kind),
      ['intent', 'outcome'],
    );
  });
});

t.test('a refusal about a person is on record before it leaves', async (t) => {
  let left = false;
  const early: string[] = [];
  const { gateway, store } = await opened(async (batch, write) => {
    for (let i = 0; i < 10; i++) await turn();
    if (left) early.push(batch.entries.join());
    await write();
  });
  t.teardown(() => gateway.close());
  const before = asked();
  const ROWS: [code: string, status: number, request: object, day?: string][] = [
    ['procedure-not-granted', 403, { procedure: '1.012768' }],
    ['unknown-procedure', 404, { procedure: '1.999999' }],
    ['unknown-role', 400, { related: { stranger: BINH } }],
    ['invalid-request', 400, { related: { householder: 'ZZ 00000101' } }],
    ['unknown-field', 400, { fields: ['/salary'] }],
    ['grant-not-in-force', 403, {}, '2027-03-02T00:00:00.000Z'],
    ['grant-not-in-force', 403, {}, '2026-06-29T00:00:00.000Z'],
  ];
  for (const [code, status, more, day] of ROWS) {
    const size = (await store.head()).size;
    if (day !== undefined) {
      // The token is of that day too.
      const elsewhere = await opened(undefined, newDirectory());
      elsewhere.gateway.clock.now = Date.parse(day);
      t.match(await elsewhere.gateway.post('/v1/prefills', prefillOf(AN, more), 'X01.1'), { status, body: { code } }, `${code} on ${day}`);
      t.match(await entriesIn(elsewhere.store), [{ kind: 'refusal', outcome: code, time: day }]);
      await elsewhere.gateway.close();
      continue;
    }
    const request = prefillOf(AN, more);
    left = false;
    const reply = await gateway.post('/v1/prefills', request, 'X01.1');
    left = true;
    t.match(reply, { status, body: { code } }, code);
    const entries = (await entriesIn(store)).slice(size);
    t.match(
      entries,
      [{ kind: 'refusal', outcome: code, agency: 'X01.1', officer: 'X01.1-0042', dossier: request.dossier }],
      `${code} is on record`,
    );
    t.match(entries[0]?.subjects?.subject, /^[A-Za-z0-9_-]{43}$/);
  }
  t.strictSame(early, [], 'nothing was written after the refusal left');
  t.equal(asked(), before, 'and nobody was asked');
});

t.test('what auditors search', async (t) => {
  const { gateway, store, directory } = await opened();
  const { clock } = gateway;
  const send = async (agency: string, request: object): Promise<void> => {
    await gateway.post('/v1/prefills', request, agency);
    clock.now += 1000;
  };
  // One a second, from NOW on: the entries of one request share its time.
  await send('X01.1', prefillOf(AN, { related: { householder: BINH } }));
  await send('X01.1', prefillOf(BINH, { officer: 'X01.1-0043' }));
  await send('X01.1', prefillOf('003301000034', { procedure: '1.004873' }));
  await send('X02.1', { ...prefillOf('003065000171', { procedure: '1.012768', officer: 'X02.1-0001' }), dossier: 'X02.1-261122-77' });
  await send('X01.1', prefillOf(AN, { procedure: '1.012768' }));
  const all = await entriesIn(store);
  t.ok(all.length >= 9);

  const search = (body: object): Promise<Answered> => gateway.post('/v1/audit/search', { reason: 'Complaint 12/2026', ...body }, 'X09.1');
  const at = (seconds: number): string => new Date(NOW + 1000 * seconds).toISOString();
  /** The second of the request, and which of its entries. */
  const found = async (body: object): Promise<string[]> => {
    const reply = await search(body);
    if (reply.status !== 200) return [reply.text];
    return (reply.body.entries as { entry: AuditEntry }[])
      .filter(({ entry }) => entry.kind !== 'audit-read')
      .map(({ entry }) => `${(Date.parse(entry.time) - NOW) / 1000} ${entry.kind}`)
      .reverse();
  };
  const ROWS: [rule: string, query: object, entries: string[]][] = [
    ['a person, as subject or in another role', { subject: BINH }, ['0 intent', '0 outcome', '1 intent', '1 outcome']],
    ['a person, refusals too', { subject: AN }, ['0 intent', '0 outcome', '4 refusal']],
    ['a person nobody asked about', { subject: '003155000061' }, []],
    ['an agency', { agency: 'X02.1' }, ['3 intent', '3 outcome']],
    ['an officer', { officer: 'X01.1-0043' }, ['1 intent', '1 outcome']],
    ['a procedure, granted or not', { procedure: '1.012768' }, ['3 intent', '3 outcome', '4 refusal']],
    ['a dossier', { dossier: 'X02.1-261122-77' }, ['3 intent', '3 outcome']],
    ['an outcome', { outcome: 'answered' }, ['0 outcome', '1 outcome', '2 outcome', '3 outcome']],
    ['a refusal by its code', { outcome: 'procedure-not-granted' }, ['4 refusal']],
    ['a kind', { kind: 'refusal' }, ['4 refusal']],
    ['several conditions, all of which must hold', { subject: AN, procedure: '1.004222', kind: 'outcome' }, ['0 outcome']],
    ['from, inclusive', { from: at(3) }, ['3 intent', '3 outcome', '4 refusal']],
    ['to, exclusive', { to: at(1) }, ['0 intent', '0 outcome']],
    ['from and to', { from: at(1), to: at(2) }, ['1 intent', '1 outcome']],
    ['from a whole second, before what happened within it', { from: '2026-11-22T20:10:03Z' }, ['3 intent', '3 outcome', '4 refusal']],
    ['to a whole second, before what happened within it', { to: '2026-11-22T20:10:01Z' }, ['0 intent', '0 outcome']],
    ['a time of as many digits as the log’s', { from: '2026-11-22T20:10:03.123Z' }, ['3 intent', '3 outcome', '4 refusal']],
    ['a leap second is a time like another', { from: '2026-12-31T23:59:60Z' }, []],
  ];
  for (const [rule, query, entries] of ROWS) t.strictSame(await found(query), entries, rule);

  await t.test('what is found is what the log holds, newest first', async (t) => {
    const { body } = await search({ limit: 500 });
    const entries = body.entries as { index: number; entry: AuditEntry }[];
    const whole = await entriesIn(store);
    t.strictSame(
      entries.map(({ index }) => index),
      [...whole.keys()].reverse(),
    );
    t.strictSame(
      entries.map(({ entry }) => entry),
      whole.toReversed(),
    );
  });

  await t.test('a page follows another while entries are added', async (t) => {
    const expected = (await entriesIn(store)).flatMap(({ agency }, index) => (agency === 'X01.1' ? index : [])).reverse();
    const seen: number[] = [];
    let cursor: string | undefined;
    let pages = 0;
    do {
      const { body } = await search({ agency: 'X01.1', limit: 2, ...(cursor === undefined ? {} : { cursor }) });
      seen.push(...(body.entries as { index: number }[]).map(({ index }) => index));
      cursor = body.next;
      pages++;
      await send('X01.1', prefillOf(AN, { procedure: '1.012768' }));
    } while (cursor !== undefined);
    t.strictSame(seen, expected, 'nothing twice, nothing left out, nothing new between');
    t.equal(pages, Math.ceil(expected.length / 2));
  });

  await t.test('that somebody looked is on record, with the reason, before anything is shown', async (t) => {
    const size = (await store.head()).size;
    const { body } = await search({ subject: AN, procedure: '1.004222', from: at(0) });
    const pseudonym = (await entriesIn(store))[0]?.subjects?.subject;
    t.match((await entriesIn(store)).slice(size), [
      {
        kind: 'audit-read',
        agency: 'X09.1',
        client: 'X09.1',
        reason: 'Complaint 12/2026',
        query: { subject: pseudonym, procedure: '1.004222', from: at(0) },
      },
    ]);
    t.notOk((await entriesIn(store)).at(-1)?.subjects, 'the search is not itself an entry about the person');
    t.notOk(JSON.stringify(body).includes(AN));
    const read = await gateway.get('/v1/audit/entries/0', 'X09.1');
    t.match((await entriesIn(store)).at(-1), { kind: 'audit-read', query: { index: 0 } });
    const key = parseVerifierKey((await gateway.get('/v1/log/key')).text);
    t.ok(holds(read.body as Receipt, key), 'an entry comes with its proof');
    t.match(await gateway.get('/v1/audit/entries/99999', 'X09.1'), { status: 404, body: { code: 'unknown-entry' } });
    t.match((await entriesIn(store)).at(-1), { kind: 'audit-read', query: { index: 99999 } });
    t.match(await search({ kind: 'audit-read', limit: 1 }), { body: { entries: [{ entry: { kind: 'audit-read' } }] } });
    t.equal(openCheckpoint((await gateway.get('/v1/log/checkpoint')).text, key).size, (await store.head()).size);
  });

  await t.test('who may not look is refused, and nothing is recorded as looked at', async (t) => {
    const size = (await store.head()).size;
    t.equal((await gateway.post('/v1/audit/search', { reason: 'curious' }, 'X01.1')).status, 403);
    t.equal((await gateway.get('/v1/audit/entries/0', 'X01.1')).status, 403);
    t.equal((await gateway.get('/v1/audit/entries/0')).status, 401);
    t.equal((await gateway.post('/v1/audit/search', {}, 'X09.1')).status, 400, 'nobody looks without a reason');
    t.equal((await store.head()).size, size);
  });

  await t.test('the searchable copy can be thrown away: it is made again from the log', async (t) => {
    const before = await found({ subject: BINH });
    await gateway.close();
    for (const file of readdirSync(directory)) if (file.startsWith('search.db')) rmSync(join(directory, file));
    const again = await opened(undefined, directory);
    const { body } = await again.gateway.post('/v1/audit/search', { reason: 'Complaint 12/2026', subject: BINH }, 'X09.1');
    t.equal(body.entries.length, before.length);
    await again.gateway.close();
  });
});

t.test('the searchable copy follows a long log in pieces, whoever asks first', async (t) => {
  const directory = newDirectory();
  const store = openSqliteLog(join(directory, 'log.db'));
  const log = await openLog(store, makeLogKey());
  const SIZE = 2300;
  for (let size = 0; size < SIZE; size += 460)
    await Promise.all(
      Array.from({ length: 460 }, (_, n) => log.append({ ...entryOf(size + n), agency: `X${(size + n) % 10}` }, { receipt: true })),
    );
  const search = openSqliteSearch(join(directory, 'search.db'), store);
  const counts = await Promise.all([0, 1, 2].map(async (n) => (await search.search({ agency: `X${n}`, limit: 1000 })).length));
  t.strictSame(counts, [SIZE / 10, SIZE / 10, SIZE / 10]);
  await search.close();
  await store.close();
});

t.test('no person in the clear: what the files of the log hold', async (t) => {
  const { gateway, directory } = await opened();
  const world = makeWorld();
  const PEOPLE = [
    AN,
    BINH,
    '003301000034',
    '003085000041',
    '003187000042',
    '003182000051',
    '003086000161',
    '003065000171',
    '003091000199',
    '003196000211',
  ];
  const replies: Answered[] = [];
  for (const subject of PEOPLE) {
    replies.push(await gateway.post('/v1/prefills', prefillOf(subject, { related: { householder: BINH } }), 'X01.1'));
    replies.push(await gateway.post('/v1/prefills', prefillOf(subject, { procedure: '1.004873' }), 'X01.1'));
    replies.push(await gateway.post('/v1/prefills', prefillOf(subject, { procedure: '1.012768' }), 'X01.1'));
    await gateway.post(
      '/v1/prefills',
      { ...prefillOf(subject, { procedure: '1.012768', officer: 'X02.1-0001' }), dossier: `X02.1-261122-${++serial}` },
      'X02.1',
    );
    await gateway.post('/v1/audit/search', { reason: 'a complaint', subject }, 'X09.1');
  }
  await gateway.post('/v1/prefills', prefillOf(AN, { related: { dwelling: 'ZZ 00000101' } }), 'X01.1');
  await gateway.post('/v1/prefills', prefillOf(AN, { related: { stranger: BINH } }), 'X01.1');

  const values = new Set<string>(['ZZ 00000101', 'ZZ00000101', ...PEOPLE]);
  const collect = (value: unknown): void => {
    if (typeof value === 'string' && value.length >= 6) values.add(value);
    else if (typeof value === 'object' && value !== null) Object.values(value).forEach(collect);
  };
  for (const { body } of replies) {
    collect(body.prefill?.form);
    collect(body.prefill?.conflicts?.map(({ values: held }: { values: { value: unknown }[] }) => held.map(({ value }) => value)));
  }
  for (const number of PEOPLE) if (world.people.has(number)) collect(JSON.parse(JSON.stringify(world.person(number))) as unknown);
  t.ok(values.size > 100);
  const salts = replies.flatMap(({ body }) => (body.prefill?.salt === undefined ? [] : (body.prefill.salt as string)));
  t.ok(salts.length > 10);

  const files = readdirSync(directory).filter((file) => /^(log|search)\.db/.test(file));
  t.ok(files.includes('log.db-wal') && files.includes('search.db'), 'the journals are looked at too');
  const haystack = Buffer.concat(files.map((file) => readFileSync(join(directory, file))));
  t.ok(haystack.includes('1.004222') && haystack.includes('X01.1-0042'), 'the files are readable as such');
  const told: string[] = [];
  for (const value of values)
    for (const [how, needle] of [
      ['as it is', value],
      ['decomposed', value.normalize('NFD')],
      ['without marks', value.normalize('NFD').replace(/\p{M}/gu, '')],
      ['in UTF-16', Buffer.from(value, 'utf16le')],
      ['in base64', Buffer.from(value).toString('base64').replace(/=+$/, '')],
    ] as const)
      if (haystack.includes(needle)) told.push(`${value} ${how}`);
  for (const number of [...world.people.keys(), ...world.certificates.keys()]) if (haystack.includes(number)) told.push(number);
  t.strictSame(told, []);
  t.strictSame(
    salts.filter((salt) => haystack.includes(salt)),
    [],
    'nor the salt that keeps the digests from being guessed',
  );

  await t.test('the digests and pseudonyms cannot be found by trying everybody', async (t) => {
    const guesses: string[] = [];
    for (const subject of world.people.keys()) {
      for (const text of [subject, `person:${subject}`, `subject:${subject}`]) {
        const digest = createHash('sha256').update(text).digest();
        guesses.push(digest.toString('base64'), digest.toString('base64url'), digest.toString('hex'));
      }
    }
    for (const { body } of replies) {
      if (body.prefill === undefined) continue;
      const { salt: _salt, ...unsalted } = body.prefill as { salt: string };
      guesses.push(
        createHash('sha256')
          .update(canonicalize(unsalted) as string)
          .digest('base64'),
      );
    }
    for (const bytes of await (async () => {
      const store = openSqliteLog(join(directory, 'log.db'));
      const read = await store.read(0, 10_000);
      await store.close();
      return read;
    })()) {
      const { procedure, dossier, officer, subjects } = JSON.parse(bytes ?? '') as AuditEntry;
      if (subjects === undefined) continue;
      for (const subject of PEOPLE)
        for (const related of [{}, { related: { householder: BINH } }])
          guesses.push(
            createHash('sha256')
              .update(canonicalize({ procedure, dossier, officer, subject, ...related }) as string)
              .digest('base64'),
          );
    }
    t.ok(guesses.length > 1000);
    t.strictSame(
      guesses.filter((guess) => haystack.includes(guess)),
      [],
    );
  });
  await gateway.close();

  await t.test('another key makes other pseudonyms', async (t) => {
    const two = await opened();
    await two.gateway.post('/v1/prefills', prefillOf(AN), 'X01.1');
    const pseudonym = (await entriesIn(two.store))[0]?.subjects?.subject as string;
    t.match(pseudonym, /^[A-Za-z0-9_-]{43}$/);
    t.notOk(haystack.includes(pseudonym));
    await two.gateway.close();
  });

  await t.test('a request asked twice has two digests', async (t) => {
    const two = await opened();
    const request = prefillOf(AN);
    await two.gateway.post('/v1/prefills', request, 'X01.1');
    await two.gateway.post('/v1/prefills', request, 'X01.1');
    const digests = (await entriesIn(two.store)).filter(({ kind }) => kind === 'outcome').map(({ requestDigest }) => requestDigest);
    t.equal(new Set(digests).size, 2);
    await two.gateway.close();
  });
});
