/** What a caller gets, and when, in every way that a registry can fail: knowing nothing, with an answer at hand, and with an older one. */
import { rmSync } from 'node:fs';
import t, { type Test } from 'tap';
import type { Prefill } from '../src/domain.ts';
import { findAuthority } from './support/certificates.ts';
import { type Broken, FaultyRegistry } from './support/faulty.ts';
import { editedConfig, startGateway, type TestGateway } from './support/gateway.ts';

/** A procedure with one field and one paper that the field replaces. */
const procedure = (code: string, dataset: string, value: string, provision: string, more: object = {}): object => ({
  code,
  validFrom: '2026-01-01',
  name: { vi: 'a', en: 'a' },
  agency: { vi: 'a', en: 'a' },
  form: { name: { vi: 'a', en: 'a' }, confidence: 'unverified' },
  legalBasis: [LAW],
  sources: ['made up'],
  ...more,
  roles: { subject: { kind: 'person', name: { vi: 'a', en: 'a' } } },
  fields: [{ at: '/name', name: { vi: 'a', en: 'a' }, type: 'personName', required: true, from: [{ role: 'subject', dataset, value }] }],
  components: [{ id: 'paper', name: { vi: 'a', en: 'a' }, confidence: 'unverified', replacedBy: [{ provision, fields: ['/name'] }] }],
});
const LAW = 'nd-104-2022#art-14-2';
/** The first allows no answer past its age, the second does, the third needs another registry. */
const [STRICT, LENIENT, ELSEWHERE] = ['2.000001', '2.000002', '2.000003'];
/** Seconds, and milliseconds: of a registry whose silence is waited out, and of one that fails of itself, however busy the machine is. */
const [AGE, STALE, TIMEOUT, PATIENCE, DEADLINE] = [100, 1000, 300, 5000, 10_000];

const config = (address: string, ca: string | undefined, more: object): string =>
  editedConfig({
    'gateway.yaml': (file) => ({ ...file, deadlineMs: DEADLINE }),
    'sources/population.yaml': (file) => ({
      ...file,
      address,
      ...(ca === undefined ? {} : { tls: { ca: `file:${ca}` } }),
      timeoutMs: TIMEOUT,
      datasets: { person: { maxAgeSeconds: AGE, absentMaxAgeSeconds: 10, staleSeconds: STALE } },
      ...more,
    }),
    [`procedures/${STRICT}.yaml`]: () => procedure(STRICT, 'person', '/fullName', LAW),
    [`procedures/${LENIENT}.yaml`]: () => procedure(LENIENT, 'person', '/fullName', LAW, { staleSeconds: STALE }),
    [`procedures/${ELSEWHERE}.yaml`]: () => procedure(ELSEWHERE, 'birth', '/child/fullName', 'nq-66-7-2025#art-4-10'),
    'agencies/X01.1.yaml': (file) => {
      const grants = file.grants as unknown as object[];
      const added = [STRICT, LENIENT, ELSEWHERE].map((code) => ({
        ...grants[0],
        id: `p${code.at(-1)}`,
        procedure: code,
        legalBasis: [LAW],
      }));
      return { ...file, grants: [...grants, ...added] };
    },
  });

const authority = findAuthority();
const secure = typeof authority === 'string' ? undefined : authority;
t.teardown(() => secure?.close());

interface Scene {
  readonly on: TestGateway;
  readonly registry: FaultyRegistry;
}

async function stage(t: Test, more: object): Promise<Scene> {
  const registry = await FaultyRegistry.start(secure);
  t.teardown(() => registry.close());
  const directory = config(registry.address, secure?.file('faulty-ca', secure.ca.certificate), more);
  t.teardown(() => rmSync(directory, { recursive: true }));
  const on = await startGateway({ configDirectory: directory });
  t.teardown(() => on.close());
  return { on, registry };
}

/** Of the sandbox. */
const AN = '003099000017';
let people = 0;
const somebody = (): string => `003099${String(++people).padStart(6, '0')}`;

interface Reply {
  readonly prefill: Prefill;
  readonly milliseconds: number;
}

async function ask({ on }: Scene, procedure: string, subject: string): Promise<Reply> {
  const authorization = `Bearer ${await on.token()}`;
  const began = performance.now();
  const reply = await fetch(`${on.address}/v1/prefills`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization },
    body: JSON.stringify({ procedure, dossier: 'X01.1-261122-0001', officer: 'X01.1-0042', subject }),
  });
  if (reply.status !== 200) throw new Error(`${reply.status} ${await reply.text()}`);
  const { prefill } = (await reply.json()) as { prefill: Prefill };
  return { prefill, milliseconds: performance.now() - began };
}

/** How it fails → why there is no new answer, and whether an older one may stand in. */
const FAULTS: readonly [broken: Broken, reason: string, older: boolean][] = [
  ['hang', 'timeout', true],
  ['refuse', 'unreachable', true],
  ['reset', 'unreachable', true],
  ['status 500', 'error', true],
  ['garbage', 'malformed', true],
  ['gigabyte', 'malformed', true],
  ['slow drip', 'timeout', true],
  ['certificate expired', 'unreachable', true],
  ['name gone', 'unreachable', true],
  // Here it said something: that it was about another, or that nobody may know.
  ['wrong person', 'wrong-subject', false],
  ['status 403', 'refused', false],
];

const NEVER = { failures: 1000, of: 1000 };

