/** How often anybody may ask: no way around it, by whichever gateway, and nobody pays for another's haste. */
import { createSecretKey } from 'node:crypto';
import { setTimeout as after } from 'node:timers/promises';
import { Redis } from 'ioredis';
import t, { type Test } from 'tap';
import { openCatalogue } from '../src/app.ts';
import { redisSettings } from '../src/cache/open.ts';
import { ConfigurationError } from '../src/catalogue/faults.ts';
import type { CatalogueLimits } from '../src/catalogue/limits.ts';
import { sandboxCitizenToken } from '../src/citizen-keys.ts';
import type { Caller, CitizenIssuer, PrefillRequest, Protection, Source } from '../src/domain.ts';
import { hmacOf } from '../src/hmac.ts';
import { Bucket } from '../src/misuse/bucket.ts';
import { shareThroughRedis } from '../src/misuse/exchange.ts';
import { Kept } from '../src/misuse/kept.ts';
import { LEFT_BY_BATCHES, Limits } from '../src/misuse/limits.ts';
import { Problem } from '../src/problems.ts';
import { startSandbox } from '../src/sandbox/index.ts';
import { Budget } from '../src/stages/around/budget.ts';
import { numbers, seedOf } from './support/chance.ts';
import {
  agencyKey,
  assertion,
  type Edited,
  editedConfig,
  ISSUER,
  NOON,
  requestToken,
  startGateway,
  type TestGateway,
} from './support/gateway.ts';
import { findRedis } from './support/redis.ts';
import { until } from './support/waiting.ts';

const seed = seedOf();
t.comment(`seed ${seed}: SEED=${seed} shows this run again`);
const MINUTE = 60_000;
const DAY = 86_400_000;
const AN = '003099000017';
const HUONG = '003301000034';

const found = await findRedis();
t.teardown(async () => typeof found !== 'string' && found.stop());
const skip = typeof found === 'string' && found;

const FEW: CatalogueLimits = {
  each: { agency: { perSecond: 1, burst: 10, perDay: 1000 }, officer: { perMinute: 6, perDay: 20 } },
  agencies: new Map([['B', { agency: { perSecond: 1, burst: 1, perDay: 3 }, officer: { perMinute: 600, perDay: 6000 } }]]),
  citizen: { perMinute: 2 },
};

interface Counting {
  readonly limits: Limits;
  readonly time: { now: number };
  readonly paces: Map<string, number>;
  readonly told: [agency: string, refused: number][];
  /** What becomes of so many requests: how many pass, and in which seconds the last that does not may come again. */
  agency(id: string, times: number, weight?: number): [passed: number, seconds: number | undefined];
  officer(officer: string, times: number, request?: Partial<PrefillRequest>): [passed: number, seconds: number | undefined];
  citizen(name: string, times: number): [passed: number, seconds: number | undefined];
}

function counting(): Counting {
  const time = { now: NOON };
  const paces = new Map<string, number>();
  const told: [string, number][] = [];
  const limits = new Limits({
    limits: FEW,
    pace: (_agency, officer) => paces.get(officer),
    clock: () => time.now,
    share: undefined,
    report: (...one) => told.push(one),
  });
  const passing = (times: number, ask: () => void): [number, number | undefined] => {
    let [passed, seconds]: [number, number | undefined] = [0, undefined];
    for (let i = 0; i < times; i++)
      try {
        ask();
        passed++;
      } catch (error) {
        if (!(error instanceof Problem) || error.code !== 'too-many-requests') throw error;
        seconds = error.options.retryAfterSeconds;
      }
    return [passed, seconds];
  };
  return {
    limits,
    time,
    paces,
    told,
    agency: (id, times, weight) => passing(times, () => limits.agency(id, weight)),
    officer: (officer, times, request) => passing(times, () => limits.admit(...asking(officer, request))),
    citizen: (name, times) => passing(times, () => limits.citizen(name)),
  };
}

