/** The cache: one contract for every kind of it, records that only their key opens, and answers that are never older than allowed. */

import { randomUUID } from 'node:crypto';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { createGateway } from '../src/app.ts';
import type { Cache, SharedCache } from '../src/cache/cache.ts';
import { memoryCache } from '../src/cache/memory.ts';
import { redisSettings } from '../src/cache/open.ts';
import { type Observed, type RecordName, recordCache } from '../src/cache/records.ts';
import { redisCache } from '../src/cache/redis.ts';
import { keyRing } from '../src/cache/ring.ts';
import { type Tiers, tieredCache } from '../src/cache/tiered.ts';
import type { Prefill } from '../src/domain.ts';
import { startSandbox } from '../src/sandbox/index.ts';
import { makeWorld } from '../src/sandbox/people.ts';
import { numbers, seedOf } from './support/chance.ts';
import { ASSERTION_TYPE, agencyKey, assertion, ISSUER, temporaryDirectory } from './support/gateway.ts';
import { cacheKeys } from './support/records.ts';
import { findRedis, type TestRedis } from './support/redis.ts';
import { until } from './support/waiting.ts';

const found = await findRedis();
if (typeof found !== 'string') t.teardown(() => found.stop());
const seed = seedOf();

/** Runs with Redis, or is skipped by name with the reason. */
function withRedis(name: string, run: (t: Test, redis: TestRedis) => Promise<void>): void {
  t.test(name, { skip: typeof found === 'string' ? found : false }, (t) => run(t, found as TestRedis));
}

const text = async (cache: Cache, key: string): Promise<string | undefined> => (await cache.get(key))?.toString();

/** A cache of Redis that is connected, and what it reported. */
async function connected(t: Test, url: string): Promise<{ shared: SharedCache; cache: Cache; states: string[] }> {
  const states: string[] = [];
  const shared = redisCache(redisSettings(url, undefined), (state) => states.push(state));
  t.teardown(() => shared.close());
  await until('connected', () => states.includes('connected'));
  return { shared, cache: plain(shared), states };
}

/** As one that knows nothing of changes. */
const plain = (shared: SharedCache): Cache => ({
  get: async (key) => (await shared.get(key))?.bytes,
  set: (key, bytes, seconds) => shared.set(key, bytes, seconds, Date.now()),
  close: () => shared.close(),
});
const asCache = (tiers: Tiers): Cache => ({
  get: (key) => tiers.get(key),
  set: (key, bytes, seconds) => tiers.set(key, bytes, seconds, tiers.moment()),
  close: () => tiers.close(),
});
const tiered = (shared: SharedCache, near = memoryCache(LIMIT)): Cache => asCache(tieredCache(near, shared, Date.now));