t.test('every way to fail, knowing nothing, with an answer at hand, and with an older one', async (t) => {
  const never = { circuit: NEVER, retry: { most: 0 } };
  const [silent, failing] = [await stage(t, never), await stage(t, { ...never, timeoutMs: PATIENCE })];
  for (const [broken, reason, standsIn] of FAULTS) {
    if (broken === 'certificate expired' && secure === undefined) continue;
    const scene = reason === 'timeout' ? silent : failing;
    const { on, registry } = scene;
    await t.test(broken, async (t) => {
      const [cold, hot, old, oldToo] = [somebody(), somebody(), somebody(), somebody()];
      await registry.tell(undefined);
      const kept = new Date(on.time.now).toISOString();
      for (const subject of [old, oldToo]) await ask(scene, LENIENT, subject);
      on.time.now += 1000 * AGE;
      const hotSince = new Date(on.time.now).toISOString();
      await ask(scene, LENIENT, hot);
      await registry.tell(broken);

      const before = registry.requests;
      const check = (rule: string, { prefill, milliseconds }: Reply, field: object, paper: object): void => {
        t.match(prefill.fields['/name'], field, rule);
        t.match(prefill.components[0], paper, `${rule}: the paper`);
        t.equal(prefill.form.name, 'status' in field && field.status === 'filled' ? 'AN' : undefined, `${rule}: the value`);
        t.ok(milliseconds < DEADLINE, `${rule}: ${Math.round(milliseconds)} ms`);
      };
      const cached = { status: 'filled', freshness: 'cached', observedAt: hotSince, staleBecause: undefined };
      check('cached', await ask(scene, LENIENT, hot), cached, { verdict: 'replaced', reason: undefined });
      t.equal(registry.requests, before, 'and nobody is asked');

      const [nothing, older, notAllowed] = await Promise.all([
        ask(scene, LENIENT, cold),
        ask(scene, LENIENT, old),
        ask(scene, STRICT, oldToo),
      ]);
      const none = { status: 'unavailable', reason, freshness: undefined };
      const toAsk = { verdict: 'ask', reason: 'unavailable' };
      const stale = { status: 'filled', freshness: 'stale', staleBecause: reason, observedAt: kept };
      check('cold', nothing, none, toAsk);
      if (standsIn) check('past its age', older, stale, { verdict: 'partly', by: ['/name'], reason: 'stale' });
      else check('past its age', older, none, toAsk);
      check('past its age, where the procedure does not allow it', notAllowed, none, toAsk);
      if (broken === 'wrong person') {
        await registry.tell('status 500');
        const later = { ...none, reason: 'error' };
        check('and after it mixed people up nothing older is trusted', await ask(scene, LENIENT, old), later, toAsk);
      }
      if (reason === 'timeout') t.ok(nothing.milliseconds >= TIMEOUT - 20, 'the source had its time');
      if (broken === 'gigabyte') t.ok(registry.sent < 32 * 2 ** 20, `three answers were cut: ${registry.sent} bytes of 3 GiB were taken`);
    });
  }
  for (const scene of [silent, failing]) {
    await scene.registry.tell(undefined);
    t.match((await ask(scene, STRICT, somebody())).prefill.fields['/name'], { status: 'filled', freshness: 'live' }, 'it is back');
  }
});
if (secure === undefined) t.test('certificate expired', { skip: String(authority) }, async () => undefined);

t.test('a registry that hangs costs two hundred callers its own fields, and nobody anything else', async (t) => {
  const scene = await stage(t, { concurrency: { atOnce: 8 }, timeoutMs: 1000 });
  const { on, registry } = scene;
  await registry.tell('hang');
  const asked = Array.from({ length: 200 }, (_, i) => ({ hangs: i % 4 !== 3, subject: somebody() }));
  const replies = await Promise.all(
    asked.map(async ({ hangs, subject }) => ({ hangs, ...(await (hangs ? ask(scene, STRICT, subject) : ask(scene, ELSEWHERE, AN))) })),
  );
  t.ok(registry.mostConnections <= 8, `${registry.mostConnections} connections`);
  const slowest = Math.max(...replies.map(({ milliseconds }) => milliseconds));
  t.ok(slowest < DEADLINE, `all were answered, the last after ${Math.round(slowest)} ms`);
  const fields = (hangs: boolean) => replies.filter((one) => one.hangs === hangs).map(({ prefill }) => prefill.fields['/name']);
  t.ok(
    fields(false).every((field) => field?.status === 'filled'),
    'whoever does not need it has everything',
  );
  const reasons = new Set(fields(true).map((field) => field?.reason));
  t.ok(reasons.has('timeout') && reasons.has('circuit-open'), [...reasons].join());
  t.ok(fields(true).every((field) => field?.status === 'unavailable'));

  await registry.tell(undefined);
  let seconds = 0;
  while ((await ask(scene, STRICT, somebody())).prefill.fields['/name']?.status !== 'filled') {
    if (++seconds > 10) break;
    on.time.now += 1000;
  }
  t.ok(seconds <= 3, `it is asked again after ${seconds} s`);
  const again = await Promise.all(asked.slice(0, 50).map(({ subject }) => ask(scene, STRICT, subject)));
  t.ok(
    again.every(({ prefill }) => prefill.fields['/name']?.status === 'filled'),
    'and everybody is answered',
  );
});