const asking = (officer: string, request: Partial<PrefillRequest> = {}, agency = 'A'): [Caller, PrefillRequest] => [
  { agency: { id: agency } } as Caller,
  { procedure: '1.004222', dossier: 'A-1', subject: AN, officer, ...request },
];

const RULES: readonly (readonly [rule: string, holds: (t: Test, on: Counting) => void])[] = [
  [
    'an agency has so many at once, and then so many a second',
    (t, on) => {
      t.strictSame(on.agency('A', 12), [10, 1]);
      on.time.now += 3000;
      t.strictSame(on.agency('A', 12), [3, 1]);
      t.strictSame(on.agency('C', 1), [1, undefined], 'another has its own');
    },
  ],
  [
    'so many a day, and when it may come again is true',
    (t, on) => {
      for (let i = 0; i < 3; i++) {
        t.strictSame(on.agency('B', 1), [1, undefined]);
        on.time.now += 1000;
      }
      const [, seconds = 0] = on.agency('B', 1);
      t.strictSame(seconds, DAY / 3000 - 3);
      on.time.now += 1000 * (seconds - 1);
      t.strictSame(on.agency('B', 1), [0, 1]);
      on.time.now += 1000;
      t.strictSame(on.agency('B', 2), [1, 1 + DAY / 3000 - 1]);
    },
  ],
  ['what names nobody is a tenth', (t, on) => t.strictSame(on.agency('A', 200, 0.1), [91, 1])],
  [
    'an official has so many a minute and a day, whatever the agency has',
    (t, on) => {
      t.strictSame(on.officer('A-1', 9), [6, 10]);
      t.strictSame(on.officer('A-2', 1), [1, undefined], 'another has their own');
      for (let i = 0; i < 14; i++) {
        on.time.now += 10_000;
        t.strictSame(on.officer('A-1', 1), [1, undefined]);
      }
      on.time.now += MINUTE;
      t.strictSame(on.officer('A-1', 1)[0], 0, 'the day is full');
    },
  ],
  [
    'each person named counts, for the official and the agency',
    (t, on) => {
      const many = { related: { wife: HUONG, child: AN } };
      t.strictSame(on.officer('A-1', 3, many), [2, 10]);
      // The first of each was counted before its body was read.
      t.strictSame(on.agency('A', 10), [6, 1]);
    },
  ],
  [
    'whoever takes another official’s name for each request meets the agency’s limit',
    (t, on) => {
      let passed = 0;
      for (let i = 0; i < 1000; i++) passed += on.agency('A', 1)[0] && on.officer(`A-${i}`, 1)[0];
      t.equal(passed, 10);
    },
  ],
  [
    'an official who was slowed has that pace and no more, until nobody slows them',
    (t, on) => {
      on.paces.set('A-1', 2);
      t.strictSame(on.officer('A-1', 4), [2, 30]);
      on.time.now += 30_000;
      t.strictSame(on.officer('A-1', 4), [1, 30]);
      on.paces.set('A-1', 0.5);
      t.strictSame(on.officer('A-1', 2), [1, 120], 'once in two minutes');
      on.paces.set('A-1', 0);
      t.strictSame(on.officer('A-1', 1), [0, 60], 'not at all');
      on.paces.delete('A-1');
      t.strictSame(on.officer('A-1', 1), [1, undefined]);
    },
  ],
  [
    'a clock that is set back, or ahead and back, opens nothing and closes nothing for long',
    (t, on) => {
      t.strictSame(on.agency('A', 12), [10, 1]);
      on.time.now -= DAY;
      t.strictSame(on.agency('A', 12), [0, 1]);
      on.time.now += 2000;
      t.strictSame(on.agency('A', 12), [2, 1]);
      t.strictSame(on.officer('A-1', 9), [6, 10]);
      on.time.now -= DAY;
      t.strictSame(on.officer('A-1', 9), [0, 10]);
      on.time.now += 10_000;
      t.strictSame(on.officer('A-1', 9), [1, 10]);
    },
  ],
  [
    'of an official who goes on, one refusal a minute is to be recorded; of an agency, one line a minute is written',
    (t, on) => {
      on.officer('A-1', 6);
      const recorded = (): boolean[] =>
        Array.from({ length: 4 }, () => {
          try {
            on.limits.admit(...asking('A-1', { related: {} }));
          } catch (error) {
            return !(error as Problem).options.onRecord;
          }
          throw new Error('it was not refused');
        });
      t.strictSame(recorded(), [true, false, false, false]);
      on.time.now += MINUTE;
      on.officer('A-1', 6);
      t.strictSame(recorded(), [true, false, false, false]);
      on.agency('A', 100);
      on.agency('A', 100);
      on.time.now += MINUTE;
      on.agency('A', 20);
      t.strictSame(on.told, [
        ['A', 1],
        ['A', 190],
      ]);
    },
  ],
  [
    'batches leave half to those who wait at a desk',
    (t, on) => {
      let lines = 0;
      while (on.limits.agencyWait('A', LEFT_BY_BATCHES) === 0) lines += on.agency('A', 1)[0];
      t.equal(lines, 5);
      t.strictSame(on.agency('A', 12), [5, 1]);
      let own = 0;
      while (on.limits.tryOfficer(...asking('A-1'), LEFT_BY_BATCHES) === 0) own++;
      t.equal(own, 3);
      t.strictSame(on.officer('A-1', 9), [3, 10]);
      t.equal(on.limits.agencyWait('B', LEFT_BY_BATCHES), 0, 'and are not shut out where there is but one at once');
    },
  ],
  [
    'a citizen has so many a minute',
    (t, on) => {
      t.strictSame(on.citizen('one', 3), [2, 30]);
      t.strictSame(on.citizen('two', 1), [1, undefined]);
    },
  ],
];

