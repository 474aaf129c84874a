/** What stands around a registry: each part by itself, against an oracle or a property, and the order in which they come. */
import { readFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { type Adapter, type Answer, SourceError, type SourceFailure } from '../src/adapter.ts';
import { openCatalogue } from '../src/app.ts';
import type { Opened, Protection, Rate, Source } from '../src/domain.ts';
import { Admission } from '../src/http/admission.ts';
import { Bucket } from '../src/misuse/bucket.ts';
import { REASONS } from '../src/print.ts';
import { around } from '../src/stages/around/around.ts';
import { Circuit, type Finding, type Passage } from '../src/stages/around/circuit.ts';
import { bucketOf, Meter, upperEnd } from '../src/stages/around/meter.ts';
import { Places } from '../src/stages/around/places.ts';
import { NotAsked } from '../src/stages/around/question.ts';
import { type Ask, askSource } from '../src/stages/ask.ts';
import { chance, numbers, seedOf } from './support/chance.ts';
import { noRecords } from './support/records.ts';

const seed = seedOf();
const NOON = Date.parse('2026-11-22T05:00:00Z');

/** The defaults of `src/catalogue/protection.ts`. */
const DEFAULTS: Protection = {
  atOnce: 32,
  waiting: 2048,
  budget: { all: undefined, eachAgency: undefined, agencies: new Map() },
  circuit: { failures: 5, percent: 50, of: 20, withinSeconds: 20, pauseSeconds: 2, longestPauseSeconds: 15 },
  retry: { most: 1, percent: 10 },
  maintenance: { weekly: [], once: [] },
};

interface Registry {
  readonly ask: Ask;
  readonly time: { now: number };
  /** Asks about somebody; the answer's kind, or why there is none and for how many seconds. */
  look(agency?: string, key?: string): Promise<string>;
  state: ReturnType<typeof around>['state'];
  idle: ReturnType<typeof around>['idle'];
  /** How often the intent went on record, and how often the adapter was asked. */
  readonly counts: { opened: number; asked: number };
  readonly changes: string[];
}

let people = 0;

function registry(lookUp: Adapter['lookUp'], protection: Partial<Protection> = {}, timeoutMs = 1000): Registry {
  const source = { id: 'x', timeoutMs, datasets: {}, protection: { ...DEFAULTS, ...protection } } as unknown as Source;
  const time = { now: NOON };
  const counts = { opened: 0, asked: 0 };
  const changes: string[] = [];
  const clock = (): number => time.now;
  const changed = (state: string, seconds?: number): void => void changes.push(`${state} ${seconds ?? ''}`.trim());
  const protectedBy = around(source, { clock, random: () => 0, changed });
  const counted: Adapter['lookUp'] = (question, signal) => {
    counts.asked++;
    return lookUp(question, signal);
  };
  const adapter: Adapter = { datasets: { d: 'person' }, lookUp: counted, close: async () => {} };
  const ask = askSource(source, adapter, { validators: new Map(), cache: noRecords, clock, around: protectedBy, report: () => {} });
  const open = async (): Promise<Opened> => {
    counts.opened++;
    return { index: 0 } as Opened;
  };
  const look: Registry['look'] = (agency = 'X01.1', key = String(people++)) =>
    ask({ source: 'x', dataset: 'd', kind: 'person', key }, open, agency).then(
      ({ answer }) => (answer.found ? 'found' : 'absent'),
      (error: SourceError | NotAsked) => `${error.reason}${error.retryAfterSeconds === undefined ? '' : ` ${error.retryAfterSeconds}`}`,
    );
  return { ask, time, look, state: protectedBy.state, idle: protectedBy.idle, counts, changes };
}

const absent = async (): Promise<Answer> => ({ found: false });
const hanging: Adapter['lookUp'] = (_, signal) =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
const failing =
  (reason: SourceFailure, seconds?: number): Adapter['lookUp'] =>
  async () => {
    throw new SourceError(reason, 'it failed', seconds);
  };
/** A registry whose answers, or failures, a test gives one by one. */
function held(): { lookUp: Adapter['lookUp']; answers: (() => void)[]; failures: (() => void)[]; readonly atOnce: number } {
  const [answers, failures]: [(() => void)[], (() => void)[]] = [[], []];
  let atOnce = 0;
  let most = 0;
  const lookUp: Adapter['lookUp'] = () =>
    new Promise((resolve, reject) => {
      most = Math.max(most, ++atOnce);
      answers.push(() => {
        atOnce--;
        resolve({ found: false });
      });
      failures.push(() => {
        atOnce--;
        reject(new SourceError('timeout', 'it took too long'));
      });
    });
  return {
    lookUp,
    answers,
    failures,
    get atOnce() {
      return most;
    },
  };
}

const ALWAYS_OPEN = { weekly: [{ days: ['sun'], from: '11:00', to: '13:00' }], once: [] } as const;
const NO_BUDGET = { all: { perSecond: 0.1, burst: 1 }, eachAgency: undefined, agencies: new Map<string, Rate>() };

t.test('the order is maintenance, circuit, budget, places; and whoever is refused was neither put on record nor asked', async (t) => {
  /** What stands in the way, beside all that comes after it → what is said. NOON is noon of a Sunday in Viet Nam. */
  const rows: [says: string, protection: Partial<Protection>, failed: boolean][] = [
    ['maintenance 3600', { maintenance: ALWAYS_OPEN, budget: NO_BUDGET, atOnce: 1, waiting: 0 }, true],
    ['circuit-open 2', { budget: NO_BUDGET, atOnce: 1, waiting: 0 }, true],
    ['budget 10', { budget: NO_BUDGET, atOnce: 1, waiting: 0 }, false],
    ['overloaded 1', { atOnce: 1, waiting: 0 }, false],
  ];
  for (const [says, protection, failed] of rows) {
    const busy = held();
    let fails = failed;
    const one = registry(async (question, signal) => (fails ? failing('error')(question, signal) : busy.lookUp(question, signal)), {
      ...protection,
      circuit: { ...DEFAULTS.circuit, failures: 1 },
    });
    one.time.now = NOON - 7_200_000;
    if (failed) await one.look();
    fails = false;
    one.time.now = failed ? NOON - 7_200_000 : NOON;
    if (!failed) void one.look();
    await nextTurn();
    if (says.startsWith('maintenance')) one.time.now = NOON;
    const before = { ...one.counts };
    t.equal(await one.look(), says);
    t.strictSame(one.counts, before, 'neither on record nor asked');
    t.equal(one.state('X01.1').recent.reasons[says.split(' ')[0] ?? ''], 1, 'and counted');
  }
});

t.test('the documents tell the order and the defaults as they are', async (t) => {
  const table = /\| \| stands in the way[\s\S]*?\n\n/.exec(readFileSync('docs/operating.md', 'utf8'))?.[0] ?? '';
  const reasons = [...table.matchAll(/^\| [2-5] \|[^|]*\| `([a-z-]+)` \|/gm)].map(([, reason]) => reason);
  t.strictSame(reasons, ['maintenance', 'circuit-open', 'budget', 'overloaded']);
  const { protection } = openCatalogue('config', true).sources.get('population') as Source;
  t.strictSame(protection, DEFAULTS);
  const { failures, of, percent, withinSeconds, pauseSeconds, longestPauseSeconds } = protection.circuit;
  t.equal(percent, 50);
  const circuit = `${failures} failures in a row, or half of at least ${of} look-ups in ${withinSeconds} s; open for ${pauseSeconds} s, then 4, 8, at most ${longestPauseSeconds}`;
  for (const words of [circuit, '32 at once, 2,048 waiting', '1 retry, for 10 of 100 look-ups at most']) t.ok(table.includes(words), words);
  for (const reason of reasons) t.ok(reason !== undefined && reason in REASONS, `${reason} is told in plain words`);
});

t.test('the intent is on record before the registry is asked, and where the log is away nobody is', async (t) => {
  const one = registry(absent);
  const log = new Error('the log is away');
  const name = { source: 'x', dataset: 'd', kind: 'person', key: '1' } as const;
  await t.rejects(
    one.ask(name, () => Promise.reject(log), 'X01.1'),
    log,
  );
  t.equal(one.counts.asked, 0);
  t.equal(one.state('X01.1').atOnce.used, 0, 'the place is free again');
  const late = registry(absent, {}, 20);
  await t.rejects(
    late.ask(name, () => new Promise(() => {}), 'X01.1'),
    new NotAsked('overloaded', 0),
    'a log that hangs costs the field',
  );
  t.equal(late.counts.asked, 0);
});

/** What a registry does ten times → what is said the eleventh time, at once and after the pause. */
const COUNTED: [rule: string, lookUp: Adapter['lookUp'], next: string, later: string][] = [
  ['unreachable', failing('unreachable'), 'circuit-open 2', 'unreachable'],
  ['error', failing('error'), 'circuit-open 2', 'error'],
  ['a timeout that it tells itself', failing('timeout'), 'circuit-open 2', 'timeout'],
  ['refused is an answer', failing('refused'), 'refused', 'refused'],
  ['malformed is an answer', failing('malformed'), 'malformed', 'malformed'],
  ['another person is an answer', failing('wrong-subject'), 'wrong-subject', 'wrong-subject'],
  ['no such record is an answer', absent, 'absent', 'absent'],
  ['it says itself when to come back', failing('error', 40), 'circuit-open 40', 'circuit-open 38'],
  ['whatever it says it with', failing('refused', 40), 'circuit-open 40', 'circuit-open 38'],
];

t.test('which failures open the circuit', async (t) => {
  for (const [rule, lookUp, next, later] of COUNTED) {
    const one = registry(lookUp);
    for (let i = 0; i < 10; i++) await one.look();
    t.equal(await one.look(), next, rule);
    one.time.now += 2000;
    t.equal((await one.look()).replace(/ 40$/, ''), later, `${rule}, later`);
  }
});

t.test('a record that no registry can read does not close the registry for all', async (t) => {
  const one = registry(async (question) => {
    if (question.key === 'poison') throw new SourceError('error', 'it failed');
    return { found: false };
  });
  for (let i = 0; i < 50; i++) {
    t.equal(await one.look('X01.1', 'poison'), 'error');
    if (i % 2 === 0) t.equal(await one.look(), 'absent');
  }
  for (let i = 0; i < 50; i++) t.equal(await one.look('X01.1', 'poison'), 'error');
});

t.test(
  'after the pause one look-up at a time tries, and one answer is enough; each failure doubles the pause, up to its limit',
  async (t) => {
    let up = false;
    const gate = held();
    const one = registry((question, signal) => (up ? gate.lookUp(question, signal) : failing('unreachable')(question, signal)));
    for (let i = 0; i < 5; i++) await one.look();
    for (const seconds of [2, 4, 8, 15, 15]) {
      t.equal(await one.look(), `circuit-open ${seconds}`);
      one.time.now += seconds * 1000 - 1;
      t.equal(await one.look(), 'circuit-open 1', 'not a moment earlier');
      one.time.now += 1;
      t.match(one.state('X01.1'), { state: 'degraded' });
      t.equal(await one.look(), 'unreachable', 'it is tried');
    }
    one.time.now += 15_000;
    up = true;
    const tries = Array.from({ length: 50 }, () => one.look());
    t.equal(
      (await Promise.all(tries.slice(1))).filter((said) => said === 'circuit-open 1').length,
      49,
      'while one tries the others are told at once',
    );
    t.equal(gate.answers.length, 1);
    gate.answers[0]?.();
    t.equal(await tries[0], 'absent');
    t.match(one.state('X01.1'), { state: 'degraded' }, 'its latest look-ups failed, but it is asked');
    const all = Array.from({ length: 32 }, () => one.look());
    await nextTurn();
    t.equal(gate.answers.length, 33, 'everybody is let through');
    for (const answer of gate.answers.slice(1)) answer();
    t.strictSame(new Set(await Promise.all(all)), new Set(['absent']));
    t.match(one.state('X01.1'), { state: 'ok' });
    t.strictSame(
      one.changes,
      ['open 2', 'open 4', 'open 8', 'open 15', 'open 15', 'open 15', 'closed'],
      'the operator hears of each change once',
    );
  },
);

/** What is under way or was, with how much there is of it → whether the registry has time for a look-up that nobody waits for. */
const IDLE: [rule: string, protection: Partial<Protection>, underWay: number, idle: boolean][] = [
  ['nothing to do', {}, 0, true],
  ['half its places free behind it', { atOnce: 4 }, 1, true],
  ['fewer', { atOnce: 4 }, 2, false],
  ['its only place', { atOnce: 1 }, 0, false],
  ['somebody waits', { atOnce: 4 }, 5, false],
  ['maintenance', { maintenance: ALWAYS_OPEN }, 0, false],
  ['half its budget left behind it', { budget: { ...NO_BUDGET, all: { perSecond: 1, burst: 4 } } }, 1, true],
  ['less', { budget: { ...NO_BUDGET, all: { perSecond: 1, burst: 4 } } }, 2, false],
  ['less of the agency’s own', { budget: { all: undefined, eachAgency: { perSecond: 1, burst: 4 }, agencies: new Map() } }, 2, false],
  ['its whole budget', { budget: NO_BUDGET }, 0, false],
];

t.test('a registry is idle where a look-up that nobody waits for is in nobody’s way', async (t) => {
  for (const [rule, protection, underWay, idle] of IDLE) {
    const gate = held();
    const one = registry(gate.lookUp, protection);
    const all = Array.from({ length: underWay }, () => one.look());
    await nextTurn();
    t.equal(one.idle('X01.1'), idle, rule);
    for (let i = 0; i < underWay; i++) {
      gate.answers[i]?.();
      await nextTurn();
    }
    await Promise.all(all);
  }
  const failed = registry(failing('unreachable'));
  for (let i = 0; i < 3; i++) await failed.look();
  t.notOk(failed.idle('X01.1'), 'it fails, though not often enough to be left alone');
  for (let i = 0; i < 3; i++) await failed.look();
  t.notOk(failed.idle('X01.1'), 'it is left alone');
});

t.test('a question that nobody waits for is never put on record later than at once', async (t) => {
  const gate = held();
  const one = registry(gate.lookUp, { atOnce: 1, waiting: 1 });
  const name = { source: 'x', dataset: 'd', kind: 'person', key: '1' } as const;
  let opened = 0;
  const open = async (): Promise<Opened> => ({ index: ++opened }) as Opened;
  const ahead = one.ask({ ...name, key: '2' }, open, 'X01.1', true);
  t.equal(opened, 1, 'before the call returns');
  const live = one.look('X01.1', '3');
  const joined = one.ask({ ...name, key: '3' }, open, 'X02.1', true);
  await nextTurn();
  gate.answers[0]?.();
  await ahead;
  await nextTurn();
  gate.answers[1]?.();
  t.equal(await live, 'absent');
  t.match(await joined, { answer: { found: false } }, 'it shares what is under way');
  t.equal(opened, 1);
});

t.test('those who wait when the circuit opens are told at once', async (t) => {
  const gate = held();
  const one = registry(gate.lookUp, { atOnce: 5 });
  const first = Array.from({ length: 5 }, () => one.look());
  const waiting = Array.from({ length: 45 }, () => one.look());
  await nextTurn();
  for (const [i, look] of first.entries()) {
    gate.failures[i]?.();
    t.equal(await look, 'timeout');
    await nextTurn();
  }
  // Four failures do not open it yet, so the places of four were taken by others.
  t.match(one.state('X01.1'), { state: 'open', atOnce: { used: 4 }, waiting: { used: 0 } }, 'while they would have waited on');
  for (const fail of gate.failures.slice(5)) fail();
  t.strictSame((await Promise.all(waiting)).sort(), [...Array(41).fill('circuit-open 2'), ...Array(4).fill('timeout')]);
  t.equal(one.counts.opened, 9, 'and nothing is on record that was not asked');
});

t.test('a look-up that spent its time waiting says nothing of the registry when it comes too late', async (t) => {
  const gate = held();
  const one = registry(gate.lookUp, { atOnce: 1, circuit: { ...DEFAULTS.circuit, failures: 1 } }, 10_000);
  const done = async (look: Promise<string>, end: 'answers' | 'failures'): Promise<string> => {
    await nextTurn();
    gate[end].at(-1)?.();
    return look;
  };
  for (let i = 0; i < 20; i++) await done(one.look(), 'answers');
  /** One is asked for so long, and then one that waited behind it. */
  const behind = async (milliseconds: number): Promise<string> => {
    const [first, second] = [one.look(), one.look()];
    await nextTurn();
    one.time.now += milliseconds;
    gate.answers.at(-1)?.();
    await first;
    return done(second, 'failures');
  };
  t.equal(await behind(6000), 'timeout', 'there was some time left, so it was asked');
  t.match(one.state('X01.1'), { state: 'ok' });
  const before = one.counts.opened;
  t.equal(await behind(9900), 'overloaded 2', 'there was too little left, and it was not even asked');
  t.equal(one.counts.opened, before + 1);
  t.equal(await done(one.look(), 'failures'), 'timeout');
  t.match(one.state('X01.1'), { state: 'open' }, 'one that had all its time counts');
});

t.test('a process that was itself too busy to notice speaks against nobody', async (t) => {
  const one = registry(hanging, { circuit: { ...DEFAULTS.circuit, failures: 1 } }, 50);
  const look = one.look();
  for (const end = performance.now() + 100; performance.now() < end; );
  t.equal(await look, 'timeout');
  t.match(one.state('X01.1'), { state: 'ok' });
  while (one.state('X01.1').state === 'ok') t.equal(await one.look(), 'timeout');
});

t.test('the circuit against a model that remembers everything', async (t) => {
  t.comment(`SEED=${seed}`);
  const wrong: unknown[] = [];
  for (let run = 0; run < 60; run++) {
    const below = chance(seed + run);
    const settings = {
      failures: 2 + below(6),
      percent: 20 + below(80),
      of: 3 + below(20),
      withinSeconds: 10,
      pauseSeconds: 2,
      longestPauseSeconds: 9,
    };
    let now = NOON;
    const heard: string[] = [];
    const circuit = new Circuit(
      settings,
      () => now,
      () => 0,
      (state) => void heard.push(state),
    );
    // The model: everything that came back since it was last closed, and nothing derived.
    let [open, until, pauses, trying, turn]: [boolean, number, number, boolean, number] = [false, 0, 0, false, 0];
    let history: { slice: number; failed: boolean }[] = [];
    const told: string[] = [];
    const openUntil = (time: number): void => {
      if (!(open && now < until)) told.push('open');
      [open, until, trying] = [true, time, false];
      turn++;
    };
    const pause = (): void => openUntil(now + 1000 * Math.min(9, 2 * 2 ** pauses++));
    const passages: { passage: Passage; turn: number; trying: boolean }[] = [];
    for (let step = 0; step < 400; step++) {
      const wait = !open ? 0 : now < until ? until - now : trying ? 1000 : 0;
      if (circuit.wait() !== wait) wrong.push({ run, step, wait, is: circuit.wait() });
      const state = !open ? 'closed' : now < until ? 'open' : 'trying';
      if (circuit.state().state !== state) wrong.push({ run, step, state, is: circuit.state() });
      const dice = below(100);
      if (dice < 45 && wait === 0) {
        passages.push({ passage: circuit.enter(), turn, trying: open });
        if (open) trying = true;
      } else if (dice < 85 && passages.length > 0) {
        const [taken] = passages.splice(below(passages.length), 1);
        const finding = (['answered', 'failed', 'failed', 'nothing'] as const satisfies readonly Finding[])[below(4)] ?? 'nothing';
        if (taken === undefined) continue;
        circuit.leave(taken.passage, finding);
        if (taken.turn !== turn) continue;
        if (taken.trying) trying = false;
        if (finding === 'nothing') continue;
        if (taken.trying) {
          if (finding === 'failed') pause();
          else {
            [open, pauses, history] = [false, 0, []];
            turn++;
            told.push('closed');
          }
          continue;
        }
        history.push({ slice: Math.floor(now / 1000), failed: finding === 'failed' });
        const recent = history.filter(({ slice }) => slice > Math.floor(now / 1000) - 10);
        const failed = recent.filter((one) => one.failed).length;
        const inARow = history.length - 1 - history.findLastIndex((one) => !one.failed);
        if (
          finding === 'failed' &&
          (inARow >= settings.failures || (recent.length >= settings.of && failed * 100 >= settings.percent * recent.length))
        )
          pause();
      } else if (dice < 88) {
        const seconds = 1 + below(20);
        circuit.leaveAlone(seconds);
        if (!open || now + seconds * 1000 > until) openUntil(now + seconds * 1000);
      } else now += below(1500);
    }
    if (heard.join() !== told.join()) wrong.push({ run, heard, told });
  }
  t.strictSame(wrong.slice(0, 3), []);
});

t.test('a clock that is set back does not keep a registry closed, nor a budget empty', async (t) => {
  const one = registry(failing('unreachable'));
  for (let i = 0; i < 5; i++) await one.look();
  one.time.now -= 86_400_000;
  t.equal(await one.look(), 'circuit-open 2');
  t.match(one.state('X01.1'), { state: 'open', since: one.time.now });
  one.time.now += 2000;
  t.equal(await one.look(), 'unreachable');
  const bucket = new Bucket({ perSecond: 1, burst: 8 });
  for (let i = 0; i < 8; i++) bucket.take(NOON);
  t.equal(bucket.wait(NOON - 86_400_000), 1000);
  t.equal(bucket.wait(NOON - 86_400_000 + 1000), 0);
});

t.test('a budget is never exceeded, in no while whatever, and what it says of when to come back is true', async (t) => {
  t.comment(`SEED=${seed}`);
  const wrong: unknown[] = [];
  for (let run = 0; run < 60; run++) {
    const next = numbers(seed + run);
    const rate = { perSecond: [0.5, 3, 10, 333, 1000][run % 5] ?? 1, burst: 1 + Math.floor(next() * 20) };
    const bucket = new Bucket(rate);
    let now = NOON;
    const taken: number[] = [];
    for (let step = 0; step < 400; step++) {
      const wait = bucket.wait(now);
      if (wait === 0) {
        bucket.take(now);
        taken.push(now);
      } else if (next() < 0.2) {
        if (bucket.wait(now + wait - 1) === 0 && wait > 1) wrong.push(['it could have come earlier', rate, wait]);
        now += wait;
        if (bucket.wait(now) !== 0) wrong.push(['it came in vain', rate, wait]);
      }
      const used = bucket.used(now);
      if (used < 0 || used > 1) wrong.push(['used', used]);
      now += Math.floor(next() ** 3 * (4000 / rate.perSecond));
    }
    for (let i = 0; i < taken.length; i++)
      for (let j = i; j < taken.length; j++) {
        const seconds = ((taken[j] ?? 0) - (taken[i] ?? 0)) / 1000;
        if (j - i + 1 > rate.burst + seconds * rate.perSecond + 1e-6) wrong.push(['too many', rate, seconds, j - i + 1]);
      }
  }
  t.strictSame(wrong.slice(0, 3), []);
});

t.test('budgets: of all, of one agency, of each other one', async (t) => {
  const agencies = new Map([['X02.1', { perSecond: 1, burst: 5 }]]);
  const one = registry(absent, { budget: { all: { perSecond: 1, burst: 8 }, eachAgency: { perSecond: 1, burst: 2 }, agencies } });
  const times = async (agency: string): Promise<number> => {
    for (let count = 0; ; count++) if ((await one.look(agency)) === 'budget 1') return count;
  };
  t.equal(await times('X01.1'), 2, 'its share');
  t.match(one.state('X01.1').budget, { all: { used: 0.25 }, own: { burst: 2, used: 1 } });
  t.equal(await times('X02.1'), 5, 'the one that is named has its own');
  t.equal(await times('X03.1'), 1, 'and all together no more than the whole');
  t.match(one.state('X01.1').budget, { all: { used: 1 } });
  one.time.now += 1000;
  t.equal(await times('X01.1'), 1);
});

t.test('a refusal that is one agency’s own affair is not shared with another that asked the same', async (t) => {
  const agencies = new Map([['X01.1', { perSecond: 0.1, burst: 1 }]]);
  const gate = held();
  const one = registry(gate.lookUp, { atOnce: 1, budget: { all: undefined, eachAgency: undefined, agencies } });
  const first = one.look('X03.1', 'somebody');
  const [waiting, same] = [one.look('X01.1', 'a'), one.look('X02.1', 'a')];
  const [others, poor] = [one.look('X02.1', 'b'), one.look('X01.1', 'b')];
  await nextTurn();
  for (let i = 0; i < 4; i++) {
    gate.answers[i]?.();
    await nextTurn();
  }
  t.strictSame(await Promise.all([first, waiting, same]), ['absent', 'absent', 'absent']);
  t.strictSame(await Promise.all([others, poor]), ['absent', 'absent'], 'an answer that another pays for costs nothing');
  const [second, third] = [one.look('X01.1', 'c'), one.look('X02.1', 'c')];
  await nextTurn();
  gate.answers.at(-1)?.();
  t.equal(await second, 'budget 10');
  t.equal(await third, 'absent');
});

t.test('never more at a registry at once than it may be asked, in fair turns, and nobody is forgotten', async (t) => {
  t.comment(`SEED=${seed}`);
  const wrong: unknown[] = [];
  for (let run = 0; run < 40; run++) {
    const below = chance(seed + run);
    const [atOnce, mayWait] = [1 + below(4), below(20)];
    const places = new Places(atOnce, () => mayWait);
    const signals: AbortController[] = [];
    let [inside, entered, settled] = [0, 0, 0];
    const order: [string, number][] = [];
    for (let step = 0; step < 500; step++) {
      if (below(3) > 0) {
        const agency = `A${below(3)}`;
        const controller = new AbortController();
        signals.push(controller);
        const number = entered++;
        const waited = places.enter(agency, controller.signal);
        if (waited === undefined) {
          inside++;
          settled++;
        } else
          void waited.then((there) => {
            settled++;
            if (there) {
              inside++;
              order.push([agency, number]);
            }
          });
      } else if (below(8) === 0) signals[below(signals.length || 1)]?.abort();
      else if (inside > 0) {
        inside--;
        places.leave();
      }
      await null;
      await null;
      if (inside > atOnce || inside !== places.taken) wrong.push(['at once', run, inside, places.taken, atOnce]);
      if (places.waiting > mayWait) wrong.push(['waiting', run, places.waiting, mayWait]);
      if (places.waiting > 0 && inside < atOnce) wrong.push(['a place is free while somebody waits', run]);
      if (entered - settled !== places.waiting) wrong.push(['forgotten', run, entered - settled, places.waiting]);
    }
    for (const agency of ['A0', 'A1', 'A2']) {
      const own = order.filter(([who]) => who === agency).map(([, number]) => number);
      if (own.some((number, i) => number < (own[i - 1] ?? 0))) wrong.push(['out of turn', run, agency]);
    }
  }
  t.strictSame(wrong.slice(0, 3), []);
});

t.test('one agency’s flood does not starve another', async (t) => {
  const gate = held();
  const one = registry(gate.lookUp, { atOnce: 2, waiting: 10 });
  const flood = Array.from({ length: 100 }, () => one.look('X01.1'));
  const other = Array.from({ length: 4 }, () => one.look('X02.1'));
  let done = 0;
  for (const look of other) void look.then(() => done++);
  await nextTurn();
  t.match(one.state('X01.1'), { atOnce: { used: 2, allowed: 2 }, waiting: { used: 10, allowed: 10 } });
  let answered = 0;
  while (done < 4) {
    gate.answers[answered++]?.();
    await nextTurn();
    await nextTurn();
  }
  t.ok(answered <= 2 + 2 * 4, `the fourth of the other is through after ${answered}, in turns`);
  while (answered < gate.answers.length || one.state('X01.1').waiting.used > 0) {
    gate.answers[answered++]?.();
    await nextTurn();
  }
  const said = await Promise.all(flood);
  t.strictSame(new Set(await Promise.all(other)), new Set(['absent']));
  t.equal(said.filter((word) => word === 'overloaded 1').length, 100 - (gate.answers.length - 4));
  t.equal(gate.atOnce, 2, 'and never more than two at once');
});

t.test('a queue whose end cannot be reached in time is full', async (t) => {
  const gate = held();
  const one = registry(gate.lookUp, { atOnce: 2 }, 1000);
  const first = one.look();
  await nextTurn();
  one.time.now += 400;
  gate.answers[0]?.();
  await first;
  const looks = Array.from({ length: 10 }, () => one.look());
  await nextTurn();
  t.equal(one.state('X01.1').waiting.used, 3, 'two each 400 ms, and 600 ms to wait in: three');
  for (const [i] of looks.entries()) {
    gate.answers[i + 1]?.();
    await nextTurn();
  }
  t.equal((await Promise.all(looks)).filter((said) => said === 'overloaded 1').length, 5);
});

t.test('a broken connection is made again once, where that can help', async (t) => {
  /** What fails how often, then it answers → what is said, after how many attempts. */
  const rows: [rule: string, reason: SourceFailure, times: number, protection: Partial<Protection>, says: string, asked: number][] = [
    ['once', 'unreachable', 1, {}, 'absent', 2],
    ['twice is too often', 'unreachable', 2, {}, 'unreachable', 2],
    ['as often as the file says', 'unreachable', 2, { retry: { most: 2, percent: 100 } }, 'absent', 3],
    ['never, where the file says so', 'unreachable', 1, { retry: { most: 0, percent: 10 } }, 'unreachable', 1],
    ['an answer is an answer', 'error', 1, {}, 'error', 1],
    ['what took its time has had it', 'timeout', 1, {}, 'timeout', 1],
    ['what was refused stays so', 'refused', 1, {}, 'refused', 1],
    ['it counts into the budget', 'unreachable', 1, { budget: NO_BUDGET }, 'unreachable', 1],
    ['an open circuit is not tried twice', 'unreachable', 1, { circuit: { ...DEFAULTS.circuit, failures: 1 } }, 'absent', 2],
  ];
  for (const [rule, reason, times, protection, says, asked] of rows) {
    let left = times;
    const one = registry(async (question, signal) => (left-- > 0 ? failing(reason)(question, signal) : absent()), protection);
    if (protection.retry?.most === 2) await registryWarm(one);
    const before = one.counts.asked;
    left = times;
    t.equal(await one.look(), says, rule);
    t.equal(one.counts.asked - before, asked, rule);
    t.equal(one.counts.opened - (protection.retry?.most === 2 ? 5 : 0), 1, 'the intent is on record once');
  }
});

/** Look-ups that save up retries. */
async function registryWarm(one: Registry): Promise<void> {
  for (let i = 0; i < 5; i++) await one.look();
}

t.test('retries are no more than their share, however much fails', async (t) => {
  t.comment(`SEED=${seed}`);
  const next = numbers(seed);
  const one = registry(
    async () => {
      if (next() < 0.4) throw new SourceError('unreachable', 'it failed');
      return { found: false };
    },
    { circuit: { ...DEFAULTS.circuit, failures: 1000, percent: 100 } },
  );
  for (let i = 0; i < 1000; i++) await one.look();
  const { retried, asked } = one.state('X01.1').recent;
  t.ok(retried > 10 && retried <= 1 + 0.1 * (asked - retried), `${retried} of ${asked}`);
  t.equal(asked, one.counts.asked);
});

t.test('what was measured: no figure is more than an eighth too high, and the past is forgotten', async (t) => {
  t.comment(`SEED=${seed}`);
  for (let value = 0; value < 60_000; value += 1 + (value >> 6)) {
    const end = upperEnd(bucketOf(value));
    if (end < value || end > value * 1.125) t.fail(`${value} is told as ${end}`);
  }
  const next = numbers(seed);
  const time = { now: NOON };
  const meter = new Meter(() => time.now);
  const values = Array.from({ length: 2000 }, () => Math.floor(next() ** 4 * 5000));
  for (const value of values) meter.answered(value);
  meter.failed('timeout', 1000);
  meter.notAsked('budget');
  const sorted = values.sort((a, b) => a - b);
  for (const [name, share] of [
    ['p50', 0.5],
    ['p95', 0.95],
  ] as const) {
    const [exact, told] = [sorted[Math.ceil(share * sorted.length) - 1] ?? 0, meter.recent()[name] ?? 0];
    t.ok(told >= exact && told <= exact * 1.125, `${name} ${exact} is told as ${told}`);
  }
  t.match(meter.recent(), { asked: 2001, failed: 1, reasons: { timeout: 1, budget: 1 } });
  time.now += 4 * 60_000;
  t.equal(meter.recent().asked, 2001);
  time.now += 60_000;
  t.strictSame(meter.recent(), { seconds: 300, asked: 0, failed: 0, retried: 0, p50: undefined, p95: undefined, reasons: {} });
});

t.test('a registry of which many look-ups fail is degraded until they no longer do', async (t) => {
  const next = numbers(seed);
  let failed = 0.3;
  const one = registry(async () => {
    if (next() < failed) throw new SourceError('malformed', 'nonsense');
    return { found: false };
  });
  t.match(one.state('X01.1'), { state: 'ok', since: NOON });
  failed = 1;
  for (let i = 0; i < 10; i++) await one.look();
  t.match(one.state('X01.1'), { state: 'degraded', since: NOON });
  one.time.now += 60_000;
  failed = 0;
  for (let i = 0; i < 50; i++) await one.look();
  t.match(one.state('X01.1'), { state: 'ok', since: NOON + 60_000 });
});

/** Milliseconds that the loop works and waits, and whoever was done, in each tenth of a second → whether a prefill is still taken with so many at work. */
const LOADS: [rule: string, active: number, idle: number, done: number, atWork: number, taken: boolean][] = [
  ['a loop that waits takes any number: only registries are slow', 20, 80, 10, 1500, true],
  ['but not without end', 20, 80, 10, 2000, false],
  ['a busy one takes as many as it can work off: 2 ms each, 1000 ms', 100, 0, 50, 480, true],
  ['and no more', 100, 0, 50, 520, false],
  ['at 10 ms each that is fewer', 100, 0, 10, 110, false],
  ['so few are always taken', 100, 0, 2, 63, true],
  ['and they are the fewest', 100, 0, 2, 64, false],
];

const take = (admission: Admission): boolean => {
  if (admission.wait() !== undefined) return false;
  admission.enter();
  return true;
};

t.test('a prefill is taken while it can be answered in time', async (t) => {
  for (const [rule, active, idle, done, atWork, taken] of LOADS) {
    const loop = { active: 0, idle: 0 };
    const admission = new Admission({ deadlineMs: 3000, loopTimes: () => ({ ...loop }) });
    // One at a time until the cost of one is known.
    for (let tenth = 0; tenth < 300; tenth++) {
      loop.active += active;
      loop.idle += idle;
      for (let i = 0; i < done; i++) take(admission) && admission.leave();
    }
    let entered = 0;
    while (entered < atWork && take(admission)) entered++;
    t.equal(entered === atWork && take(admission), taken, rule);
    // Who can wait gives way earlier, as soon as those are there that are always taken.
    t.equal(admission.crowded(), !taken || (active === 100 && entered + 1 >= 64), `${rule}: whether a line of a batch waits`);
  }
  const loop = { active: 0, idle: 0 };
  const stuck = new Admission({ deadlineMs: 3000, loopTimes: () => ({ ...loop }) });
  for (let i = 0; i < 64; i++) take(stuck);
  loop.idle += 3001;
  t.equal(stuck.wait(), 3, 'where nobody has left for longer than the deadline, a new one would not either');
  stuck.leave();
  t.ok(take(stuck));
});
