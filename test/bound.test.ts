/** Tokens that are bound to a key (RFC 9449): every way of using one without the key, and what is used once, at any gateway. */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  createPrivateKey,
  createSecretKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  randomUUID,
  X509Certificate,
} from 'node:crypto';
import { once as happens } from 'node:events';
import { cpSync, readFileSync, rmSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type CryptoKey, decodeJwt, importJWK, type JWK } from 'jose';
import * as oauth from 'oauth4webapi';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { bindings } from '../src/access/binding.ts';
import { dpopProofs } from '../src/access/dpop.ts';
import { type Nonces, nonces } from '../src/access/nonces.ts';
import { type OnceStore, onceInMemory } from '../src/access/once.ts';
import { TokenKeys } from '../src/access/token-keys.ts';
import { type Binding, Tokens } from '../src/access/tokens.ts';
import type { Agency, CitizenIssuer } from '../src/domain.ts';
import { proxiesIn } from '../src/http/proxies.ts';
import { buildServer } from '../src/http/server.ts';
import { tokenRoutes } from '../src/http/tokens.ts';
import { loadKeys } from '../src/keys.ts';
import { startSandbox } from '../src/sandbox/index.ts';
import { findAuthority } from './support/certificates.ts';
import { claimsOf, type Prover, type Proving, prover, signed } from './support/dpop.ts';
import { agencyKey, assertion, editedConfig, ISSUER, NOON, requestToken, startGateway, type TestGateway } from './support/gateway.ts';
import { openOnceAt } from './support/once.ts';
import { placesFor } from './support/places.ts';
import { command, findPostgres } from './support/postgres.ts';

const TOKEN_ENDPOINT = `${ISSUER}/oauth2/token`;
const PREFILLS = `${ISSUER}/v1/prefills`;
const REQUEST = '{"procedure":"1.004222","dossier":"X01.1-261122-0001","officer":"X01.1-0042","subject":"003099000017"}';

const sandbox = await startSandbox();
const main = await startGateway({ sandbox });
/** Another gateway of the same keys and the same store. */
const second = await startGateway({ sandbox, dataDirectory: main.dataDirectory });
/** Another gateway of the same name, with keys of its own. */
const otherDirectory = editedConfig({
  'agencies/X05.1.yaml': (file) => ({ ...file, endedOn: '2026-11-22' }),
  'agencies/X01.1.yaml': (file) => ({
    ...file,
    suppliers: (file.suppliers as unknown as object[]).map((one) => ({ ...one, validTo: '2026-11-22' })),
  }),
});
const other = await startGateway({ sandbox, configDirectory: otherDirectory });
const postgres = await findPostgres();
t.teardown(async () => {
  await second.close();
  await Promise.all([main.close(), other.close()]);
  await sandbox.close();
  rmSync(otherDirectory, { recursive: true });
  if (typeof postgres !== 'string') await postgres.stop();
});

const noncesOf = ({ dataDirectory, time }: TestGateway): Nonces => nonces(loadKeys(dataDirectory, true).nonce, () => time.now);
const nonceAt = (now: number, of = main): string => nonces(loadKeys(of.dataDirectory, true).nonce, () => now).current();
const own = noncesOf(main);
const [holder, thief] = [await prover(), await prover()];

interface Issued {
  readonly access_token: string;
  readonly token_type: string;
}
const freshAssertion = (): Promise<string> => assertion(agencyKey(main.dataDirectory, 'X01.1'), 'X01.1', { now: main.time.now });
const asking = (more: Partial<Proving> = {}): Proving => ({ url: TOKEN_ENDPOINT, now: main.time.now, nonce: own.current(), ...more });

async function boundToken(by: Prover, scope?: string): Promise<Issued> {
  const reply = await requestToken(main.address, await freshAssertion(), scope, { dpop: by.prove(asking()) });
  if (!reply.ok) throw new Error(await reply.text());
  return (await reply.json()) as Issued;
}
const token = (await boundToken(holder)).access_token;
const sibling = (await boundToken(holder)).access_token;
const plain = await main.token('X01.1');

const calling = (more: Partial<Proving> = {}): Proving => ({ url: PREFILLS, token, now: main.time.now, nonce: own.current(), ...more });
const proof = (more: Partial<Proving> = {}, by = holder): string => by.prove(calling(more));

interface Answer {
  readonly status: number | undefined;
  readonly challenge: string;
  readonly nonce: string | undefined;
  readonly code: string | undefined;
  readonly detail: string | undefined;
}