t.test('who may ask how often', async (t) => {
  for (const [rule, holds] of RULES) await t.test(rule, async (t) => holds(t, counting()));
});

t.test('whoever names many loses their own, and no more is kept than may be', async (t) => {
  const kept = new Kept<{ count: number }>(100);
  const made = (): { count: number } => ({ count: 0 });
  kept.of('honest', 'one', made).count = 7;
  let most = 0;
  for (let i = 0; i < 10_000; i++) {
    kept.of('many', `name ${i}`, made).count++;
    kept.of('many', 'in use', made).count++;
    most = Math.max(most, kept.size);
  }
  t.equal(most, 100);
  t.equal(kept.of('honest', 'one', made).count, 7);
  t.equal(kept.of('many', 'in use', made).count, 10_000, 'what is used is not forgotten');
  t.equal(kept.of('many', 'name 1', made).count, 0);
});

const ofAgency = (limits: object) => ({ 'agencies/X01.1.yaml': (file: Edited) => ({ ...file, limits }) });
const ofGateway = (limits: object) => ({ 'gateway.yaml': (file: Edited) => ({ ...file, limits }) });
t.test('what is little is told when there is more to tell, what is much at once, and nothing twice', async (t) => {
  const told: [number, boolean][] = [];
  let taken = 0;
  const bucket = new Bucket({ perSecond: 1, burst: 100 }, (_bucket, urgent) => told.push([taken, urgent]));
  while (taken < 30) {
    taken++;
    bucket.take(NOON);
    if (taken === 15) t.match(bucket.tell(NOON), { debt: 15_000 });
  }
  t.strictSame(told, [
    [2, false],
    [10, true],
    [17, false],
    [25, true],
  ]);
});

