/** The pipeline from inside: what a source may do to it, and that whatever goes wrong is on record. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type Adapter, type Answer, SourceError } from '../src/adapter.ts';
import { openCatalogue } from '../src/app.ts';
import type { AuditEntry } from '../src/audit/entry.ts';
import { openSqliteSearch } from '../src/audit/log-search.ts';
import { openSqliteLog } from '../src/audit/sqlite.ts';
import type { Caller, Field, Opened, Outcome, Prefill, Resolved, Source } from '../src/domain.ts';
import { exchange } from '../src/exchange.ts';
import { pseudonyms } from '../src/pseudonyms.ts';
import { around } from '../src/stages/around/around.ts';
import { type Ask, askSource } from '../src/stages/ask.ts';
import { assembleField } from '../src/stages/fields.ts';
import { NOON, temporaryDirectory } from './support/gateway.ts';
import { makeLogKey, openLog } from './support/log.ts';
import { memoryRecords, secretKey } from './support/records.ts';
import { everybodyStands } from './support/standing.ts';

const AN = '003099000017';
const catalogue = openCatalogue('config', true);
const validators = new Map([...catalogue.schemas.datasets].map(([name, { validate }]) => [name, validate]));
const NAME = { source: 'population', dataset: 'person', kind: 'person', key: AN } as const;
const RECORD = { personalId: AN, fullName: 'NGUYỄN VĂN AN' };

/** Asks an adapter that behaves like `lookUp`; what came, and what the operator heard. */
async function ask(lookUp: Adapter['lookUp']): Promise<{ came: Answer | SourceError; heard: [string, string][] }> {
  const heard: [string, string][] = [];
  const source = { ...(catalogue.sources.get('population') as Source), timeoutMs: 30 };
  const adapter: Adapter = { datasets: { person: 'person' }, lookUp, close: async () => {} };
  const report = (from: string, dataset: string, failure: SourceError): void => void heard.push([`${from}/${dataset}`, failure.reason]);
  const protection = around(source, { clock: () => NOON, random: () => 0, changed: () => {} });
  const asked = askSource(source, adapter, { validators, cache: memoryRecords(), clock: () => NOON, around: protection, report });
  const came = await asked(NAME, async () => ({ index: 0 }) as Opened, 'X01.1').then(
    ({ answer }) => answer,
    (error: SourceError) => error,
  );
  return { came, heard };
}

const found =
  (record: object, about = AN): Adapter['lookUp'] =>
  async () =>
    ({ found: true, about, record, recordedAt: null }) as Answer;
const throwing =
  (error: unknown): Adapter['lookUp'] =>
  async () => {
    throw error;
  };

const BEHAVIOURS: readonly [rule: string, lookUp: Adapter['lookUp'], reason: string | undefined][] = [
  ['a record that fits is an answer', found(RECORD), undefined],
  ['no record is an answer', async () => ({ found: false }), undefined],
  ['a record about another person is refused', found(RECORD, '003060000021'), 'wrong-subject'],
  ['a record that does not fit its dataset is refused', found({ fullName: 'NGUYỄN VĂN AN' }), 'malformed'],
  ['half a surrogate pair is refused before it is kept', found({ ...RECORD, permanentResidence: { text: 'xã \ud800' } }), 'malformed'],
  ['a failure that the adapter names is passed on', throwing(new SourceError('unreachable', 'no connection')), 'unreachable'],
  ['a fault of the adapter is an error of the source', throwing(new TypeError('x is not a function')), 'error'],
  ['a successor that is no number is no answer', async () => ({ found: false, why: 'cancelled', successor: 'somebody' }), 'malformed'],
  ['nor is one that is the number itself', async ({ key }) => ({ found: false, why: 'cancelled', successor: key }), 'malformed'],
  ['an adapter that does not heed its signal is given up', () => new Promise(() => {}), 'timeout'],
];

t.test('what a source answers', async (t) => {
  for (const [rule, lookUp, reason] of BEHAVIOURS) {
    const { came, heard } = await ask(lookUp);
    t.equal(came instanceof SourceError ? came.reason : undefined, reason, rule);
    t.strictSame(heard, reason === undefined ? [] : [['population/person', reason]], `${rule}, and the operator hears of it`);
  }
});

