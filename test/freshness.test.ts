/** How old an answer may be, what is said of one that is older, and how one that is often asked for is had anew before its end. */
import { rmSync } from 'node:fs';
import { setTimeout as after } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { AuditEntry } from '../src/audit/entry.ts';
import type { LogStore } from '../src/audit/store.ts';
import type { Observed } from '../src/cache/records.ts';
import { sandboxCitizenToken } from '../src/citizen-keys.ts';
import type { CitizenIssuer, Field, Outcome, Plan, Prefill, Procedure, Resolved, SourceDataset } from '../src/domain.ts';
import { startSandbox } from '../src/sandbox/index.ts';
import { assembleField } from '../src/stages/fields.ts';
import { agesOf, keptSeconds, mayStandIn, nearsItsEnd, standingOf } from '../src/stages/freshness.ts';
import { awaited, stillAway } from '../src/stages/pending.ts';
import { numbers, seedOf } from './support/chance.ts';
import { editedConfig, ISSUER, NOON, startGateway, type TestGateway, type TestGatewayOptions } from './support/gateway.ts';
import { until } from './support/waiting.ts';

const found: Observed = { answer: { found: true, about: '', record: {}, recordedAt: null }, observedAt: NOON };
const absent: Observed = { answer: { found: false }, observedAt: NOON };

/** Seconds that the source (100 of age), the procedure and the caller say → the ages from which an answer is no longer fresh, and of no use. */
const AGES: [
  rule: string,
  source: number | undefined,
  procedure: Partial<Procedure>,
  caller: number | undefined,
  fresh: number,
  end: number,
][] = [
  ['nobody allows more', undefined, {}, undefined, 100, 100],
  ['the source alone', 50, {}, undefined, 100, 100],
  ['the procedure alone', undefined, { staleSeconds: 50 }, undefined, 100, 100],
  ['both: the smaller counts', 50, { staleSeconds: 80 }, undefined, 100, 150],
  ['both: the smaller counts, the other way', 80, { staleSeconds: 50 }, undefined, 100, 150],
  ['after the procedure’s own age', 50, { staleSeconds: 50, maxAgeSeconds: 20 }, undefined, 20, 70],
  ['a procedure that always asks', 50, { staleSeconds: 50, maxAgeSeconds: 0 }, undefined, 0, 50],
  ['a caller who asks anew', 50, { staleSeconds: 50 }, 0, 0, 0],
  ['a caller within the age', 50, { staleSeconds: 50 }, 60, 60, 60],
  ['a caller beyond the age', 50, { staleSeconds: 50 }, 120, 100, 120],
  ['a caller beyond it all', 50, { staleSeconds: 50 }, 999, 100, 150],
];

t.test('an answer is fresh, then stale where source and procedure allow it and the caller does not forbid it, then nothing', async (t) => {
  for (const [rule, staleSeconds, procedure, caller, fresh, end] of AGES) {
    const dataset: SourceDataset = { maxAgeSeconds: 100, absentMaxAgeSeconds: 10, ...(staleSeconds === undefined ? {} : { staleSeconds }) };
    const ages = agesOf(dataset, procedure as Procedure, caller);
    const at = (seconds: number, observed = found): string => standingOf(observed, ages, NOON + 1000 * seconds);
    if (fresh > 0) t.equal(at(fresh - 0.001), 'fresh', rule);
    if (end > fresh) t.strictSame([at(fresh), at(end - 0.001)], ['stale', 'stale'], rule);
    t.equal(at(end), 'none', rule);
    t.equal(at(-3), 'none', `${rule}: from a clock that was set back`);
    for (const seconds of [Math.min(10, fresh), fresh, end - 0.001, end])
      t.equal(at(seconds, absent), 'none', `${rule}: never “no such record”`);
    t.ok(keptSeconds(dataset, found.answer) >= end, `${rule}: it is kept as long as it is of use`);
    t.equal(keptSeconds(dataset, absent.answer), 10);
  }
});

t.test('whoever refuses, or answers about another, has said something: nothing older stands in for that', async (t) => {
  const not = ['unreachable', 'timeout', 'error', 'malformed', 'maintenance', 'circuit-open', 'budget', 'overloaded'] as const;
  for (const reason of not) t.ok(mayStandIn(reason), reason);
  for (const reason of ['refused', 'wrong-subject'] as const) t.notOk(mayStandIn(reason), reason);
});