const FAULTS: readonly (readonly [rule: string, edits: Parameters<typeof editedConfig>[0], fault: RegExp])[] = [
  ['a number beyond all measure', ofAgency({ agency: { perDay: 1e300 } }), /limits\/agency\/perDay \[schema].*1000000000/],
  ['infinity', ofGateway({ agency: { perSecond: Number.POSITIVE_INFINITY } }), /limits\/agency\/perSecond \[schema]/],
  ['no number', ofGateway({ agency: { perSecond: Number.NaN } }), /limits\/agency\/perSecond \[schema]/],
  ['none at all, which would shut everybody out', ofGateway({ officer: { perMinute: 0 } }), /limits\/officer\/perMinute \[schema]/],
  ['less than none', ofAgency({ agency: { burst: -1 } }), /limits\/agency\/burst \[schema]/],
  ['half an official’s request', ofGateway({ officer: { perDay: 1.5 } }), /limits\/officer\/perDay \[schema]/],
  ['citizens in an agency’s file', ofAgency({ citizen: { perMinute: 5 } }), /limits.* \[schema]/],
  [
    'more at once than in a day',
    ofAgency({ agency: { burst: 50, perDay: 10 } }),
    /limits\/agency\/burst \[limits] 50 are more than the 10 of a day/,
  ],
  ['more a minute than a day', ofGateway({ officer: { perMinute: 50, perDay: 10 } }), /limits\/officer\/perMinute \[limits]/],
];

t.test('limits that cannot be meant are faults of their file', async (t) => {
  for (const [rule, edits, fault] of FAULTS) {
    const directory = editedConfig(edits);
    try {
      openCatalogue(directory, true);
      t.fail(rule);
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      const said = error.faults.map(({ file, pointer, rule, message }) => `${file} ${pointer} [${rule}] ${message}`);
      t.match(said.join('\n'), fault, rule);
    }
  }
  const { gateway } = openCatalogue(
    editedConfig({ ...ofGateway({ agency: { perSecond: 2 } }), ...ofAgency({ officer: { perDay: 7 } }) }),
    true,
  );
  t.match(gateway.limits.each, { agency: { perSecond: 2, burst: 20, perDay: 100_000 }, officer: { perMinute: 120 } });
  t.match(gateway.limits.agencies.get('X01.1'), { agency: { perSecond: 2, burst: 20 }, officer: { perMinute: 120, perDay: 7 } });
});

const KEY = createSecretKey(Buffer.alloc(32, 9));
let named = 0;

/** Gateways that count together, each by its own connection. */
function sharing(t: Test, many: number, url: string, clock = Date.now): ReturnType<typeof shareThroughRedis>['share'][] {
  return Array.from({ length: many }, () => {
    const { share, close } = shareThroughRedis({ redis: redisSettings(url, undefined), key: KEY, clock });
    t.teardown(close);
    return share;
  });
}

/** Whoever takes what is worth telling hears. */
async function heard(what: string, takers: readonly (Bucket | undefined)[], holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await holds()); tries++) {
    if (tries === 12) throw new Error(`it did not come to hold: ${what}`);
    for (const bucket of takers) bucket?.take(Date.now(), 2);
    await after(250);
  }
}
const usedOf = (bucket: Bucket | undefined): number => bucket?.used(Date.now()) ?? 0;