t.test('the cause of a fault is kept for the operator', async (t) => {
  const { came } = await ask(throwing(new TypeError('x is not a function')));
  t.type((came as SourceError).cause, TypeError);
});

const logKey = makeLogKey();

t.test('a register that could not be asked, for want of the key, leaves a value unconfirmed', async (t) => {
  const field = catalogue.procedures.get('1.004222')?.[0]?.fields.find(({ at }) => at === '/fullName');
  const lookUps = ['civil-registry', 'population'].map((source) => ({ role: 'subject', source, dataset: 'person', stage: 1 }));
  const away: readonly Outcome[] = [
    { kind: 'unavailable', reason: 'timeout' },
    { kind: 'no-key', reason: 'unavailable' },
  ];
  const there: Outcome = { kind: 'found', record: { fullName: 'NGUYỄN VĂN AN' }, recordedAt: null, observedAt: '', freshness: 'live' };
  const from = [0, 1].map((lookUp) => ({ lookUp, values: [['fullName']] }));
  for (const outcome of away) {
    const outcomes = new Map([outcome, there].entries());
    const resolved = { outcomes, keys: new Map() } as unknown as Resolved;
    const { result, value } = assembleField({ ...(field as Field), from }, lookUps, resolved, '2026-11-22');
    t.match(result, { status: 'filled', source: 'population', unconfirmed: ['civil-registry'] }, outcome.kind);
    t.equal(value, 'NGUYỄN VĂN AN');
  }
});

async function openedLog(directory: string) {
  const store = openSqliteLog(join(directory, 'log.db'));
  return { store, log: await openLog(store, logKey) };
}

t.test('a fault of the gateway’s own is on record before it is told', async (t) => {
  const directory = temporaryDirectory();
  const { store, log } = await openedLog(directory);
  t.teardown(async () => {
    await store.close();
    rmSync(directory, { recursive: true });
  });
  const agency = catalogue.agencies.get('X01.1');
  const caller = { agency, client: 'X01.1', scopes: new Set(['prefill']) } as unknown as Caller;
  const request = { procedure: '1.004222', dossier: 'X01.1-261122-0001', officer: 'X01.1-0042', subject: AN };
  const tools = {
    catalogue,
    cache: memoryRecords(),
    sources: catalogue.sources,
    asks: new Map<string, Ask>(),
    around: new Map(),
    random: () => 0,
    log,
    pseudonyms: pseudonyms([{ from: 0, key: secretKey() }], () => NOON),
    configDigest: catalogue.digest,
    standing: everybodyStands,
    admit: () => {},
    clock: () => NOON,
  };
  await t.rejects(exchange(caller, request, tools, new AbortController().signal), /not plugged in/);
  const entries = (await store.read(0, 9)).map((body) => JSON.parse(body ?? '') as AuditEntry);
  t.match(entries, [{ kind: 'refusal', outcome: 'internal', subjects: { subject: String } }]);
});

t.test('the projection of another log, or one that does not open, is made again', async (t) => {
  const [one, other] = [temporaryDirectory(), temporaryDirectory()];
  t.teardown(() => {
    for (const directory of [one, other]) rmSync(directory, { recursive: true });
  });
  const entry = (agency: string): AuditEntry => ({
    v: 1,
    time: new Date(NOON).toISOString(),
    kind: 'refusal',
    id: 'x',
    agency,
    client: agency,
    config: '',
  });
  const path = join(one, 'search.db');
  const agencies = async (directory: string): Promise<string[]> => {
    const { store, log } = await openedLog(directory);
    await log.append(entry(directory === one ? 'X01.1' : 'X02.1'), { receipt: false });
    if (directory === one) await log.append(entry('X01.1'), { receipt: false });
    const search = openSqliteSearch(path, store);
    const result = (await search.search({ limit: 9 })).map(({ body }) => (JSON.parse(body) as AuditEntry).agency);
    await search.close();
    await store.close();
    return result;
  };
  t.strictSame(await agencies(one), ['X01.1', 'X01.1']);
  t.strictSame(await agencies(other), ['X02.1'], 'a shorter log');
  writeFileSync(path, 'this is no database, and it is longer than a header of one would be: '.repeat(4));
  t.strictSame((await agencies(other)).length, 2, 'a broken file');
});