/** Header names and values stand in the list as they go over the wire, so that one can stand twice. */
function call(headers: readonly string[], { path = '/v1/prefills', at = main, method = 'POST' } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const body = method === 'POST' ? REQUEST : '';
    const all = ['host', 'elsewhere.test', 'content-length', String(body.length), ...headers];
    if (method === 'POST') all.push('content-type', 'application/json');
    const sent = httpRequest({ port: at.port, host: '127.0.0.1', method, path, headers: all, agent: false }, async (response) => {
      const { code, detail } = JSON.parse(Buffer.concat(await response.toArray()).toString());
      const { 'www-authenticate': challenge = '', 'dpop-nonce': nonce } = response.headers;
      resolve({ status: response.statusCode, challenge, nonce: nonce?.toString(), code, detail });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
const shows = (dpop: string, value = token): string[] => ['authorization', `DPoP ${value}`, 'dpop', dpop];

t.test('a token that was asked for with a proof is of use with proofs of that key', async (t) => {
  for (const alg of ['ES256', 'EdDSA', 'Ed25519'] as const) {
    const by = await prover(alg);
    const issued = await boundToken(by, 'prefill');
    t.match(issued, { token_type: 'DPoP', expires_in: 600, scope: 'prefill' });
    t.same(decodeJwt(issued.access_token).cnf, { jkt: by.jkt });
    for (const at of [main, second]) {
      const answer = await call(shows(by.prove(calling({ token: issued.access_token })), issued.access_token), { at });
      t.match(answer, { status: 200, challenge: '', nonce: own.current() }, alg);
    }
  }
  const metadata = await (await fetch(`${main.address}/.well-known/oauth-authorization-server`)).json();
  t.match(metadata, { dpop_signing_alg_values_supported: ['ES256', 'EdDSA', 'Ed25519'] });
  t.match(await requestToken(main.address, await freshAssertion()).then((reply) => reply.json()), { token_type: 'Bearer' });
});

t.test('a proof is taken', async (t) => {
  const rows: [rule: string, proof: string, path?: string][] = [
    ['of the address in another spelling', proof({ url: 'HTTPS://ONCEGATE.test:443/v1/../v1/%70refills?a=b#c' })],
    ['60 seconds old', proof({ now: NOON - 60_000 })],
    ['10 seconds in the future', proof({ now: NOON + 10_000 })],
    ['with the nonce of a minute ago', proof({ nonce: nonceAt(NOON - 60_000) })],
    ['with members and claims that nobody knows', proof({ claims: { more: 1 }, header: { more: 1 } })],
    ['with a key that says of itself what keys say', proof({ header: { jwk: { ...holder.jwk, kid: 'x', use: 'sig', alg: 'ES256' } } })],
    ['with a claim twice of which the last is right', proof({ claims: { htm: 'GET' }, more: ',"htm":"POST"' })],
    ['of a path with an escape', proof({ url: `${ISSUER}/v1/procedures/1%2e004222`, method: 'GET' }), '/v1/procedures/1.004222'],
  ];
  for (const [rule, made, path] of rows)
    t.match(await call(shows(made), path === undefined ? {} : { path, method: 'GET' }), { status: 200 }, rule);
  t.match(await call(['authorization', `dpop ${token}`, 'DPOP', proof()]), { status: 200 }, 'in any case');
});

/** Where a proof could try to have keys fetched from. */
let fetched = 0;
const keyServer = createServer((_request, response) => {
  fetched++;
  response.end(JSON.stringify({ keys: [holder.jwk] }));
});
await new Promise<void>((resolve) => keyServer.listen(0, '127.0.0.1', resolve));
t.teardown(() => keyServer.close());
const keyAddress = `http://127.0.0.1:${(keyServer.address() as AddressInfo).port}/keys`;

const rsa = (bits: number): { key: KeyObject; jwk: JsonWebKey } => {
  const { privateKey: key, publicKey } = generateKeyPairSync('rsa', { modulusLength: bits });
  return { key, jwk: publicKey.export({ format: 'jwk' }) };
};
const [weak, strong] = [rsa(512), rsa(2048)];
const flip = (part = ''): string => (part.startsWith('A') ? 'B' : 'A') + part.slice(1);
const text = (value: string): string => Buffer.from(value).toString('base64url');
const privateJwk = holder.key.export({ format: 'jwk' });

type Fault = readonly [rule: string, proof: string, detail: RegExp | 'use_dpop_nonce'];

/** What can be wrong with a proof wherever it is shown. */
function faults(at: Partial<Proving>): Fault[] {
  const of = (more: Partial<Proving> = {}): string => proof({ ...at, ...more });
  const claiming = (claims: object): string => of({ claims });
  const headed = (header: object): string => of({ header });
  const jwk = (more: object): string => headed({ jwk: { ...holder.jwk, ...more } });
  const payload = JSON.stringify(claimsOf(calling(at)));
  const head = (more: object = {}): string => JSON.stringify({ typ: 'dpop+jwt', alg: 'ES256', jwk: holder.jwk, ...more });
  const secret = (value: string): KeyObject => createSecretKey(Buffer.from(value));
  const url = at.url ?? PREFILLS;
  const oct = { kty: 'oct', k: text('secret') };
  return [
    // Its form
    ['empty', '', /compact/],
    ['no token', 'proof', /compact/],
    ['two segments', of().split('.').slice(0, 2).join('.'), /compact/],
    ['no signature', of().replace(/[^.]*$/, ''), /compact/],
    ['a fourth segment', `${of()}.AAAA`, /compact/],
    ['padding', `${of()}=`, /compact/],
    ['two in one header', `${of()}, ${of()}`, /compact/],
    ['huge', claiming({ note: 'n'.repeat(2048) }), /compact/],
    ['a huge jwk', jwk({ note: 'n'.repeat(2048) }), /compact/],
    ['a header that is no JSON', signed('typ', payload, holder.key), /header is no JSON/],
    ['a header that is a list', signed(`[${head()}]`, payload, holder.key), /header is no JSON/],
    ['a payload that is no JSON', signed(head(), payload.slice(1), holder.key), /payload is no JSON/],
    ['a payload that is null', signed(head(), 'null', holder.key), /payload is no JSON/],
    ['a payload that is a list', signed(head(), `[${payload}]`, holder.key), /payload is no JSON/],
    // Its header
    ['no typ', headed({ typ: undefined }), /typ/],
    ['typ of an access token', headed({ typ: 'at+jwt' }), /typ/],
    ['typ JWT', headed({ typ: 'JWT' }), /typ/],
    ['no alg', headed({ alg: undefined }), /alg/],
    ['alg none', headed({ alg: 'none' }), /alg/],
    ['alg none and something like a signature', `${text(head({ alg: 'none' }))}.${text(payload)}.AAAA`, /alg/],
    ['alg of a list', headed({ alg: ['ES256'] }), /alg/],
    ['alg of a prototype', headed({ alg: 'constructor' }), /alg/],
    ['alg ES384', headed({ alg: 'ES384' }), /alg/],
    ['alg EdDSA of an ES256 key', headed({ alg: 'EdDSA' }), /jwk is not of its alg/],
    ['HS256 with the public key as its secret', signed(head({ alg: 'HS256' }), payload, secret(JSON.stringify(holder.jwk))), /alg/],
    ['HS256 with a secret that it shows', signed(head({ alg: 'HS256', jwk: oct }), payload, secret('secret')), /alg/],
    ['ES256 with a secret that it shows', signed(head({ jwk: oct }), payload, secret('secret')), /private/],
    ['RS256 with a key of 512 bits', signed(head({ alg: 'RS256', jwk: weak.jwk }), payload, weak.key), /alg/],
    ['RS256 with a key of 2048 bits', signed(head({ alg: 'RS256', jwk: strong.jwk }), payload, strong.key), /alg/],
    ['ES256 with an RSA key', signed(head({ jwk: strong.jwk }), payload, strong.key), /jwk is not of its alg/],
    ['crit', headed({ crit: ['b64'], b64: false }), /crit/],
    ['crit that is empty', headed({ crit: [] }), /crit/],
    ['no jwk', headed({ jwk: undefined }), /no jwk/],
    ['an address of keys for a jwk', headed({ jwk: undefined, jku: keyAddress }), /no jwk/],
    ['an address of certificates for a jwk', headed({ jwk: undefined, x5u: keyAddress }), /no jwk/],
    ['a kid for a jwk', headed({ jwk: undefined, kid: holder.jkt }), /no jwk/],
    ['a jwk that is a text', headed({ jwk: JSON.stringify(holder.jwk) }), /no jwk/],
    ['the private key in its jwk', headed({ jwk: privateJwk }), /private/],
    ['d without a value in its jwk', jwk({ d: null }), /private/],
    ['a jwk of another curve', jwk({ crv: 'P-521' }), /jwk is not of its alg/],
    ['half a point', jwk({ y: undefined }), /no key|another key/],
    ['a coordinate with zeros before it', jwk({ x: `AAAA${holder.jwk.x}` }), /no key/],
    // Its claims
    ...['htm', 'htu', 'iat', 'jti'].flatMap((name): Fault[] => [
      [`no ${name}`, claiming({ [name]: undefined }), new RegExp(name)],
      [`${name} of a list`, claiming({ [name]: ['x'] }), new RegExp(name)],
      [`${name} of null`, claiming({ [name]: null }), new RegExp(name)],
      [`${name} of nothing`, claiming({ [name]: '' }), new RegExp(name)],
      [`${name} twice, the last one wrong`, of({ more: `,"${name}":"x"` }), new RegExp(name)],
    ]),
    ['of another method', of({ method: 'GET' }), /htm/],
    ['of the method in small letters', of({ method: 'post' }), /htm/],
    ['of another path', of({ url: `${ISSUER}/v1/procedures` }), /htu/],
    ['of a longer path', of({ url: `${url}/` }), /htu/],
    ['of a path in capitals', of({ url: ISSUER + new URL(url).pathname.toUpperCase() }), /htu/],
    ['of a path with an escaped slash', of({ url: url.replace(/\/(\w+)$/, '%2F$1') }), /htu/],
    ['of another host', of({ url: url.replace('oncegate', 'elsewhere') }), /htu/],
    ['of the host that the request names', of({ url: url.replace('oncegate.test', 'elsewhere.test') }), /htu/],
    ['of the address that it listens at', of({ url: url.replace(ISSUER, main.address) }), /htu/],
    ['of another port', of({ url: url.replace('.test', '.test:8443') }), /htu/],
    ['of http', of({ url: url.replace('https', 'http') }), /htu/],
    ['of a host with a user', of({ url: url.replace('//', '//a:b@') }), /htu/],
    ['of a host with a dot', of({ url: url.replace('.test', '.test.') }), /htu/],
    ['of a path alone', of({ url: new URL(url).pathname }), /htu/],
    ['61 seconds old', of({ now: NOON - 61_000 }), /iat/],
    ['11 seconds in the future', of({ now: NOON + 11_000 }), /iat/],
    ['of the year 9999', claiming({ iat: 253_402_300_799 }), /iat/],
    ['beyond numbers', of({ more: ',"iat":1e999' }), /iat/],
    ['with a jti that can be guessed', claiming({ jti: '1' }), /jti/],
    ['with a jti of 201 characters', claiming({ jti: 'j'.repeat(201) }), /jti/],
    ['with a jti of spaces', claiming({ jti: ' '.repeat(20) }), /jti/],
    // Its nonce
    ['no nonce', claiming({ nonce: undefined }), 'use_dpop_nonce'],
    ['a nonce of null', claiming({ nonce: null }), 'use_dpop_nonce'],
    ['a nonce of a list', claiming({ nonce: [own.current()] }), 'use_dpop_nonce'],
    ['a nonce of its own', of({ nonce: randomUUID() }), 'use_dpop_nonce'],
    ['a nonce twice, the last one wrong', of({ more: ',"nonce":"x"' }), 'use_dpop_nonce'],
    ['a nonce of two minutes ago', of({ nonce: nonceAt(NOON - 120_000) }), 'use_dpop_nonce'],
    ['a nonce of the minute to come', of({ nonce: nonceAt(NOON + 60_000) }), 'use_dpop_nonce'],
    ['a nonce of a gateway with other keys', of({ nonce: nonceAt(NOON, other) }), 'use_dpop_nonce'],
    // Its signature
    ['signed by another key', signed(head(), payload, thief.key), /signature/],
    ['another signature', of().replace(/[^.]+$/, (part) => flip(part)), /signature/],
    ['half a signature', of().slice(0, -43), /signature/],
    ['another payload', of().replace(/\.[^.]+\./, `.${text(payload)}.`), /signature/],
  ];
}

t.test('a token that is bound to a key is refused without that key’s proof of this very request, and nobody is asked', async (t) => {
  const used = proof();
  t.match(await call(shows(used)), { status: 200 });
  const alien = await other.token('X01.1');
  const rows: [rule: string, headers: string[], error: string | undefined, detail?: RegExp][] = [
    ...faults({}).map(([rule, made, detail]): (typeof rows)[number] =>
      detail === 'use_dpop_nonce' ? [rule, shows(made), detail, /DPoP-Nonce/] : [rule, shows(made), 'invalid_dpop_proof', detail],
    ),
    // The token
    ['no ath', shows(proof({ token: undefined })), 'invalid_dpop_proof', /ath/],
    ['ath of another token of the same key', shows(proof({ token: sibling })), 'invalid_dpop_proof', /ath/],
    ['ath twice, the last one wrong', shows(proof({ more: ',"ath":"x"' })), 'invalid_dpop_proof', /ath/],
    ['the token instead of its hash', shows(proof({ claims: { ath: token } })), 'invalid_dpop_proof', /ath/],
    ['stolen, with a proof of the thief’s key', shows(proof({}, thief)), 'invalid_dpop_proof', /another key/],
    [
      'stolen, and the owner’s key shown as the thief’s',
      shows(proof({ header: { jwk: holder.jwk } }, thief)),
      'invalid_dpop_proof',
      /signature/,
    ],
    [
      'stolen, with the proof of another request',
      shows(proof({ method: 'GET', url: `${ISSUER}/v1/procedures` })),
      'invalid_dpop_proof',
      /htm/,
    ],
    ['stolen, with the proof for the token endpoint', shows(holder.prove(asking())), 'invalid_dpop_proof', /htu/],
    ['stolen with a proof that was used', shows(used), 'invalid_dpop_proof', /used before/],
    ['stolen without a proof', ['authorization', `DPoP ${token}`], 'invalid_dpop_proof', /not one DPoP header/],
    ['a proof that is the token', shows(token), 'invalid_dpop_proof', /typ/],
    ['two DPoP headers', [...shows(proof()), 'dpop', proof()], 'invalid_dpop_proof', /not one DPoP header/],
    ['two DPoP headers, one good', [...shows('x'), 'DPoP', proof()], 'invalid_dpop_proof', /not one DPoP header/],
    ['the same DPoP header twice', [...shows(used), 'dpop', used], 'invalid_dpop_proof', /not one DPoP header/],
    ['sent as Bearer', ['authorization', `Bearer ${token}`], 'invalid_token', /scheme DPoP/],
    ['sent as Bearer with a good proof', ['authorization', `Bearer ${token}`, 'dpop', proof()], 'invalid_token', /scheme DPoP/],
    ['an unbound token sent as DPoP', shows(proof({ token: plain }), plain), 'invalid_token', /not bound/],
    ['both schemes', [...shows(proof()), 'authorization', `Bearer ${plain}`], undefined],
    ['a token of another gateway', shows(proof({ token: alien }), alien), 'invalid_token'],
    ['a proof alone', ['dpop', proof()], undefined],
  ];
  const before = (await main.entries()).length;
  const asked = main.lookUps();
  for (const [rule, headers, error, detail] of rows) {
    await t.test(rule, async (t) => {
      const answer = await call(headers);
      t.match(answer, { status: 401, code: 'unauthenticated' });
      const wanted = error === undefined ? /^Bearer, DPoP algs="ES256 EdDSA Ed25519"$/ : new RegExp(`error="${error}"`);
      t.match(answer.challenge, wanted);
      t.match(answer.challenge, /algs="ES256 EdDSA Ed25519"/);
      if (detail !== undefined) t.match(answer.detail, detail);
      t.notMatch(JSON.stringify(answer), 'eyJ', 'and nothing of it is repeated');
      if (error === 'use_dpop_nonce') t.equal(answer.nonce, own.current());
    });
  }
  t.match(await call(shows(used), { at: second }), { status: 401, detail: /used before/ }, 'nor does a used proof work at another gateway');
  const once = proof();
  const tried = await Promise.all([main, second, main, second, main].map((at) => call(shows(once), { at })));
  t.same(tried.map(({ status }) => status).sort(), [200, 401, 401, 401, 401], 'of many at once one wins');
  // Another gateway of the name, whose own tokens it would be shown with.
  const nonce = nonceAt(NOON, other);
  t.match(
    await call(shows(proof({ nonce })), { at: other }),
    { status: 401, challenge: /invalid_token/ },
    'nor the token at another gateway',
  );
  t.equal((await main.entries()).length, before + 1, 'but for what was let in there is no entry');
  t.equal(main.lookUps() - asked <= 3, true, 'nor was a registry asked');
  t.equal(fetched, 0, 'nor a key fetched');
  t.match(await call(shows(proof())), { status: 200 }, 'and the owner is let in as before');
});

t.test('a token is not issued on a proof that does not hold, and not without it where one was tried', async (t) => {
  const used = holder.prove(asking());
  t.equal((await requestToken(main.address, await freshAssertion(), undefined, { dpop: used })).status, 200);
  const rows: Fault[] = [
    ...faults({ url: TOKEN_ENDPOINT, token: undefined }),
    ['of a request elsewhere', proof(), /htu/],
    ['used before', used, /used before/],
  ];
  const kept = await freshAssertion();
  for (const [rule, made, detail] of rows) {
    const unused = rule !== 'used before';
    const reply = await requestToken(main.address, unused ? kept : await freshAssertion(), undefined, { dpop: made });
    const [error, description] = detail === 'use_dpop_nonce' ? [detail, /DPoP-Nonce/] : ['invalid_dpop_proof', detail];
    t.match({ status: reply.status, ...((await reply.json()) as object) }, { status: 400, error, error_description: description }, rule);
    t.equal(reply.headers.get('dpop-nonce'), own.current());
    t.equal(reply.headers.get('cache-control'), 'no-store');
  }
  const twice = await new Promise<number | undefined>((resolve, reject) => {
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: kept,
    }).toString();
    const headers = ['host', 'x', 'content-type', 'application/x-www-form-urlencoded', 'content-length', String(body.length)];
    const both = ['dpop', holder.prove(asking()), 'DPoP', holder.prove(asking())];
    const sent = httpRequest({ port: main.port, method: 'POST', path: '/oauth2/token', headers: [...headers, ...both], agent: false });
    sent.on('response', (response) => response.resume().on('end', () => resolve(response.statusCode)));
    sent.on('error', reject);
    sent.end(body);
  });
  t.equal(twice, 400, 'two headers are not as none');
  const reply = await requestToken(main.address, kept, undefined, { dpop: holder.prove(asking()) });
  t.match(await reply.json(), { token_type: 'DPoP' }, 'and the assertion that came with all of these still works');
  const again = await requestToken(second.address, kept, undefined, { dpop: holder.prove(asking()) });
  t.match({ status: again.status, ...((await again.json()) as object) }, { status: 401, error: 'invalid_client' }, 'once, at any gateway');
});

t.test('a nonce is of two minutes, and whoever keeps asking has a fresh one', async (t) => {
  const [fast, slow] = [nonceAt(NOON + 119_999), nonceAt(NOON)];
  for (const [now, nonce, status] of [
    [NOON + 59_999, slow, 200],
    [NOON + 119_999, slow, 200],
    [NOON + 120_000, slow, 401],
    // By a gateway whose clock is ahead.
    [NOON + 55_000, fast, 200],
    [NOON + 54_999, fast, 401],
  ] as const) {
    main.time.now = now;
    const answer = await call(shows(proof({ now, nonce })));
    t.match(answer, { status, nonce: nonceAt(now) }, `${(now - NOON) / 1000} s`);
  }
  main.time.now = NOON;
  t.equal((await call(['authorization', `Bearer ${plain}`])).nonce, undefined, 'nobody else is told of it');
});

t.test('a batch proves its key once, and ends with its token all the same', async (t) => {
  const url = `${PREFILLS}/batch`;
  const sent = httpRequest({
    port: main.port,
    method: 'POST',
    path: '/v1/prefills/batch',
    headers: { authorization: `DPoP ${token}`, dpop: proof({ url }), 'content-type': 'application/x-ndjson' },
    agent: false,
  });
  sent.write(`${REQUEST}\n${REQUEST}\n`);
  const [response] = await happens(sent, 'response');
  t.equal(response.statusCode, 200);
  const lines = response.setEncoding('utf8')[Symbol.asyncIterator]();
  let said = '';
  const until = async (count: number): Promise<string[]> => {
    for (; said.split('\n').length <= count; ) {
      const { value, done } = await lines.next();
      if (done) break;
      said += value;
    }
    return said.split('\n');
  };
  t.notOk(
    (await until(2)).some((line) => line.includes('"problem"')),
    'each line is answered',
  );
  main.time.now = NOON + 600_000;
  sent.end(`${REQUEST}\n`);
  const [, , last = '{}'] = await until(3);
  main.time.now = NOON;
  t.match(JSON.parse(last), { end: false, read: 2, answered: 2, problem: { code: 'unauthenticated' } });
});

t.test('production takes and issues bound tokens alone', async (t) => {
  const clock = (): number => NOON;
  const proofs = dpopProofs({ issuer: ISSUER, nonces: own, once: onceInMemory(clock), clock });
  const gate = bindings({ proofs, demanded: true });
  const challenge = /^DPoP error="invalid_token", algs="ES256 EdDSA Ed25519"$/;
  const request = { method: 'POST', path: '/v1/prefills' };
  const refused = (binding: object | undefined, scheme: 'bearer' | 'dpop', shown: string, dpop: string): Promise<unknown> =>
    gate.check(binding as Binding | undefined, { scheme, token: shown, ...request, proof: dpop }).catch((error: unknown) => error);
  for (const scheme of ['bearer', 'dpop'] as const)
    t.match(await refused(undefined, scheme, plain, proof({ token: plain })), { code: 'unauthenticated', options: { challenge } });
  t.match(await refused({ jkt: holder.jkt }, 'bearer', token, proof()), { code: 'unauthenticated', options: { challenge } });
  for (const unknown of [{}, { 'x5t#S256': 'x' }, { jkt: 1 }, { jkt: holder.jkt, kid: 'x' }, { constructor: 'x' }])
    for (const scheme of ['bearer', 'dpop'] as const)
      t.match(await refused(unknown, scheme, token, proof()), { code: 'unauthenticated' }, `nor ${Object.keys(unknown)} as ${scheme}`);
  await t.resolves(gate.check({ jkt: holder.jkt }, { scheme: 'dpop', token, ...request, proof: proof() }));
});

const authority = findAuthority();
t.test(
  'production’s token endpoint issues nothing that is bound to nothing',
  { skip: typeof authority === 'string' && authority },
  async (t) => {
    if (typeof authority === 'string') return;
    t.teardown(() => authority.close());
    const clock = (): number => NOON;
    const once = onceInMemory(clock);
    const { d: _secret, ...shown } = agencyKey(main.dataDirectory, 'X01.1');
    const agency = { ...main.gateway.catalogue.agencies.get('X01.1'), keys: [shown] } as unknown as Agency;
    const keys = new TokenKeys(loadKeys(main.dataDirectory, true).token, clock);
    const access = { nonces: own, proofs: dpopProofs({ issuer: ISSUER, nonces: own, once, clock }), demanded: true, count: () => {} };
    const issuing = {
      issuer: ISSUER,
      keys,
      lifetimeSeconds: 600,
      agencies: new Map([['X01.1', agency]]),
      once,
      shutOut: () => false,
      clock,
    };
    const server = await buildServer({
      logger: pino({ level: 'silent' }),
      schemas: ['token-request', 'token-reply', 'token-error', 'problem'].map((name) =>
        JSON.parse(readFileSync(`schemas/api/${name}.json`, 'utf8')),
      ),
      describe: async () => {},
      audiences: [tokenRoutes({ ...access, tokens: new Tokens(issuing), issuer: ISSUER, certificates: true, admit: () => {} })],
      proxies: proxiesIn('127.0.0.1'),
    });
    t.teardown(() => server.close());
    const address = await server.listen({ host: '127.0.0.1', port: 0 });
    const certificate = `:${new X509Certificate(authority.ca.certificate).raw.toString('base64')}:`;
    const rows: [rule: string, headers: Record<string, string>, said: object][] = [
      ['nothing', {}, { status: 400, error: 'invalid_dpop_proof', error_description: /every token is bound/ }],
      ['a proof', { dpop: holder.prove(asking()) }, { status: 200, token_type: 'DPoP' }],
      ['an empty proof', { dpop: '' }, { status: 400, error: 'invalid_dpop_proof' }],
      ['a certificate', { 'client-cert': certificate }, { status: 200, token_type: 'Bearer' }],
      ['a bad proof and a certificate', { dpop: 'x', 'client-cert': certificate }, { status: 400, error: 'invalid_dpop_proof' }],
      ['a proof and a certificate', { dpop: holder.prove(asking()), 'client-cert': certificate }, { status: 200, token_type: 'DPoP' }],
    ];
    for (const [rule, headers, said] of rows) {
      const reply = await requestToken(address, await freshAssertion(), undefined, headers);
      const body = (await reply.json()) as { access_token?: string };
      t.match({ status: reply.status, ...body }, said, rule);
      if (body.access_token !== undefined) t.equal(Object.keys(decodeJwt(body.access_token).cnf ?? {}).length, 1, 'bound to one thing');
    }
  },
);

t.test('a proof names the public address, wherever the gateway stands', async (t) => {
  const clock = (): number => NOON;
  const rows: [issuer: string, htu: string, holds: boolean][] = [
    ['https://x.test/gate', 'https://x.test/gate/v1/prefills', true],
    ['https://x.test/gate', 'https://x.test/v1/prefills', false],
    ['https://x.test/gate', 'https://x.test/gate//v1/prefills', false],
    ['https://x.test/gate', 'https://x.test/other/../gate/v1/prefills', true],
    ['https://x.test:8443', 'https://x.test:8443/v1/prefills', true],
    ['https://x.test:8443', 'https://x.test/v1/prefills', false],
    ['https://x.test:443', 'https://x.test/v1/prefills', true],
    ['HTTPS://X.test', 'https://x.test/v1/prefills', true],
    ['http://[::1]:8080', 'http://[0:0::1]:8080/v1/prefills', true],
    ['http://x.test', 'https://x.test/v1/prefills', false],
    ['https://x.test', 'https://x.test\\@elsewhere.test/v1/prefills', false],
    ['https://x.test', 'https://x.test@elsewhere.test/v1/prefills', false],
    ['https://x.test', 'blob:https://x.test/v1/prefills', false],
  ];
  for (const [issuer, url, holds] of rows) {
    const { check } = dpopProofs({ issuer, nonces: own, once: onceInMemory(clock), clock });
    const shown = { method: 'POST', path: '/v1/prefills', token: { value: token, jkt: holder.jkt } };
    const outcome = await check(proof({ url }), shown).then(
      () => true,
      (error: Error) => (/htu/.test(error.message) ? false : error),
    );
    t.equal(outcome, holds, `${url} at ${issuer}`);
  }
  const open = (issuer: string): Promise<unknown> => startGateway({ sandbox, issuer });
  // Of the first the host would not be looked at: a proof for any host would hold.
  for (const issuer of [
    'oncegate.test:8443',
    'javascript:x',
    'ftp://x.test',
    'x.test',
    'https://x.test/',
    'https://x.test//',
    ' https://x.test',
  ])
    await t.rejects(open(issuer), /ONCEGATE_ISSUER/, issuer);
  for (const issuer of ['https://x.test/?a', 'https://x.test?', 'https://x.test#a', 'https://a:b@x.test', 'https://x.test/a b', 'https://'])
    await t.rejects(open(issuer), /ONCEGATE_ISSUER/, issuer);
});

t.test('a citizen’s token that its issuer bound is of use with its key alone', async (t) => {
  const url = `${ISSUER}/v1/accesses`;
  const issuer = (main.gateway.catalogue.gateway.citizens as CitizenIssuer).issuer;
  const key = JSON.parse(readFileSync(join(main.dataDirectory, 'citizen-issuer.jwk.json'), 'utf8')) as JWK;
  const seconds = NOON / 1000;
  const citizens = (cnf: unknown): string => {
    const claims = { iss: issuer, aud: ISSUER, iat: seconds, exp: seconds + 600, jti: 'x', scope: 'citizen', sub: '003099000017', cnf };
    const header = { alg: key.alg, typ: 'at+jwt', kid: key.kid };
    return signed(JSON.stringify(header), JSON.stringify(claims), createPrivateKey({ key: key as JsonWebKey, format: 'jwk' }));
  };
  const bound = citizens({ jkt: holder.jkt });
  const of = (by: Prover, value = bound): string => by.prove({ url, token: value, now: NOON, nonce: own.current() });
  const used = of(holder);
  const unbound = citizens(undefined);
  const rows: [rule: string, headers: Record<string, string>, status: number, error?: string][] = [
    ['not bound, which is the issuer’s choice', { authorization: `Bearer ${unbound}` }, 200],
    ['with its key', { authorization: `DPoP ${bound}`, dpop: used }, 200],
    ['with a proof that was used', { authorization: `DPoP ${bound}`, dpop: used }, 401, 'invalid_dpop_proof'],
    ['stolen, as Bearer', { authorization: `Bearer ${bound}` }, 401, 'invalid_token'],
    ['stolen, as Bearer with a proof', { authorization: `Bearer ${bound}`, dpop: of(holder) }, 401, 'invalid_token'],
    ['stolen, without a proof', { authorization: `DPoP ${bound}` }, 401, 'invalid_dpop_proof'],
    ['stolen, with the thief’s proof', { authorization: `DPoP ${bound}`, dpop: of(thief) }, 401, 'invalid_dpop_proof'],
    ['with a proof for another token', { authorization: `DPoP ${bound}`, dpop: of(holder, unbound) }, 401, 'invalid_dpop_proof'],
    ['not bound, as DPoP', { authorization: `DPoP ${unbound}`, dpop: of(holder, unbound) }, 401, 'invalid_token'],
    ['bound to a certificate that is not shown', { authorization: `Bearer ${citizens({ 'x5t#S256': holder.jkt })}` }, 401, 'invalid_token'],
    ...[{}, { kid: 'x' }, { jkt: 'x' }, { jkt: holder.jkt, kid: 'x' }, 'x', null].map(
      (cnf): [string, Record<string, string>, number, string] => [
        `bound to ${JSON.stringify(cnf)}`,
        { authorization: `Bearer ${citizens(cnf)}` },
        401,
        'invalid_token',
      ],
    ),
  ];
  for (const [rule, headers, status, error] of rows) {
    const reply = await fetch(`${main.address}/v1/accesses`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: '{}',
    });
    t.equal(reply.status, status, rule);
    if (error !== undefined) t.match(reply.headers.get('www-authenticate'), `error="${error}"`, rule);
    const speaks = headers.dpop !== undefined || headers.authorization?.startsWith('DPoP');
    t.equal(reply.headers.get('dpop-nonce'), speaks ? own.current() : null, 'a nonce for whoever speaks of keys');
    await reply.text();
  }
});