t.test('three gateways together never allow more than the limit and what each takes before it hears', { skip }, async (t) => {
  if (typeof found === 'string') return;
  const next = numbers(seed);
  const rate = { perSecond: 60 + Math.floor(next() * 60), burst: 10 + Math.floor(next() * 20) };
  const name = `three ${seed} ${named++}`;
  const gateways = sharing(t, 3, found.direct).map((share) => new Bucket(rate, share, name));
  const taken: { at: number; by: number }[] = [];
  let offered = 0;
  const from = Date.now();
  while (Date.now() - from < 2500) {
    for (const [by, bucket] of gateways.entries())
      for (let asks = Math.floor(next() * 4); asks > 0; asks--) {
        const at = Date.now();
        offered++;
        if (bucket.wait(at) > 0) continue;
        bucket.take(at);
        taken.push({ at, by });
      }
    await after(5);
  }
  // What one took in the time from one exchange to the end of the next, at most.
  const within = (ms: number, by?: number): number => {
    const times = taken.filter((one) => by === undefined || one.by === by).map(({ at }) => at);
    return Math.max(
      ...times.map((start, i) => times.slice(i).findIndex((at) => at > start + ms)).map((n, i) => (n < 0 ? times.length - i : n)),
    );
  };
  const beside = [0, 1, 2].reduce((sum, by) => sum + within(300, by), 0);
  const wrong: unknown[] = [];
  for (const seconds of [0.5, 1, 2, 2.5]) {
    const most = rate.burst + seconds * rate.perSecond + beside + 3 * 0.1 * rate.burst;
    if (within(1000 * seconds) > most) wrong.push({ seconds, taken: within(1000 * seconds), most });
  }
  t.strictSame(wrong, [], JSON.stringify({ seed, rate, beside }));
  const [alone, fair] = [3 * (rate.burst + 2.5 * rate.perSecond), rate.burst + 2.5 * rate.perSecond];
  t.comment(`${taken.length} of ${fair} that the limit allows; ${alone} if each counted alone; ${beside} beside it`);
  t.ok(taken.length > 0.5 * Math.min(fair, offered), `nor much less: ${taken.length} of ${fair}, of ${offered} that were asked for`);
  t.ok(taken.length < (alone + fair) / 2, `and not as if each counted alone: ${taken.length}`);
});

t.test('gateways keep together to what a registry takes', { skip }, async (t) => {
  if (typeof found === 'string') return;
  const rate = { perSecond: 0.01, burst: 100 };
  const protection = { budget: { all: rate, eachAgency: rate, agencies: new Map() } } as unknown as Protection;
  const id = `registry-${seed}-${named++}` as Source['id'];
  const [one, two] = sharing(t, 2, found.direct).map((share) => new Budget({ id, protection }, Date.now, share)) as [Budget, Budget];
  for (let i = 0; i < 60; i++) one.take('A');
  let own = 0;
  await until('the other knows', () => {
    own++;
    two.take('B');
    return (two.use('B').all?.used ?? 0) >= 0.6;
  });
  t.ok((two.use('B').own?.used ?? 1) < 0.6, 'the agency has its own');
  while (two.wait('B') === 0) {
    two.take('B');
    own++;
  }
  t.ok(own <= 41, `${own} were left for the other`);
});

