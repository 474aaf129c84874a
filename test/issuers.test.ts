/** Tokens of other issuers, and tokens that are bound to a certificate: every way of passing for somebody else, and every way in which a key server fails. */
import { createHash, createHmac, generateKeyPairSync, type KeyObject, randomUUID, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type AddressInfo, connect as connectPlain, type Socket } from 'node:net';
import { type ConnectionOptions, connect, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { type JWK, SignJWT } from 'jose';
import t from 'tap';
import { openWire } from '../adapters/wire.ts';
import { tokensOfAll } from '../src/access/issuers.ts';
import { nonces } from '../src/access/nonces.ts';
import { openCatalogue } from '../src/app.ts';
import { ConfigurationError, formatFault } from '../src/catalogue/faults.ts';
import { sandboxCitizenToken } from '../src/citizen-keys.ts';
import type { CitizenIssuer } from '../src/domain.ts';
import { proxiesIn } from '../src/http/proxies.ts';
import { keepRenewed, openTls } from '../src/http/tls.ts';
import { loadKeys } from '../src/keys.ts';
import { findAuthority, type Issued } from './support/certificates.ts';
import { prover } from './support/dpop.ts';
import {
  ASSERTION_TYPE,
  agencyKey,
  assertion,
  editedConfig,
  ISSUER,
  NOON,
  requestToken,
  startGateway,
  type TestGateway,
} from './support/gateway.ts';
import { freePort } from './support/ports.ts';

const MINISTRY = 'https://id.moj.test';
const OFFICE = 'https://id.land.test';
const THUMBPRINT = createHash('sha256').update('a key').digest('base64url');

const ec = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const [ministry, office, next, stranger] = [ec(), ec(), ec(), ec()];
const jwkOf = (key: KeyObject, kid: string, members: object = {}) => ({ ...key.export({ format: 'jwk' }), kid, ...members }) as JWK;
const MINISTRY_KEYS = [jwkOf(ministry.publicKey, 'm1', { alg: 'ES256', use: 'sig' }), jwkOf(rsa.publicKey, 'r1')];

/** The ministry's key server, which answers as a test wants it to. */
let requests = 0;
const json =
  (body: unknown): RequestListener =>
  (_request, response) =>
    void response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
const GOOD = json({ keys: MINISTRY_KEYS });
let answers = GOOD;
const keyServer = createServer((request, response) => {
  requests++;
  answers(request, response);
}).listen(0, '127.0.0.1');
await once(keyServer, 'listening');
const jwks = `http://127.0.0.1:${(keyServer.address() as AddressInfo).port}/keys`;

const moj = {
  id: 'moj',
  issuer: MINISTRY,
  jwks,
  algorithms: ['ES256', 'RS256'],
  agencies: ['X01.1'],
  claims: { agency: 'org', scopes: 'scp', officer: 'staff' },
  scopes: { 'gw.read': 'prefill', 'gw.audit': 'audit', 'gw.verify': 'verify' },
  maxLifetimeSeconds: 300,
};
const land = {
  id: 'land',
  issuer: OFFICE,
  keys: [jwkOf(office.publicKey, 'o1', { alg: 'ES256' }), jwkOf(stranger.publicKey, 'old', { alg: 'ES256', validTo: '2026-11-21' })],
  agencies: ['X02.1', 'X03.1'],
  claims: { agency: 'sub' },
};
/** Of officials whom it names, in agencies of every kind. */
const people = {
  id: 'people',
  issuer: 'https://id.people.test',
  keys: [jwkOf(next.publicKey, 'p1', { alg: 'ES256' })],
  agencies: ['X00.1', 'X01.1', 'X05.1', 'X09.1'],
  claims: { agency: 'sub', officer: 'staff' },
};
const withoutKeys = { id: 'X03.1', name: { vi: 'Bộ', en: 'Ministry' }, sandbox: true, scopes: ['prefill'] };
const configDirectory = editedConfig({
  'issuers/moj.yaml': () => moj,
  'issuers/land.yaml': () => land,
  'issuers/people.yaml': () => people,
  'agencies/X03.1.yaml': () => withoutKeys,
});
const on = await startGateway({ configDirectory });
t.teardown(async () => {
  keyServer.closeAllConnections();
  keyServer.close();
  await on.close();
  rmSync(configDirectory, { recursive: true });
});

const now = (): number => Math.floor(on.time.now / 1000);
type Made = { claims?: object; header?: object; key?: KeyObject };

/** A token as the ministry makes it; `claims` and `header` replace what is there, and undefined takes it away. */
function ofMinistry({ claims = {}, header = {}, key = ministry.privateKey }: Made = {}): Promise<string> {
  const usual = { iss: MINISTRY, aud: ISSUER, iat: now(), exp: now() + 300, jti: randomUUID(), org: 'X01.1', client_id: 'portal' };
  return new SignJWT({ ...usual, scp: ['gw.read'], staff: 'X01.1-0042', ...claims })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'm1', ...header })
    .sign(key);
}
function ofOffice({ claims = {}, header = {}, key = office.privateKey }: Made = {}): Promise<string> {
  const usual = { iss: OFFICE, aud: ISSUER, iat: now(), exp: now() + 300, jti: randomUUID(), sub: 'X02.1', client_id: 'portal' };
  return new SignJWT({ ...usual, scope: 'prefill', ...claims })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'o1', ...header })
    .sign(key);
}
/** Signed by hand, where no library would. */
function byHand(header: object, claims: object, signature: (input: string) => string): string {
  const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${input}.${signature(input)}`;
}

async function ask(token: string, path = '/v1/sources', body?: object): Promise<{ status: number; code?: string; errors?: unknown }> {
  const reply = await fetch(on.address + path, {
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
  });
  const said = (await reply.json()) as { code?: string };
  return { ...said, status: reply.status };
}
const status = async (token: string): Promise<number> => (await ask(token)).status;

t.test('an issuer’s token is as good as ours, for its agencies and by its names', async (t) => {
  t.equal(await status(await ofMinistry()), 200);
  t.equal(await status(await ofMinistry({ claims: { scp: 'other gw.read' } })), 200, 'scopes as a text');
  t.equal(await status(await ofMinistry({ claims: { aud: [ISSUER] } })), 200, 'an audience in a list of one');
  t.equal(
    await status(await ofMinistry({ header: { alg: 'RS256', kid: 'r1' }, key: rsa.privateKey })),
    200,
    'each algorithm that is taken',
  );
  t.equal(await status(await ofOffice()), 200, 'keys in the file');
  t.equal(await status(await ofOffice({ claims: { sub: 'X03.1' } })), 200, 'an agency that gets no token of ours');
  t.equal(requests, 1, 'fetched once');
  const proof = await assertion(agencyKey(on.dataDirectory, 'X01.1'), 'X03.1');
  t.equal((await requestToken(on.address, proof)).status, 401);

  const request = {
    procedure: '1.004222',
    dossier: 'X01.1-261122-0001',
    subject: '003099000017',
    related: { householder: '003060000021' },
  };
  const token = await ofMinistry({ claims: { jti: 'one' } });
  t.match(await ask(token, '/v1/prefills', { ...request, officer: 'X01.1-0042' }), { status: 200 });
  t.match(
    (await on.entries()).at(-1),
    { agency: 'X01.1', client: 'moj:portal', officer: 'X01.1-0042' },
    'the log says who vouched for whom',
  );
  t.match(
    await ask(token, '/v1/prefills', { ...request, officer: 'X01.1-0043' }),
    { status: 400, code: 'invalid-request', errors: [{ pointer: '/officer' }] },
    'the token says who acts',
  );
  t.match((await on.entries()).at(-1), { kind: 'refusal', officer: 'X01.1-0042' }, 'and a colleague is accused of nothing');
  const claims = { staff: 'X02.1-0042' };
  t.match(
    await ask(await ofMinistry({ claims }), '/v1/prefills', { ...request, officer: 'X02.1-0042' }),
    { status: 400 },
    'within its agency',
  );
  t.match(
    await ask(await ofMinistry({ claims: { scp: ['gw.audit', 'gw.verify'] } }), '/v1/audit/search', {}),
    { status: 403, code: 'insufficient-scope' },
    'a scope that the agency’s own file does not give',
  );
  t.match(await ask(await ofMinistry({ claims: { scp: ['prefill'] } }), '/v1/prefills', request), { status: 403 }, 'our name for a scope');
});

t.test('whom a token names acts, whatever the request says', async (t) => {
  const scope = 'prefill verify audit operate correct changes';
  const made = (officer: string, claims: object = {}): Promise<string> => {
    const usual = { iss: people.issuer, aud: ISSUER, iat: now(), exp: now() + 300, jti: randomUUID(), sub: officer.split('-')[0] ?? '' };
    return new SignJWT({ ...usual, client_id: 'portal', scope, staff: officer, ...claims })
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'p1' })
      .sign(next.privateKey);
  };
  const last = async (): Promise<unknown> => (await on.entries()).at(-1);
  const [desk, inspector, operator] = await Promise.all(['X01.1-0042', 'X09.1-0007', 'X00.1-0001'].map((one) => made(one)));
  const request = { procedure: '1.004873', dossier: 'X01.1-261122-0001', officer: 'X01.1-0042', subject: '003099000017' };
  t.match(await ask(desk as string, '/v1/prefills', { ...request, officer: 'X01.1-0043' }), { status: 400 });
  t.match(await last(), { kind: 'refusal', officer: 'X01.1-0042' }, 'nobody is refused in a colleague’s name');

  const search = (token: unknown, more: object = {}) => ask(String(token), '/v1/audit/search', { reason: 'a test', limit: 1, ...more });
  t.match(await search(inspector), { status: 200 });
  t.match(await last(), { kind: 'audit-read', auditor: 'X09.1-0007' }, 'on record, though the request does not say');
  t.match(await search(inspector, { auditor: 'X09.1-0008' }), { status: 400 });
  t.match(await search(await made('X09.1-0007', { staff: 'X01.1-0042' })), { status: 400 }, 'an inspector is of the agency');

  const shutOut = (target: object, officer = 'X00.1-0001') =>
    ask(operator as string, '/v1/shut-outs', { reason: 'a test', officer, ...target }) as Promise<{
      status: number;
      shutOut?: { id: string };
    }>;
  const stopped = { kind: 'officer', value: 'X09.1-0007' };
  t.match(await shutOut(stopped, 'X00.1-0002'), { status: 400, errors: [{ pointer: '/officer' }] }, 'nor signs an operator for another');
  const lifted: string[] = [];
  for (const value of ['X09.1-0007', 'X01.1-0042', 'X05.1-0001'])
    lifted.push((await shutOut({ kind: 'officer', value })).shutOut?.id ?? '');
  const ROWS: [what: string, token: unknown, path: string, body?: object][] = [
    ['a search', inspector, '/v1/audit/search', { reason: 'a test' }],
    ['an export', inspector, '/v1/audit/export', { reason: 'a test', format: 'ndjson' }],
    ['an entry', inspector, '/v1/audit/entries/0'],
    ['what was granted', inspector, '/v1/audit/grants?from=2026-11&to=2026-11'],
    ['a prefill', desk, '/v1/prefills', request],
    ['a comparison', desk, '/v1/verifications', { ...request, claims: { '/fullName': 'X' } }],
    ['what was completed', desk, `/v1/prefills/${randomUUID()}`],
    ['a report', desk, `/v1/corrections/${randomUUID()}`],
    ['its withdrawal', desk, `/v1/corrections/${randomUUID()}/withdraw`, {}],
    ['the reports about a register', await made('X05.1-0001'), '/v1/corrections?source=population'],
    ['an answer', await made('X05.1-0001'), `/v1/corrections/${randomUUID()}/answer`, { outcome: 'unfounded' }],
  ];
  for (const [what, token, path, body] of ROWS)
    t.match(await ask(String(token), path, body), { status: 403, code: 'officer-stopped' }, `who is stopped: ${what}`);
  const simulated = await ask(String(desk), '/v1/authorisations/simulate', { procedure: '1.004873' });
  t.match(simulated, { simulation: { allowed: false, refusal: { code: 'officer-stopped' } } });
  for (const id of lifted)
    t.match(await ask(String(operator), `/v1/shut-outs/${id}/lift`, { reason: 'a test', officer: 'X00.1-0001' }), { status: 200 });

  const jti = '00309900-0017-4000-8000-000000000000';
  const OUT: [target: object, token: string][] = [
    [{ kind: 'token', value: `people:${jti}` }, await made('X01.1-0042', { jti })],
    [{ kind: 'key', whose: 'X01.1', value: 'people:p1' }, String(desk)],
  ];
  for (const [target, token] of OUT) {
    t.equal(await status(token), 200);
    t.match(await shutOut(target), { status: 200 });
    t.equal(await status(token), 401, `${JSON.stringify(target)}: an issuer’s keys and tokens can be shut out`);
    t.equal(await status(await on.token()), 200, 'and they alone');
  }
  for (const value of ['people:003099000017', 'land:o1', 'p1', 'people'])
    t.match(await shutOut({ kind: 'key', whose: 'X01.1', value }), { status: 400, errors: [{ pointer: '/value' }] }, value);
});

t.test('whose token is not taken', async (t) => {
  const pem = ministry.publicKey.export({ format: 'pem', type: 'spki' }) as string;
  const usual = {
    iss: MINISTRY,
    aud: ISSUER,
    iat: now(),
    exp: now() + 300,
    jti: 'x',
    org: 'X01.1',
    client_id: 'p',
    scp: 'gw.read',
    staff: 'X01.1-1',
  };
  const hmac = (secret: string) => (input: string) => createHmac('sha256', secret).update(input).digest('base64url');
  const HS256 = { alg: 'HS256', typ: 'at+jwt', kid: 'r1' };
  const rsaPem = rsa.publicKey.export({ format: 'pem', type: 'spki' }) as string;
  const { citizens } = on.gateway.catalogue.gateway;
  const citizen = await sandboxCitizenToken(on.dataDirectory, citizens as CitizenIssuer, ISSUER, '003099000017', on.time.now);
  const self = jwkOf(stranger.publicKey, 'm1', { alg: 'ES256' });
  const own = await on.token('X02.1');
  const [, ownClaims = ''] = own.split('.');
  const swapped = byHand(
    { alg: 'ES256', typ: 'at+jwt', kid: 'm1' },
    { ...JSON.parse(Buffer.from(ownClaims, 'base64url').toString()), iss: MINISTRY },
    () => own.split('.')[2] ?? '',
  );
  const ROWS: [attack: string, token: string | Promise<string>][] = [
    ['one issuer speaks for another’s agency', ofMinistry({ claims: { org: 'X02.1' } })],
    ['an agency that nobody speaks for', ofOffice({ claims: { sub: 'X01.1' } })],
    ['an agency that is not there', ofMinistry({ claims: { org: 'G15' } })],
    ['several agencies', ofMinistry({ claims: { org: ['X01.1'] } })],
    ['an agency by another spelling', ofMinistry({ claims: { org: 'x01.1' } })],
    ['no agency', ofMinistry({ claims: { org: undefined } })],
    ['one’s key under another’s name', ofOffice({ claims: { iss: MINISTRY, org: 'X01.1', scp: 'gw.read', staff: 'X01.1-1' } })],
    [
      'and its key’s name too',
      ofOffice({ header: { kid: 'm1' }, claims: { iss: MINISTRY, org: 'X01.1', scp: 'gw.read', staff: 'X01.1-1' } }),
    ],
    ['one’s key in our name', ofMinistry({ claims: { iss: ISSUER, sub: 'X01.1', client_key: 'k', scope: 'prefill' } })],
    ['in the name of citizens’ issuer', ofMinistry({ claims: { iss: citizens?.issuer } })],
    ['a citizen’s token', citizen],
    ['our own token in an issuer’s name', swapped],
    ['an issuer with a slash more', ofMinistry({ claims: { iss: `${MINISTRY}/` } })],
    ['an issuer in a list', ofMinistry({ claims: { iss: [MINISTRY] as unknown as string } })],
    ['no issuer', ofMinistry({ claims: { iss: undefined } })],
    ['the public key as a secret', byHand({ ...HS256, kid: 'm1' }, usual, hmac(pem))],
    ['the RSA key as a secret', byHand(HS256, usual, hmac(rsaPem))],
    ['the RSA key as a secret, called RS256', byHand({ ...HS256, alg: 'RS256' }, usual, hmac(rsaPem))],
    ['no algorithm', byHand({ alg: 'none', typ: 'at+jwt', kid: 'm1' }, usual, () => '')],
    ['no algorithm, with a signature', byHand({ alg: 'none', typ: 'at+jwt', kid: 'm1' }, usual, () => 'AA')],
    ['no algorithm, in capitals', byHand({ alg: 'nOnE', typ: 'at+jwt', kid: 'm1' }, usual, () => 'AA')],
    ['an algorithm that is not taken, of a key that could', ofMinistry({ header: { alg: 'PS256', kid: 'r1' }, key: rsa.privateKey })],
    ['an empty signature', byHand({ alg: 'ES256', typ: 'at+jwt', kid: 'm1' }, usual, () => Buffer.alloc(64).toString('base64url'))],
    ['a key of its own in the header', ofMinistry({ header: { jwk: self }, key: stranger.privateKey })],
    ['an address of keys in the header', ofMinistry({ header: { jku: jwks, kid: 's' }, key: stranger.privateKey })],
    ['a key that the issuer does not have', ofMinistry({ header: { kid: 'm9' } })],
    ['a key by a path', ofMinistry({ header: { kid: '../../dev/null' } })],
    ['a key by a member of all objects', ofMinistry({ header: { kid: '__proto__' } })],
    ['a key that is a list', byHand({ alg: 'ES256', typ: 'at+jwt', kid: ['m1'] }, usual, () => 'AA')],
    ['no key named', ofMinistry({ header: { kid: undefined } })],
    ['a key that is over', ofOffice({ header: { kid: 'old' }, key: stranger.privateKey })],
    ['another key', ofMinistry({ key: stranger.privateKey })],
    ['a critical header', byHand({ alg: 'ES256', typ: 'at+jwt', kid: 'm1', crit: ['x'], x: 1 }, usual, () => 'AA')],
    ['an identity token', ofMinistry({ header: { typ: 'JWT' } })],
    ['no type', ofMinistry({ header: { typ: undefined } })],
    ['another audience', ofMinistry({ claims: { aud: 'https://other.test' } })],
    ['several audiences', ofMinistry({ claims: { aud: [ISSUER, 'https://other.test'] } })],
    ['no audience', ofMinistry({ claims: { aud: undefined } })],
    ['expired', ofMinistry({ claims: { iat: now() - 200, exp: now() - 11 } })],
    ['from the future', ofMinistry({ claims: { iat: now() + 60 } })],
    ['not valid yet', ofMinistry({ claims: { nbf: now() + 60 } })],
    ['a longer life than its file allows', ofMinistry({ claims: { exp: now() + 301 } })],
    ['without end', ofMinistry({ claims: { exp: undefined } })],
    ['the year 9999', ofMinistry({ claims: { exp: 253_402_300_799 } })],
    ['without beginning', ofMinistry({ claims: { iat: undefined } })],
    ['no identifier', ofMinistry({ claims: { jti: undefined } })],
    ['an identifier that breaks the line', ofMinistry({ claims: { jti: 'a\nb' } })],
    ['no scope', ofMinistry({ claims: { scp: undefined } })],
    ['scopes that are an object', ofMinistry({ claims: { scp: { 'gw.read': true } } })],
    ['a scope that is no text', ofMinistry({ claims: { scp: ['gw.read', 1] } })],
    ['no client', ofMinistry({ claims: { client_id: undefined } })],
    ['a person for a client', ofMinistry({ claims: { client_id: '003099000017' } })],
    ['a person in a client', ofMinistry({ claims: { client_id: 'user-003099-000017' } })],
    ['somebody who acts for the agency, whom its file may not name', ofMinistry({ claims: { act: { sub: 'S01' } } })],
    ['no officer where each token names one', ofMinistry({ claims: { staff: undefined } })],
    ['an officer who is a person’s number', ofMinistry({ claims: { staff: '003099000017' } })],
    ['bound to nothing', ofMinistry({ claims: { cnf: {} } })],
    ['bound to what cannot be checked', ofMinistry({ claims: { cnf: { kid: 'x' } } })],
    ['bound to two things', ofMinistry({ claims: { cnf: { jkt: THUMBPRINT, 'x5t#S256': THUMBPRINT } } })],
    ['bound to a key that is not shown', ofMinistry({ claims: { cnf: { jkt: THUMBPRINT } } })],
    ['bound to a certificate that is not shown', ofMinistry({ claims: { cnf: { 'x5t#S256': THUMBPRINT } } })],
    ['padding', ofMinistry().then((token) => `${token}=`)],
    ['encrypted', 'a.b.c.d.e'],
    ['longer than a token', ofMinistry({ claims: { filling: 'x'.repeat(4000) } })],
  ];
  const before = requests;
  for (const [attack, token] of ROWS) t.match(await ask(await token), { status: 401, code: 'unauthenticated' }, attack);
  t.equal(requests, before, 'and none of them makes us ask for keys, so soon after we did');
  t.match(
    await fetch(`${on.address}/v1/accesses`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await ofMinistry({ claims: { sub: '003099000017', scope: 'citizen' } })}` },
    }),
    { status: 401 },
    'nor is an agency’s token a citizen’s',
  );
});