/** Rule → what keeps it; `set` takes keys that no other test uses. */
const CONTRACT: [rule: string, holds: (t: Test, cache: Cache, key: string) => Promise<void>][] = [
  ['nothing is known of a key that was never set', async (t, cache, key) => void t.equal(await cache.get(key), undefined)],
  [
    'what was set is what is got',
    async (t, cache, key) => {
      cache.set(key, Buffer.from('one'), 60);
      cache.set(`${key} other`, Buffer.from('two'), 60);
      t.equal(await text(cache, key), 'one');
      t.equal(await text(cache, `${key} other`), 'two');
    },
  ],
  [
    'the last one set counts',
    async (t, cache, key) => {
      for (const one of ['one', 'two, which is longer', '3']) cache.set(key, Buffer.from(one), 60);
      t.equal(await text(cache, key), '3');
    },
  ],
  [
    'it is gone after its time',
    async (t, cache, key) => {
      cache.set(key, Buffer.from('short'), 0.02);
      cache.set(`${key} other`, Buffer.from('long'), 60);
      await until('gone', async () => (await cache.get(key)) === undefined);
      t.equal(await text(cache, `${key} other`), 'long');
    },
  ],
  [
    'a new time counts from the last set',
    async (t, cache, key) => {
      cache.set(key, Buffer.from('long'), 60);
      cache.set(key, Buffer.from('short'), 0.02);
      await until('gone', async () => (await cache.get(key)) === undefined);
      cache.set(key, Buffer.from('again'), 60);
      t.equal(await text(cache, key), 'again');
    },
  ],
  [
    'what is kept for no time takes the place of what was there, and is not kept',
    async (t, cache, key) => {
      cache.set(key, Buffer.from('one'), 60);
      cache.set(key, Buffer.from('two'), 0);
      t.equal(await cache.get(key), undefined);
    },
  ],
  [
    'every byte comes back, and no byte too',
    async (t, cache, key) => {
      const bytes = Buffer.from([...Array(256).keys(), 0xed, 0xa0, 0x80, 0x0d, 0x0a, 0x00]);
      cache.set(key, bytes, 60);
      cache.set(`${key} empty`, Buffer.alloc(0), 60);
      t.strictSame(await cache.get(key), bytes);
      t.strictSame(await cache.get(`${key} empty`), Buffer.alloc(0));
    },
  ],
  [
    'once closed it knows nothing and throws nothing',
    async (t, cache, key) => {
      cache.set(key, Buffer.from('one'), 60);
      await cache.close();
      cache.set(`${key} other`, Buffer.from('two'), 60);
      t.equal(await cache.get(key), undefined);
    },
  ],
];

const LIMIT = 1_000_000;
const CACHES: Record<string, (t: Test) => Promise<Cache>> = {
  memory: async () => memoryCache(LIMIT),
  redis: async (t) => (await connected(t, (found as TestRedis).url)).cache,
  tiered: async (t) => tiered((await connected(t, (found as TestRedis).url)).shared),
};

for (const [name, make] of Object.entries(CACHES)) {
  t.test(`${name} keeps the contract`, { skip: name !== 'memory' && typeof found === 'string' ? found : false }, async (t) => {
    const cache = await make(t);
    t.teardown(() => cache.close());
    for (const [rule, holds] of CONTRACT) await t.test(rule, (t) => holds(t, cache, randomUUID()));
  });
}

t.test('memory: an entry lives to the millisecond it was given', async (t) => {
  const cache = memoryCache(LIMIT);
  t.teardown(() => cache.close());
  let now = Date.now();
  t.intercept(Date, 'now', { value: () => now });
  cache.set('a', Buffer.from('one'), 90);
  now += 90_000;
  t.equal(await text(cache, 'a'), 'one');
  now += 1;
  t.equal(await cache.get('a'), undefined);
  t.equal(cache.bytes, 0, 'and its bytes are free again');
});

t.test('memory: what is used stays, and what was not used for longest goes', async (t) => {
  const one = memoryCache(LIMIT);
  one.set('', Buffer.alloc(0), 60);
  const cache = memoryCache(3 * (one.bytes + 1));
  t.teardown(() => Promise.all([one.close(), cache.close()]));
  for (const key of ['a', 'b', 'c']) cache.set(key, Buffer.from('1'), 60);
  await cache.get('a');
  cache.set('d', Buffer.from('1'), 60);
  t.strictSame(await Promise.all(['a', 'b', 'c', 'd'].map((key) => text(cache, key))), ['1', undefined, '1', '1']);
});

t.test('memory: a piece of a large buffer does not keep the rest of it', async (t) => {
  const cache = memoryCache(LIMIT);
  t.teardown(() => cache.close());
  cache.set('a', Buffer.alloc(65_536, 'x').subarray(7, 12), 60);
  const kept = await cache.get('a');
  t.equal(kept?.toString(), 'xxxxx');
  t.equal(kept?.buffer.byteLength, 5);
});