t.test('whatever becomes of Redis, nobody waits, nothing piles up, and what is known holds', { skip }, async (t) => {
  if (typeof found === 'string') return;
  const rate = { perSecond: 0.001, burst: 100 };
  const direct = new Redis(found.direct);
  t.teardown(() => direct.disconnect());
  const name = `officer|minute|X01.1|X01.1-0042 ${seed}`;
  const pseudonym = hmacOf(KEY)(`limit|${name}`);
  // Others may use the same server.
  const keys = (): Promise<string[]> => direct.keys(`oncegate:{limits-*}:${pseudonym}`);
  const [here, there] = sharing(t, 2, found.url).map((share) => new Bucket(rate, share, name)) as [Bucket, Bucket];
  await heard('both connected', [here, there], () => usedOf(here) >= 0.08 && usedOf(there) >= 0.08);

  await t.test('its names say nothing and expire by themselves', async (t) => {
    const [key = '', ...more] = await keys();
    t.strictSame(more, []);
    t.match(key, /^oncegate:\{limits-\d+}:[A-Za-z0-9_-]{43}$/);
    t.ok((await direct.pttl(key)) > 0);
    t.match(await direct.get(key), /^\d+\.\d{3}$/, 'nor do its values');
  });

  await t.test('what it forgot it is told again', async (t) => {
    here.take(Date.now(), 40);
    await heard('told', [there], () => usedOf(there) > 0.4);
    await direct.del(await keys());
    here.take(Date.now(), 2);
    await until('there again', async () => (await keys()).length === 1);
    const [third] = sharing(t, 1, found.url).map((share) => new Bucket(rate, share, name));
    await heard('known to one who comes new', [third], () => usedOf(third) > 0.4);
  });

  await t.test('what somebody wrote there is not believed beyond measure', async (t) => {
    const [key = ''] = await keys();
    for (const text of ['nonsense', 'nan', '1e300', 'inf', '']) {
      await direct.set(key, text, 'PX', 60_000);
      here.take(Date.now(), 2);
      await until(`mended: ${text}`, async () => (await direct.get(key))?.match(/^\d{13}\.\d{3}$/) !== null);
      const most = 2 * (1000 / rate.perSecond) * rate.burst + 60_000;
      t.ok(Number(await direct.get(key)) <= Date.now() + 1.5 * most, text);
    }
  });

  await t.test('cut off, each goes on by what it knows, and together again when it is back', async (t) => {
    const other = `cut ${seed}`;
    const [one, two] = sharing(t, 2, found.url).map((share) => new Bucket(rate, share, other)) as [Bucket, Bucket];
    await heard('both connected', [one, two], () => usedOf(one) >= 0.08 && usedOf(two) >= 0.08);
    one.take(Date.now(), 40);
    await heard('heard', [two], () => usedOf(two) >= 0.48);
    await found.cut();
    const began = performance.now();
    const passes = (bucket: Bucket): number => {
      let passed = 0;
      for (let i = 0; i < 1000 && bucket.wait(Date.now()) === 0; i++) {
        bucket.take(Date.now());
        passed++;
      }
      return passed;
    };
    const passed = [passes(one), passes(two)];
    t.ok(performance.now() - began < 100, 'nobody waited');
    t.ok(
      passed.every((many) => many > 30 && many <= 52),
      `what both knew is not had again: ${passed}`,
    );
    await found.mend();
    const [late] = sharing(t, 1, found.url).map((share) => new Bucket(rate, share, other));
    await heard('together again', [one, late], () => usedOf(late) === 1);
    t.ok((late?.wait(Date.now()) ?? 0) > 0);
  });

  await t.test('frozen, it holds nobody up', async () => {
    found.freeze();
    here.take(Date.now(), 2);
    await after(250);
    await found.mend();
  });
});

const TIGHT = { agency: { perSecond: 1, burst: 8, perDay: 1000 }, officer: { perMinute: 4, perDay: 100 } };
const MARRIAGE = { procedure: '1.000894', subject: HUONG, related: { husband: AN } };
const PREFILL = { procedure: '1.004222', dossier: 'X01.1-261122-0001', officer: 'X01.1-0042', subject: AN };