t.test('in production a token must be bound', async (t) => {
  const wire = openWire(new URL(jwks), undefined, { bytes: 65_536, connections: 1 });
  t.teardown(() => wire.close());
  const { issuers } = on.gateway.catalogue;
  const settings = { issuers, issuer: ISSUER, own: async () => undefined, open: () => wire, clock: () => on.time.now };
  const verify = tokensOfAll({ ...settings, bound: true });
  const cnf = { 'x5t#S256': THUMBPRINT };
  t.match(await verify(await ofMinistry({ claims: { cnf, jti: 'j' } })), {
    token: 'moj:j',
    key: 'moj:m1',
    client: 'moj:portal',
    scopes: ['prefill'],
    binding: cnf,
  });
  t.match(await verify(await ofMinistry({ claims: { cnf: { jkt: THUMBPRINT } } })), { binding: { jkt: THUMBPRINT } });
  t.equal(await verify(await ofMinistry()), undefined, 'not bound');
  t.equal(await verify(await ofOffice()), undefined, 'not bound');
  for (const odd of [{}, { kid: 'x' }, { jkt: 'x' }, { jkt: THUMBPRINT, ...cnf }, THUMBPRINT, null])
    t.equal(await verify(await ofMinistry({ claims: { cnf: odd } })), undefined, `bound to ${JSON.stringify(odd)}`);
  const same = { ...settings, bound: false, issuer: OFFICE };
  t.throws(() => tokensOfAll(same), ConfigurationError, 'our own issuer');
});