t.test('memory: it never holds more than its limit, and lets go of the oldest first', async (t) => {
  t.comment(`SEED=${seed}`);
  const next = numbers(seed);
  const measure = memoryCache(LIMIT);
  measure.set('', Buffer.alloc(0), 60);
  const overhead = measure.bytes;
  await measure.close();
  const wrong: unknown[] = [];
  for (const limit of [0, 1, 2000, 20_000]) {
    const cache = memoryCache(limit);
    /** Every key that was ever set and fitted, in the order of the last set. */
    const order = new Map<string, number>();
    for (let step = 0; step < 1500; step++) {
      const key = `key ${Math.floor(next() * 60)}`;
      const length = Math.floor(next() ** 3 * 3000);
      const before = await present(cache, order);
      cache.set(key, Buffer.alloc(length), 60);
      order.delete(key);
      if (length + overhead <= limit) order.set(key, length);
      const now = await present(cache, order);
      const held = now.reduce((sum, one) => sum + overhead + (order.get(one) ?? 0), 0);
      if (cache.bytes > limit) wrong.push(['over the limit', limit, cache.bytes]);
      if (cache.bytes !== held) wrong.push(['counted wrongly', cache.bytes, held]);
      if (now.length > 0 && now.join() !== [...order.keys()].slice(-now.length).join()) wrong.push(['not the oldest', limit, now]);
      if (length + overhead <= limit && now.at(-1) !== key) wrong.push(['the new one is not there', limit, length]);
      if (length + overhead > limit && (await cache.get(key)) !== undefined) wrong.push(['what was there before it', limit, length]);
      const last = before.filter((one) => one !== key && !now.includes(one)).at(-1);
      if (last !== undefined && cache.bytes + overhead + (order.get(last) ?? 0) <= limit) wrong.push(['more than it had to', limit, last]);
    }
    await cache.close();
  }
  t.strictSame(wrong.slice(0, 5), []);
});

async function present(cache: Cache, order: ReadonlyMap<string, number>): Promise<string[]> {
  const there: string[] = [];
  for (const key of order.keys()) if ((await cache.get(key)) !== undefined) there.push(key);
  return there;
}

withRedis('redis away, frozen, back: no answer, no error, no waiting, and it comes back by itself', async (t, redis) => {
  t.teardown(() => redis.mend());
  const { cache, states } = await connected(t, redis.url);
  const key = randomUUID();
  cache.set(key, Buffer.from('one'), 60);
  // On a busy machine an answer may come later than it is waited for.
  await until('there', async () => (await text(cache, key)) === 'one');
  const timed = async (): Promise<number> => {
    const start = performance.now();
    cache.set(key, Buffer.from('lost'), 60);
    t.equal(await cache.get(key), undefined);
    return performance.now() - start;
  };

  const asked = cache.get(key);
  await redis.cut();
  t.match(await asked.then(String, String), /undefined|one/, 'cut while it was asked: no error');
  await until('away', () => states.at(-1) === 'away');
  t.ok((await timed()) < 90, 'away: at once');
  await redis.mend();
  await until('back', async () => (await text(cache, key)) === 'one');
  t.strictSame(states, ['connected', 'away', 'connected'], 'each change is told once');

  redis.freeze();
  t.ok((await timed()) < 500, 'frozen: soon');
  const many = await Promise.all(Array.from({ length: 50 }, () => timed()));
  t.ok(Math.max(...many) < 1000, 'frozen: soon for many');
  await redis.cut();
  await redis.mend();
  await until('thawed', async () => (await cache.get(key)) !== undefined);
});

withRedis('redis that was never there: no answer, and it comes by itself', async (t, redis) => {
  t.teardown(() => redis.mend());
  await redis.cut();
  const states: string[] = [];
  const cache = plain(redisCache(redisSettings(redis.url, undefined), (state) => states.push(state)));
  t.teardown(() => cache.close());
  const key = randomUUID();
  cache.set(key, Buffer.from('lost'), 60);
  t.equal(await cache.get(key), undefined);
  await until('away', () => states.includes('away'));
  t.equal(await cache.get(key), undefined);
  await redis.mend();
  await until('connected', () => states.includes('connected'));
  cache.set(key, Buffer.from('one'), 60);
  t.equal(await text(cache, key), 'one');
});

