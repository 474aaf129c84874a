/** What honest work does not look like is seen, whichever gateway it came through, and honest work is left alone. */
import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import t from 'tap';
import { onceInMemory } from '../src/access/once.ts';
import { openCatalogue } from '../src/app.ts';
import type { Customs } from '../src/audit/custom.ts';
import { openDesk } from '../src/audit/desk.ts';
import type { AuditEntry } from '../src/audit/entry.ts';
import { openSqliteSearch } from '../src/audit/log-search.ts';
import { openSqliteLog } from '../src/audit/sqlite.ts';
import { misuseRules, type RawMisuse, rulesOf, type WatchSettings } from '../src/catalogue/misuse.ts';
import type { Agency, AgencyMisuse } from '../src/domain.ts';
import type { Stop } from '../src/misuse/act.ts';
import { Alarms } from '../src/misuse/alarms.ts';
import type { Finding } from '../src/misuse/finding.ts';
import { Rules } from '../src/misuse/rules.ts';
import { Sequence } from '../src/misuse/sequence.ts';
import { Sketches } from '../src/misuse/sketches.ts';
import { chance, seedOf } from './support/chance.ts';
import { editedConfig, startGateway, type TestGateway, temporaryDirectory } from './support/gateway.ts';
import { entryOf, makeLogKey, openLog } from './support/log.ts';
import { findPostgres } from './support/postgres.ts';

const MINUTE = 60_000;
const DAY = 86_400_000;
/** A Monday, ten in the morning in Viet Nam. */
const MONDAY = Date.parse('2026-11-23T03:00:00Z');
const HOURS = (hours: number): number => hours * 60 * MINUTE;

type Read = Partial<AuditEntry> & { readonly people?: readonly string[]; readonly at?: number };

const read = ({ people = ['a'], at = MONDAY, ...members }: Read): AuditEntry => ({
  ...entryOf(randomUUID()),
  time: new Date(at).toISOString(),
  officer: 'X01.1-0042',
  procedure: '1.004222',
  dossier: 'D1',
  outcome: 'answered',
  subjects: Object.fromEntries(people.map((person, i) => [i === 0 ? 'subject' : `related${i}`, `pseudonym-of-${person}`.slice(-12)])),
  ...members,
});
const times = (count: number, made: (i: number) => Read): AuditEntry[] => Array.from({ length: count }, (_, i) => read(made(i)));

interface Setting {
  readonly misuse?: RawMisuse;
  readonly agencies?: Readonly<Record<string, AgencyMisuse>>;
  readonly people?: Readonly<Record<string, number>>;
  readonly customs?: (agency: string) => Customs;
}
const settingsOf = ({ misuse, agencies = {}, people = {} }: Setting): WatchSettings => {
  const rules = misuseRules(misuse);
  const own = Object.entries(agencies).map(
    ([id, misuse]) => [id, { rules: rulesOf(rules, misuse), automated: new Set(misuse.automated) }] as const,
  );
  return { rules, agencies: new Map(own), people: new Map(Object.entries(people)), things: new Set(['1.004222 dwelling']) };
};

const NONE: Customs = { officers: new Map(), median: undefined, agency: undefined };

/** What is found, as `code count/threshold`, each once. */
function found(entries: readonly AuditEntry[], setting: Setting = {}): string[] {
  const findings = new Map<string, Finding>();
  const rules = new Rules(settingsOf(setting), (finding) => void findings.set(finding.id, finding));
  for (const entry of entries) {
    rules.see(entry);
    for (const wanted of rules.wanted()) rules.learn(wanted, setting.customs?.(wanted.agency) ?? NONE);
  }
  return [...findings.values()].map(({ code, count, threshold }) => `${code} ${count}/${threshold}`);
}

const usual =
  (median: number, officers: Record<string, number> = {}, agency?: number) =>
  (): Customs => ({ officers: new Map(Object.entries(officers)), median, agency });
const CLINIC = { 'X01.1': { worksAtNight: true } };
const NIGHT = MONDAY + HOURS(12);
const SATURDAY = MONDAY + 5 * DAY;