/** As though the gateway had just begun: a minute after whatever was before, or two hours, when all is forgotten. */
const later = (minutes: number): void => void (on.time.now += minutes * 60_000);

t.test('keys that change are taken, and strangers make us ask no oftener', async (t) => {
  later(1);
  const before = requests;
  answers = json({ keys: [...MINISTRY_KEYS, jwkOf(next.publicKey, 'm2')] });
  t.equal(await status(await ofMinistry({ header: { kid: 'm2' }, key: next.privateKey })), 200, 'at once');
  t.equal(requests, before + 1);
  const strange = Array.from({ length: 30 }, (_, i) => ofMinistry({ header: { kid: `s${i}` }, key: stranger.privateKey }).then(status));
  t.strictSame([...new Set(await Promise.all(strange))], [401]);
  t.equal(requests, before + 1, 'thirty strangers');
  later(1);
  const again = Array.from({ length: 30 }, (_, i) => ofMinistry({ header: { kid: `s${i}` }, key: stranger.privateKey }).then(status));
  t.strictSame([...new Set(await Promise.all(again))], [401]);
  t.equal(requests, before + 2, 'thirty strangers a minute later');
  later(6);
  t.equal(await status(await ofMinistry()), 200);
  // Whoever needs the answer waits for what is under way.
  t.equal(await status(await ofMinistry({ header: { kid: 's' } })), 401);
  t.equal(requests, before + 3, 'fetched anew while it is used');
  later(11);
  answers = json({ keys: [jwkOf(next.publicKey, 'm2')] });
  t.equal(await status(await ofMinistry()), 401, 'a key that was taken back');
  t.equal(await status(await ofMinistry({ header: { kid: 'm2' }, key: next.privateKey })), 200);
});