/** A shared cache that shows what it was given, and lets it be tampered with. */
class Open implements SharedCache {
  readonly kept = new Map<string, Buffer>();
  until = Number.POSITIVE_INFINITY;
  async get(key: string): Promise<{ bytes: Buffer; seconds: number } | undefined> {
    const bytes = this.kept.get(key);
    const seconds = (this.until - Date.now()) / 1000;
    return bytes && seconds > 0 ? { bytes, seconds } : undefined;
  }
  set(key: string, bytes: Buffer, seconds: number): void {
    this.kept.set(key, bytes);
    this.until = Date.now() + 1000 * seconds;
  }
  async drop(): Promise<'now'> {
    return 'now';
  }
  hear(): void {}
  async close(): Promise<void> {}
}
t.test('tiered: what the near tier takes from the shared one is gone with it', async (t) => {
  // Two gateways share what keeps no time of its own: only the record's says when it is over.
  const shared = new Open();
  const one = tiered(shared);
  const other = tiered(shared);
  t.teardown(() => Promise.all([one.close(), other.close()]));
  let now = Date.now();
  t.intercept(Date, 'now', { value: () => now });
  one.set('a', Buffer.from('one'), 10);
  now += 9_000;
  t.equal(await text(other, 'a'), 'one');
  now += 1_001;
  t.equal(await other.get('a'), undefined);
});

withRedis('tiered: one process finds what another set, near the next time', async (t, redis) => {
  t.teardown(() => redis.mend());
  const one = tiered((await connected(t, redis.url)).shared);
  const near = memoryCache(LIMIT);
  const other = tiered((await connected(t, redis.url)).shared, near);
  t.teardown(() => Promise.all([one.close(), other.close()]));
  const key = randomUUID();
  one.set(key, Buffer.from('one'), 60);
  t.equal(await text(one, key), 'one');
  await until('shared', async () => (await text(other, key)) === 'one');
  t.equal(await text(near, key), 'one', 'kept near');
  await redis.cut();
  t.equal(await text(other, key), 'one', 'without the shared tier too');
});

const NAME: RecordName = { source: 'population', dataset: 'person', kind: 'person', key: '003099000017' };
const OBSERVED: Observed = {
  answer: { found: true, about: NAME.key, record: { fullName: 'NGUYỄN VĂN AN', area: 7.5, list: [null, true] }, recordedAt: null },
  observedAt: 1_795_000_000_123,
};

t.test('a sealed record opens with its key under its name, and otherwise is as if it were not there', async (t) => {
  const open = new Open();
  const keys = cacheKeys();
  // Without a near tier every record is opened anew.
  const recordsUnder = (pair = keys) => recordCache(tieredCache(memoryCache(0), open, Date.now), keyRing([pair], 3600, Date.now));
  const records = recordsUnder();
  records.set(NAME, OBSERVED, records.moment(), 60);
  t.strictSame(await records.get(NAME), OBSERVED, 'what was set is what is got');
  const [[key, sealed] = ['', Buffer.alloc(0)]] = open.kept;
  const reads = async (bytes: Buffer): Promise<boolean> => {
    open.kept.set(key, bytes);
    return (await records.get(NAME)) !== undefined;
  };
  t.ok(await reads(Buffer.from(sealed)), 'untouched');

  await t.test('any flipped bit', async (t) => {
    const opened: number[] = [];
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const bytes = Buffer.from(sealed);
      bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      if (await reads(bytes)) opened.push(bit);
    }
    t.strictSame(opened, []);
  });
  await t.test('cut off or prolonged', async (t) => {
    const opened: number[] = [];
    for (let length = 0; length < sealed.length; length++) {
      if (await reads(sealed.subarray(0, length))) opened.push(length);
      if (await reads(sealed.subarray(sealed.length - length))) opened.push(-length);
    }
    if (await reads(Buffer.concat([sealed, Buffer.alloc(1)]))) opened.push(sealed.length + 1);
    t.strictSame(opened, []);
  });
  await t.test('copied under the name of another record', async (t) => {
    const others: RecordName[] = [
      { ...NAME, key: '003060000021' },
      { ...NAME, source: 'civil-registry' },
      { ...NAME, dataset: 'birth' },
      { ...NAME, kind: 'certificate' },
    ];
    for (const other of others) {
      open.kept.clear();
      records.set(other, OBSERVED, records.moment(), 60);
      const [[otherKey] = ['']] = open.kept;
      t.not(otherKey, key, 'it has another name');
      open.kept.set(otherKey, sealed);
      t.equal(await records.get(other), undefined);
    }
  });
  await t.test('sealed or named by another key', async (t) => {
    open.kept.clear();
    recordsUnder({ ...keys, seal: cacheKeys().seal }).set(NAME, OBSERVED, records.moment(), 60);
    t.ok(open.kept.has(key), 'it is there');
    t.equal(await records.get(NAME), undefined, 'and does not open');
    open.kept.clear();
    recordsUnder({ ...keys, name: cacheKeys().name }).set(NAME, OBSERVED, records.moment(), 60);
    t.notOk(open.kept.has(key), 'a name cannot be made without its key');
  });
  await t.test('sealed twice is sealed differently', async (t) => {
    open.kept.clear();
    records.set(NAME, OBSERVED, records.moment(), 60);
    t.not(open.kept.get(key)?.toString('hex'), sealed.toString('hex'));
  });
});

