/** A supplier that acts for an agency: in what the agency let it, as long as it let it, on record as itself; and every way of having more. */
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { setTimeout as after } from 'node:timers/promises';
import { decodeJwt, type JWK } from 'jose';
import t, { type Test } from 'tap';
import type { TokenClaims } from '../src/access/tokens.ts';
import type { AuditEntry } from '../src/audit/entry.ts';
import { sandboxCitizenToken } from '../src/citizen-keys.ts';
import type { Caller, CitizenIssuer, Scope } from '../src/domain.ts';
import { authenticator, callerAgain } from '../src/stages/authenticate.ts';
import { agencyKey, assertion, editedConfig, ISSUER, NOON, requestToken, startGateway, type TestGateway } from './support/gateway.ts';
import { schemaCheck } from './support/schemas.ts';
import { everybodyStands, nothingBound } from './support/standing.ts';

const AN = '003099000017';
const check = schemaCheck();

function p256(kid: string): { key: JWK; shown: object } {
  const { d, ...jwk } = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }) as JWK;
  const shown = { ...jwk, kid, alg: 'ES256', use: 'sig' };
  return { key: { ...shown, d } as JWK, shown };
}
const keys = { S02: p256('S02-1'), S03: p256('S03-1'), old: p256('S02-old') };
const file = (id: string, ...shown: object[]) => ({ id, name: { vi: id, en: `Company ${id}` }, sandbox: true, keys: shown });

/** S01 as shipped; S02 until midnight, and from then on in less; S03 is let do nothing today. */
const MANDATES = [
  { supplier: 'S01', scopes: ['prefill', 'verify'], procedures: ['1.004222', '1.000894'], validFrom: '2026-09-01', validTo: '2027-01-31' },
  { supplier: 'S02', scopes: ['prefill', 'verify', 'correct'], procedures: 'all', validFrom: '2026-11-01', validTo: '2026-11-22' },
  { supplier: 'S02', scopes: ['verify'], procedures: ['1.004222'], validFrom: '2026-11-23', validTo: '2026-11-23' },
  { supplier: 'S03', scopes: ['prefill'], procedures: 'all', validFrom: '2026-01-01', validTo: '2026-11-21' },
  { supplier: 'S03', scopes: ['prefill'], procedures: 'all', validFrom: '2026-11-23', validTo: '2026-12-31' },
];
const suppliers = {
  'suppliers/S02.yaml': () => file('S02', keys.S02.shown, { ...keys.old.shown, validTo: '2026-11-21' }),
  'suppliers/S03.yaml': () => file('S03', keys.S03.shown),
};
const configDirectory = editedConfig({ ...suppliers, 'agencies/X01.1.yaml': (agency) => ({ ...agency, suppliers: MANDATES }) });
/** The agency named nobody any more, and the gateway was started again. */
const without = editedConfig({ ...suppliers, 'agencies/X01.1.yaml': ({ suppliers: _, ...agency }) => agency });

const on = await startGateway({ configDirectory });
const later = await startGateway({ configDirectory: without, dataDirectory: on.dataDirectory, sandbox: on.sandbox });
t.teardown(async () => {
  await later.close();
  await on.close();
  for (const directory of [configDirectory, without]) rmSync(directory, { recursive: true });
});

const keyOf = (id: string): JWK => (id === 'S02' || id === 'S03' ? keys[id].key : agencyKey(on.dataDirectory, id));
const signed = (id: string, claims: object = {}, key = keyOf(id)): Promise<string> => assertion(key, id, { claims, now: on.time.now });

type Form = Readonly<Record<string, string>> | readonly (readonly [string, string])[];
async function ask(clientAssertion: string, more: Form): Promise<{ status: number; text: string; token: string }> {
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: clientAssertion,
  });
  for (const [name, value] of Array.isArray(more) ? (more as [string, string][]) : Object.entries(more)) form.append(name, value);
  const reply = await fetch(`${on.address}/oauth2/token`, { method: 'POST', body: form });
  const text = await reply.text();
  return { status: reply.status, text, token: String((JSON.parse(text) as { access_token?: string }).access_token) };
}
const tokenOf = async (supplier: string, scope?: string): Promise<string> =>
  (await ask(await signed(supplier), { agency: 'X01.1', ...(scope === undefined ? {} : { scope }) })).token;