const ATTACKS: readonly (readonly [rule: string, entries: AuditEntry[], finds: string[], setting?: Setting])[] = [
  ['one dossier and many people', times(13, (i) => ({ people: [`p${i}`] })), ['many-people-of-a-dossier 13/12']],
  ['whatever role they have in it', times(5, (i) => ({ people: [`p${i}`, `q${i}`, `r${i}`] })), ['many-people-of-a-dossier 13/12']],
  [
    'of many officials, and refused',
    times(13, (i) => ({ people: [`p${i}`], officer: `X01.1-${i}`, kind: 'refusal', outcome: 'role-missing' })),
    ['many-people-of-a-dossier 13/12'],
  ],
  [
    'said again at twice as many',
    times(60, (i) => ({ people: [`p${i}`] })),
    ['many-people-of-a-dossier 13/12', 'many-people-of-a-dossier 26/12', 'many-people-of-a-dossier 52/12'],
  ],
  [
    'over what the procedure lets it have',
    times(41, (i) => ({ people: [`p${i}`] })),
    ['many-people-of-a-dossier 41/40'],
    { people: { '1.004222': 40 } },
  ],
  ['work at night', times(21, (i) => ({ dossier: `D${i}`, people: [`p${i}`], at: NIGHT + i * MINUTE })), ['outside-hours 21/20']],
  ['work on a Saturday', times(21, (i) => ({ dossier: `D${i}`, people: [`p${i}`], at: SATURDAY + i * MINUTE })), ['outside-hours 21/20']],
  [
    'work on a day off',
    times(21, (i) => ({ dossier: `D${i}`, people: [`p${i}`] })),
    ['outside-hours 21/20'],
    { misuse: { offHours: { daysOff: ['2026-11-23'] } } },
  ],
  ['one person read by many officials', times(6, (i) => ({ officer: `X01.1-${i}`, dossier: `D${i}` })), ['person-read-by-many 6/6']],
  ['of many agencies', times(6, (i) => ({ agency: `H${i}`, officer: `H${i}-1`, dossier: `D${i}` })), ['person-read-by-many 6/6']],
  [
    'far more than the official does on other days',
    times(151, (i) => ({ dossier: `D${i}`, people: [`p${i}`] })),
    ['over-custom 151/150'],
    { customs: usual(90, { 'X01.1-0042': 30 }) },
  ],
  [
    'of one who is new, more than the others',
    times(451, (i) => ({ dossier: `D${i}`, people: [`p${i}`] })),
    ['over-custom 451/450'],
    { customs: usual(90) },
  ],
  [
    'far more than the agency does on other days, under a new name and dossier each time, each at leisure',
    times(1501, (i) => ({ officer: `X01.1-${i}`, dossier: `D${i}`, people: [`p${i}`] })),
    ['agency-over-custom 1501/1500'],
    { customs: usual(60, {}, 500) },
  ],
  [
    'in the name of a machine',
    times(1501, (i) => ({ officer: 'X01.1-M', dossier: `D${i}`, people: [`p${i}`] })),
    ['agency-over-custom 1501/1500'],
    { agencies: { 'X01.1': { automated: ['X01.1-M'] } }, customs: usual(60, {}, 500) },
  ],
];
t.test('each attack is found', async (t) => {
  for (const [rule, entries, finds, setting] of ATTACKS) t.strictSame(found(entries, setting), finds, rule);
});

t.test('who put most of its people into a dossier is named, not a colleague who came last', async (t) => {
  const suspected: (string | undefined)[] = [];
  const rules = new Rules(settingsOf({}), ({ officer }) => suspected.push(officer));
  for (const entry of times(13, (i) => ({ people: [`p${i}`], officer: i < 12 ? 'X01.1-0042' : 'X01.1-0043' }))) rules.see(entry);
  t.strictSame(suspected, ['X01.1-0042']);
});

