/** Redis in each form that operators run it in: how it is named, who is let in, and that requests go on whatever becomes of it. */
import { createSecretKey } from 'node:crypto';
import { setTimeout as after } from 'node:timers/promises';
import { Redis } from 'ioredis';
import t, { type Test } from 'tap';
import type { Hearing, SharedCache } from '../src/cache/cache.ts';
import { redisSettings } from '../src/cache/open.ts';
import { redisCache } from '../src/cache/redis.ts';
import { parseRedisAddress } from '../src/cache/redis-address.ts';
import { Bucket } from '../src/misuse/bucket.ts';
import { shareThroughRedis } from '../src/misuse/exchange.ts';
import { findAuthority } from './support/certificates.ts';
import { findRedis, startRedis } from './support/redis.ts';
import { until } from './support/waiting.ts';
import { stretchWire } from './support/wire.ts';

const found = await findRedis();
const authority = findAuthority();
t.teardown(async () => {
  if (typeof found !== 'string') await found.stop();
  if (typeof authority !== 'string') authority.close();
});
/** These start servers of their own. */
const noServer = typeof found === 'string' ? found : found.own ? false : 'redis: REDIS_URL names one server; this starts several';

const NODE = { host: 'h', port: 6379 };
const UNDERSTOOD: [url: string, address: object][] = [
  ['redis://h', { kind: 'single', tls: false, nodes: [NODE], database: 0 }],
  ['redis://127.0.0.1:7000/3', { kind: 'single', tls: false, nodes: [{ host: '127.0.0.1', port: 7000 }], database: 3 }],
  ['redis://[::1]:7000', { kind: 'single', tls: false, nodes: [{ host: '::1', port: 7000 }], database: 0 }],
  ['redis://:secret@h', { kind: 'single', tls: false, nodes: [NODE], password: 'secret', database: 0 }],
  ['rediss://a%3Ab:c%40d%2F@h/', { kind: 'single', tls: true, nodes: [NODE], username: 'a:b', password: 'c@d/', database: 0 }],
  [
    'redis+sentinel://u:p@h,i:5/main/2?sentinel=:q',
    {
      kind: 'sentinel',
      tls: false,
      nodes: [
        { host: 'h', port: 26379 },
        { host: 'i', port: 5 },
      ],
      username: 'u',
      password: 'p',
      name: 'main',
      database: 2,
      sentinel: { password: 'q' },
    },
  ],
  ['rediss+cluster://h,i', { kind: 'cluster', tls: true, nodes: [NODE, { host: 'i', port: 6379 }], database: 0 }],
];

t.test('an address of Redis is understood', async (t) => {
  for (const [url, address] of UNDERSTOOD) t.strictSame(parseRedisAddress(url), address, url);
});

const REFUSED: [url: string, why: RegExp][] = [
  ['localhost:6379', /no form/],
  ['http://h', /no form/],
  ['redis://', /no form/],
  ['redis://h?db=1', /no form/],
  ['redis://h#1', /no form/],
  [' redis://h', /no form/],
  ['redis+tls://h', /no form/],
  ['redis://h/x', /database/],
  ['redis://h/1/2', /database/],
  ['redis://h:0', /port/],
  ['redis://h:65536', /port/],
  ['redis://h:x', /host/],
  ['redis://h i', /host/],
  ['redis://h,i', /several hosts/],
  ['redis://hunter2@h', /credentials/],
  ['redis://u:@h', /credentials/],
  ['redis://u:hunter2:x@h', /credentials/],
  ['redis://u:hunter2%zz@h', /encodes nothing/],
  ['redis://u:hunter2@p@h', /no form/],
  ['redis+sentinel://h', /by which name/],
  ['redis+sentinel://h/', /by which name/],
  ['redis+sentinel://h/a b', /by which name/],
  ['redis+cluster://h/1', /cluster has but one/],
  ['redis://h?sentinel=u:hunter2', /names none/],
];