// Through the gateway.

const NOW = Date.parse('2026-11-22T05:00:00Z');
const SUBJECT = '003099000017';
/** Seconds for which the population register's answers may be used again, and its "no such record". */
const SOURCE_AGE = 1000;
const ABSENT_AGE = 20;
/** Procedures with one field, by what they say of age. */
const AGES: Record<string, number | undefined> = { '2.000001': undefined, '2.000002': 100, '2.000003': 5000, '2.000004': 0 };

function configDirectory(t: Test, cacheBytes: number): string {
  const directory = temporaryDirectory();
  t.teardown(() => rmSync(directory, { recursive: true }));
  cpSync('config', directory, { recursive: true });
  const gateway = join(directory, 'gateway.yaml');
  writeFileSync(gateway, `${readFileSync(gateway, 'utf8')}cacheBytes: ${cacheBytes}\n`);
  const population = join(directory, 'sources/population.yaml');
  const person = `person: { maxAgeSeconds: ${SOURCE_AGE}, absentMaxAgeSeconds: ${ABSENT_AGE} }`;
  writeFileSync(population, readFileSync(population, 'utf8').replace(/person: \{.*/, person));
  const law = 'nd-104-2022#art-14-2';
  const grants: string[] = [];
  for (const [code, age] of Object.entries(AGES)) {
    writeFileSync(
      join(directory, `procedures/${code}.yaml`),
      `code: "${code}"
validFrom: 2026-01-01
name: { vi: a, en: a }
agency: { vi: a, en: a }
form: { name: { vi: a, en: a }, confidence: unverified }
legalBasis: [${law}]
sources: [made up]
${age === undefined ? '' : `maxAgeSeconds: ${age}`}
roles: { subject: { kind: person, name: { vi: a, en: a } } }
fields: [{ at: /name, name: { vi: a, en: a }, type: personName, required: true, from: [{ role: subject, dataset: person, value: /fullName }] }]
components: [{ id: declaration, name: { vi: a, en: a }, confidence: unverified, kept: declaration }]
`,
    );
    grants.push(
      `  - { id: p${code.at(-1)}, procedure: "${code}", purpose: settle-dossier, fields: all, components: all, legalBasis: [${law}], validFrom: 2026-01-01, validTo: 2026-12-31 }`,
    );
  }
  const desk = join(directory, 'agencies/X01.1.yaml');
  writeFileSync(desk, `${readFileSync(desk, 'utf8')}${grants.join('\n')}\n`);
  return directory;
}

const sandbox = await startSandbox();
t.teardown(() => sandbox.close());
const asked = (): number =>
  (['population', 'civil-registry', 'land', 'birth-notices'] as const).reduce((sum, one) => sum + sandbox.requests(one), 0);

interface Started {
  readonly clock: { now: number };
  readonly dataDirectory: string;
  prefill(procedure: string, more?: { subject?: string; related?: object; maxAgeSeconds?: number }): Promise<Prefill>;
}

/** A gateway; `like` is another process on the same data directory. */
async function start(t: Test, options: { cacheBytes?: number; redisUrl?: string; like?: Started } = {}): Promise<Started> {
  const dataDirectory = options.like?.dataDirectory ?? temporaryDirectory();
  if (options.like === undefined) t.teardown(() => rmSync(dataDirectory, { recursive: true }));
  const clock = { now: NOW };
  const lines: string[] = [];
  const gateway = await createGateway({
    environment: {
      host: '127.0.0.1',
      port: 0,
      configDirectory: configDirectory(t, options.cacheBytes ?? LIMIT),
      dataDirectory,
      stateDirectory: dataDirectory,
      issuer: ISSUER,
      databaseUrl: undefined,
      redisUrl: options.redisUrl,
      logLevel: 'silent',
      secret: () => undefined,
    },
    sandbox,
    logger: pino({ level: 'warn' }, { write: (line) => void lines.push(line) }),
    clock: () => clock.now,
    // Nothing is refreshed ahead.
    random: () => 0,
  });
  t.teardown(() => gateway.close());
  if (options.redisUrl !== undefined) await until('connected', () => lines.some((line) => line.includes('"connected"')));
  const tokens = new Map<number, string>();
  const token = async (): Promise<string> => {
    const known = tokens.get(clock.now);
    if (known !== undefined) return known;
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      client_assertion_type: ASSERTION_TYPE,
      client_assertion: await assertion(agencyKey(dataDirectory, 'X01.1'), 'X01.1', { now: clock.now }),
    });
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const reply = await gateway.server.inject({ method: 'POST', url: '/oauth2/token', headers, payload: form.toString() });
    const { access_token: made } = reply.json() as { access_token: string };
    tokens.set(clock.now, made);
    return made;
  };
  return {
    clock,
    dataDirectory,
    async prefill(procedure, more) {
      const reply = await gateway.server.inject({
        method: 'POST',
        url: '/v1/prefills',
        headers: { authorization: `Bearer ${await token()}` },
        payload: { procedure, dossier: 'X01.1-261122-0001', officer: 'X01.1-0001', subject: SUBJECT, ...more },
      });
      if (reply.statusCode !== 200) throw new Error(`${reply.statusCode} ${reply.payload}`);
      return reply.json().prefill as Prefill;
    },
  };
}