const say = (name: string | undefined, stale = false): Outcome => ({
  kind: 'found',
  record: name === undefined ? {} : { name },
  recordedAt: null,
  observedAt: '',
  ...(stale ? { freshness: 'stale', stale: { because: 'timeout', retryAfterSeconds: 7 } } : { freshness: 'live' }),
});
const away: Outcome = { kind: 'unavailable', reason: 'error' };
const nobody: Outcome = { kind: 'absent', observedAt: '', freshness: 'live' };
const older = { status: 'filled', freshness: 'stale', staleBecause: 'timeout', retryAfterSeconds: 7 };

/** What two registers say, the one that prevails first → the field, and its value. */
const FIELDS: [rule: string, first: Outcome, second: Outcome, result: object, value: string | undefined][] = [
  ['an older answer fills a gap', say('A', true), away, { ...older, unconfirmed: ['two'] }, 'A'],
  ['beside a register that has no record', nobody, say('A', true), older, 'A'],
  ['two older ones that agree', say('A', true), say('A', true), { ...older, confirmedBy: ['two'] }, 'A'],
  ['two older ones that do not', say('A', true), say('B', true), { ...older, status: 'conflict' }, 'A'],
  [
    'it does not come before a new one',
    say('A', true),
    say('B'),
    { status: 'filled', source: 'two', freshness: 'live', unconfirmed: ['one'] },
    'B',
  ],
  [
    'it confirms nothing',
    say('A'),
    say('A', true),
    { status: 'filled', source: 'one', freshness: 'live', unconfirmed: ['two'], confirmedBy: undefined },
    'A',
  ],
  ['nor contradicts', say('A'), say('B', true), { status: 'filled', freshness: 'live', unconfirmed: ['two'] }, 'A'],
  [
    'what it does not say may be there by now',
    say(undefined, true),
    nobody,
    { status: 'unavailable', reason: 'timeout', retryAfterSeconds: 7 },
    undefined,
  ],
];

t.test('an older answer fills gaps, and does nothing else', async (t) => {
  const field = {
    at: '/name',
    type: 'text',
    editable: false,
    from: [0, 1].map((lookUp) => ({ lookUp, values: [['name']] })),
    prevails: { ref: 'a', citation: 'a', validFrom: '2020-01-01', databases: [], procedures: [] },
  } as unknown as Field;
  const lookUps = ['one', 'two'].map((source) => ({ role: 'subject', source, dataset: 'd', stage: 1 }));
  for (const [rule, first, second, result, value] of FIELDS) {
    const resolved = { outcomes: new Map([first, second].entries()), keys: new Map(), stale: new Set() } as unknown as Resolved;
    const assembled = assembleField(field, lookUps, resolved, '2026-11-22');
    t.match(assembled.result, result, rule);
    t.equal(assembled.value, value, rule);
  }
});

// Refreshing ahead.

t.test('what an older answer lacks is waited for, and what it says is not', async (t) => {
  const ROWS: [rule: string, outcome: Outcome, status: string, waits: [string, number][]][] = [
    ['it lacks it', say(undefined, true), 'unavailable', [['one', 7]]],
    ['it says it', say('A', true), 'filled', []],
    ['a new one lacks it', say(undefined), 'not-found', []],
    ['there is none', { ...away, retryAfterSeconds: 3 }, 'unavailable', [['one', 3]]],
  ];
  for (const [rule, outcome, status, waits] of ROWS) {
    const procedure = { fields: [{ at: '/a', from: [{ lookUp: 0 }] }], lookUps: [{ source: 'one' }], components: [], roles: new Map() };
    const resolved = { outcomes: new Map([[0, outcome]]) } as unknown as Resolved;
    const prefill = { fields: { '/a': { status } }, components: [] } as unknown as Prefill;
    t.strictSame([...awaited({ procedure } as unknown as Plan, resolved, prefill)], waits, rule);
  }
  const lookUps = [
    { source: 'one', role: 'a' },
    { source: 'two', role: 'b' },
  ];
  const roles = new Map([['b', { from: [{ lookUp: 0 }] }]]);
  const procedure = { fields: [{ at: '/a', from: [{ lookUp: 1 }] }], lookUps, components: [], roles };
  const keyless: Outcome = { kind: 'no-key', reason: 'unavailable', retryAfterSeconds: 7 };
  const resolved = {
    outcomes: new Map([
      [0, say(undefined, true)],
      [1, keyless],
    ]),
  } as unknown as Resolved;
  const prefill = { fields: { '/a': { status: 'unavailable' } }, components: [] } as unknown as Prefill;
  const plan = { procedure } as unknown as Plan;
  t.strictSame([...awaited(plan, resolved, prefill)], [['one', 7]], 'nor where it should have named whom to ask about');
  t.strictSame([...stillAway(plan, resolved)], [['one', 7]]);
});