type Body = Record<string, unknown> & { code?: string };
async function call(
  token: string,
  path: string,
  body?: object | string,
  to: TestGateway = on,
): Promise<{ status: number; body: Body; text: string }> {
  const reply = await fetch(to.address + path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': typeof body === 'string' ? 'application/x-ndjson' : 'application/json' }),
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await reply.text();
  return { status: reply.status, text, body: (text.startsWith('{') && !text.includes('}\n{') ? JSON.parse(text) : {}) as Body };
}
const REQUEST = { procedure: '1.004222', dossier: 'X01.1-261122-0001', officer: 'X01.1-0042', subject: AN };
const REPORT = { ...REQUEST, field: '/fullName', source: 'population', evidence: 'Giấy khai sinh số 12/1999' };
/** What is asked for by one who does it, and the entries it leaves. */
async function recorded(work: () => Promise<unknown>): Promise<AuditEntry[]> {
  const { length } = await on.entries();
  await work();
  return on.entries(length);
}
const actors = (entries: readonly AuditEntry[]) => entries.map(({ kind, agency, client, actor }) => ({ kind, agency, client, actor }));
const by = (actor: string, ...kinds: string[]) => kinds.map((kind) => ({ kind, agency: 'X01.1', client: actor, actor }));

t.test('a supplier gets a token of the agency that says who acts', async (t) => {
  const rows: [supplier: string, scope: string | undefined, wanted: string][] = [
    ['S01', undefined, 'prefill verify'],
    ['S01', 'prefill', 'prefill'],
    ['S02', undefined, 'prefill verify correct'],
  ];
  for (const [supplier, scope, wanted] of rows) {
    const { iat, exp, jti, client_key, ...claims } = decodeJwt(await tokenOf(supplier, scope));
    t.strictSame(
      claims,
      { iss: ISSUER, aud: ISSUER, sub: 'X01.1', client_id: supplier, act: { sub: supplier }, scope: wanted },
      `${supplier} for ${scope ?? 'all'}`,
    );
  }
  const named = await ask(await signed('S01'), { agency: 'X01.1', client_id: 'S01' });
  t.equal(named.status, 200, 'it may say its own name as the client’s');
  const own = await ask(await signed('X01.1'), { agency: 'X01.1' });
  t.equal(decodeJwt(own.token).act, undefined, 'an agency that names itself acts itself');
});

t.test('nobody gets a token to act who may not, nor hears why', async (t) => {
  const used = await signed('S01');
  t.equal((await ask(used, { agency: 'X01.1' })).status, 200);
  const stranger = await ask('a.b.c', { agency: 'X01.1' });
  const X01 = { agency: 'X01.1' };
  const refused: [rule: string, assertion: string, form: Form][] = [
    ['for an agency that did not name it', await signed('S01'), { agency: 'X02.1' }],
    ['for an agency that there is not', await signed('S01'), { agency: 'X99.9' }],
    ['for itself', await signed('S01'), { agency: 'S01' }],
    ['for another supplier', await signed('S01'), { agency: 'S02' }],
    ['for nobody', await signed('S01'), { agency: '' }],
    ['for two', await signed('S01'), { agency: 'X01.1 X02.1' }],
    ['for the agency in another case', await signed('S01'), { agency: 'x01.1' }],
    ['for a member of every object', await signed('S01'), { agency: '__proto__' }],
    ['for the agency, whose mandate is over and begins anew tomorrow', await signed('S03'), X01],
    ['with a stolen key of a supplier that may act for nobody', await signed('S03'), { agency: 'X02.1' }],
    ['with the key of another supplier', await signed('S01', {}, keys.S02.key), X01],
    ['with a key that its file lets no longer sign', await signed('S02', {}, keys.old.key), X01],
    ['with the key of the agency', await signed('S01', {}, keyOf('X01.1')), X01],
    ['as the agency with the supplier’s key', await signed('X01.1', {}, keyOf('S01')), {}],
    ['as the agency, by the supplier', await signed('S01', { sub: 'X01.1' }), X01],
    ['by the agency, as the supplier', await signed('X01.1', { sub: 'S01' }), X01],
    ['with a forged claim that somebody else acts', await signed('S03', { act: { sub: 'S01' } }), X01],
    ['by an agency for another', await signed('X01.1'), { agency: 'X02.1' }],
    ['by an agency for a supplier', await signed('X01.1'), { agency: 'S01' }],
    ['under the agency’s name as the client’s', await signed('S01'), { ...X01, client_id: 'X01.1' }],
    ['with an assertion that was used', used, X01],
    ['with an assertion that was used for another agency', used, { agency: 'X02.1' }],
    ['to another gateway', await signed('S01', { aud: 'https://elsewhere.test' }), X01],
  ];
  for (const [rule, clientAssertion, form] of refused) {
    const { status, text } = await ask(clientAssertion, form);
    t.strictSame([status, text], [401, stranger.text], rule);
  }
  const wrong: [rule: string, assertion: string, form: Form, error: string][] = [
    ['who names no agency', await signed('S01'), {}, 'invalid_request'],
    [
      'who names two agencies',
      await signed('S01'),
      [
        ['agency', 'X01.1'],
        ['agency', 'X02.1'],
      ],
      'invalid_request',
    ],
    ...(['correct', 'prefill correct', 'audit', 'operate', 'changes', 'citizen'] as const).map(
      (scope) => [`who asks for ${scope}`, used, { agency: 'X01.1', scope }, 'invalid_scope'] as [string, string, Form, string],
    ),
  ];
  for (const [rule, clientAssertion, form, error] of wrong) {
    const { status, text } = await ask(clientAssertion === used ? await signed('S01') : clientAssertion, form);
    t.strictSame([status, (JSON.parse(text) as { error: string }).error], [400, error], rule);
  }
  const forged = await ask(await signed('X02.1', { act: { sub: 'S01' } }), {});
  t.equal(decodeJwt(forged.token).act, undefined, 'what an assertion says of who acts is passed on by nobody');
});

t.test('whatever a supplier does for the agency is on record as the agency’s and as its own', async (t) => {
  const [s01, s02] = [await tokenOf('S01'), await tokenOf('S02')];
  const answered = by('S01', 'intent', 'outcome');
  t.strictSame(actors(await recorded(() => call(s01, '/v1/prefills', { ...REQUEST, maxAgeSeconds: 0 }))), answered, 'a prefill');
  const claims = { ...REQUEST, maxAgeSeconds: 0, claims: { '/fullName': 'X' } };
  t.strictSame(actors(await recorded(() => call(s01, '/v1/verifications', claims))), answered, 'a comparison');
  const line = `${JSON.stringify({ ...REQUEST, maxAgeSeconds: 0 })}\n`;
  t.strictSame(actors(await recorded(() => call(s01, '/v1/prefills/batch', line))), answered, 'a line of a batch');
  let id = '';
  const report = async (): Promise<void> => {
    const { status, body } = await call(s02, '/v1/corrections', REPORT);
    t.equal(status, 200);
    id = (body.correction as { id: string }).id;
  };
  t.strictSame(actors(await recorded(report)), by('S02', 'outcome'), 'a report');
  const withdraw = (): Promise<unknown> => call(s02, `/v1/corrections/${id}/withdraw`, {});
  t.strictSame(actors(await recorded(withdraw)), by('S02', 'outcome'), 'its withdrawal');
  const refusal = () => call(s01, '/v1/prefills', { ...REQUEST, procedure: '1.004873' });
  t.strictSame(actors(await recorded(refusal)), by('S01', 'refusal'), 'a refusal');
  const [own] = await recorded(async () => call(await on.token('X01.1'), '/v1/prefills', { ...REQUEST, procedure: '9.9' }));
  t.equal(own?.actor, undefined, 'and what the agency does itself, is not');
});

t.test('a supplier has nothing of the agency’s but what the agency let it', async (t) => {
  const [s01, s02, desk] = [await tokenOf('S01'), await tokenOf('S02'), await on.token('X01.1')];
  const reported = (await call(desk, '/v1/corrections', REPORT)).body.correction as { id: string; dossier: string };
  const theirs = `/v1/corrections/${reported.id}`;
  const asked = { reason: 'Complaint 12/2026' };
  const rows: [rule: string, token: string, path: string, body: object | undefined, status: number, code: string][] = [
    ['a procedure that it was not let', s01, '/v1/prefills', { ...REQUEST, procedure: '1.004873' }, 403, 'supplier-not-allowed'],
    [
      'a comparison in it',
      s01,
      '/v1/verifications',
      { ...REQUEST, procedure: '1.004873', claims: { '/fullName': 'X' } },
      403,
      'supplier-not-allowed',
    ],
    ['a procedure of another agency', s01, '/v1/prefills', { ...REQUEST, procedure: '1.012768' }, 403, 'supplier-not-allowed'],
    [
      'a procedure that the agency has not, where it was let all',
      s02,
      '/v1/prefills',
      { ...REQUEST, procedure: '1.012768' },
      403,
      'procedure-not-granted',
    ],
    ['an official of another agency', s01, '/v1/prefills', { ...REQUEST, officer: 'X02.1-0001' }, 400, 'invalid-request'],
    ['an official of its own', s01, '/v1/prefills', { ...REQUEST, officer: 'S01-0001' }, 400, 'invalid-request'],
    ['a report', s01, '/v1/corrections', REPORT, 403, 'insufficient-scope'],
    ['the log', s01, '/v1/audit/search', asked, 403, 'insufficient-scope'],
    ['all of the log', s01, '/v1/audit/export', { ...asked, format: 'csv' }, 403, 'insufficient-scope'],
    ['an entry', s01, '/v1/audit/entries/0', undefined, 403, 'insufficient-scope'],
    ['what was granted', s01, '/v1/audit/grants?from=2026-11&to=2026-11', undefined, 403, 'insufficient-scope'],
    ['the reports about a register', s02, '/v1/corrections?source=population', undefined, 403, 'insufficient-scope'],
    ['what changed in a register', s02, '/v1/sources/population/changes', { changes: [] }, 403, 'insufficient-scope'],
    ['a report of the agency’s', s02, theirs, undefined, 404, 'unknown-correction'],
    ['its withdrawal', s02, `${theirs}/withdraw`, {}, 404, 'unknown-correction'],
    ['an answer to it', s02, `${theirs}/answer`, { outcome: 'unfounded' }, 403, 'insufficient-scope'],
    ['a prefill that nobody began', s01, `/v1/prefills/${randomUUID()}`, undefined, 404, 'unknown-completion'],
  ];
  for (const [rule, token, path, body, status, code] of rows) {
    const before = on.lookUps();
    const reply = await call(token, path, body);
    t.strictSame([reply.status, reply.body.code], [status, code], rule);
    t.equal(on.lookUps(), before, `${rule}: nobody is asked`);
  }
  const again = (await call(s02, '/v1/corrections', { ...REPORT, dossier: 'X01.1-261122-0099' })).body.correction as typeof reported;
  t.strictSame([again.id, again.dossier], [reported.id, 'X01.1-261122-0099'], 'who reports the same hears of no other dossier');
  await call(desk, `${theirs}/withdraw`, {});
  const granted = async (token: string, code: string): Promise<unknown> =>
    (((await call(token, `/v1/procedures/${code}`)).body.grants as unknown[] | undefined)?.length ?? 0) > 0;
  t.strictSame([await granted(s01, '1.004222'), await granted(s01, '1.004873'), await granted(desk, '1.004873')], [true, false, true]);
});

/** The completion that somebody began, once the agency may fetch it, or it was refused. */
async function begun(token: string, meanwhile = () => {}): Promise<string> {
  on.sandbox.tell('land', { mode: 'fail' });
  const { body } = await call(token, '/v1/prefills', { ...REQUEST, maxAgeSeconds: 0, completion: 'fetch' });
  const { id } = body.prefill as { id: string };
  on.sandbox.tell('land', { mode: 'ok' });
  on.time.now += 60_000;
  meanwhile();
  for (const end = Date.now() + 10_000; Date.now() < end; await after(20))
    if ((await call(await on.token('X01.1'), `/v1/prefills/${id}`)).status !== 202) return id;
  throw new Error('nothing came of it');
}

t.test('what is completed later is the supplier’s that began it and the agency’s, and judged again', async (t) => {
  const code = async (token: string, id: string): Promise<unknown> => {
    const { status, body } = await call(token, `/v1/prefills/${id}`);
    return status === 200 ? 'whole' : (body.detail ?? body.code);
  };
  const [mine, theirs] = [await begun(await tokenOf('S01')), await begun(await on.token('X01.1'))];
  t.equal(await code(await tokenOf('S01'), mine), 'whole', 'who began it has it');
  t.equal(await code(await on.token('X01.1'), mine), 'whole', 'and the agency');
  t.equal(await code(await tokenOf('S02'), mine), 'unknown-completion', 'and no other supplier');
  t.equal(await code(await tokenOf('S01'), theirs), 'unknown-completion', 'nor what the agency began itself');
  t.equal(await code(await on.token('X01.1'), theirs), 'whole');
  const entries = (await on.entries()).filter(({ completes, kind }) => completes === mine || kind === 'delivery');
  t.strictSame(
    entries.map(({ kind, actor }) => `${kind} ${actor ?? 'itself'}`),
    ['intent S01', 'outcome S01', ...['itself', 'itself', 'S01', 'itself', 'itself'].map((who) => `delivery ${who}`)],
    'the attempt is the supplier’s, and each fetching whose it is',
  );

  // S02 may prefill until midnight alone.
  const midnight = Date.parse('2026-11-22T17:00:00Z');
  on.time.now = midnight - 120_000;
  const ended = await begun(await tokenOf('S02'), () => (on.time.now = midnight + 30_000));
  t.equal(
    await code(await on.token('X01.1'), ended),
    'supplier-not-allowed',
    'what was not completed before its mandate ended is not completed',
  );
  const last = (await on.entries()).at(-1);
  t.match(last, { kind: 'refusal', outcome: 'supplier-not-allowed', actor: 'S02', completes: ended }, 'on record');
  on.time.now = midnight - 120_000;
});

t.test('a living token ends with the day on which its mandate ends', async (t) => {
  const midnight = Date.parse('2026-11-22T17:00:00Z');
  on.time.now = midnight - 1000;
  const [s02, s01] = [await tokenOf('S02'), await tokenOf('S01')];
  const prefill = async (token: string): Promise<unknown[]> => {
    const { status, body } = await call(token, '/v1/prefills', REQUEST);
    return [status, body.code];
  };
  const verify = async (procedure: string): Promise<unknown[]> => {
    const { status, body } = await call(s02, '/v1/verifications', { ...REQUEST, procedure, claims: { '/fullName': 'X' } });
    return [status, body.code];
  };
  t.strictSame(await prefill(s02), [200, undefined]);
  on.time.now = midnight;
  t.strictSame(await prefill(s02), [403, 'insufficient-scope'], 'what the mandate of the new day has not, it lost');
  t.strictSame((await verify('1.004222'))[1], undefined, 'what it has, it kept');
  t.strictSame(await verify('1.004873'), [403, 'supplier-not-allowed'], 'in the procedures of the new day alone');
  t.strictSame((await ask(await signed('S02'), { agency: 'X01.1', scope: 'prefill' })).status, 400, 'and gets none anew');
  t.strictSame(await prefill(s01), [200, undefined], 'another’s goes on');

  on.time.now = Date.parse('2026-11-23T16:59:59Z');
  const token = await tokenOf('S02');
  t.equal((await call(token, '/v1/procedures')).status, 200);
  on.time.now += 1000;
  t.strictSame((await call(token, '/v1/procedures')).body.code, 'unauthenticated', 'without any mandate a token is none');
  t.equal((await ask(await signed('S02'), { agency: 'X01.1' })).status, 401);

  on.time.now = NOON;
  const named = await tokenOf('S01');
  t.equal((await call(named, '/v1/procedures', undefined, on)).status, 200);
  t.equal((await call(named, '/v1/procedures', undefined, later)).status, 401, 'nor where the agency named nobody any more');
});

t.test('who was shut out is known with the supplier that acts', async (t) => {
  const { agencies } = on.gateway.catalogue;
  const claims: TokenClaims = {
    token: 'a',
    key: 'S01-1',
    agency: 'X01.1',
    client: 'S01',
    actor: 'S01',
    scopes: ['prefill'],
    expires: NOON,
  };
  const seen: Caller[] = [];
  const standing = { ...everybodyStands, shutOut: (caller: Caller) => seen.push(caller) > 0 && caller.actor === 'S01' };
  const authenticate = authenticator({ verify: async () => claims, agencies, bindings: nothingBound, standing, clock: () => NOON });
  await t.rejects(authenticate({ authorization: 'Bearer a', method: 'GET', path: '/' }, 'prefill'), { code: 'unauthenticated' });
  t.match(seen, [{ client: 'S01', actor: 'S01', token: 'a', key: 'S01-1', agency: { id: 'X01.1' } }]);
  const again = (actor: string, today: string, shut = everybodyStands): number =>
    callerAgain(agencies, shut, 'X01.1', actor, { actor, today }).agency.grants.length;
  t.ok(again('S01', '2026-11-22') > 0);
  for (const [rule, held] of [
    ['who was shut out', again('S01', '2026-11-22', standing)],
    ['whose mandate is over', again('S01', '2027-02-01')],
    ['who may compare and not prefill on that day', again('S02', '2026-11-23')],
    ['who was never named', again('S09', '2026-11-22')],
  ] as const)
    t.equal(held, 0, `${rule} is nobody when the gateway comes back to what they asked`);
  const widened = authenticator({
    verify: async () => ({ ...claims, scopes: ['prefill', 'audit', 'correct', 'operate'] }),
    agencies,
    bindings: nothingBound,
    standing: everybodyStands,
    clock: () => NOON,
  });
  const caller = await widened({ authorization: 'Bearer a', method: 'GET', path: '/' }, undefined);
  t.strictSame([...caller.scopes], ['prefill'] satisfies Scope[], 'whoever else may issue tokens widens no mandate');
});

/** What an inspector is told. */
async function told(t: Test, path: string, body?: object, schema?: string): Promise<Body> {
  const reply = await call(await on.token('X09.1'), path, body);
  t.equal(reply.status, 200, path);
  if (schema !== undefined) check(schema, reply.body);
  return reply.body;
}

t.test('inspectors and citizens see which supplier acted', async (t) => {
  on.time.now = NOON + 1000;
  const asked = { reason: 'Complaint 12/2026', limit: 500 };
  const s01 = (await on.entries()).flatMap(({ actor }, index) => (actor === 'S01' ? index : [])).reverse();
  const { entries } = await told(t, '/v1/audit/search', { ...asked, actor: 'S01' }, 'AuditPage');
  t.strictSame(
    (entries as { index: number }[]).map(({ index }) => index),
    s01,
    'all that one did, and nothing else',
  );
  const none = await told(t, '/v1/audit/search', { ...asked, actor: 'S09' });
  t.strictSame(none.entries, []);
  const at = s01.at(-1);
  const why = await told(t, `/v1/audit/entries/${at}/explanation`, undefined, 'AuditExplanation');
  t.match(why.who, { agency: 'X01.1', client: 'S01', actor: { id: 'S01', name: { en: 'Thử Nghiệm software company' } } });
  const { text } = await call(await on.token('X09.1'), '/v1/audit/export', { reason: asked.reason, actor: 'S01', format: 'csv' });
  const [head = '', first = ''] = text.split('\r\n');
  t.equal(head.split(',').indexOf('actor'), first.split(',').lastIndexOf('S01'), 'in a column of its own');

  const citizens = on.gateway.catalogue.gateway.citizens as CitizenIssuer;
  const ledger = await call(await sandboxCitizenToken(on.dataDirectory, citizens, ISSUER, AN, on.time.now), '/v1/accesses', {});
  check('Accesses', ledger.body);
  const accesses = ledger.body.accesses as { agency: { id: string }; actor?: { id: string; name?: { en: string } } }[];
  t.ok(accesses.some(({ actor }) => actor?.name?.en === 'Thử Nghiệm software company'));
  t.ok(accesses.some(({ actor }) => actor === undefined));
  t.ok(accesses.every(({ agency }) => agency.id === 'X01.1'));
});

interface Granted {
  readonly grants: {
    agency: string;
    grant: string;
    standing: string;
    uses: number;
    lastUsed?: string;
    officers: number;
    neverGiven?: { fields: string[]; papers: string[] };
  }[];
  readonly suppliers: { supplier: string; standing: string; uses: number; proceduresNeverUsed?: string[] }[];
}

t.test('what was granted and never used is told, and what was used', async (t) => {
  const path = '/v1/audit/grants?from=2026-11&to=2026-11';
  const before = await on.entries();
  const all = (await told(t, path, undefined, 'AuditGrants')) as unknown as Granted;
  t.match((await on.entries()).at(-1), { kind: 'audit-read', query: { view: 'grants', from: '2026-11', to: '2026-11' } }, 'on record');
  const used = before.filter(
    ({ kind, grant, outcome = '' }) =>
      kind === 'outcome' && grant === 'residence' && ['answered', 'compared', 'mismatch', 'reported'].includes(outcome),
  );
  const residence = all.grants.find(({ agency, grant }) => agency === 'X01.1' && grant === 'residence');
  t.match(residence, {
    standing: 'granted',
    uses: used.length,
    officers: 1,
    lastUsed: used
      .map(({ time }) => time)
      .sort()
      .at(-1),
  });
  t.ok(
    residence?.neverGiven?.papers.includes('lease') || (residence?.neverGiven?.fields.length ?? 0) > 0,
    'with what of it was never given',
  );
  t.notOk(residence?.neverGiven?.fields.includes('/fullName'));
  const death = all.grants.find(({ agency, grant }) => agency === 'X01.1' && grant === 'death');
  t.match(death, { standing: 'granted', uses: 0, officers: 0 });
  t.strictSame([death?.lastUsed, death?.neverGiven], [undefined, undefined]);
  t.notOk(
    all.grants.some(({ grant }) => grant === 'temporary-residence-2027'),
    'what did not hold in these months is not told',
  );
  t.strictSame(
    all.suppliers.map(({ supplier, standing, uses }) => [supplier, standing, uses > 0]),
    [
      ['S01', 'granted', true],
      ['S02', 'granted', true],
      ['S03', 'granted', false],
    ],
    'suppliers too',
  );
  t.strictSame(all.suppliers[0]?.proceduresNeverUsed, ['1.000894']);
  t.equal(
    all.suppliers.reduce((sum, { uses }) => sum + uses, 0),
    before.filter((entry) => used.includes(entry) && entry.actor).length,
  );

  const one = (await told(t, `${path}&agency=X02.1`)) as unknown as Granted;
  t.strictSame([...new Set(one.grants.map(({ agency }) => agency))], ['X02.1'], 'of one agency alone');
  const next = (await told(t, `${path}&cursor=X01.1`)) as unknown as Granted;
  t.notOk(
    next.grants.some(({ agency }) => agency <= 'X01.1'),
    'and page by page',
  );
  const none = (await told(t, '/v1/audit/grants?from=2026-01&to=2026-10')) as unknown as Granted;
  t.ok(none.grants.length > 0 && none.grants.every(({ uses }) => uses === 0), 'in other months nothing was used');

  const inspector = await (await requestToken(later.address, await assertion(keyOf('X09.1'), 'X09.1', { now: NOON }))).json();
  const gone = (await call((inspector as { access_token: string }).access_token, path, undefined, later)).body as unknown as Granted;
  t.match(
    gone.suppliers,
    [
      { supplier: 'S01', standing: 'gone' },
      { supplier: 'S02', standing: 'gone' },
    ],
    'what the catalogue has no more',
  );
  for (const wrong of [
    'from=2026-12&to=2026-11',
    'from=2020-01&to=2026-11',
    'from=2026-13&to=2026-14',
    'from=2026-11',
    'from=2026-11-01&to=2026-11-30',
  ])
    t.equal((await call(await on.token('X09.1'), `/v1/audit/grants?${wrong}`)).status, 400, wrong);
});