t.test('a key server that fails costs new keys at first, then its own tokens, and nobody else’s', async (t) => {
  const FAILURES: [fault: string, answers: RequestListener][] = [
    ['dies', (request) => request.socket.destroy()],
    [
      'redirects',
      (_request, response) => response.writeHead(302, { location: `${jwks}/elsewhere`, 'content-type': 'application/json' }).end(),
    ],
    ['answers with an error', (_request, response) => response.writeHead(500, { 'content-type': 'application/json' }).end('{"keys":[]}')],
    ['sends no JSON', (_request, response) => response.setHeader('content-type', 'application/json').end('<html>')],
    [
      'calls it a page',
      (_request, response) => response.setHeader('content-type', 'text/html').end(JSON.stringify({ keys: MINISTRY_KEYS })),
    ],
    ['sends something else', json(['keys'])],
    ['sends null', json(null)],
    [
      'compresses it',
      (_request, response) => response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end('\x1f\x8b'),
    ],
    ['sends more keys than anybody has', json({ keys: Array.from({ length: 51 }, (_, i) => jwkOf(ministry.publicKey, `m${i}`)) })],
  ];
  for (const [fault, failing] of FAILURES) {
    later(120);
    answers = GOOD;
    t.equal(await status(await ofMinistry()), 200);
    later(11);
    answers = failing;
    const before = requests;
    t.equal(await status(await ofMinistry()), 200, `${fault}: what it said before`);
    t.match(
      await ask(await ofMinistry({ header: { kid: 'm2' }, key: next.privateKey })),
      { status: 503, code: 'issuer-unavailable' },
      fault,
    );
    later(61);
    t.match(await ask(await ofMinistry()), { status: 503, code: 'issuer-unavailable' }, `${fault}: an hour later`);
    t.equal(await status(await ofOffice()), 200, `${fault}: another issuer`);
    t.equal(requests, before + 2, `${fault}: asked once each time, and nowhere else`);
  }
});