t.test('how many signatures are verified tells nothing of which agencies and keys there are', async (t) => {
  const key = agencyKey(main.dataDirectory, 'X01.1');
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const p256 = { ...(privateKey.export({ format: 'jwk' }) as JWK), alg: 'ES256', kid: key.kid ?? '' };
  const stranger = { ...(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }) as JWK), alg: 'EdDSA' };
  const of = (signer: JWK, agency: string, more: object = {}): Promise<string> => assertion(signer, agency, { now: NOON, ...more });
  const rows: [rule: string, made: string][] = [
    ['another key under the right name', await of({ ...stranger, kid: key.kid ?? '' }, 'X01.1')],
    ['a key that there is not', await of({ ...stranger, kid: 'unknown' }, 'X01.1')],
    ['an agency that there is not', await of({ ...stranger, kid: 'unknown' }, 'X99.9')],
    ['a member of every object', await of({ ...stranger, kid: 'constructor' }, 'constructor')],
    ['another kind of key under the right name', await of(p256, 'X01.1')],
    ['another kind of key of nobody', await of(p256, 'X99.9')],
    ['the right key, too old', await of(key, 'X01.1', { claims: { iat: 1, exp: 2 } })],
  ];
  const { subtle } = globalThis.crypto;
  const { verify } = subtle;
  const counted: [string, string][] = [];
  t.teardown(() => Object.assign(subtle, { verify }));
  let algorithms: string[] = [];
  subtle.verify = (algorithm, ...rest) => {
    algorithms.push(typeof algorithm === 'string' ? algorithm : algorithm.name);
    return verify.call(subtle, algorithm, ...rest);
  };
  for (const [rule, made] of rows) {
    algorithms = [];
    const reply = await requestToken(main.address, made);
    t.same(
      [reply.status, await reply.json()],
      [401, { error: 'invalid_client', error_description: 'the client assertion is not valid' }],
      rule,
    );
    counted.push([rule, algorithms.join()]);
  }
  t.same(
    counted,
    rows.map(([rule]) => [rule, rule.includes('another kind') ? 'ECDSA' : 'Ed25519']),
  );
});