t.test('an address that is not understood as a whole is refused, and its password not repeated', async (t) => {
  for (const [url, why] of REFUSED) {
    t.throws(() => parseRedisAddress(url), why, url);
    t.throws(() => parseRedisAddress(url), { message: /^(?!.*hunter2)REDIS_URL .*redis:\/\/\[user:password@]host/ }, url);
  }
  const file = typeof authority === 'string' ? 'LICENSE' : authority.file('ca.pem', authority.ca.certificate);
  t.throws(() => redisSettings('redis://h', file), /REDIS_CA is set, and REDIS_URL is not of a connection by TLS/);
  t.throws(() => redisSettings('rediss://h', 'no/such/file'), /no file that can be read/);
  t.throws(() => redisSettings('rediss://h', 'LICENSE'), /no certificate in PEM/);
});

/** A gateway's cache, connected and listening, with what it heard. */
async function gateway(
  t: Test,
  url: string,
  ca?: string,
): Promise<{ shared: SharedCache; states: string[]; heard: string[]; begun: () => number }> {
  const states: string[] = [];
  const heard: string[] = [];
  let begun = 0;
  const shared = redisCache(redisSettings(url, ca), (state) => states.push(state));
  t.teardown(() => shared.close());
  const hearing: Hearing = { dropped: (keys) => heard.push(...keys), began: () => begun++ };
  shared.hear(hearing);
  await until(`connected: ${states}`, () => states.includes('connected') && begun > 0);
  return { shared, states, heard, begun: () => begun };
}

let keys = 0;
const newKey = (): string => String(keys++).padStart(43, 'k');
const BYTES = Buffer.from('sealed');
const has = async (shared: SharedCache, key: string): Promise<boolean> => (await shared.get(key))?.bytes.equals(BYTES) ?? false;

/** As docs/operating.md tells the operator. */
const ALLOWED =
  '~oncegate:* &oncegate:* -@all +hello +auth +info +ping +select +get +getrange +pttl +set +del +time +eval +evalsha +publish +subscribe';

/** Whatever runs behind the address, two gateways share records and drops by it. */
async function works(
  t: Test,
  url: string,
  ca?: string,
): Promise<[Awaited<ReturnType<typeof gateway>>, Awaited<ReturnType<typeof gateway>>]> {
  const one = await gateway(t, url, ca);
  const two = await gateway(t, url, ca);
  // Enough for every node of a cluster to have some.
  const all = Array.from({ length: 20 }, newKey);
  const now = Date.now();
  for (const key of all) one.shared.set(key, BYTES, 60, now);
  await until('shared', async () => (await Promise.all(all.map((key) => has(two.shared, key)))).every(Boolean));
  t.equal(await two.shared.drop(all, now + 1), 'now');
  await until('heard', () => all.every((key) => one.heard.includes(key)));
  t.strictSame(two.heard, [], 'who says it does not hear it');
  t.strictSame(
    await Promise.all(all.map((key) => one.shared.get(key))),
    all.map(() => undefined),
    'gone',
  );
  await countsTogether(t, url, ca);
  return [one, two];
}

const NAMING = createSecretKey(Buffer.alloc(32, 7));
let counted = 0;
async function countsTogether(t: Test, url: string, ca?: string): Promise<void> {
  const rate = { perSecond: 0.001, burst: 100 };
  // Enough for every slot of names.
  const names = Array.from({ length: 40 }, () => `count ${counted++}`);
  const [here = [], there = []] = [0, 1].map(() => {
    const { share, close } = shareThroughRedis({ redis: redisSettings(url, ca), key: NAMING, clock: Date.now });
    t.teardown(close);
    return names.map((name) => new Bucket(rate, share, name));
  });
  // By itself it comes to 20 at most.
  for (let tries = 0; tries < 10 && !there.every((bucket) => bucket.used(Date.now()) >= 0.3); tries++) {
    // Whoever takes what is worth telling hears; a connection may still be made.
    for (const bucket of [...here, ...there]) bucket.take(Date.now(), 2);
    await after(250);
  }
  t.ok(there.every((bucket) => bucket.used(Date.now()) >= 0.3));
}