t.test('what a key server sends without end is not taken', async (t) => {
  later(120);
  let sent = 0;
  answers = (_request, response) => {
    response.setHeader('content-type', 'application/json');
    const piece = Buffer.alloc(65_536, ' ');
    const more = (): void => {
      while (!response.destroyed && sent < 100 * 2 ** 20) {
        sent += piece.length;
        if (!response.write(piece)) return void response.once('drain', more);
      }
    };
    more();
  };
  t.match(await ask(await ofMinistry()), { status: 503 });
  t.ok(sent < 20 * 2 ** 20, `${sent} bytes`);
});

t.test('a key server that hangs is waited for by its own tokens, five seconds, once', async (t) => {
  later(120);
  answers = (_request, response) => void response.writeHead(200, { 'content-type': 'application/json' }).write('{"keys":[');
  const begun = Date.now();
  const waiting = Promise.all(Array.from({ length: 20 }, () => ofMinistry().then(status)));
  t.equal(await status(await ofOffice()), 200);
  t.equal(await status(await on.token('X02.1')), 200);
  t.ok(Date.now() - begun < 3000, 'nobody else waits');
  t.strictSame([...new Set(await waiting)], [503]);
  t.ok(Date.now() - begun < 9000);
  const before = requests;
  const again = Date.now();
  t.equal(await status(await ofMinistry()), 503);
  t.ok(Date.now() - again < 1000 && requests === before, 'and nobody at all for half a minute');
});

t.test('of a set only keys are taken that can do nothing but check signatures', async (t) => {
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const key = jwkOf(ministry.publicKey, 'm1', { alg: 'ES256' });
  const secret = { kty: 'oct', k: Buffer.from('a secret that everybody knows by now').toString('base64url'), kid: 'm1', alg: 'HS256' };
  const RS256: Made = { header: { alg: 'RS256', kid: 'm1' }, key: rsa.privateKey };
  const ROWS: [rule: string, keys: unknown[], token: Made | string, status: number][] = [
    ['a key among what is none', [null, 1, 'x', [], {}, { kty: 'EC' }, key], {}, 200],
    ['one that does not say its algorithm', [jwkOf(ministry.publicKey, 'm1')], {}, 200],
    ['a private key', [jwkOf(ministry.privateKey, 'm1')], {}, 401],
    ['a symmetric key', [secret], byHand({ alg: 'HS256', typ: 'at+jwt', kid: 'm1' }, {}, () => 'AA'), 401],
    ['a symmetric key beside', [secret, key], {}, 200],
    ['a symmetric key that calls itself ES256', [{ ...secret, alg: 'ES256' }], {}, 401],
    ['a key for encryption', [{ ...key, use: 'enc' }], {}, 401],
    ['a key for other work', [{ ...key, key_ops: ['deriveKey'] }], {}, 401],
    ['a key of another algorithm', [{ ...key, alg: 'ES384' }], {}, 401],
    ['a key that calls itself what it is not', [{ ...key, alg: 'RS256' }], {}, 401],
    ['a point that is not on the curve', [{ ...key, y: key.x }], {}, 401],
    ['two keys by one name', [key, { ...jwkOf(next.publicKey, 'm1'), alg: 'ES256' }], {}, 401],
    ['two by one name, of two algorithms', [key, jwkOf(rsa.publicKey, 'm1')], RS256, 200],
    ['a small RSA key', [jwkOf(small.publicKey, 'm1')], RS256, 401],
    ['an exponent without end', [{ ...jwkOf(rsa.publicKey, 'm1'), e: Buffer.alloc(200, 3).toString('base64url') }], RS256, 401],
    ['no keys', [], {}, 401],
  ];
  for (const [rule, keys, made, expected] of ROWS) {
    later(120);
    answers = json({ keys });
    const claims = {
      iss: MINISTRY,
      aud: ISSUER,
      iat: now(),
      exp: now() + 60,
      jti: 'x',
      org: 'X01.1',
      client_id: 'p',
      scp: 'gw.read',
      staff: 'X01.1-1',
    };
    const hmac = (input: string): string => createHmac('sha256', Buffer.from(secret.k, 'base64url')).update(input).digest('base64url');
    const token = typeof made === 'string' ? byHand({ alg: 'HS256', typ: 'at+jwt', kid: 'm1' }, claims, hmac) : await ofMinistry(made);
    t.equal(await status(token), expected, rule);
  }
});