const HEIRS = { people: { '1.012784': 30 } };
const HONEST: readonly (readonly [rule: string, entries: AuditEntry[], setting?: Setting])[] = [
  [
    'a desk in the season of weddings',
    times(200, (i) => ({ dossier: `D${i}`, people: [`bride${i}`, `groom${i}`], at: MONDAY + i * 1.5 * MINUTE })),
    { customs: usual(60) },
  ],
  ['fifteen heirs, in a procedure that has heirs', times(15, (i) => ({ procedure: '1.012784', people: ['dead', `heir${i}`] })), HEIRS],
  [
    'whose dossier goes on in another procedure',
    [...times(13, (i) => ({ procedure: '1.012784', people: [`heir${i}`] })), ...times(2, (i) => ({ people: [`more${i}`] }))],
    HEIRS,
  ],
  ['a family, each in turn', times(7, (i) => ({ people: [`p${i}`, 'father', 'mother'] }))],
  ['flats of one house, which are no persons', times(30, (i) => ({ subjects: { subject: 'a', dwelling: `flat${i}` } }))],
  ['a clinic at night', times(300, (i) => ({ dossier: `D${i}`, people: [`p${i}`], at: NIGHT + i * 20_000 })), { agencies: CLINIC }],
  [
    'a machine at night, beside people who sleep',
    times(500, (i) => ({ officer: 'X01.1-M', dossier: `D${i}`, people: [`p${i}`], at: NIGHT })),
    { agencies: { 'X01.1': { automated: ['X01.1-M'] } }, customs: usual(1) },
  ],
  [
    'gaps that the gateway fills at night by itself',
    times(50, (i) => ({ dossier: `D${i}`, people: [`p${i}`], at: NIGHT, completes: 'x' })),
  ],
  ['reports of wrong values', times(50, (i) => ({ outcome: 'reported', people: [`p${i}`] }))],
  ['intents of what came to be', times(50, (i) => ({ kind: 'intent', people: [`p${i}`], at: NIGHT }))],
  ['auditors who read one person’s entries', times(50, (i) => ({ kind: 'audit-read', officer: `X09.1-${i}`, at: NIGHT }))],
  ['alerts about it', times(50, (i) => ({ kind: 'alert', client: 'gateway', people: [`p${i}`], officer: `X01.1-${i}`, at: NIGHT }))],
  ['twelve today and twelve tomorrow', times(24, (i) => ({ people: [`p${i}`], at: MONDAY + (i < 12 ? 0 : DAY) }))],
  ['a time that is none', times(50, (i) => ({ time: 'then', people: [`p${i}`] }))],
  ['on the first day of all', times(400, (i) => ({ dossier: `D${i}`, people: [`p${i}`] }))],
  [
    'what is switched off',
    times(60, (i) => ({ people: ['a', `p${i}`], officer: `X01.1-${i}`, at: NIGHT })),
    { misuse: { peopleOfDossier: { action: 'off' }, readByMany: { action: 'off' }, offHours: { action: 'off' } } },
  ],
];
t.test('honest work is left alone', async (t) => {
  for (const [rule, entries, setting] of HONEST) t.strictSame(found(entries, setting), [], rule);
});