t.test(
  'one server: what was asked for earlier takes no later one’s place',
  { skip: typeof found === 'string' ? found : false },
  async (t) => {
    if (typeof found === 'string') return;
    const [one, two] = await works(t, found.direct);
    const [key, now] = [newKey(), Date.now()];
    const settle = async (): Promise<void> => void (await Promise.all([one, two].map(({ shared }) => shared.drop([newKey()], 0))));
    await one.shared.drop([key], now);
    two.shared.set(key, BYTES, 60, now - 1);
    two.shared.set(key, BYTES, 60, now + 1999);
    await settle();
    t.notOk(await has(one.shared, key), 'asked for before the change, or so soon after that clocks may differ');
    two.shared.set(key, BYTES, 60, now + 2000);
    await until('asked for after it', () => has(one.shared, key));
    two.shared.set(key, Buffer.from('older'), 60, now + 1999);
    await settle();
    t.ok(await has(one.shared, key), 'an older answer that arrives later');
    two.shared.set(key, Buffer.from('short'), 0.001, now + 2001);
    await until('over', async () => !(await has(one.shared, key)));
    two.shared.set(key, BYTES, 60, now + 1999);
    await settle();
    t.notOk(await has(one.shared, key), 'nor when the later one is over');
    two.shared.set(key, BYTES, 60, now + 3_600_000);
    two.shared.set(key, Buffer.from('known time'), 60, now + 3000);
    await until('a time from the future is not believed', async () => (await one.shared.get(key))?.bytes.toString() === 'known time');
  },
);

t.test('a full Redis keeps nothing new, answers all the same, and drops', { skip: noServer }, async (t) => {
  const { port, stop } = await startRedis(['--maxmemory-policy', 'noeviction']);
  t.teardown(stop);
  const [one, two] = await works(t, `redis://127.0.0.1:${port}`);
  const [before, late] = [newKey(), newKey()];
  one.shared.set(before, BYTES, 60, Date.now());
  await until('kept', () => has(two.shared, before));
  const direct = new Redis(port, '127.0.0.1');
  t.teardown(() => direct.disconnect());
  await direct.config('SET', 'maxmemory', '1');
  one.shared.set(late, BYTES, 60, Date.now());
  t.ok(await has(two.shared, before), 'what is there is there');
  t.notOk(await has(two.shared, late));
  t.equal(await one.shared.drop([before], Date.now()), 'now', 'a change is told');
  one.shared.set(before, BYTES, 60, Date.now() - 1);
  await direct.config('SET', 'maxmemory', '0');
  one.shared.set(before, BYTES, 60, Date.now() - 1);
  await one.shared.drop([newKey()], 0);
  t.notOk(await has(two.shared, before), 'and what is older does not come back');
  t.strictSame([one.states, two.states], [['connected'], ['connected']]);
});

t.test('a slow Redis costs a few requests a little, then none anything, and is used again by itself', { skip: noServer }, async (t) => {
  const { port, stop } = await startRedis();
  t.teardown(stop);
  const wire = await stretchWire(`redis://127.0.0.1:${port}`);
  t.teardown(() => wire.cut());
  const { shared, states } = await gateway(t, wire.url);
  const key = newKey();
  shared.set(key, BYTES, 60, Date.now());
  await until('kept', () => has(shared, key));
  wire.slow(200);
  const times: number[] = [];
  for (let i = 0; i < 20; i++) {
    const start = performance.now();
    t.equal(await shared.get(key), undefined);
    times.push(performance.now() - start);
  }
  t.comment(`ms: ${times.map((time) => time.toFixed(1)).join(' ')}`);
  t.ok(times.filter((time) => time > 15).length <= 4, 'only the first wait');
  t.strictSame(states, ['connected', 'slow']);
  t.equal(await shared.drop([newKey()], Date.now()), 'later', 'a change waits for it');
  wire.slow(0);
  await until('used again', () => has(shared, key));
  t.strictSame(states, ['connected', 'slow', 'connected'], 'each change is told once');
});