const people = [...makeWorld().people.keys()].filter((number) => number !== SUBJECT);
const [UNKNOWN, UNKNOWN_TOO] = ['003091000199', '003091000299'];

/** How old an answer is (seconds) → whether it may be used again, by what the procedure and the caller say; the source says 1000. */
const FRESHNESS: [rule: string, procedure: string, caller: number | undefined, limit: number][] = [
  ['the source’s limit, where nobody says another', '2.000001', undefined, SOURCE_AGE],
  ['the procedure’s, where it is smaller', '2.000002', undefined, 100],
  ['the source’s, where the procedure’s is larger', '2.000003', undefined, SOURCE_AGE],
  ['the caller’s, where it is smaller', '2.000001', 50, 50],
  ['the caller’s, where it is smaller than the procedure’s', '2.000002', 50, 50],
  ['the procedure’s, where the caller’s is larger', '2.000002', 500, 100],
  ['the source’s, where the caller’s is larger', '2.000003', 4000, SOURCE_AGE],
  ['a caller’s 0 asks anew', '2.000001', 0, 0],
  ['a procedure’s 0 asks anew', '2.000004', 3000, 0],
];

t.test('the smallest limit decides how old an answer may be', async (t) => {
  const gateway = await start(t);
  for (const [i, [rule, procedure, maxAgeSeconds, limit]] of FRESHNESS.entries()) {
    for (const [j, age] of [limit * 1000 - 1, limit * 1000].entries()) {
      if (age < 0) continue;
      const more = { subject: people[2 * i + j] ?? '', ...(maxAgeSeconds === undefined ? {} : { maxAgeSeconds }) };
      gateway.clock.now = NOW;
      const first = await gateway.prefill('2.000001', { subject: more.subject });
      gateway.clock.now = NOW + age;
      const before = asked();
      const second = await gateway.prefill(procedure, more);
      const cached = age < limit * 1000;
      const expected = {
        status: 'filled',
        freshness: cached ? 'cached' : 'live',
        observedAt: new Date(cached ? NOW : NOW + age).toISOString(),
      };
      t.match(second.fields['/name'], expected, `${rule}: ${age} ms old`);
      t.equal(asked() - before, cached ? 0 : 1, cached ? 'nobody is asked' : 'the registry is asked');
      t.strictSame(second.form, first.form);
    }
  }
});