t.test('thirty days of honest work, at random, raise nothing; one thief among them is found on each of theirs', async (t) => {
  const seed = seedOf();
  t.comment(`seed ${seed}: SEED=${seed} shows this run again`);
  const random = chance(seed);
  const findings = new Map<string, Finding>();
  const counts = new Map<string, number[]>();
  const totals = new Map<string, number[]>();
  const rules = new Rules(settingsOf({}), (finding) => void findings.set(finding.id, finding));
  let now = 0;
  const sequence = new Sequence(
    misuseRules(),
    () => now,
    (finding) => void findings.set(finding.id, finding),
  );
  const customs = (agency: string): Customs => {
    const means = [...counts].flatMap(([name, days]): [string, number][] =>
      name.startsWith(agency) && days.length >= 3 ? [[name, days.reduce((a, b) => a + b, 0) / days.length]] : [],
    );
    const byDay = totals.get(agency) ?? [];
    const all = byDay.length < 3 ? undefined : byDay.reduce((a, b) => a + b, 0) / byDay.length;
    return { officers: new Map(means), median: means.map(([, mean]) => mean).sort((a, b) => a - b)[means.length >> 1], agency: all };
  };
  const person = (): string =>
    `0${10 + random(60)}${random(4)}${String(random(100)).padStart(2, '0')}${String(random(1_000_000)).padStart(6, '0')}`;
  let dossiers = 0;
  for (let day = 0; day < 30; day++) {
    const weekend = day % 7 > 4;
    const work: { at: number; agency: string; officer: string; people: string[]; dossier: string }[] = [];
    for (let one = 0; one < 24; one++) {
      const agency = `H0${one % 3}`;
      const officer = `${agency}-${one}`;
      const cases = weekend ? random(3) : 10 + random(25) + (random(20) === 0 ? 25 : 0);
      let requests = 0;
      for (let i = 0; i < cases; i++) {
        const family = Array.from({ length: 1 + random(5) }, person);
        const dossier = `${officer}-${++dossiers}`;
        for (let again = random(3); again >= 0; again--, requests++)
          work.push({ at: MONDAY - HOURS(3) + day * DAY + random(HOURS(10)), agency, officer, people: family, dossier });
      }
      if (requests > 0) counts.set(officer, [...(counts.get(officer) ?? []).slice(-28), requests]);
    }
    const todays = Map.groupBy(work, ({ agency }) => agency);
    for (const { at, people, ...who } of work.sort((a, b) => a.at - b.at)) {
      now = at;
      const [subject = '', ...others] = people;
      const related = Object.fromEntries(others.map((other, i) => [`related${i}`, other]));
      sequence.see({ agency: { id: who.agency } as Agency }, { ...who, procedure: '1', subject, related });
      rules.see(read({ ...who, at, people }));
      for (const wanted of rules.wanted()) rules.learn(wanted, customs(wanted.agency));
    }
    for (const [agency, done] of todays) totals.set(agency, [...(totals.get(agency) ?? []), done.length]);
    if (day % 10 !== 9) continue;
    t.equal(findings.size, 0, `nothing by day ${day}`);
    for (const entry of times(13, (i) => ({ agency: 'H00', officer: 'H00-0', dossier: 'theft', people: [`p${i}`], at: now })))
      rules.see(entry);
    t.equal(findings.size, 1, 'and then the thief');
    findings.clear();
  }
});

t.test('whoever floods the memory crowds out their own', async (t) => {
  const gone: string[] = [];
  const sketches = new Sketches<{ n: number }>(1000, (name) => void gone.push(name));
  const kept = sketches.touch('quiet', 'kept', () => ({ n: 1 }));
  for (let i = 0; i < 100_000; i++) sketches.touch('loud', `name ${i}`, () => ({ n: i }));
  t.equal(
    sketches.touch('quiet', 'kept', () => ({ n: 2 })),
    kept,
  );
  t.ok([...sketches.of('loud')].length <= 1000);
  t.equal(gone.length + [...sketches.of('loud')].length, 100_000);
  t.equal(gone[0], 'name 0', 'the oldest first');

  // A person whom others read stays read by them, however much one agency does to have it forgotten.
  const watched = times(5, (i) => ({ agency: `H${i}`, officer: `H${i}-1`, dossier: `D${i}` }));
  const flood = times(110_000, (i) => ({ agency: 'H9', officer: 'H9-1', dossier: `${i % 7}`, people: [`f${i}`] }));
  const last = read({ agency: 'H6', officer: 'H6-1' });
  t.match(found([...watched, ...flood, last], { misuse: { peopleOfDossier: { action: 'off' } } }).join(), /person-read-by-many 6\/6/);
});

interface Tried {
  readonly rule: string;
  readonly numbers: readonly string[];
  /** Officials who try, in turns. */
  readonly officers?: number;
  readonly pause?: number;
  readonly finds: number;
}
const from = (first: number, step: number, count: number): string[] =>
  Array.from({ length: count }, (_, i) => String(first + i * step).padStart(12, '0'));