interface Answer {
  readonly status: number;
  readonly after: string | null;
  readonly text: string;
}
async function send(on: TestGateway, path: string, token: string, body?: object | string): Promise<Answer> {
  const type = typeof body === 'string' ? 'application/x-ndjson' : 'application/json';
  const reply = await fetch(`${on.address}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': type }) },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return { status: reply.status, after: reply.headers.get('retry-after'), text: await reply.text() };
}

const read = ({ text }: Answer): { problem?: { code: string } }[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as object);

/** The gateway's clock goes on, faster than ours. */
async function whileTimePasses(on: TestGateway, answering: Promise<Answer>): Promise<Answer> {
  let done: Answer | undefined;
  void answering.then((answer) => (done = answer));
  for (; done === undefined; await after(5)) on.time.now += 50;
  return done;
}

t.test('at the door', async (t) => {
  const sandbox = await startSandbox();
  t.teardown(() => sandbox.close());
  const configDirectory = editedConfig({
    'agencies/X01.1.yaml': (file) => ({ ...file, limits: TIGHT }),
    'gateway.yaml': (file) => ({ ...file, limits: { citizen: { perMinute: 2 } } }),
  });
  const fresh = async (t: Test, more: object = {}): Promise<TestGateway> => {
    const on = await startGateway({ sandbox, configDirectory, ...more });
    t.teardown(() => on.close());
    return on;
  };
  const officers = (n: number): object => ({ ...PREFILL, officer: `X01.1-${1000 + n}` });

  await t.test('an agency that asks too often hears so before its body is read, with nothing on record; others are answered', async (t) => {
    const on = await fresh(t);
    // The token is the first of the eight.
    const token = await on.token();
    for (let i = 0; i < 7; i++) t.equal((await send(on, '/v1/prefills', token, officers(i))).status, 200);
    const entries = (await on.entries()).length;
    const refused = await send(on, '/v1/prefills', token, { not: 'read' });
    t.match(refused, { status: 429, after: '1' });
    t.match(JSON.parse(refused.text), { code: 'too-many-requests', detail: 'the agency has asked as often as it may' });
    t.equal((await on.entries()).length, entries);
    t.equal((await send(on, '/v1/procedures', await on.token('X02.1'))).status, 200);
    t.equal((await send(on, '/v1/procedures', token)).status, 429, 'a list too');
    const lines = on.lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ msg }) => msg === 'too many requests');
    t.match(lines, [{ agency: 'X01.1', refused: 1 }]);
    t.equal(lines.length, 1);
  });

  await t.test('more tokens are no more requests, and asking for tokens is asking', async (t) => {
    const on = await fresh(t);
    const key = agencyKey(on.dataDirectory, 'X01.1');
    const statuses: number[] = [];
    for (let i = 0; i < 6; i++) {
      const reply = await requestToken(on.address, await assertion(key, 'X01.1'));
      statuses.push(reply.status);
      const { access_token: token = '' } = (await reply.json()) as { access_token?: string };
      if (reply.status === 200) statuses.push((await send(on, '/v1/prefills', token, officers(i))).status);
    }
    t.strictSame(statuses, [...Array(8).fill(200), 429, 429]);
    const stranger = await requestToken(on.address, await assertion(agencyKey(on.dataDirectory, 'X02.1'), 'X01.1'));
    t.equal(stranger.status, 401, 'whoever is not the agency uses nothing up');
  });

  await t.test(
    'an official who asks too often is refused on record, once; by verifications, corrections and other tokens too',
    async (t) => {
      const on = await fresh(t);
      const token = await on.token();
      const claims = { ...PREFILL, ...MARRIAGE, claims: { '/wife/fullName': 'TRẦN THỊ HƯƠNG' } };
      t.equal((await send(on, '/v1/prefills', token, PREFILL)).status, 200);
      t.equal((await send(on, '/v1/verifications', token, claims)).status, 200, 'which names two');
      t.equal((await send(on, '/v1/prefills', token, PREFILL)).status, 200);
      const before = (await on.entries()).length;
      on.time.now += 5000;
      const correction = { ...PREFILL, field: '/fullName', source: 'population', claim: 'A', evidence: 'Giấy khai sinh số 7777/1999' };
      const other = await on.token('X01.1', 'verify prefill');
      for (const [path, body, shown] of [
        ['/v1/prefills', PREFILL, token],
        ['/v1/verifications', claims, other],
        ['/v1/corrections', correction, token],
      ] as const) {
        const refused = await send(on, path, shown, body);
        if (path === '/v1/corrections' && refused.status === 400) t.fail(refused.text);
        t.match(refused, { status: 429, after: '10' }, path);
      }
      t.match(await on.entries(before), [{ kind: 'refusal', outcome: 'too-many-requests', officer: PREFILL.officer }]);
      t.equal((await on.entries(before)).length, 1);
      t.equal((await send(on, '/v1/prefills', token, officers(1))).status, 200, 'a colleague is answered');
    },
  );

  await t.test('a batch is no way around: its lines wait their turn where it is short, and are refused where it is long', async (t) => {
    const on = await fresh(t);
    const token = await on.token();
    const lines = Array.from({ length: 9 }, (_, i) => JSON.stringify(officers(i))).join('\n');
    const began = on.time.now;
    const done = await whileTimePasses(on, send(on, '/v1/prefills/batch', token, `${lines}\n`));
    t.match(read(done).at(-1), { end: true, read: 9, answered: 9, refused: 0 });
    t.ok(on.time.now - began >= 5000, 'and took as long as the limit says');

    on.time.now += DAY;
    const again = await on.token();
    const both = { ...PREFILL, related: { householder: '003060000021' } };
    for (let i = 0; i < 2; i++) t.equal((await send(on, '/v1/prefills', again, both)).status, 200);
    const before = (await on.entries()).length;
    const mine = [both, both, officers(1)].map((one) => JSON.stringify(one)).join('\n');
    const answer = await whileTimePasses(on, send(on, '/v1/prefills/batch', again, `${mine}\n`));
    const codes = read(answer).map(({ problem }) => problem?.code);
    t.equal(codes.filter((code) => code === 'too-many-requests').length, 2, answer.text.slice(0, 500));
    t.match(read(answer).at(-1), { end: true, read: 3, answered: 1, refused: 2 });
    t.equal((await on.entries(before)).filter(({ kind }) => kind === 'refusal').length, 1);
  });

  await t.test('a citizen who looks too often hears so', async (t) => {
    const on = await fresh(t);
    const citizens = on.gateway.catalogue.gateway.citizens as CitizenIssuer;
    const token = await sandboxCitizenToken(on.dataDirectory, citizens, ISSUER, AN, NOON);
    const looks: Answer[] = [];
    for (let i = 0; i < 3; i++) looks.push(await send(on, '/v1/accesses', token, {}));
    t.match(looks, [{ status: 200 }, { status: 200 }, { status: 429, after: '30' }]);
    t.equal((await on.entries()).length, 2);
  });

  await t.test('while a known caller would be refused for want of time, nobody new is looked at', async (t) => {
    let go = (): void => {};
    let held = Promise.resolve();
    const on = await startGateway({
      sandbox,
      configDirectory: editedConfig({ 'gateway.yaml': (file) => ({ ...file, deadlineMs: 500 }) }),
      breakLog: (store) => ({
        ...store,
        append: async (compose) => {
          await held;
          return store.append(compose);
        },
      }),
    });
    t.teardown(() => on.close());
    const token = await on.token();
    const forged = (await assertion(agencyKey(on.dataDirectory, 'X02.1'), 'X01.1')).slice(0, -6);
    t.equal((await requestToken(on.address, forged)).status, 401);
    held = new Promise((resolve) => (go = resolve));
    const waiting = Array.from({ length: 64 }, (_, i) => send(on, '/v1/prefills', token, officers(i)));
    await until('those at work do not get on', async () => (await requestToken(on.address, forged)).status === 503);
    go();
    for (const { status } of await Promise.all(waiting)) t.equal(status, 200);
    t.equal((await requestToken(on.address, forged)).status, 401);
  });

  await t.test('two gateways are not twice as many', { skip }, async (t) => {
    if (typeof found === 'string') return;
    const one = await fresh(t, { redisUrl: found.url });
    const two = await fresh(t, { redisUrl: found.url, dataDirectory: one.dataDirectory });
    const token = await one.token();
    let passed = 0;
    for (let i = 0; i < 6; i++) passed += (await send(one, '/v1/prefills', token, officers(i))).status === 200 ? 1 : 0;
    t.equal(passed, 6);
    let there = 0;
    await until('the other knows', async () => {
      const { status } = await send(two, '/v1/procedures', token);
      if (status === 200) there++;
      await after(20);
      return status === 429;
    });
    t.ok(there < 70, `${there} lists, of 80 that one alone allows`);
  });
});