t.test('a record that is hit often is had anew before its end, one that is hit seldom is not', async (t) => {
  const seed = seedOf();
  t.comment(`SEED=${seed}`);
  const random = numbers(seed);
  const AGE = 3_600_000;
  const ages = agesOf({ maxAgeSeconds: 3600, absentMaxAgeSeconds: 60 }, {} as Procedure);
  /** Of a thousand lives of a record that is hit on average so often in its age, how many end early, and how early on average (share). */
  const lives = (hits: number): { early: number; by: number } => {
    let [early, by] = [0, 0];
    for (let life = 0; life < 1000; life++) {
      for (let at = 0; ; ) {
        at += (-Math.log(1 - random()) * AGE) / hits;
        if (at >= AGE) break;
        if (!nearsItsEnd(found, ages, NOON + at, random)) continue;
        early++;
        by += (AGE - at) / AGE;
        break;
      }
    }
    return { early: early / 1000, by: by / early };
  };
  const [often, sometimes, seldom] = [lives(1000), lives(100), lives(1)];
  t.ok(often.early > 0.995, `every four seconds: ${often.early}`);
  t.ok(often.by < 0.06, `at the cost of asking ${often.by} earlier`);
  t.ok(Math.abs(sometimes.early - (1 - Math.exp(-1))) < 0.08, `every 36 seconds: ${sometimes.early}`);
  t.ok(seldom.early < 0.04, `every hour: ${seldom.early}`);
  const last = NOON + AGE - 1;
  t.notOk(
    nearsItsEnd({ ...absent }, ages, last, () => 0.999),
    '“no such record” is not',
  );
  const short = agesOf({ maxAgeSeconds: 29, absentMaxAgeSeconds: 1 }, {} as Procedure);
  t.notOk(
    nearsItsEnd(found, short, NOON + 28_999, () => 0.999),
    'nor is what is good for seconds alone',
  );
  const asking = agesOf({ maxAgeSeconds: 3600, absentMaxAgeSeconds: 60 }, {} as Procedure, 50);
  t.notOk(
    nearsItsEnd(found, asking, NOON + 49_999, () => 0.999),
    'and one caller’s limit makes no record older for all',
  );
});

const [AGE, STALE] = [1000, 500];
const sandbox = await startSandbox();
t.teardown(() => sandbox.close());
const NAMED = '2.000001';
const LAW = 'nd-104-2022#art-14-2';

/** A procedure that knows the subject's mother through the register of births alone, and asks of her whether she is in the other. */
const throughBirth = (): object => ({
  code: NAMED,
  validFrom: '2026-01-01',
  name: { vi: 'a', en: 'a' },
  agency: { vi: 'a', en: 'a' },
  form: { name: { vi: 'a', en: 'a' }, confidence: 'unverified' },
  legalBasis: [LAW],
  sources: ['made up'],
  staleSeconds: STALE,
  roles: {
    subject: { kind: 'person', name: { vi: 'a', en: 'a' } },
    mother: { kind: 'person', name: { vi: 'a', en: 'a' }, from: [{ role: 'subject', dataset: 'birth', value: '/mother/personalId' }] },
  },
  fields: [
    {
      at: '/mother',
      name: { vi: 'a', en: 'a' },
      type: 'personName',
      required: true,
      from: [{ role: 'mother', dataset: 'person', value: '/fullName' }],
    },
  ],
  components: [
    ['of-fields', { fields: ['/mother'] }],
    ['of-records', { records: [{ role: 'mother', dataset: 'person', value: '/personalId', is: 'mother' }] }],
  ].map(([id, evidence]) => ({
    id,
    name: { vi: 'a', en: 'a' },
    confidence: 'unverified',
    replacedBy: [{ provision: LAW, ...(evidence as object) }],
  })),
});