t.test('a cancelled number is followed as far as the population database says who came after', async (t) => {
  const [a, b, c, d, e] = ['1', '2', '3', '4', '5'].map((digit) => `00308600099${digit}`) as [string, string, string, string, string];
  interface Case {
    readonly rule: string;
    /** Number → the one that took its place. */
    readonly chain: Readonly<Record<string, string>>;
    readonly source?: string;
    readonly expected: string;
    readonly asked: readonly string[];
    /** Whose number the form has at last. */
    readonly number?: string;
  }
  const cases: readonly Case[] = [
    { rule: 'once', chain: { [a]: b }, expected: 'number-replaced', asked: [a, b], number: b },
    { rule: 'twice', chain: { [a]: b, [b]: c }, expected: 'number-replaced', asked: [a, b, c], number: c },
    { rule: 'not for ever', chain: { [a]: b, [b]: c, [c]: d, [d]: e }, expected: 'number-cancelled', asked: [a, b, c, d] },
    { rule: 'not in a circle', chain: { [a]: b, [b]: a }, expected: 'number-cancelled', asked: [a, b] },
    {
      rule: 'not by another register’s word',
      chain: { [a]: b },
      source: 'civil-registry',
      expected: 'number-cancelled',
      asked: [a],
      number: a,
    },
  ];
  for (const { rule, chain, source = 'population', expected, asked, number } of cases) {
    const directory = temporaryDirectory();
    const { store, log } = await openedLog(directory);
    const people = pseudonyms([{ from: 0, key: secretKey() }], () => NOON);
    const entries = async (): Promise<AuditEntry[]> => (await store.read(0, 99)).map((body) => JSON.parse(body ?? '') as AuditEntry);
    const seen: string[] = [];
    const answer = (name: { source: string; key: string }): Answer => {
      const successor = chain[name.key];
      if (name.source === source && successor !== undefined) return { found: false, why: 'cancelled', successor };
      if (name.source !== 'population') return { found: false };
      return { found: true, about: name.key, record: { personalId: name.key, fullName: 'CAO MINH QUÂN' }, recordedAt: null };
    };
    const ask: Ask = async (name, open) => {
      await open();
      if (name.source === source && !seen.includes(name.key)) seen.push(name.key);
      const onRecord = (await entries()).flatMap(({ subjects = {} }) => Object.values(subjects));
      if (!onRecord.includes(people.of('person', name.key))) t.fail(`${rule}: asked about somebody who is not on record`);
      return { answer: answer(name), observedAt: NOON };
    };
    const agency = catalogue.agencies.get('X01.1');
    const caller = { agency, client: 'X01.1', scopes: new Set(['prefill']) } as unknown as Caller;
    const request = { procedure: '1.004222', dossier: 'X01.1-261122-0001', officer: 'X01.1-0042', subject: a };
    const tools = {
      catalogue,
      cache: memoryRecords(),
      sources: catalogue.sources,
      asks: new Map([...catalogue.sources.keys()].map((id) => [id, ask])),
      around: new Map(),
      random: () => 0.5,
      log,
      pseudonyms: people,
      configDigest: catalogue.digest,
      standing: everybodyStands,
      admit: () => {},
      clock: () => NOON,
    };
    const done = await exchange(caller, request, tools, new AbortController().signal);
    const { notices, fields, form } = JSON.parse(done?.prefill ?? '') as Prefill;
    const last = asked.at(-1) ?? '';
    t.strictSame(seen, asked, `${rule}: who is asked about`);
    t.equal(notices.map(({ code }) => code).join(), expected, rule);
    t.match(fields['/fullName'], number === undefined ? { status: 'not-found', reason: expected } : { status: 'filled' }, rule);
    t.equal(form.personalId, number, `${rule}: the number of the register that answered`);
    const kept = await entries();
    const { subjects } = kept.at(-1) ?? {};
    t.strictSame(
      subjects,
      { subject: people.of('person', a), ...(last === a ? {} : { subjectSuccessor: people.of('person', last) }) },
      `${rule}: both are on record`,
    );
    t.notMatch(JSON.stringify(kept), /00308600099/, `${rule}: and neither in the clear`);
    await store.close();
    rmSync(directory, { recursive: true });
  }
});