t.test('a drop that Redis was away for is repeated when it is back, and heard', { skip: noServer }, async (t) => {
  const { port, stop } = await startRedis();
  t.teardown(stop);
  const wire = await stretchWire(`redis://127.0.0.1:${port}`);
  t.teardown(() => wire.cut());
  const one = await gateway(t, wire.url);
  const two = await gateway(t, `redis://127.0.0.1:${port}`);
  const all = Array.from({ length: 2500 }, newKey);
  two.shared.set(all[0] ?? '', BYTES, 60, Date.now());
  await wire.cut();
  await until('away', () => one.states.at(-1) === 'away');
  t.equal(await one.shared.drop(all, Date.now()), 'later');
  t.ok(await has(two.shared, all[0] ?? ''), 'until then the others know nothing');
  const begun = one.begun();
  await wire.mend();
  await until('repeated', () => two.heard.length === all.length);
  t.notOk(await has(two.shared, all[0] ?? ''));
  await until('and here', () => one.heard.length === all.length && one.begun() > begun);

  const [lost, now] = [newKey(), Date.now()];
  t.equal(await one.shared.drop([lost], now), 'now');
  const direct = new Redis(port, '127.0.0.1');
  await direct.flushall();
  direct.disconnect();
  two.shared.set(lost, BYTES, 60, now - 1);
  await until('what a replica that took over did not hear of', () => has(two.shared, lost));
  await wire.cut();
  await wire.mend();
  await until('is repeated too', async () => !(await has(two.shared, lost)));

  await wire.cut();
  for (let i = 0; i < 49; i++) t.equal(await one.shared.drop(Array.from({ length: 1000 }, newKey), 0), 'later');
  t.equal(await one.shared.drop(Array.from({ length: 2000 }, newKey), 0), 'refused', 'what waits is bounded');
});

t.test('Sentinels: a replica takes over, and the cache follows', { skip: noServer }, async (t) => {
  const primary = await startRedis(['--repl-diskless-sync-delay', '0']);
  const replica = await startRedis(['--replicaof', `127.0.0.1 ${primary.port}`]);
  // A Sentinel that begins later finds the replica at once; otherwise it looks again after ten seconds.
  const watched = new Redis(primary.port, '127.0.0.1');
  await until('a replica', async () => (await watched.info('replication')).includes('state=online'));
  watched.disconnect();
  const sentinel = await startRedis(
    [],
    `sentinel monitor main 127.0.0.1 ${primary.port} 1
sentinel down-after-milliseconds main 300
sentinel failover-timeout main 1000
`,
  );
  t.teardown(() => Promise.all([primary.stop(), replica.stop(), sentinel.stop()]));
  const direct = new Redis(sentinel.port, '127.0.0.1');
  t.teardown(() => direct.disconnect());
  await until('the sentinel knows the replica', async () => {
    const [one] = (await direct.call('SENTINEL', 'REPLICAS', 'main')) as string[][];
    return one?.[one.indexOf('master-link-status') + 1] === 'ok';
  });
  const [one, two] = await works(t, `redis+sentinel://127.0.0.1:${sentinel.port}/main`);
  const begun = [one.begun(), two.begun()];
  await primary.stop();
  const key = newKey();
  await until('a replica has taken over', async () => {
    one.shared.set(key, BYTES, 60, Date.now());
    return has(two.shared, key);
  });
  t.equal(await one.shared.drop([key], Date.now()), 'now');
  await until('both listen again', () => one.begun() > (begun[0] ?? 0) && two.begun() > (begun[1] ?? 0));
});