async function start(t: Test, options: TestGatewayOptions = {}, protection: object = {}): Promise<TestGateway> {
  const ages = { maxAgeSeconds: AGE, absentMaxAgeSeconds: 10, staleSeconds: STALE };
  const configDirectory = editedConfig({
    'sources/population.yaml': (file) => ({ ...file, datasets: { person: ages }, ...protection }),
    'sources/civil-registry.yaml': (file) => ({ ...file, datasets: { ...(file.datasets as unknown as object), birth: ages } }),
    [`procedures/${NAMED}.yaml`]: throughBirth,
    'agencies/X01.1.yaml': (file) => {
      const grants = file.grants as unknown as object[];
      return { ...file, grants: [...grants, { ...grants[0], id: 'named', procedure: NAMED, legalBasis: [LAW] }] };
    },
  });
  t.teardown(() => rmSync(configDirectory, { recursive: true }));
  const on = await startGateway({ configDirectory, sandbox, ...options });
  t.teardown(() => on.close());
  t.teardown(() => {
    for (const source of ['population', 'civil-registry'] as const) sandbox.tell(source, { mode: 'ok' });
  });
  return on;
}

const CHILD = '003219000043';
async function ask(on: TestGateway, more: object = {}): Promise<{ prefill: Prefill; status: number }> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${await on.token()}` };
  const body = { procedure: NAMED, dossier: 'X01.1-261122-0001', officer: 'X01.1-0042', subject: CHILD, ...more };
  const reply = await fetch(`${on.address}/v1/prefills`, { method: 'POST', headers, body: JSON.stringify(body) });
  return { ...((await reply.json()) as { prefill: Prefill }), status: reply.status };
}

t.test('what was found through an older answer is no newer than that, and the log says which of them was asked', async (t) => {
  const on = await start(t);
  await ask(on);
  on.time.now += 1000 * AGE;
  sandbox.tell('civil-registry', { mode: 'fail' });
  const { prefill } = await ask(on);
  const stale = { freshness: 'stale', staleBecause: 'error', retryAfterSeconds: Number };
  t.match(prefill.fields['/mother'], { status: 'filled', source: 'population', observedAt: new Date(on.time.now).toISOString(), ...stale });
  for (const component of prefill.components) t.match(component, { verdict: 'partly', reason: 'stale', by: [String] }, component.id);
  const outcome = (await on.entries()).at(-1);
  t.match(outcome?.sources?.map(({ source, result, freshness, staleBecause }) => [source, result, freshness, staleBecause]).sort(), [
    ['civil-registry', 'found', 'stale', 'error'],
    ['population', 'found', 'live', undefined],
  ]);
  t.match(outcome?.papers, { 'of-fields': 'partly', 'of-records': 'partly' });
  const asked = await ask(on, { maxAgeSeconds: AGE });
  t.match(
    asked.prefill.fields['/mother'],
    { status: 'unavailable', reason: 'key-unavailable' },
    'who says how old it may be has nothing older',
  );
});

const always = (): number => 0.999;

t.test('nothing stands in that its registry took back while it was asked in vain', async (t) => {
  const on = await start(t, {}, { timeoutMs: 500 });
  const mother = async () => (await ask(on)).prefill;
  const told = (await mother()).fields['/mother'];
  t.match(told, { status: 'filled', freshness: 'live' });
  on.time.now += 1000 * AGE;
  sandbox.tell('population', { mode: 'hang' });
  t.match((await mother()).fields['/mother'], { freshness: 'stale', staleBecause: 'timeout' });
  const asked = sandbox.requests('population');
  const waiting = mother();
  await until('it is asked', () => sandbox.requests('population') > asked);
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${await on.token('X05.1')}` };
  const changes = [{ dataset: 'person', kind: 'person', key: '003187000042' }];
  const body = JSON.stringify({ changes });
  t.equal((await fetch(`${on.address}/v1/sources/population/changes`, { method: 'POST', headers, body })).status, 200);
  t.match((await waiting).fields['/mother'], { status: 'unavailable', reason: 'timeout', freshness: undefined });
});