t.test('whoever is refused learns not why', async (t) => {
  const { dataDirectory, time, address } = other;
  // Five minutes before the last day of an agency and of a mandate is over in Viet Nam.
  time.now = Date.parse('2026-11-22T16:55:00Z');
  t.teardown(() => (time.now = NOON));
  const stranger = { ...(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }) as JWK), alg: 'EdDSA', kid: 'x' };
  const by = (client: string): JWK => agencyKey(dataDirectory, client);
  const ask = async (client: string, key = by(client), agency?: string): Promise<Response> =>
    fetch(`${address}/oauth2/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: await assertion(key, client, { now: time.now }),
        ...(agency === undefined ? {} : { agency }),
      }),
    });
  const got = async (...of: Parameters<typeof ask>): Promise<string> => ((await (await ask(...of)).json()) as Issued).access_token;
  const expired = await got('X09.1');
  time.now += 60_000;
  const tokens: [rule: string, token: string][] = [
    ['of an agency that was shut out', await got('X02.1')],
    ['got with a key that was shut out', await got('X04.1')],
    ['of an agency that has ended', await got('X05.1')],
    ['of a supplier whose mandate is over', await got('S01', by('S01'), 'X01.1')],
    ['that has expired', expired],
    ['of another gateway', plain],
    ['that is none', 'x.y.z'],
  ];
  const shown = (value: string): Promise<Response> =>
    fetch(`${address}/v1/procedures?limit=1`, { headers: { authorization: `Bearer ${value}` } });
  for (const [rule, value] of tokens.slice(0, 5)) t.equal((await shown(value)).status, 200, `a token ${rule}, before`);
  const operator = await got('X00.1');
  for (const target of [
    { kind: 'agency', whose: 'X02.1' },
    { kind: 'key', whose: 'X04.1', value: by('X04.1').kid },
  ]) {
    const made = await fetch(`${address}/v1/shut-outs`, {
      method: 'POST',
      headers: { authorization: `Bearer ${operator}`, 'content-type': 'application/json' },
      body: JSON.stringify({ ...target, reason: 'a test of refusals', officer: 'X00.1-0001' }),
    });
    t.equal(made.status, 200);
  }
  time.now = Date.parse('2026-11-22T17:05:00Z');
  const told = async (reply: Response): Promise<string> =>
    JSON.stringify([reply.status, [...reply.headers].filter(([name]) => name !== 'date'), await reply.text()]);
  const said = new Set<string>();
  for (const [rule, value] of tokens) {
    const reply = await shown(value);
    t.equal(reply.status, 401, `a token ${rule}`);
    said.add(await told(reply));
  }
  t.equal(said.size, 1, 'in the same bytes');

  const clients: [rule: string, ...of: Parameters<typeof ask>][] = [
    ['that there is not', 'X99.9', stranger],
    ['with another key', 'X09.1', stranger],
    ['that was shut out', 'X02.1'],
    ['whose key was shut out', 'X04.1'],
    ['that has ended', 'X05.1'],
    ['that acts for another', 'X09.1', by('X09.1'), 'X00.1'],
    ['a supplier with another key', 'S01', { ...stranger, kid: by('S01').kid ?? '' }, 'X01.1'],
    ['a supplier that may no longer act', 'S01', by('S01'), 'X01.1'],
    ['a supplier that never could', 'S01', by('S01'), 'X09.1'],
    ['a supplier for an agency that there is not', 'S01', by('S01'), 'X99.9'],
  ];
  said.clear();
  for (const [rule, ...of] of clients) {
    const reply = await ask(...of);
    t.equal(reply.status, 401, `an agency ${rule}`);
    said.add(await told(reply));
  }
  t.equal(said.size, 1, 'in the same bytes');
});

t.test('an OAuth client of others gets a token and uses it, nonces and all', async (t) => {
  // What stands before a gateway: its public name is another than where it listens.
  const passing = (url: string, init?: RequestInit): Promise<Response> => fetch(url.replace(ISSUER, main.address), init);
  const statuses: number[] = [];
  const watched = {
    [oauth.customFetch]: async (url: string, init: object) => {
      const reply = await passing(url, init as RequestInit);
      statuses.push(reply.status);
      return reply;
    },
  };
  const issuer = new URL(ISSUER);
  const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...watched }));
  t.match(as, { token_endpoint: TOKEN_ENDPOINT });
  const jwk = agencyKey(main.dataDirectory, 'X01.1');
  const key = { key: (await importJWK(jwk)) as CryptoKey, kid: jwk.kid ?? '' };
  main.time.now = Date.now();
  t.teardown(() => (main.time.now = NOON));
  for (const alg of ['ES256', 'Ed25519']) {
    const client: oauth.Client = { client_id: 'X01.1' };
    const DPoP = oauth.DPoP(client, await oauth.generateKeyPair(alg));
    const proven = oauth.PrivateKeyJwt(key);
    const ask = async (): Promise<oauth.TokenEndpointResponse> =>
      oauth.processClientCredentialsResponse(
        as,
        client,
        await oauth.clientCredentialsGrantRequest(as, client, proven, { scope: 'prefill' }, { DPoP, ...watched }),
      );
    statuses.length = 0;
    const issued = await ask().catch((error) => {
      if (oauth.isDPoPNonceError(error)) return ask();
      throw error;
    });
    t.equal(issued.token_type, 'dpop');
    t.same(statuses, [400, 200], 'the first time it has no nonce');
    const headers = new Headers({ 'content-type': 'application/json' });
    const reply = await oauth.protectedResourceRequest(issued.access_token, 'POST', new URL(PREFILLS), headers, REQUEST, {
      DPoP,
      ...watched,
    });
    t.match(await reply.json(), { prefill: { form: { fullName: 'NGUYỄN VĂN AN' } } }, alg);
    main.time.now += 120_000;
    const wants = await oauth
      .protectedResourceRequest(issued.access_token, 'POST', new URL(PREFILLS), headers, REQUEST, { DPoP, ...watched })
      .catch((error) => error);
    t.ok(oauth.isDPoPNonceError(wants) || wants.status === 401, 'an old nonce is told by the challenge');
    main.time.now = Date.now();
  }
});

// What is used once

type Opening = { readonly clock?: () => number; readonly durable?: boolean };
const openOnce = (address: string, { clock = Date.now, durable = false }: Opening = {}): Promise<OnceStore> =>
  openOnceAt(address, { clock, durable });

async function holdsOnce(t: Test, open: (clock: () => number) => Promise<readonly [OnceStore, OnceStore]>): Promise<void> {
  let now = 1_000_000;
  const [one, two] = await open(() => now);
  t.equal(await one.use('a', now + 1000), true);
  t.equal(await one.use('a', now + 1000), false);
  t.equal(await two.use('a', now + 9000), false, 'by whomever');
  t.equal(await two.use('A', now + 1000), true, 'another name is another');
  const names = Array.from({ length: 300 }, (_, i) => `many ${i}`);
  const wins = await Promise.all(
    [...names, ...names.toReversed()].flatMap((name) => [one, two].map((store) => store.use(name, now + 500))),
  );
  t.equal(wins.filter(Boolean).length, names.length, 'of many at once exactly one wins');
  now += 1000;
  t.equal(await two.use('a', now + 5), false, 'to its last moment');
  now += 1;
  t.equal(await two.use('a', now + 5), true, 'and no longer');
  t.equal(await one.use('a', now + 5), false);
  t.equal(await one.use('999999999999 0003 \u0000 ổ', now + 5).catch(() => 'refused'), true, 'whatever a name holds');
}

t.test('once, in memory', async (t) => {
  await holdsOnce(t, async (clock) => {
    const store = { ...onceInMemory(clock), close: async () => {} };
    return [store, store];
  });
});

for (const { name, skip, make } of placesFor('once.db', postgres)) {
  t.test(`once, in ${name}`, { skip }, async (t) => {
    const address = await make();
    const open = (more?: Opening) => openOnce(address, more);
    const stores: OnceStore[] = [];
    t.teardown(() => Promise.all(stores.map((store) => store.close())));
    await holdsOnce(t, async (clock) => {
      stores.push(await open({ clock, durable: true }), await open({ clock }));
      return stores as unknown as [OnceStore, OnceStore];
    });

    await t.test('what is over does not stay', async (t) => {
      let now = Date.now() + 10_000_000;
      const store = await open({ clock: () => now });
      stores.push(store);
      const many = (text: string): Promise<boolean[]> =>
        Promise.all(Array.from({ length: 1200 }, (_, i) => store.use(`${text} ${i}`, now + 10)));
      await many('x');
      now += 20;
      await many('y');
      now += 20;
      await many('z');
      await store.close();
      stores.pop();
      t.ok((await rowsAt(address)) <= 2 * 1200 + 1, 'a store holds what came in so much time');
    });

    await t.test('two processes, killed: one of them wins, and what it used is remembered', async (t) => {
      const names = Array.from({ length: 200 }, (_, i) => `process ${i}`);
      const users = ['true', 'false'].map((durable) =>
        spawn(process.execPath, ['test/support/once-user.ts', address, durable, ...names], { stdio: ['ignore', 'pipe', 'inherit'] }),
      );
      t.teardown(() => users.map((user) => user.kill('SIGKILL')));
      const won = await Promise.all(users.map(namesOf));
      for (const user of users) {
        const ended = happens(user, 'exit');
        user.kill('SIGKILL');
        await ended;
      }
      t.same(won.flat().sort(), names.toSorted(), 'each name once');
      const after = await open();
      stores.push(after);
      const again = await Promise.all(names.map((used) => after.use(used, Date.now() + 1000)));
      t.notOk(again.includes(true));
    });
  });
}

/** What a process printed until it had used all. */
async function namesOf(user: ChildProcess): Promise<string[]> {
  let said = '';
  for await (const chunk of user.stdout ?? []) {
    said += chunk;
    if (said.endsWith('.\n')) break;
  }
  return said.split('\n').slice(0, -2);
}

async function rowsAt(address: string): Promise<number> {
  if (address.startsWith('postgres:')) return Number((await command(address, 'SELECT count(*) AS count FROM oncegate.once'))[0]?.count);
  const db = new DatabaseSync(address);
  const { count } = db.prepare('SELECT count(*) AS count FROM once').get() as { count: number };
  db.close();
  return count;
}

t.test('where it cannot be known whether it was used before, nobody is let in', async (t) => {
  const away = async (at: TestGateway): Promise<void> => {
    const before = (await main.entries()).length;
    const asked = at.lookUps();
    t.match(await call(shows(proof()), { at }), { status: 503, code: 'access-unavailable' }, 'a call');
    const reply = await requestToken(at.address, await freshAssertion());
    t.match({ status: reply.status, ...((await reply.json()) as object) }, { status: 503, code: 'access-unavailable' }, 'a token request');
    t.ok(Number(reply.headers.get('retry-after')) > 0);
    t.equal((await main.entries()).length, before);
    t.equal(at.lookUps(), asked);
  };
  await t.test('SQLite', async () => {
    const lock = new DatabaseSync(join(main.dataDirectory, 'once.db'));
    lock.exec('BEGIN IMMEDIATE');
    await away(main);
    lock.exec('ROLLBACK');
    lock.close();
    t.match(await call(shows(proof())), { status: 200 }, 'and it comes back by itself');
  });

  await t.test('PostgreSQL, which all gateways of a log ask', { skip: typeof postgres === 'string' && postgres }, async (t) => {
    if (typeof postgres === 'string') return;
    const databaseUrl = await postgres.fresh();
    const gateways: TestGateway[] = [];
    const directories = ['one', 'two'].map((name) => join(t.testdir({ one: {}, two: {} }), name));
    t.teardown(() => Promise.all(gateways.map((one) => one.close())));
    for (const dataDirectory of directories) {
      for (const name of ['keys.json', 'agencies']) cpSync(join(main.dataDirectory, name), join(dataDirectory, name), { recursive: true });
      gateways.push(await startGateway({ sandbox, dataDirectory, databaseUrl }));
    }
    const kept = await freshAssertion();
    const used = proof();
    const [one, two] = gateways as [TestGateway, TestGateway];
    t.match(await call(shows(used), { at: one }), { status: 200 });
    t.match(await call(shows(used), { at: two }), { status: 401, detail: /used before/ });
    t.same((await Promise.all(gateways.map((at) => requestToken(at.address, kept)))).map(({ status }) => status).sort(), [200, 401]);
    await postgres.server?.crash();
    if (postgres.server !== undefined) await away(one);
    await postgres.server?.start();
    t.match(await call(shows(proof()), { at: one }), { status: 200 }, 'and it comes back by itself');
  });
});