t.test('an answer that was asked anew is used the next time', async (t) => {
  const gateway = await start(t);
  await gateway.prefill('2.000001');
  gateway.clock.now = NOW + 999_000;
  await gateway.prefill('2.000001', { maxAgeSeconds: 0 });
  gateway.clock.now = NOW + 1_998_000;
  t.match((await gateway.prefill('2.000001')).fields['/name'], { freshness: 'cached', observedAt: new Date(NOW + 999_000).toISOString() });
});

t.test('a failure is never kept', async (t) => {
  const gateway = await start(t);
  t.teardown(() => sandbox.tell('population', { mode: 'ok' }));
  for (const [i, mode] of (['fail', 'garbage', 'wrong-subject'] as const).entries()) {
    const subject = people[i] ?? '';
    sandbox.tell('population', { mode });
    t.match((await gateway.prefill('2.000001', { subject })).fields['/name'], { status: 'unavailable' }, mode);
    sandbox.tell('population', { mode: 'ok' });
    // The registry that fails says when to come back.
    gateway.clock.now += 60_000;
    t.match((await gateway.prefill('2.000001', { subject })).fields['/name'], { status: 'filled', freshness: 'live' }, `after ${mode}`);
  }
  gateway.clock.now = NOW + 500_000;
  const kept = await gateway.prefill('2.000001');
  sandbox.tell('population', { mode: 'fail' });
  await gateway.prefill('2.000001', { maxAgeSeconds: 0 });
  t.strictSame((await gateway.prefill('2.000001')).form, kept.form, 'nor does it drive out what was there');
});

t.test('“no such record” is kept briefly', async (t) => {
  const gateway = await start(t);
  const row = async (seconds: number, requests: number, rule: string): Promise<void> => {
    gateway.clock.now = NOW + seconds * 1000;
    const before = asked();
    t.match((await gateway.prefill('2.000001', { subject: UNKNOWN })).fields['/name'], { status: 'not-found', reason: 'no-record' }, rule);
    t.equal(asked() - before, requests, rule);
  };
  await row(0, 1, 'asked');
  await row(ABSENT_AGE - 0.001, 0, 'not asked again at once');
  await row(ABSENT_AGE, 1, 'asked again soon');
});

t.test('equal look-ups at the same time ask a registry once', async (t) => {
  const gateway = await start(t);
  t.teardown(() => sandbox.tell('population', { mode: 'ok' }));
  await gateway.prefill('2.000001', { subject: UNKNOWN_TOO });
  sandbox.tell('population', { mode: 'slow', delayMs: 20 });
  const before = asked();
  const replies = await Promise.all(
    Array.from({ length: 30 }, (_, i) => gateway.prefill('2.000001', { subject: people[i % 2] ?? '', maxAgeSeconds: 0 })),
  );
  t.equal(asked() - before, 2, 'thirty callers, two people');
  t.ok(replies.every(({ fields }) => fields['/name']?.freshness === 'live'));
  t.not(replies[0]?.form.name, replies[1]?.form.name, 'and each has the answer about the person asked');
});

/** Everything that gateways keep in Redis. */
async function dump(redis: Redis): Promise<Map<string, Buffer>> {
  const kept = new Map<string, Buffer>();
  for (const key of await redis.keys('oncegate:*')) {
    const value = await redis.getBuffer(key);
    if (value !== null) kept.set(key, value);
  }
  return kept;
}