t.test('who comes shortly before the end is answered at once, and the next has what was asked meanwhile', async (t) => {
  const on = await start(t, { random: always });
  await ask(on);
  const [before, first] = [(await on.entries()).length, on.lookUps()];
  on.time.now += 1000 * AGE - 1;
  sandbox.tell('population', { mode: 'slow', delayMs: 200 });
  const { prefill } = await ask(on);
  t.match(prefill.fields['/mother'], { freshness: 'cached', observedAt: new Date(NOON).toISOString() });
  const entries = (await on.entries()).slice(before);
  const { id } = prefill;
  t.match(
    entries.map((entry: AuditEntry) => [entry.id, entry.kind, Object.keys(entry.subjects ?? {}).join()]),
    [
      [id, 'intent', 'subject'],
      [id, 'intent', 'mother,subject'],
      [id, 'outcome', 'mother,subject'],
    ],
    'each intent stands before the outcome, under the request for which it was asked',
  );
  t.ok(
    entries.at(-1)?.sources?.every((use) => use.freshness === 'cached' && use.milliseconds === undefined),
    'which claims nothing of it',
  );
  for (let i = 0; i < 5; i++) await ask(on);
  await until('both were asked', () => on.lookUps() === first + 2);
  const kept = async (): Promise<string | undefined> => (await ask(on)).prefill.fields['/mother']?.observedAt;
  const now = new Date(on.time.now).toISOString();
  let last = await kept();
  for (const end = Date.now() + 10_000; last !== now && Date.now() < end; last = await kept()) await after(20);
  t.equal(last, now, 'it is there');
  on.time.now += 1000;
  t.match((await ask(on)).prefill.fields['/mother'], { freshness: 'cached', observedAt: now });
  t.equal(on.lookUps(), first + 2, 'and each was asked once, however many came');

  const issuer = on.gateway.catalogue.gateway.citizens as CitizenIssuer;
  const token = await sandboxCitizenToken(on.dataDirectory, issuer, ISSUER, CHILD, on.time.now);
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const reply = await fetch(`${on.address}/v1/accesses`, { method: 'POST', headers, body: '{"limit":100}' });
  const { accesses } = (await reply.json()) as { accesses: { outcome: string }[] };
  const requests = new Set((await on.entries()).filter(({ kind }) => kind === 'outcome').map((entry) => entry.id)).size;
  t.strictSame(new Set(accesses.map(({ outcome }) => outcome)), new Set(['answered']), 'the citizen sees nothing that is not');
  t.equal(accesses.length, requests, 'and each request once');
});

t.test('nobody is asked ahead where the log cannot be written', async (t) => {
  let broken = false;
  const breakLog = (store: LogStore): LogStore => ({
    ...store,
    append: (...batch) => (broken ? Promise.reject(new Error('the disk is full')) : store.append(...batch)),
    head: () => store.head(),
    read: (...range) => store.read(...range),
  });
  const on = await start(t, { random: always, breakLog });
  await ask(on);
  on.time.now += 1000 * AGE - 1;
  await on.token();
  const first = on.lookUps();
  broken = true;
  t.equal((await ask(on)).status, 503);
  await on.gateway.close();
  t.equal(on.lookUps(), first);
});

t.test('nor where the registry has no time for it, and then nothing is on record that was not done', async (t) => {
  const on = await start(t, { random: always }, { concurrency: { atOnce: 1 } });
  await ask(on, { fields: ['/mother'] });
  const [before, first] = [(await on.entries()).length, on.lookUps()];
  on.time.now += 1000 * AGE - 1;
  const { prefill } = await ask(on);
  t.match(prefill.fields['/mother'], { freshness: 'cached' });
  await until('the other was asked', () => on.lookUps() === first + 1);
  t.strictSame(
    (await on.entries(before)).map(({ kind }) => kind),
    ['intent', 'outcome'],
  );
  await on.gateway.close();
  t.equal(on.lookUps(), first + 1, 'of two registries the one that is idle');
});

t.test('a gateway that is told to stop lets go of a registry when the last answer is there', async (t) => {
  const on = await start(t, { random: always });
  await ask(on);
  const first = on.lookUps();
  on.time.now += 1000 * AGE - 1;
  sandbox.tell('population', { mode: 'slow', delayMs: 300 });
  await ask(on);
  await until('it is asked', () => on.lookUps() > first);
  on.gateway.server.server.closeAllConnections();
  await on.gateway.close();
  t.strictSame(
    on.lines.filter((line) => line.includes('registry failed')),
    [],
  );
});