t.test('what is wrong with an issuer’s file is named, all of it at once', async (t) => {
  const { keys: _keys, ...bare } = land;
  const citizens = on.gateway.catalogue.gateway.citizens?.issuer;
  const directory = editedConfig({
    'issuers/a.yaml': () => ({ ...moj, id: 'a', agencies: ['X01.1', 'G15'] }),
    'issuers/b.yaml': () => ({ ...moj, id: 'b' }),
    'issuers/c.yaml': () => ({ ...bare, id: 'c', issuer: citizens }),
    'issuers/d.yaml': () => ({ ...land, id: 'd', issuer: 'https://d.test', jwks }),
    'issuers/e.yaml': () => ({ ...bare, id: 'e', issuer: 'https://e.test', jwks: 'http://id.moj.test/keys' }),
    'issuers/f.yaml': () => ({ ...land, id: 'f', issuer: 'https://f.test', keys: [{ ...land.keys[0], x: 'AA' }] }),
    'issuers/g.yaml': () => ({ ...land, id: 'h', issuer: 'https://g.test' }),
    'agencies/X03.1.yaml': () => withoutKeys,
    'agencies/X06.1.yaml': () => ({ ...withoutKeys, id: 'X06.1' }),
  });
  const odd = editedConfig({
    'issuers/a.yaml': () => ({ ...moj, id: 'a', algorithms: ['HS256'] }),
    'issuers/b.yaml': () => ({ ...moj, id: 'b', claims: {}, maxLifetimeSeconds: 86_400 }),
    'issuers/c.yaml': () => ({ ...moj, id: 'c', scopes: { x: 'root' }, secret: 1 }),
  });
  t.teardown(() => [directory, odd].map((one) => rmSync(one, { recursive: true })));
  const faults = (of: string, sandbox = true): string[] => {
    try {
      openCatalogue(of, sandbox);
      return [];
    } catch (error) {
      return (error as ConfigurationError).faults.map((fault) =>
        formatFault({ ...fault, message: '' })
          .replace(/:\d+/, '')
          .trim(),
      );
    }
  };
  t.strictSame(faults(directory).sort(), [
    'agencies/X06.1.yaml / [schema]',
    'issuers/a.yaml /agencies/1 [unknown-reference]',
    'issuers/b.yaml /issuer [duplicate]',
    'issuers/c.yaml / [schema]',
    'issuers/c.yaml /issuer [duplicate]',
    'issuers/d.yaml /jwks [duplicate]',
    'issuers/e.yaml /jwks [connection]',
    'issuers/f.yaml /keys/0 [type-mismatch]',
    'issuers/g.yaml / [file-name]',
  ]);
  t.ok(faults(directory, false).includes('issuers/a.yaml /jwks [sandbox-in-production]'), 'http is for the sandbox');
  t.strictSame(faults(odd).sort(), [
    'issuers/a.yaml /algorithms/0 [schema]',
    'issuers/b.yaml /claims [schema]',
    'issuers/b.yaml /maxLifetimeSeconds [schema]',
    'issuers/c.yaml /scopes/x [schema]',
    'issuers/c.yaml /secret [schema]',
  ]);
});