t.test('a cluster: each record on its node, and drops are heard from any', { skip: noServer }, async (t) => {
  const user = ['--user', 'oncegate', 'on', '>s3cret', ...ALLOWED.split(' '), '+cluster|slots', '+cluster|info'];
  const more = [...user, '--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', '--cluster-require-full-coverage', 'no'];
  const nodes = await Promise.all([0, 1, 2].map(() => startRedis(more)));
  t.teardown(() => Promise.all(nodes.map(({ stop }) => stop())));
  const direct = nodes.map(({ port }) => new Redis(port, '127.0.0.1'));
  t.teardown(() => {
    for (const one of direct) one.disconnect();
  });
  for (const one of direct) one.on('error', () => {});
  await Promise.all(
    direct.map((one, i) => one.call('CLUSTER', 'ADDSLOTSRANGE', Math.round((i * 16384) / 3), Math.round(((i + 1) * 16384) / 3) - 1)),
  );
  for (const { port } of nodes.slice(1)) await direct[0]?.call('CLUSTER', 'MEET', '127.0.0.1', port);
  const knows = async (one: Redis): Promise<boolean> =>
    /cluster_state:ok[\s\S]*cluster_slots_ok:16384[\s\S]*cluster_known_nodes:3/.test(String(await one.call('CLUSTER', 'INFO')));
  await until('a cluster', async () => (await Promise.all(direct.map(knows))).every(Boolean));
  const url = `redis+cluster://oncegate:s3cret@127.0.0.1:${nodes[0]?.port},127.0.0.1:${nodes[1]?.port}`;
  const [one, two] = await works(t, url);
  const sizes = await Promise.all(direct.map((node) => node.dbsize()));
  t.ok(
    sizes.every((size) => size > 0),
    `spread: ${sizes}`,
  );
  await nodes[2]?.stop();
  const all = Array.from({ length: 12 }, newKey);
  await until('what the others hold is served, and quickly', async () => {
    for (const key of all) one.shared.set(key, BYTES, 60, Date.now());
    const start = performance.now();
    const there = (await Promise.all(all.map((key) => has(two.shared, key)))).filter(Boolean).length;
    return there >= 4 && performance.now() - start < 100;
  });
});

t.test(
  'TLS and ACL: a user with no more than the documents say',
  { skip: noServer || (typeof authority === 'string' ? authority : false) },
  async (t) => {
    if (typeof authority === 'string') return;
    const { certificate, key } = authority.issue({ by: authority.ca });
    const ca = authority.file('redis-ca.pem', authority.ca.certificate);
    const tls = ['--tls-cert-file', authority.file('redis.pem', certificate), '--tls-key-file', authority.file('redis.key', key)];
    const user = ['--user', 'oncegate', 'on', '>s3cret', ...ALLOWED.split(' '), '--user', 'default', 'off'];
    const { port, stop } = await startRedis([...tls, '--tls-ca-cert-file', ca, '--tls-auth-clients', 'no', ...user]);
    t.teardown(stop);
    await works(t, `rediss://oncegate:s3cret@127.0.0.1:${port}`, ca);
    for (const [rule, url, trusted] of [
      ['a wrong password', `rediss://oncegate:wrong@127.0.0.1:${port}`, ca],
      ['no password', `rediss://127.0.0.1:${port}`, ca],
      ['a CA that is not its own', `rediss://oncegate:s3cret@127.0.0.1:${port}`, undefined],
      ['no TLS', `redis://oncegate:s3cret@127.0.0.1:${port}`, undefined],
    ] as const) {
      const said = await new Promise<string>((resolve) => {
        const shared = redisCache(redisSettings(url, trusted), resolve);
        t.teardown(() => shared.close());
      });
      t.equal(said, 'away', rule);
    }
  },
);