const FIRST = 99_099_100_000;
const TRIED: readonly Tried[] = [
  { rule: 'one after the other', numbers: from(FIRST, 1, 5), finds: 1 },
  { rule: 'backwards', numbers: from(FIRST + 500, -1, 5), finds: 1 },
  { rule: 'with gaps', numbers: from(FIRST, 37, 5), finds: 1 },
  { rule: 'by two in turns: both', numbers: from(FIRST, 1, 6), officers: 2, finds: 2 },
  {
    rule: 'among others',
    numbers: from(FIRST, 1, 5).flatMap((number, i) => [number, ...from(3_001_000_000 * (i + 1) + 77, 0, 1)]),
    finds: 1,
  },
  { rule: 'said again at twice as many', numbers: from(FIRST, 1, 20), finds: 3 },
  { rule: 'the same again and again', numbers: from(FIRST, 0, 50), finds: 0 },
  { rule: 'four', numbers: from(FIRST, 1, 4), finds: 0 },
  { rule: 'far apart', numbers: from(FIRST, 1000, 50), finds: 0 },
  { rule: 'of other years', numbers: from(FIRST, 1_000_000, 50), finds: 0 },
  { rule: 'slowly', numbers: from(FIRST, 1, 12), pause: 3 * MINUTE, finds: 0 },
];
t.test('numbers tried one after the other', async (t) => {
  for (const { rule, numbers, officers = 1, pause = 1000, finds } of TRIED) {
    let now = MONDAY;
    const findings = new Map<string, Finding>();
    const sequence = new Sequence(
      misuseRules(),
      () => now,
      (finding) => void findings.set(finding.id, finding),
    );
    numbers.forEach((subject, i) => {
      now += pause;
      const request = { procedure: '1.004222', dossier: `D${i}`, officer: `X01.1-${i % officers}`, subject };
      sequence.see({ agency: { id: 'X01.1' } as Agency }, request);
    });
    t.equal(findings.size, finds, rule);
    t.notMatch(JSON.stringify([...findings.values()]), /990991/, `${rule}: no number is told`);
  }
});

t.test('what is usual is counted as the log is followed', async (t) => {
  const directory = t.testdir();
  const store = openSqliteLog(join(directory, 'log.db'));
  const log = await openLog(store, makeLogKey());
  const search = openSqliteSearch(join(directory, 'search.db'), store);
  const add = async (officer: string, days: readonly number[]): Promise<void> => {
    for (const [i, count] of days.entries())
      for (let n = 0; n < count; n++) await log.append(read({ officer, at: MONDAY + i * DAY }), { receipt: false });
  };
  await add('X01.1-1', [2, 4, 6]);
  await search.follow();
  // What came later to a day that was counted already is added to it.
  await add('X01.1-1', [3]);
  await add('X01.1-2', [1, 1, 1, 9]);
  await add('X01.1-3', [50, 50]);
  await log.append(read({ officer: 'X01.1-1', at: MONDAY, kind: 'intent' }), { receipt: false });
  await log.append(read({ officer: 'X01.1-1', at: MONDAY, outcome: 'reported' }), { receipt: true });
  await search.follow();
  const monday = Math.floor(MONDAY / DAY);
  t.strictSame(await search.customs('X01.1', monday, monday + 3), {
    officers: new Map([
      ['X01.1-1', 5],
      ['X01.1-2', 1],
    ]),
    median: 5,
    agency: (2 + 3 + 4 + 6 + 1 + 1 + 1 + 50 + 50) / 3,
  });
  t.strictSame(await search.customs('X02.1', monday, monday + 3), NONE);
  await search.close();
  await store.close();
});