const authority = findAuthority();
if (typeof authority === 'string') t.test('tokens bound to a certificate', { skip: authority }, async () => {});
else {
  const { ca, issue, file } = authority;
  t.teardown(() => authority.close());
  const server = issue({ by: ca });
  const tls = { certificate: file('server.pem', server.certificate), key: file('server.key', server.key) };
  const [hers, his, known] = [issue({}), issue({}), issue({ by: ca })];
  const thumbprint = ({ certificate }: Issued): string =>
    createHash('sha256').update(new X509Certificate(certificate).raw).digest('base64url');
  const header = ({ certificate }: Issued): string => `:${new X509Certificate(certificate).raw.toString('base64')}:`;
  const shared = { sandbox: on.sandbox, configDirectory, dataDirectory: on.dataDirectory };
  const begin = async (environment: object): Promise<TestGateway> => {
    const gateway = await startGateway({ ...shared, environment });
    t.teardown(() => gateway.close());
    return gateway;
  };
  const operators = { host: '127.0.0.1', port: await freePort() };
  const direct = await begin({ tls, proxies: '192.0.2.0/24', operators });
  const behind = await begin({ tls, proxies: '127.0.0.1' });
  const strict = await begin({ tls: { ...tls, clientCa: file('client-ca.pem', ca.certificate) } });

  interface Shown {
    readonly as?: Issued;
    readonly token?: string;
    readonly headers?: Record<string, string | string[]>;
    readonly form?: URLSearchParams;
    readonly tls?: ConnectionOptions;
    readonly path?: string;
  }
  type Said = { status: number; body: Record<string, unknown> };
  /** Each on a connection of its own. */
  const say = (to: TestGateway, { as, token, headers = {}, form, tls: how = {}, path }: Shown): Promise<Said> =>
    new Promise((resolve, reject) => {
      const request = httpsRequest({
        agent: false,
        host: '127.0.0.1',
        port: to.port,
        path: path ?? (form === undefined ? '/v1/sources' : '/oauth2/token'),
        method: form === undefined ? 'GET' : 'POST',
        ca: ca.certificate,
        ...(as === undefined ? {} : { cert: as.certificate, key: as.key }),
        ...how,
        headers: {
          ...(form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...headers,
        },
      });
      request.on('error', reject).on('response', async (response) => {
        let text = '';
        for await (const piece of response) text += piece;
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as Record<string, unknown> });
      });
      request.end(form?.toString());
    });
  /** What a token that was asked for so is bound to, and the token. */
  const got = async (to: TestGateway, shown: Shown): Promise<{ token: string; cnf: unknown; type: unknown }> => {
    const client_assertion = await assertion(agencyKey(on.dataDirectory, 'X01.1'), 'X01.1');
    const form = new URLSearchParams({ grant_type: 'client_credentials', client_assertion_type: ASSERTION_TYPE, client_assertion });
    const { status: code, body } = await say(to, { ...shown, form });
    if (code !== 200) throw new Error(JSON.stringify(body));
    const token = String(body.access_token);
    const { cnf } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { cnf?: unknown };
    return { token, cnf, type: body.token_type };
  };

  t.test('a token that is got with a certificate is of use with that certificate alone', async (t) => {
    on.time.now = NOON;
    const { token, cnf, type } = await got(direct, { as: hers });
    t.strictSame([cnf, type], [{ 'x5t#S256': thumbprint(hers) }, 'Bearer']);
    const forwarded = await got(behind, { headers: { 'client-cert': header(hers) } });
    t.strictSame(forwarded.cnf, cnf, 'as it is behind a proxy');
    const { token: unbound, cnf: nothing } = await got(direct, {});
    t.equal(nothing, undefined);
    const trusted = await got(strict, { as: known });
    t.strictSame(trusted.cnf, { 'x5t#S256': thumbprint(known) });
    t.equal((await got(strict, { as: hers })).cnf, undefined, 'a certificate of no CA that counts is none');
    const ofIssuer = await ofOffice({ claims: { cnf } });
    const by = await prover();
    const nonce = nonces(loadKeys(on.dataDirectory, true).nonce, () => NOON).current();
    const proofOf = (value?: string): string =>
      by.prove({
        method: value === undefined ? 'POST' : 'GET',
        url: `${ISSUER}/${value === undefined ? 'oauth2/token' : 'v1/sources'}`,
        token: value,
        nonce,
        now: NOON,
      });
    const keyed = await got(direct, { as: hers, headers: { dpop: proofOf() } });
    t.strictSame([keyed.cnf, keyed.type], [{ jkt: by.jkt }, 'DPoP'], 'a proof goes before a certificate');
    const der = new X509Certificate(hers.certificate).raw;
    const wrapped = (bytes: Uint8Array): string => `:${Buffer.from(bytes).toString('base64')}:`;
    const ROWS: [rule: string, to: TestGateway, shown: Shown, status: number][] = [
      ['with it', direct, { as: hers, token }, 200],
      ['with it, in TLS 1.2', direct, { as: hers, token, tls: { maxVersion: 'TLSv1.2' } }, 200],
      ['stolen, with the thief’s certificate', direct, { as: his, token }, 401],
      ['stolen, with none', direct, { token }, 401],
      ['stolen, with a certificate that is trusted', strict, { as: known, token }, 401],
      ['of no CA that counts', strict, { as: hers, token }, 401],
      ['of a CA that counts', strict, { as: known, token: trusted.token }, 200],
      ['another issuer’s, with it', direct, { as: hers, token: ofIssuer }, 200],
      ['another issuer’s, stolen', direct, { as: his, token: ofIssuer }, 401],
      ['not bound', direct, { as: his, token: unbound }, 200],
      ['through the proxy', behind, { token, headers: { 'client-cert': header(hers) } }, 200],
      ['through the proxy, stolen', behind, { token, headers: { 'client-cert': header(his) } }, 401],
      ['through the proxy, with none', behind, { token }, 401],
      ['the certificate of the proxy itself', behind, { as: hers, token }, 401],
      ['the proxy’s beside the client’s', behind, { as: his, token, headers: { 'client-cert': header(hers) } }, 200],
      ['as DPoP, with it', direct, { as: hers, headers: { authorization: `DPoP ${token}`, dpop: proofOf(token) } }, 401],
      ['with it, and a proof that nobody asked for', direct, { as: hers, token, headers: { dpop: proofOf(token) } }, 200],
      [
        'bound to a key, and no certificate',
        direct,
        { headers: { authorization: `DPoP ${keyed.token}`, dpop: proofOf(keyed.token) } },
        200,
      ],
      [
        'bound to a key, and another certificate',
        direct,
        { as: his, headers: { authorization: `DPoP ${keyed.token}`, dpop: proofOf(keyed.token) } },
        200,
      ],
      ['bound to a key, stolen, with the certificate it was got with', direct, { as: hers, token: keyed.token }, 401],
      [
        'bound to a key, as DPoP without proof, with the certificate it was got with',
        direct,
        { as: hers, headers: { authorization: `DPoP ${keyed.token}` } },
        401,
      ],
      ['a header from a stranger', direct, { token, headers: { 'client-cert': header(hers) } }, 400],
      ['a header from a stranger with a certificate', direct, { as: hers, token, headers: { 'client-cert': header(hers) } }, 400],
      ['a header where there is no proxy', strict, { token, headers: { 'client-cert': header(hers) } }, 400],
      ['a header from a stranger who asks for nothing', direct, { path: '/healthz', headers: { 'client-cert': header(hers) } }, 400],
      ['twice', behind, { token, headers: { 'client-cert': [header(hers), header(hers)] } }, 400],
      ['two in one', behind, { token, headers: { 'client-cert': wrapped(Buffer.concat([der, der])) } }, 400],
      ['with something after it', behind, { token, headers: { 'client-cert': wrapped(Buffer.concat([der, Buffer.alloc(1)])) } }, 400],
      ['cut off', behind, { token, headers: { 'client-cert': wrapped(der.subarray(0, -1)) } }, 400],
      ['as text', behind, { token, headers: { 'client-cert': wrapped(Buffer.from(hers.certificate)) } }, 400],
      ['without its colons', behind, { token, headers: { 'client-cert': header(hers).slice(1, -1) } }, 400],
      ['with parameters', behind, { token, headers: { 'client-cert': `${header(hers)};a=1` } }, 400],
      ['nothing between the colons', behind, { token, headers: { 'client-cert': '::' } }, 400],
      ['empty', behind, { token, headers: { 'client-cert': '' } }, 400],
      ['garbage', behind, { token, headers: { 'client-cert': wrapped(Buffer.alloc(900, 0x30)) } }, 400],
      ['longer than a certificate', behind, { token, headers: { 'client-cert': wrapped(Buffer.alloc(7000)) } }, 400],
      [
        'a header from a stranger at the token endpoint',
        direct,
        { form: new URLSearchParams(), headers: { 'client-cert': header(hers) } },
        400,
      ],
    ];
    for (const [rule, to, shown, expected] of ROWS) {
      const { status: code } = await say(to, shown).catch(() => ({ status: 0 }));
      t.equal(code, expected, rule);
    }
    t.equal(await status(token), 401, 'nor is it of use without TLS');
    const atDoor = async (headers: Record<string, string>): Promise<number> =>
      (await fetch(`http://127.0.0.1:${operators.port}/v1/sources`, { headers })).status;
    t.equal(await atDoor({ authorization: `Bearer ${token}` }), 401, 'nor at the door of operators, which has none');
    t.equal(await atDoor({ authorization: `Bearer ${token}`, 'client-cert': header(hers) }), 400, 'whatever is said there');
    t.equal(
      await atDoor({ authorization: `DPoP ${keyed.token}`, dpop: proofOf(keyed.token) }),
      200,
      'a proof is as good there, of the public address',
    );
    const metadata = '/.well-known/oauth-authorization-server';
    t.match((await say(direct, { path: metadata })).body, { tls_client_certificate_bound_access_tokens: true });
    t.notOk(
      'tls_client_certificate_bound_access_tokens' in ((await (await fetch(on.address + metadata)).json()) as object),
      'nobody can show one',
    );
  });

  const opened = async (to: TestGateway, how: ConnectionOptions = {}): Promise<TLSSocket> => {
    const socket = connect({ host: '127.0.0.1', port: to.port, ca: ca.certificate, ...how });
    socket.on('error', () => {});
    const outcome = await Promise.race([once(socket, 'secureConnect'), once(socket, 'close').then(() => 'closed')]);
    if (outcome === 'closed') throw new Error('refused');
    return socket;
  };
  const heard = async (socket: Socket): Promise<string> => {
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes;
    });
    if (!socket.closed) await once(socket, 'close').catch(() => {});
    return text;
  };
  /** These take ten seconds each and no work: they wait while the others run. */
  const slow = ['POST /v1/prefills HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\nauthorization: Bearer x\r\n', ''].map(async (head) => {
    const socket = head === '' ? connectPlain(direct.port, '127.0.0.1').on('error', () => {}) : await opened(direct);
    const begun = Date.now();
    if (head !== '') socket.write(head);
    return { text: await heard(socket), ms: Date.now() - begun };
  });

  t.test('TLS as RFC 9325 has it, in which nobody becomes another', async (t) => {
    const GCM = 'ECDHE-ECDSA-AES128-GCM-SHA256';
    const ROWS: [rule: string, how: ConnectionOptions, works: boolean][] = [
      ['TLS 1.3', { minVersion: 'TLSv1.3' }, true],
      ['TLS 1.2', { maxVersion: 'TLSv1.2', ciphers: GCM }, true],
      ['TLS 1.1', { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }, false],
      ['CBC', { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA' }, false],
      ['no forward secrecy', { maxVersion: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256' }, false],
    ];
    for (const [rule, how, works] of ROWS) {
      const socket = await opened(direct, how).catch(() => undefined);
      t.equal(socket !== undefined, works, rule);
      socket?.destroy();
    }
    const socket = await opened(direct, { maxVersion: 'TLSv1.2' });
    const renegotiated = await new Promise((resolve) => {
      socket.once('close', () => resolve('cut'));
      socket.renegotiate({}, (error) => resolve(error === null ? 'yes' : 'refused'));
    });
    t.not(renegotiated, 'yes', 'renegotiation');
    socket.destroy();

    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      let session: Buffer | undefined;
      const first = await opened(direct, { maxVersion, cert: hers.certificate, key: hers.key });
      first.on('session', (one) => {
        session = one;
      });
      first.end('GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
      await heard(first);
      session ??= first.getSession();
      const second = await opened(direct, { maxVersion, ...(session === undefined ? {} : { session }) });
      t.notOk(second.isSessionReused(), `${maxVersion}: no session is taken up again, with its certificate`);
      second.destroy();
    }
    const plain = connectPlain(direct.port, '127.0.0.1').on('error', () => {});
    plain.write('GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n');
    t.notMatch(await heard(plain), /HTTP\/1.1/, 'plain HTTP is cut, without a word in the clear');
    const many = await opened(direct);
    many.write(`GET /v1/procedures HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${await on.token()}\r\n\r\n`.repeat(40));
    t.ok((await heard(many)).split('HTTP/1.1 ').length - 1 < 40, 'forty at once that nobody reads');
    const large = await opened(direct);
    large.write(`GET /healthz HTTP/1.1\r\nhost: a\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`);
    t.match(await heard(large), /^HTTP\/1.1 431/);
    const odd = await opened(direct);
    odd.write('HELLO\r\n\r\n');
    t.match(await heard(odd), /^HTTP\/1.1 400[\s\S]*"code":"invalid-request"/);
    t.equal((await say(direct, { path: '/healthz' })).status, 200);
  });

  t.test('a certificate that changed is served without a refused request', async (t) => {
    const old = await opened(behind);
    const serial = ({ certificate }: Issued): string => new X509Certificate(certificate).serialNumber;
    const served = async (): Promise<string | undefined> => {
      const socket = await opened(behind);
      const { serialNumber } = socket.getPeerX509Certificate() ?? {};
      socket.destroy();
      return serialNumber;
    };
    const newer = issue({ by: ca });
    let asking = true;
    const outcomes = new Map<number, number>();
    const callers = Array.from({ length: 4 }, async () => {
      while (asking) {
        const { status: code } = await say(behind, { path: '/healthz' }).catch(() => ({ status: 0 }));
        outcomes.set(code, (outcomes.get(code) ?? 0) + 1);
      }
    });
    writeFileSync(tls.certificate, newer.certificate);
    behind.gateway.renewCertificate();
    behind.gateway.renewCertificate();
    t.equal(await served(), serial(server), 'half of it is there');
    t.equal(behind.lines.filter((line) => line.includes('certificate not renewed')).length, 1, 'which is said once');
    writeFileSync(tls.key, newer.key);
    behind.gateway.renewCertificate();
    t.equal(await served(), serial(newer));
    asking = false;
    await Promise.all(callers);
    t.strictSame([...outcomes.keys()], [200]);
    old.end('GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
    t.match(await heard(old), /^HTTP\/1.1 200/, 'who was there before stays');
    t.notOk(behind.lines.some((line) => line.includes('PRIVATE')));

    const settings = openTls(tls, 5);
    const watched = createTlsServer(settings.options).listen(0);
    const latest = issue({ by: ca });
    const renewed = new Promise<string>((resolve) => {
      const { end } = keepRenewed(watched, settings, { renewed: resolve, failed: () => {} });
      t.teardown(end);
    });
    t.teardown(() => watched.close());
    writeFileSync(tls.certificate, latest.certificate);
    writeFileSync(tls.key, latest.key);
    t.equal(await renewed, new X509Certificate(latest.certificate).validTo, 'and by itself');
    t.throws(() => openTls({ ...tls, key: file('other.key', hers.key) }), /not the key/);
    t.throws(() => openTls({ ...tls, key: '/nowhere' }), /ENOENT/);
  });

  t.test('which proxies are believed', async (t) => {
    const proxies = proxiesIn('192.0.2.7, 198.51.100.0/24,2001:db8::/32');
    const ROWS: [address: string, family: 'ipv4' | 'ipv6', believed: boolean][] = [
      ['192.0.2.7', 'ipv4', true],
      ['192.0.2.70', 'ipv4', false],
      ['198.51.100.255', 'ipv4', true],
      ['198.51.101.0', 'ipv4', false],
      ['::ffff:192.0.2.7', 'ipv6', true],
      ['::ffff:192.0.2.8', 'ipv6', false],
      ['2001:db8::1', 'ipv6', true],
      ['2001:db9::1', 'ipv6', false],
    ];
    for (const [address, family, believed] of ROWS) t.equal(proxies.check(address, family), believed, address);
    for (const wrong of ['', 'proxy.example', '192.0.2.7/33', '192.0.2.7/', '192.0.2.7/8/8', '192.0.2', '0.0.0.0/0', '::/0', '192.0.2.7,'])
      t.throws(() => proxiesIn(wrong), /ONCEGATE_PROXIES/, JSON.stringify(wrong));
  });

  t.test('who is slow over TLS is cut as over plain HTTP', async (t) => {
    const [body, handshake] = await Promise.all(slow);
    t.match(body?.text, /^HTTP\/1.1 408[\s\S]*"code":"request-timeout"/);
    t.equal(handshake?.text, '', 'a handshake that never comes');
    for (const one of [body, handshake]) t.ok(one !== undefined && one.ms > 8000 && one.ms < 14_000, `${one?.ms} ms`);
    const idle = connectPlain(strict.port, '127.0.0.1').on('error', () => {});
    await once(idle, 'connect');
    const begun = Date.now();
    await strict.gateway.close();
    t.ok(Date.now() - begun < 5000, 'nor does it keep a gateway that stops');
  });
}