const RESIDENCE = { related: { householder: '003060000021' } };

withRedis('gateways that share Redis share their answers, and nothing in it can be read', async (t, redis) => {
  const direct = new Redis(redis.direct);
  direct.on('error', () => {});
  t.teardown(() => direct.disconnect());
  const earlier = await dump(direct);
  const one = await start(t, { redisUrl: redis.url });
  const two = await start(t, { redisUrl: redis.url, like: one });
  const before = asked();
  const first = await one.prefill('1.004222', RESIDENCE);
  const lookUps = asked() - before;
  t.ok(lookUps > 4);
  await until('kept', async () => (await dump(direct)).size === earlier.size + lookUps);

  two.clock.now = NOW + 10_000;
  const second = await two.prefill('1.004222', RESIDENCE);
  t.equal(asked() - before, lookUps, 'the other asks nobody');
  t.strictSame(second.form, first.form);
  const filled = Object.values(second.fields).filter(({ status }) => status === 'filled');
  t.ok(filled.length > 5);
  t.ok(
    filled.every(({ freshness, observedAt }) => freshness === 'cached' && observedAt === new Date(NOW).toISOString()),
    'and says that the values are cached, and since when',
  );

  const kept = [...(await dump(direct))].filter(([key]) => !earlier.has(key));
  const values = Object.values(first.form).flatMap((value) => (typeof value === 'string' ? value : Object.values(value as object)));
  const words = ['003099000017', '003060000021', 'NGUYỄN', 'VĂN', 'population', 'person', 'fullName', 'found', 'observedAt'];
  const readable = new Set<string>();
  for (const [key, value] of kept) {
    t.match(key, /^oncegate:[\w-]{43}$/, 'a key is a digest');
    for (const word of [...words, ...values].filter((one) => String(one).length > 3)) {
      for (const encoding of ['utf8', 'base64url', 'hex'] as const) {
        const needle = Buffer.from(String(word)).toString(encoding);
        if (value.includes(needle) || key.includes(needle)) readable.add(String(word));
      }
    }
  }
  t.strictSame([...readable], []);
});

withRedis('a Redis that dies midway changes no value and fails no request', async (t, redis) => {
  t.teardown(() => redis.mend());
  // Without a near cache every record is fetched from Redis.
  const gateway = await start(t, { redisUrl: redis.url, cacheBytes: 0 });
  const { form } = await gateway.prefill('1.004222', RESIDENCE);
  const fresh = async (): Promise<string | undefined> => (await gateway.prefill('1.004222', RESIDENCE)).fields['/fullName']?.freshness;
  await until('kept', async () => (await fresh()) === 'cached');
  const row = async (rule: string, during: () => Promise<unknown> | unknown): Promise<void> => {
    const before = Array.from({ length: 10 }, () => gateway.prefill('1.004222', RESIDENCE));
    await during();
    const replies = await Promise.all([...before, ...Array.from({ length: 10 }, () => gateway.prefill('1.004222', RESIDENCE))]);
    t.strictSame(
      replies.filter((reply) => JSON.stringify(reply.form) !== JSON.stringify(form)).map((reply) => reply.form),
      [],
      rule,
    );
  };
  await row('cut', () => redis.cut());
  t.equal(await fresh(), 'live');
  await row('back', () => redis.mend());
  await until('cached again', async () => (await fresh()) === 'cached');
  const direct = new Redis(redis.direct);
  t.teardown(() => direct.disconnect());
  if (redis.own) {
    await row('emptied', () => direct.flushall());
    await until('cached again', async () => (await fresh()) === 'cached');
    await row('full', () => direct.config('SET', 'maxmemory', '1'));
    await direct.config('SET', 'maxmemory', '0');
  }
  await row('slow', () => redis.slow(60));
  redis.slow(0);
  await row('frozen', () => redis.freeze());
  await redis.cut();
  await row('thawed', () => redis.mend());
});