t.test('an alert that could not be acted on is tried again, and stands once', async (t) => {
  const directory = t.testdir();
  const files = { log: join(directory, 'log.db'), search: join(directory, 'search.db') };
  const store = openSqliteLog(files.log);
  const log = await openLog(store, makeLogKey());
  const search = openDesk({ sqlite: files });
  const once = onceInMemory(() => Date.now());
  const tries: Stop[] = [];
  const said: unknown[] = [];
  const stop = async (what: Stop): Promise<void> => {
    tries.push(what);
    if (tries.length === 1) throw new Error('away');
  };
  const tools = {
    log,
    search,
    once,
    act: { stop },
    configDigest: 'none',
    clock: Date.now,
    patience: 20,
    report: (event: object) => said.push(event),
  };
  const both = [new Alarms(), new Alarms()];
  const rules = new Rules(settingsOf({ misuse: { peopleOfDossier: { action: 'slow' } } }), (finding) => {
    for (const each of both) each.raise(finding);
  });
  for (const entry of times(13, (i) => ({ people: [`p${i}`] }))) rules.see(entry);
  const ends = both.map((each) => each.begin(tools));
  for (const end = performance.now() + 10_000; tries.length < 2 && performance.now() < end; ) await after(5);
  // Each of them has seen that it stands, or was told before.
  await after(100);
  await Promise.all(ends.map((end) => end()));
  t.equal((await search.search({ kind: 'alert', limit: 9 })).length, 1);
  t.match(tries, [{ agency: 'X01.1', officer: 'X01.1-0042', perMinute: 6, reason: 'many-people-of-a-dossier' }, {}]);
  t.equal(tries.length, 2);
  t.match(said, [{ failed: Error }, { raised: { count: 13 } }]);
  t.equal(said.length, 2);
  await search.close();
  await store.close();
});

const prefill = async (on: TestGateway, subject: string, dossier: string, officer = 'X01.1-0042', agency = 'X01.1'): Promise<number> => {
  const headers = { authorization: `Bearer ${await on.token(agency)}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ procedure: '1.004222', dossier, officer, subject });
  return (await fetch(`${on.address}/v1/prefills`, { method: 'POST', headers, body })).status;
};
const alerts = async (
  on: TestGateway,
  query = '',
  agency = 'X00.1',
): Promise<{ status: number; alerts: Record<string, unknown>[]; next?: string }> => {
  const reply = await fetch(`${on.address}/v1/alerts${query}`, { headers: { authorization: `Bearer ${await on.token(agency)}` } });
  return { status: reply.status, ...((await reply.json()) as { alerts: Record<string, unknown>[] }) };
};
const alerted = async (on: TestGateway, count: number): Promise<AuditEntry[]> => {
  for (const end = performance.now() + 15_000; ; await after(10)) {
    const entries = await on.alerts();
    if (entries.length >= count) return entries;
    if (performance.now() > end)
      throw new Error(`${entries.length} alerts: ${on.lines.filter((line) => line.includes('"level":50')).join()}`);
  }
};
const people = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `0990${50 + i}10${i}${i % 7}77`.slice(0, 12).padEnd(12, '3'));

t.test('a whole gateway: seen within about a second, on record, told to the operator, once', async (t) => {
  const configDirectory = editedConfig({ 'gateway.yaml': (file) => ({ ...file, misuse: { sequence: { action: 'stop', hours: 2 } } }) });
  const dataDirectory = temporaryDirectory();
  t.teardown(() => {
    for (const each of [configDirectory, dataDirectory]) rmSync(each, { recursive: true, force: true });
  });
  const stopped: Stop[] = [];
  const act = { stop: async (what: Stop) => void stopped.push(what) };
  const open = () => startGateway({ configDirectory, dataDirectory, now: MONDAY, act });
  let on = await open();
  for (const subject of people(12)) t.equal(await prefill(on, subject, 'X01.1-261123-0001'), 200);
  await after(1500);
  t.strictSame((await alerts(on)).alerts, []);
  await prefill(on, '099199000001', 'X01.1-261123-0001');
  const crossed = performance.now();
  const [entry] = await alerted(on, 1);
  t.comment(`the alert stood ${Math.round(performance.now() - crossed)} ms later`);
  t.match(entry, {
    kind: 'alert',
    agency: 'X01.1',
    client: 'gateway',
    officer: 'X01.1-0042',
    dossier: 'X01.1-261123-0001',
    outcome: 'many-people-of-a-dossier',
    alert: { count: 13, threshold: 12, action: 'warn' },
  });
  for (const subject of from(FIRST, 1, 5)) await prefill(on, subject, `X01.1-261123-10${subject.slice(-2)}`, 'X01.1-0043');
  await alerted(on, 2);
  t.strictSame(stopped, [{ agency: 'X01.1', officer: 'X01.1-0043', until: MONDAY + HOURS(2), reason: 'numbers-in-sequence' }]);

  const page = await alerts(on, '?limit=1');
  t.match(page.alerts, [{ rule: 'numbers-in-sequence', action: 'stop', count: 5, threshold: 5, officer: 'X01.1-0043' }]);
  t.match((await alerts(on, `?cursor=${page.next}`)).alerts, [{ rule: 'many-people-of-a-dossier', dossier: 'X01.1-261123-0001' }]);
  t.equal((await alerts(on, '', 'X09.1')).status, 403, 'for those who operate the gateway alone');
  t.equal((await alerts(on, '?limit=501')).status, 400);
  const lines = on.lines.filter((line) => line.includes('misuse suspected'));
  t.equal(lines.length, 2);
  t.notMatch(lines.join(), /X01\.1-|990991/, 'what callers choose stands in no line');
  const headers = { authorization: `Bearer ${await on.token('X09.1')}`, 'content-type': 'application/json' };
  for (const by of [
    { agency: 'X01.1' },
    { officer: 'X01.1-0042' },
    { dossier: 'X01.1-261123-0001' },
    { outcome: 'many-people-of-a-dossier' },
  ]) {
    const body = JSON.stringify({ reason: 'Complaint 12/2026', kind: 'alert', ...by });
    const reply = await fetch(`${on.address}/v1/audit/search`, { method: 'POST', headers, body });
    t.match((await reply.json()) as object, { entries: [{ entry: { client: 'gateway' } }] }, `auditors find it by ${Object.keys(by)}`);
  }
  await on.close();

  on = await open();
  await prefill(on, '099199000001', 'X01.1-261123-0001');
  for (const subject of [...people(12), ...Array.from({ length: 14 }, (_, i) => `0980${50 + i}${String(i * 7).padStart(6, '0')}`)].slice(
    0,
    26,
  ))
    await prefill(on, subject, 'X01.1-261123-0001');
  const after13 = await alerted(on, 3);
  t.strictSame(
    after13.map(({ alert }) => alert?.count),
    [13, 5, 26],
    'what was seen before a restart counts after it, and is not said again',
  );
  await on.close();
});

/** Asks until it is answered so. */
const becomes = async (status: number, ask: () => Promise<number>): Promise<void> => {
  let last = 0;
  for (const end = performance.now() + 10_000; performance.now() < end; await after(50)) {
    last = await ask();
    if (last === status) return;
  }
  throw new Error(`it was ${last} to the end, not ${status}`);
};

t.test('who is stopped is stopped and who is slowed is slowed, in their own agency and for so long; nobody else is', async (t) => {
  const configDirectory = editedConfig({
    'gateway.yaml': (file) => ({
      ...file,
      misuse: { sequence: { action: 'stop', hours: 2 }, peopleOfDossier: { action: 'slow', perMinute: 2, more: 3, hours: 3 } },
    }),
  });
  t.teardown(() => rmSync(configDirectory, { recursive: true, force: true }));
  const on = await startGateway({ configDirectory, now: MONDAY });
  t.teardown(() => on.close());

  // Under the name of another agency's official: refused, and neither is the name on record nor is anybody suspected.
  for (const subject of from(FIRST, 1, 6)) t.equal(await prefill(on, subject, 'X01.1-261123-0001', 'X02.1-0042'), 400);
  t.strictSame(
    (await on.entries()).filter(({ officer }) => officer !== undefined),
    [],
  );
  for (const subject of from(FIRST, 1, 5)) t.equal(await prefill(on, subject, `X01.1-261123-10${subject.slice(-2)}`, 'X01.1-0043'), 200);
  const stopped = (): Promise<number> => prefill(on, '099199000001', 'X01.1-261123-0002', 'X01.1-0043');
  await becomes(403, stopped);
  t.match(await alerted(on, 1), [{ officer: 'X01.1-0043', outcome: 'numbers-in-sequence', alert: { action: 'stop' } }]);
  t.match(
    (await on.entries()).filter(({ kind }) => kind === 'shut-out'),
    [
      {
        agency: 'gateway',
        shutOut: { kind: 'officer', whose: 'X01.1', value: 'X01.1-0043', until: new Date(MONDAY + HOURS(2)).toISOString() },
      },
    ],
  );

  for (const subject of people(4)) t.equal(await prefill(on, subject, 'X01.1-261123-0003', 'X01.1-0044'), 200);
  const slowed = (): Promise<number> => prefill(on, '099199000001', 'X01.1-261123-0004', 'X01.1-0044');
  await becomes(429, slowed);
  on.time.now += 61_000;
  t.strictSame([await slowed(), await slowed(), await slowed()], [200, 200, 429], 'two a minute');
  t.equal(await prefill(on, '099199000001', 'X01.1-261123-0005', 'X01.1-0042'), 200, 'a colleague is not');
  t.equal(await stopped(), 403);
  on.time.now = MONDAY + HOURS(2);
  t.equal(await stopped(), 200, 'for so long');
  on.time.now = MONDAY + HOURS(3) + 61_000;
  t.strictSame([await slowed(), await slowed(), await slowed()], [200, 200, 200]);
  t.equal((await on.alerts()).length, 2);
});

const postgres = await findPostgres();
t.test(
  'two gateways on one log raise one alert, for what neither saw alone',
  { skip: typeof postgres === 'string' && postgres },
  async (t) => {
    if (typeof postgres === 'string') return;
    t.teardown(() => postgres.stop());
    const databaseUrl = await postgres.fresh();
    const configDirectory = editedConfig({ 'gateway.yaml': (file) => ({ ...file, misuse: { peopleOfDossier: { action: 'stop' } } }) });
    const dataDirectory = temporaryDirectory();
    t.teardown(() => {
      for (const each of [configDirectory, dataDirectory]) rmSync(each, { recursive: true, force: true });
    });
    const shared = { configDirectory, dataDirectory, databaseUrl, now: MONDAY };
    const one = await startGateway(shared);
    const two = await startGateway(shared);
    for (const [i, subject] of people(13).entries()) await prefill(i % 2 === 0 ? one : two, subject, 'X01.1-261123-0001');
    await alerted(one, 1);
    // Both have looked by then.
    await after(1500);
    t.equal((await alerted(two, 1)).length, 1);
    t.equal((await two.entries()).filter(({ kind }) => kind === 'shut-out').length, 1);
    for (const on of [one, two]) t.equal(await prefill(on, '099199000001', 'X01.1-261123-0002'), 403, 'by whichever gateway');
    await one.close();
    await two.close();
  },
);

t.test('faults of the configuration are named', async (t) => {
  const broken = (edits: Parameters<typeof editedConfig>[0]): string => {
    const directory = editedConfig(edits);
    try {
      openCatalogue(directory, true);
      return '';
    } catch (error) {
      return String((error as { faults?: { pointer: string }[] }).faults?.map(({ pointer }) => pointer));
    } finally {
      rmSync(directory, { recursive: true });
    }
  };
  const gateway = (misuse: object) => broken({ 'gateway.yaml': (file) => ({ ...file, misuse }) });
  const agency = (misuse: object) => broken({ 'agencies/X01.1.yaml': (file) => ({ ...file, misuse }) });
  t.equal(gateway({ sequence: { action: 'stop' }, offHours: { daysOff: ['2027-02-05'] } }), '');
  t.equal(gateway({ sequence: { action: 'kill' } }), '/misuse/sequence/action');
  t.equal(gateway({ offHours: { from: '25:00' } }), '/misuse/offHours/from');
  t.equal(gateway({ offHours: { from: '06:00' } }), '/misuse/offHours/to');
  t.equal(agency({ automated: ['X01.1-M'], worksAtNight: true, peopleOfDossier: { more: 40 } }), '');
  t.equal(agency({ automated: ['X02.1-M'] }), '/misuse/automated/0');
  t.equal(
    agency({ peopleOfDossier: { action: 'off' } }),
    '/misuse/peopleOfDossier/action',
    'an agency’s file says numbers, not what is done',
  );
});
