/** How an agency proves itself, and every way of pretending: RFC 6749, 7523, 8414 and 9068 at the HTTP edge. */

import { createPrivateKey, createPublicKey, generateKeyPairSync, type JsonWebKey, type KeyObject, randomUUID } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import {
  CompactEncrypt,
  CompactSign,
  calculateJwkThumbprint,
  createLocalJWKSet,
  type JSONWebKeySet,
  type JWK,
  jwtVerify,
  SignJWT,
} from 'jose';
import t from 'tap';
import { startSandbox } from '../src/sandbox/index.ts';
import { prover } from './support/dpop.ts';
import { ASSERTION_TYPE, agencyKey, assertion, editedConfig, ISSUER, NOON, requestToken, startGateway } from './support/gateway.ts';

const SECONDS = NOON / 1000;
const LIFETIME = 600;
const TOKEN_ENDPOINT = `${ISSUER}/oauth2/token`;

/** A P-256 key pair as an agency keeps it, and as its file shows it. */
function p256(kid: string): { key: JWK; shown: object } {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { d, ...jwk } = privateKey.export({ format: 'jwk' }) as JWK;
  const shown = { ...jwk, kid, alg: 'ES256', use: 'sig' };
  return { key: { ...shown, d } as JWK, shown };
}

/** An agency with keys of its own: in use, outdated, not yet in use, on its last day. */
const AGENCY = 'X03.1';
const [own, old, coming, lastDay, stranger] = ['own', 'old', 'coming', 'last-day', 'own'].map(p256) as [P256, P256, P256, P256, P256];
type P256 = ReturnType<typeof p256>;
const agencyFile = {
  id: AGENCY,
  name: { vi: 'Cơ quan có khóa riêng', en: 'Agency with a key of its own' },
  sandbox: true,
  scopes: ['prefill', 'audit'],
  keys: [
    own.shown,
    { ...old.shown, validTo: '2026-11-21' },
    { ...coming.shown, validFrom: '2026-11-23' },
    { ...lastDay.shown, validFrom: '2026-11-22', validTo: '2026-11-22' },
  ],
};

const configDirectory = editedConfig({ [`agencies/${AGENCY}.yaml`]: () => agencyFile });
const fewerScopes = editedConfig({ [`agencies/${AGENCY}.yaml`]: () => ({ ...agencyFile, scopes: ['audit'] }) });
rmSync(join(fewerScopes, 'agencies/X02.1.yaml'));

const sandbox = await startSandbox();
const main = await startGateway({ sandbox, configDirectory });
/** The same gateway after its files were changed and it was started again. */
const later = await startGateway({ sandbox, configDirectory: fewerScopes, dataDirectory: main.dataDirectory });
/** Another gateway that calls itself by the same name. */
const other = await startGateway({ sandbox, configDirectory });

/** Where an assertion could try to have keys fetched from. */
let fetched = 0;
const keyServer = createServer((_request, response) => {
  fetched++;
  response.end(JSON.stringify({ keys: [stranger.shown] }));
});
await new Promise<void>((resolve) => keyServer.listen(0, '127.0.0.1', resolve));
const keyAddress = `http://127.0.0.1:${(keyServer.address() as AddressInfo).port}/keys`;

t.teardown(async () => {
  keyServer.close();
  await later.close();
  await Promise.all([main.close(), other.close()]);
  await sandbox.close();
  for (const directory of [configDirectory, fewerScopes]) rmSync(directory, { recursive: true });
});

const sandboxKey = agencyKey(main.dataDirectory, 'X01.1');
const gatewayKey = createPrivateKey(
  (JSON.parse(readFileSync(join(main.dataDirectory, 'keys.json'), 'utf8')) as { token: [{ key: string }] }).token[0].key,
);
const gatewayKid = await calculateJwkThumbprint(createPublicKey(gatewayKey).export({ format: 'jwk' }) as JWK);
const [token, audit, both, auditor, desk, office, foreign] = await Promise.all([
  main.token('X01.1'),
  main.token('X09.1'),
  issued(),
  main.token('X09.1', 'audit'),
  main.token('X01.1', 'prefill'),
  main.token('X02.1'),
  other.token('X01.1'),
]);

/** A token of the agency with its own key, for all its scopes. */
async function issued(scope?: string): Promise<string> {
  const reply = await requestToken(main.address, await assertion(own.key, AGENCY), scope);
  return ((await reply.json()) as { access_token: string }).access_token;
}

await t.test('an agency gets a token', async (t) => {
  const metadata = (await (await fetch(`${main.address}/.well-known/oauth-authorization-server`)).json()) as Record<string, string>;
  t.match(metadata, {
    issuer: ISSUER,
    token_endpoint: TOKEN_ENDPOINT,
    jwks_uri: `${ISSUER}/.well-known/jwks.json`,
    grant_types_supported: ['client_credentials'],
    token_endpoint_auth_methods_supported: ['private_key_jwt'],
    token_endpoint_auth_signing_alg_values_supported: ['EdDSA', 'ES256', 'Ed25519'],
    scopes_supported: ['prefill', 'verify', 'audit', 'changes', 'correct'],
  });
  const jwks = (await (await fetch(`${main.address}${new URL(metadata.jwks_uri ?? '').pathname}`)).json()) as JSONWebKeySet;
  t.match(jwks, { keys: [{ kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig', kid: /^[\w-]{43}$/ }] });
  t.notOk('d' in (jwks.keys[0] ?? {}), 'the key set holds no private key');

  for (const [agency, key, scope, wanted] of [
    ['X01.1', sandboxKey, undefined, 'prefill verify correct'],
    [AGENCY, own.key, undefined, 'prefill audit'],
    [AGENCY, own.key, 'audit', 'audit'],
    [AGENCY, own.key, 'audit prefill', 'audit prefill'],
    [AGENCY, own.key, 'audit audit', 'audit'],
    [AGENCY, lastDay.key, 'audit', 'audit'],
  ] as const) {
    await t.test(`${agency} with ${key.alg} for ${scope ?? 'all it has'}`, async (t) => {
      const reply = await requestToken(main.address, await assertion(key, agency), scope);
      t.equal(reply.status, 200);
      t.match(Object.fromEntries(reply.headers), { 'cache-control': 'no-store', 'content-type': /^application\/json/ });
      const body = (await reply.json()) as { access_token: string };
      t.match(body, { token_type: 'Bearer', expires_in: LIFETIME, scope: wanted });
      const { payload, protectedHeader } = await jwtVerify(body.access_token, createLocalJWKSet(jwks), {
        issuer: ISSUER,
        audience: ISSUER,
        typ: 'at+jwt',
        currentDate: new Date(NOON),
      });
      t.same(protectedHeader, { alg: 'ES256', typ: 'at+jwt', kid: jwks.keys[0]?.kid });
      const { jti, ...claims } = payload;
      t.match(jti, /^[0-9a-f-]{36}$/);
      t.same(claims, {
        iss: ISSUER,
        sub: agency,
        client_id: agency,
        client_key: payload.client_key,
        aud: ISSUER,
        scope: wanted,
        iat: SECONDS,
        exp: SECONDS + LIFETIME,
      });
      const authorization = `Bearer ${body.access_token}`;
      t.equal((await fetch(`${main.address}/v1/procedures`, { headers: { authorization } })).status, 200);
    });
  }
});

const sign = (claims: object, header: object, key: JWK = own.key): Promise<string> => assertion(key, AGENCY, { claims, header });
const text = (part: object | string): string => Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');
const goodClaims = (): object => ({ iss: AGENCY, sub: AGENCY, aud: ISSUER, iat: SECONDS, exp: SECONDS + 60, jti: randomUUID() });
const keyOf = (jwk: JWK): KeyObject => createPrivateKey({ key: jwk as JsonWebKey, format: 'jwk' });
const publicPem = (key: KeyObject): string => createPublicKey(key).export({ format: 'pem', type: 'spki' }) as string;

/** Signed with HMAC, with a secret that everybody knows. */
const hmac = (secret: string | Buffer, claims: object = goodClaims(), header: object = { kid: 'own' }): Promise<string> =>
  new SignJWT({ ...claims }).setProtectedHeader({ alg: 'HS256', ...header }).sign(Buffer.from(secret));

/** An assertion whose parts are changed after it was signed. */
async function changed(change: (parts: [header: string, payload: string, signature: string]) => string): Promise<string> {
  return change((await sign({}, {})).split('.') as [string, string, string]);
}

const flip = (part: string): string => (part.startsWith('A') ? 'B' : 'A') + part.slice(1);

await t.test('an assertion is refused', async (t) => {
  const used = await sign({}, {});
  t.equal((await requestToken(main.address, used)).status, 200);
  const usedId = JSON.parse(Buffer.from(used.split('.')[1] ?? '', 'base64url').toString()).jti;

  const rows: [rule: string, assertion: string | Promise<string>][] = [
    // Who signs
    ['with another key under the same identifier', sign({}, {}, stranger.key)],
    ['with the key of another agency', sign({}, {}, sandboxKey)],
    ['with the key of another agency and its own identifier', sign({}, { kid: 'own' }, sandboxKey)],
    ['with its key under the identifier of another agency’s', sign({}, { kid: sandboxKey.kid })],
    ['with a key that its file does not hold', sign({}, { kid: 'unknown' })],
    ['without a key identifier', sign({}, { kid: undefined })],
    ['with a key identifier that is no text', sign({}, { kid: 0 })],
    ['with a key identifier that is a path', sign({}, { kid: '../../../dev/null' })],
    ['with a key identifier of a prototype', sign({}, { kid: '__proto__' })],
    ['with a key that its file lets no longer sign', sign({}, {}, old.key)],
    ['with a key that its file does not let sign yet', sign({}, {}, coming.key)],
    [
      'with the gateway’s own key',
      sign({}, { kid: 'own', alg: 'ES256' }, { ...(gatewayKey.export({ format: 'jwk' }) as JWK), alg: 'ES256' }),
    ],
    // For whom
    ['by nobody', sign({ iss: undefined, sub: undefined }, {})],
    ['without issuer', sign({ iss: undefined }, {})],
    ['without subject', sign({ sub: undefined }, {})],
    ['for another agency', sign({ sub: 'X01.1' }, {})],
    ['by another agency', sign({ iss: 'X01.1' }, {})],
    ['by and for another agency', sign({ iss: 'X01.1', sub: 'X01.1' }, {})],
    ['by an agency that there is not', sign({ iss: 'X99.9', sub: 'X99.9' }, {})],
    ['by a member of every object', sign({ iss: 'constructor', sub: 'constructor' }, {})],
    ['by a list', sign({ iss: [AGENCY] }, {})],
    ['for a list', sign({ sub: [AGENCY] }, {})],
    ['by the agency in another case', sign({ iss: 'x03.1', sub: 'x03.1' }, {})],
    // To whom
    ['to nobody', sign({ aud: undefined }, {})],
    ['to an empty list', sign({ aud: [] }, {})],
    ['to another gateway', sign({ aud: 'https://elsewhere.test' }, {})],
    ['to this gateway and another', sign({ aud: [ISSUER, 'https://elsewhere.test'] }, {})],
    ['to both names of this gateway', sign({ aud: [ISSUER, TOKEN_ENDPOINT] }, {})],
    ['to this gateway with a slash', sign({ aud: `${ISSUER}/` }, {})],
    ['to this gateway in another case', sign({ aud: ISSUER.toUpperCase() }, {})],
    ['to another endpoint of this gateway', sign({ aud: `${ISSUER}/v1/prefills` }, {})],
    // When
    ['expired', sign({ iat: SECONDS - 60, exp: SECONDS - 11 }, {})],
    ['without expiry', sign({ exp: undefined }, {})],
    ['with an expiry that is a text', sign({ exp: String(SECONDS + 60) }, {})],
    ['until the year 9999', sign({ exp: 253_402_300_799 }, {})],
    ['beyond numbers', sign({ exp: 1e308 }, {})],
    ['for more than ten minutes', sign({ exp: SECONDS + 601 }, {})],
    ['issued more than five minutes ago', sign({ iat: SECONDS - 311 }, {})],
    ['issued in the future', sign({ iat: SECONDS + 11 }, {})],
    ['without time of issue', sign({ iat: undefined }, {})],
    ['with a time of issue that is a text', sign({ iat: 'now' }, {})],
    ['not valid yet', sign({ nbf: SECONDS + 11 }, {})],
    // Once
    ['without identifier', sign({ jti: undefined }, {})],
    ['with an identifier that is a number', sign({ jti: 1 }, {})],
    ['with an identifier that is a list', sign({ jti: ['a'] }, {})],
    ['with an identifier of 201 characters', sign({ jti: 'j'.repeat(201) }, {})],
    ['used before', used],
    ['with an identifier that was used before', sign({ jti: usedId }, {})],
    // How it is signed
    ['alg none', `${text({ alg: 'none', kid: 'own' })}.${text(goodClaims())}.`],
    ['alg none with something that looks like a signature', `${text({ alg: 'none', kid: 'own' })}.${text(goodClaims())}.AAAA`],
    ['alg nOnE', `${text({ alg: 'nOnE', kid: 'own' })}.${text(goodClaims())}.AAAA`],
    ['no alg', `${text({ kid: 'own' })}.${text(goodClaims())}.AAAA`],
    ['HS256 with the public key (PEM)', hmac(publicPem(keyOf(own.key)))],
    ['HS256 with the public key (JWK)', hmac(JSON.stringify(own.shown))],
    ['HS256 with the public coordinate', hmac(Buffer.from(own.key.x ?? '', 'base64url'))],
    [
      'HS256 with the public key of an EdDSA agency',
      hmac(Buffer.from(sandboxKey.x ?? '', 'base64url'), { ...goodClaims(), iss: 'X01.1', sub: 'X01.1' }, { kid: sandboxKey.kid }),
    ],
    ['HS256 with nothing', hmac(Buffer.alloc(32))],
    ['EdDSA with the identifier of an ES256 key', sign({}, { kid: 'own' }, { ...sandboxKey })],
    ...['dpop+jwt', 'at+jwt', 'secevent+jwt', ['JWT', 'x'], null, ''].map((typ): [string, Promise<string>] => [
      `that says to be ${JSON.stringify(typ)}`,
      sign({}, { typ }),
    ]),
    ['its own key in the header', sign({}, { jwk: stranger.shown }, stranger.key)],
    ['an address of keys in the header', sign({}, { jku: keyAddress }, stranger.key)],
    ['an address of certificates in the header', sign({}, { x5u: keyAddress }, stranger.key)],
    ['a certificate in the header', sign({}, { x5c: [Buffer.from(publicPem(keyOf(stranger.key))).toString('base64')] }, stranger.key)],
    [
      'crit, which the gateway knows nothing of',
      new CompactSign(Buffer.from(JSON.stringify(goodClaims())))
        .setProtectedHeader({ alg: 'ES256', kid: 'own', crit: ['urn:x'], 'urn:x': true })
        .sign(keyOf(own.key), { crit: { 'urn:x': true } }),
    ],
    [
      'a payload that is not encoded',
      new CompactSign(Buffer.from(JSON.stringify(goodClaims()).replaceAll('.', '')))
        .setProtectedHeader({ alg: 'ES256', kid: 'own', crit: ['b64'], b64: false })
        .sign(keyOf(own.key))
        .catch(() => 'a.b.c'),
    ],
    // Its form
    ['empty', ''],
    ['no token', 'assertion'],
    ['two segments', changed(([header, payload]) => `${header}.${payload}`)],
    ['no signature', changed(([header, payload]) => `${header}.${payload}.`)],
    ['another signature', changed(([header, payload, signature]) => `${header}.${payload}.${flip(signature)}`)],
    ['half a signature', changed(([header, payload, signature]) => `${header}.${payload}.${signature.slice(0, 43)}`)],
    ['another payload', changed(([header, , signature]) => `${header}.${text(goodClaims())}.${signature}`)],
    ['another header', changed(([, payload, signature]) => `${text({ kid: 'own', alg: 'ES256' })}.${payload}.${signature}`)],
    ['a header that is not JSON', changed(([, payload, signature]) => `${text('alg')}.${payload}.${signature}`)],
    [
      'a payload that is not JSON',
      new CompactSign(Buffer.from('claims')).setProtectedHeader({ alg: 'ES256', kid: 'own' }).sign(keyOf(own.key)),
    ],
    [
      'a payload that is a list',
      new CompactSign(Buffer.from(`[${JSON.stringify(goodClaims())}]`))
        .setProtectedHeader({ alg: 'ES256', kid: 'own' })
        .sign(keyOf(own.key)),
    ],
    ['a payload that is null', new CompactSign(Buffer.from('null')).setProtectedHeader({ alg: 'ES256', kid: 'own' }).sign(keyOf(own.key))],
    ['padding', changed((parts) => parts.map((part) => part.padEnd(Math.ceil(part.length / 4) * 4, '=')).join('.'))],
    ['padding at the end', changed((parts) => `${parts.join('.')}=`)],
    ['a space before', changed((parts) => ` ${parts.join('.')}`)],
    ['a space after', changed((parts) => `${parts.join('.')} `)],
    ['a newline after', changed((parts) => `${parts.join('.')}\n`)],
    ['a newline inside', changed(([header, payload, signature]) => `${header}.${payload.slice(0, 8)}\n${payload.slice(8)}.${signature}`)],
    ['NUL after', changed((parts) => `${parts.join('.')}\0`)],
    ['a fourth segment', changed((parts) => `${parts.join('.')}.AAAA`)],
    ['an empty segment', changed(([header, payload, signature]) => `${header}..${payload}.${signature}`)],
    [
      'encrypted',
      new CompactEncrypt(Buffer.from(JSON.stringify(goodClaims())))
        .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM', kid: 'own' })
        .encrypt(createPublicKey(gatewayKey)),
    ],
    ['as JSON', changed(([header, payload, signature]) => JSON.stringify({ protected: header, payload, signature }))],
    ['huge', sign({ note: 'n'.repeat(4096) }, {})],
    ['as large as a body may be', 'A'.repeat(60_000)],
    // What it is
    ['that is an access token', both],
    ['that is an access token in an agency’s name', accessToken({ iss: AGENCY })],
  ];
  const bodies = new Set<string>();
  for (const [rule, made] of rows) {
    await t.test(rule, async (t) => {
      const reply = await requestToken(main.address, await made);
      t.equal(reply.status, 401);
      t.match(Object.fromEntries(reply.headers), { 'cache-control': 'no-store', 'content-type': /^application\/json/ });
      const body = await reply.text();
      t.same(JSON.parse(body), { error: 'invalid_client', error_description: 'the client assertion is not valid' });
      bodies.add(body);
    });
  }
  t.equal(bodies.size, 1, 'in the same words, whatever is wrong with it');
  t.equal(fetched, 0, 'and no key was fetched');
});

await t.test('an assertion is taken', async (t) => {
  const rows: [rule: string, assertion: Promise<string>][] = [
    ['to the token endpoint', sign({ aud: TOKEN_ENDPOINT }, {})],
    ['to a list of this gateway alone', sign({ aud: [ISSUER] }, {})],
    ['with the newer name of its algorithm', assertion({ ...sandboxKey, alg: 'Ed25519' }, 'X01.1')],
    ['with typ', sign({}, { typ: 'client-authentication+jwt' })],
    ['with the typ of any', sign({}, { typ: 'JWT' })],
    ['expired within the tolerance', sign({ iat: SECONDS - 60, exp: SECONDS - 9 }, {})],
    ['issued in the future within the tolerance', sign({ iat: SECONDS + 10 }, {})],
    ['issued five minutes ago', sign({ iat: SECONDS - 300 }, {})],
    ['for ten minutes', sign({ exp: SECONDS + 600 }, {})],
    ['with an identifier of 200 characters', sign({ jti: 'j'.repeat(200) }, {})],
  ];
  for (const [rule, made] of rows) t.equal((await requestToken(main.address, await made)).status, 200, rule);
});

await t.test('an assertion works once', async (t) => {
  const jti = 'the-same';
  const once = await sign({ jti }, {});
  const tried = await Promise.all(Array.from({ length: 20 }, () => requestToken(main.address, once)));
  t.same(tried.map(({ status }) => status).sort(), [200, ...Array(19).fill(401)], 'of many at once exactly one wins');
  const others = assertion(sandboxKey, 'X01.1', { claims: { jti } });
  t.equal((await requestToken(main.address, await others)).status, 200, 'another agency’s identifiers are its own');

  const statusAt = async (second: number): Promise<number> => {
    other.time.now = (SECONDS + second) * 1000;
    const reply = await requestToken(other.address, await sign({ jti, iat: SECONDS + second, exp: SECONDS + second + 60 }, {}));
    other.time.now = NOON;
    return reply.status;
  };
  t.equal(await statusAt(0), 200, 'another gateway’s memory is its own');
  t.equal(await statusAt(70), 401, 'it is remembered for as long as it would be taken');
  t.equal(await statusAt(71), 200, 'and no longer');
});

type Form = [string, string][];
const form = async (change: (fields: Record<string, string>) => Form): Promise<string> =>
  new URLSearchParams(
    change({ grant_type: 'client_credentials', client_assertion_type: ASSERTION_TYPE, client_assertion: await sign({}, {}) }),
  ).toString();
const without = (name: string): Promise<string> => form(({ [name]: _gone, ...rest }) => Object.entries(rest));
const withParameter = (name: string, value: string): Promise<string> => form((fields) => Object.entries({ ...fields, [name]: value }));
const twice = (name: string, value: string): Promise<string> =>
  form((fields) => [...Object.entries({ scope: 'audit', ...fields }), [name, value]]);

const refusals = new Map<string, number>();

await t.test('a token request is refused', async (t) => {
  const URLENCODED = 'application/x-www-form-urlencoded';
  const rows: [rule: string, body: string | Promise<string>, error: string, headers?: Record<string, string>][] = [
    ['without a body', '', 'invalid_request', {}],
    ['with an empty form', '', 'invalid_request'],
    ['without grant_type', without('grant_type'), 'invalid_request'],
    ['with another grant_type', withParameter('grant_type', 'password'), 'unsupported_grant_type'],
    ['with an empty grant_type', withParameter('grant_type', ''), 'unsupported_grant_type'],
    ['with an authorization code', withParameter('grant_type', 'authorization_code'), 'unsupported_grant_type'],
    ['with an assertion as grant', withParameter('grant_type', 'urn:ietf:params:oauth:grant-type:jwt-bearer'), 'unsupported_grant_type'],
    ['without client_assertion_type', without('client_assertion_type'), 'invalid_client'],
    ['with SAML', withParameter('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:saml2-bearer'), 'invalid_client'],
    ['without client_assertion', without('client_assertion'), 'invalid_client'],
    ['with an empty client_assertion', withParameter('client_assertion', ''), 'invalid_client'],
    ['with a client_id that is another agency', withParameter('client_id', 'X01.1'), 'invalid_client'],
    ['with an empty client_id', withParameter('client_id', ''), 'invalid_client'],
    ['with a secret', 'grant_type=client_credentials&client_id=X01.1&client_secret=secret', 'invalid_client'],
    [
      'with Basic',
      'grant_type=client_credentials',
      'invalid_client',
      { 'content-type': URLENCODED, authorization: `Basic ${btoa('X01.1:secret')}` },
    ],
    ...['grant_type', 'client_assertion_type', 'client_assertion', 'scope'].map((name): [string, Promise<string>, string] => [
      `with ${name} twice`,
      twice(name, 'audit'),
      'invalid_request',
    ]),
    ['with a parameter nobody knows twice', form((fields) => [...Object.entries(fields), ['x', '1'], ['x', '2']]), 'invalid_request'],
    [
      'as JSON',
      form(Object.entries).then((text) => JSON.stringify(Object.fromEntries(new URLSearchParams(text)))),
      'invalid_request',
      { 'content-type': 'application/json' },
    ],
    ['for a scope that there is not', withParameter('scope', 'admin'), 'invalid_scope'],
    ['for a scope that the agency has not', withParameter('scope', 'verify'), 'invalid_scope'],
    ['for one that it has and one that it has not', withParameter('scope', 'audit verify'), 'invalid_scope'],
    ['for no scope', withParameter('scope', ''), 'invalid_scope'],
    ['for a space', withParameter('scope', ' '), 'invalid_scope'],
    ['for a scope in another case', withParameter('scope', 'Audit'), 'invalid_scope'],
    ['with a proof that is none', form(Object.entries), 'invalid_dpop_proof', { 'content-type': URLENCODED, dpop: 'proof' }],
    [
      'with a proof without a nonce',
      form(Object.entries),
      'use_dpop_nonce',
      { 'content-type': URLENCODED, dpop: (await prover()).prove({ url: TOKEN_ENDPOINT, now: NOON }) },
    ],
    ['for scopes with a comma', withParameter('scope', 'audit,prefill'), 'invalid_scope'],
    ['for scopes with a tab', withParameter('scope', 'audit\tprefill'), 'invalid_scope'],
    ['for scopes with a newline', withParameter('scope', 'audit\nprefill'), 'invalid_scope'],
    ['for a scope with NUL', withParameter('scope', 'audit\0'), 'invalid_scope'],
    ['for a scope with a wide space', withParameter('scope', 'audit\u00a0'), 'invalid_scope'],
    ['for a member of every object', withParameter('scope', 'constructor'), 'invalid_scope'],
  ];
  for (const [rule, body, error, headers = { 'content-type': URLENCODED }] of rows) {
    await t.test(rule, async (t) => {
      const bytes = Buffer.from(await body);
      const reply = await fetch(`${main.address}/oauth2/token`, { method: 'POST', headers, ...(bytes.length > 0 ? { body: bytes } : {}) });
      t.equal(reply.status, error === 'invalid_client' ? 401 : 400);
      t.equal(reply.headers.get('cache-control'), 'no-store');
      const said = (await reply.json()) as { error: string; error_description: string };
      t.equal(said.error, error);
      t.match(said.error_description, /^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/, 'RFC 6749 §5.2');
      t.notMatch(JSON.stringify(said), /X0|eyJ/, 'says nothing of agencies');
      refusals.set(said.error, reply.status);
    });
  }

  for (const [rule, type, body, status, code] of [
    ['plain text', 'text/plain', 'grant_type=client_credentials', 415, 'unsupported-media-type'],
    ['multipart', 'multipart/form-data; boundary=x', '--x--', 415, 'unsupported-media-type'],
    ['JSON that is none', 'application/json', '{', 400, 'malformed-json'],
    ['too large', URLENCODED, 'x'.repeat(65_537), 413, 'body-too-large'],
  ] as const) {
    const reply = await fetch(`${main.address}/oauth2/token`, { method: 'POST', headers: { 'content-type': type }, body });
    t.match({ status: reply.status, body: await reply.json() }, { status, body: { code } }, `as a problem: ${rule}`);
  }
  const query = await fetch(`${main.address}/oauth2/token?${await form(Object.entries)}`, { method: 'POST' });
  t.equal(query.status, 400, 'what stands in the URL is not read');
  const named = await fetch(`${main.address}/oauth2/token`, {
    method: 'POST',
    body: new URLSearchParams(await withParameter('client_id', AGENCY)),
  });
  t.equal(named.status, 200, 'the right client_id is taken');
});

await t.test('docs/problems.md holds the same errors', async (t) => {
  const rows = (readFileSync('docs/problems.md', 'utf8').split('## Refused token requests')[1] ?? '')
    .split('\n## ')[0]
    ?.matchAll(/^\| `([a-z_]+)` \| ([0-9]{3}) \|/gm);
  t.same([...(rows ?? [])].map(([, error, status]) => [error, Number(status)]).sort(), [...refusals].sort());
});

/** A token made with the gateway's own key: what it would take if it trusted the signature alone. */
function accessToken(claims: object = {}, header: object = {}, key: KeyObject = gatewayKey): Promise<string> {
  return new SignJWT({
    iss: ISSUER,
    sub: AGENCY,
    client_id: AGENCY,
    client_key: 'key',
    aud: ISSUER,
    scope: 'prefill',
    iat: SECONDS,
    exp: SECONDS + LIFETIME,
    jti: randomUUID(),
    ...claims,
  })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: gatewayKid, ...header })
    .sign(key);
}

interface Answer {
  readonly status: number | undefined;
  readonly challenge: string | undefined;
  readonly text: string;
  readonly code: string | undefined;
}

/** Header names and values stand in the list as they go over the wire, so that one can stand twice. */
function call(
  path: string,
  headers: readonly string[],
  { body = '{', port = main.port }: { body?: string; port?: number } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const all = ['host', 'oncegate.test', 'content-length', String(Buffer.byteLength(body)), ...headers];
    if (!headers.includes('content-type')) all.push('content-type', 'application/json');
    const sent = httpRequest({ port, host: '127.0.0.1', method: 'POST', path, headers: all, agent: false }, async (response) => {
      const text = Buffer.concat(await response.toArray()).toString();
      resolve({ status: response.statusCode, challenge: response.headers['www-authenticate'], text, code: JSON.parse(text).code });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

const bearer = (value: string): string[] => ['authorization', `Bearer ${value}`];

await t.test('an access token is refused before the body is looked at', async (t) => {
  t.match(await call('/v1/prefills', bearer(token)), { status: 400, code: 'malformed-json' }, 'a good one lets the body be read');
  t.match(await call('/v1/prefills', bearer(await accessToken())), { status: 400, code: 'malformed-json' }, 'as does one made by hand');
  t.match(await call('/v1/prefills', ['authorization', `bearer ${token}`]), { status: 400 }, 'the scheme has no case');

  const [header = '', payload = '', signature = ''] = token.split('.');
  const strangerKey = keyOf(stranger.key);
  const missing = (name: string): [string, Promise<string[]>] => [`without ${name}`, accessToken({ [name]: undefined }).then(bearer)];
  const rows: [rule: string, headers: string[] | Promise<string[]>][] = [
    // No token
    ['none', []],
    ['an empty header', ['authorization', '']],
    ['a scheme alone', ['authorization', 'Bearer']],
    ['a scheme and a space', ['authorization', 'Bearer ']],
    ['Basic', ['authorization', `Basic ${btoa(`${AGENCY}:secret`)}`]],
    ['Basic with a token', ['authorization', `Basic ${token}`]],
    ['DPoP', ['authorization', `DPoP ${token}`]],
    ['a token without a scheme', ['authorization', token]],
    ['two spaces', ['authorization', `Bearer  ${token}`]],
    ['a tab', ['authorization', `Bearer\t${token}`]],
    ['no space', ['authorization', `Bearer${token}`]],
    ['a colon', ['authorization', `Bearer: ${token}`]],
    ['quotes', ['authorization', `Bearer "${token}"`]],
    ['two tokens', ['authorization', `Bearer ${token} ${token}`]],
    ['two tokens with a comma', ['authorization', `Bearer ${token}, Bearer ${token}`]],
    ['a parameter behind', ['authorization', `Bearer ${token}, realm="x"`]],
    ['two headers, the first good', [...bearer(token), ...bearer('x')]],
    ['two headers, the second good', [...bearer('x'), ...bearer(token)]],
    ['two headers, both good', [...bearer(token), ...bearer(token)]],
    ['two headers in different case', [...bearer(token), 'AUTHORIZATION', 'Basic x']],
    ['in another header', ['proxy-authorization', `Bearer ${token}`]],
    ['in a cookie', ['cookie', `access_token=${token}`]],
    // No token of ours
    ['garbage', bearer('garbage')],
    ['three dots', bearer('...')],
    ['an assertion', sign({}, {}).then(bearer)],
    ['an assertion that names its type', sign({ scope: 'prefill', client_id: AGENCY }, { typ: 'at+jwt' }).then(bearer)],
    ['of another gateway of the same name', bearer(foreign)],
    ['of another key', accessToken({}, {}, strangerKey).then(bearer)],
    ['without a key identifier', accessToken({}, { kid: undefined }).then(bearer)],
    ['with a key identifier that there is not', accessToken({}, { kid: 'own' }).then(bearer)],
    ['of another key that stands in the header', accessToken({}, { jwk: stranger.shown }, strangerKey).then(bearer)],
    ['of another key with its address', accessToken({}, { jku: keyAddress, kid: 'own' }, strangerKey).then(bearer)],
    ['of another issuer', accessToken({ iss: 'https://elsewhere.test' }).then(bearer)],
    ['for another audience', accessToken({ aud: 'https://elsewhere.test' }).then(bearer)],
    ['of type JWT', accessToken({}, { typ: 'JWT' }).then(bearer)],
    ['of no type', accessToken({}, { typ: undefined }).then(bearer)],
    ['of an agency that there is not', accessToken({ sub: 'X99.9', client_id: 'X99.9' }).then(bearer)],
    ['of a member of every object', accessToken({ sub: 'constructor' }).then(bearer)],
    ...['iss', 'aud', 'sub', 'client_id', 'client_key', 'scope', 'exp', 'iat', 'jti'].map(missing),
    ['expired', accessToken({ iat: SECONDS - LIFETIME, exp: SECONDS }).then(bearer)],
    ['older than tokens live, whatever it says', accessToken({ iat: SECONDS - LIFETIME - 1, exp: SECONDS + LIFETIME }).then(bearer)],
    ['of the future', accessToken({ iat: SECONDS + 1 }).then(bearer)],
    ['not valid yet', accessToken({ nbf: SECONDS + 1 }).then(bearer)],
    // Changed
    ['without signature', bearer(`${header}.${payload}.`)],
    ['without the dot of the signature', bearer(`${header}.${payload}`)],
    ['with another signature', bearer(`${header}.${payload}.${flip(signature)}`)],
    ['with the signature of another token', bearer(`${header}.${payload}.${both.split('.')[2]}`)],
    ['with another payload', bearer(`${header}.${both.split('.')[1]}.${signature}`)],
    ['alg none', bearer(`${text({ alg: 'none', typ: 'at+jwt' })}.${payload}.`)],
    ['alg none with the signature', bearer(`${text({ alg: 'none', typ: 'at+jwt' })}.${payload}.${signature}`)],
    [
      'alg HS256 with the public key',
      hmac(publicPem(gatewayKey), JSON.parse(Buffer.from(payload, 'base64url').toString()), { typ: 'at+jwt' }).then(bearer),
    ],
    ['alg swapped to ES384', bearer(`${text({ alg: 'ES384', typ: 'at+jwt' })}.${payload}.${signature}`)],
    ['padding', bearer(`${token}=`)],
    ['a fourth segment', bearer(`${token}.${signature}`)],
    ['over 4096 characters', accessToken({ note: 'n'.repeat(4096) }).then(bearer)],
  ];
  for (const [rule, headers] of rows) {
    await t.test(rule, async (t) => {
      const answer = await call('/v1/prefills', await headers);
      t.match(answer, { status: 401, code: 'unauthenticated', challenge: 'Bearer' });
      t.notMatch(answer.text, 'eyJ', 'the token is not repeated');
    });
  }
  const inQuery = await call(`/v1/prefills?access_token=${token}`, []);
  t.match(inQuery, { status: 401, code: 'unauthenticated' }, 'in the URL');
  const inForm = await call('/v1/prefills', ['content-type', 'application/x-www-form-urlencoded'], { body: `access_token=${token}` });
  t.match(inForm, { status: 401, code: 'unauthenticated' }, 'in the body');
  t.equal(fetched, 0, 'no key was fetched');

  for (const [rule, headers, body] of [
    ['a body of another type', ['content-type', 'text/plain'], 'x'],
    ['a body that is too large', [], 'x'.repeat(65_537)],
    ['a compressed body', ['content-encoding', 'gzip'], 'x'],
    ['an empty body', [], ''],
    ['a good body', [], '{"procedure":"1.004222","dossier":"X01.1-261122-0001","officer":"X01.1-0042","subject":"003099000017"}'],
  ] as const) {
    t.match(
      await call('/v1/prefills', headers, { body }),
      { status: 401, code: 'unauthenticated' },
      `a stranger learns nothing from ${rule}`,
    );
  }
});

await t.test('an access token lets in only where its scope says', async (t) => {
  const rows: [rule: string, path: string, token: string | Promise<string>][] = [
    ['an auditor at the prefills', '/v1/prefills', audit],
    ['a token for auditing alone at the prefills', '/v1/prefills', issued('audit')],
    ['an agency at the log', '/v1/audit/search', desk],
    ['a token for prefills alone at the log', '/v1/audit/search', issued('prefill')],
    ['no scope', '/v1/prefills', accessToken({ scope: '' })],
    ['another case', '/v1/prefills', accessToken({ scope: 'PREFILL' })],
    ['a longer word', '/v1/prefills', accessToken({ scope: 'prefills' })],
    ['a list', '/v1/prefills', accessToken({ scope: ['prefill', 'audit'] })],
    ['a scope that the agency has not', '/v1/audit/search', accessToken({ sub: 'X01.1', client_id: 'X01.1', scope: 'prefill audit' })],
  ];
  for (const [rule, path, made] of rows) {
    const answer = await call(path, bearer(await made));
    t.match(answer, { status: 403, code: 'insufficient-scope', challenge: 'Bearer error="insufficient_scope"' }, rule);
  }
  t.match(await call('/v1/audit/search', bearer(auditor)), { status: 400 }, 'an auditor at the log');
  for (const path of ['/v1/prefills', '/v1/audit/search'])
    t.match(await call(path, bearer(both)), { status: 400 }, `both scopes at ${path}`);
});

await t.test('a token ends when it says, also where it was remembered', async (t) => {
  const fresh = await accessToken({ jti: 'fresh' });
  const remembered = await accessToken({ jti: 'remembered' });
  const statusAt = async (now: number, value: string): Promise<number | undefined> => {
    main.time.now = now;
    const { status } = await call('/v1/prefills', bearer(value));
    main.time.now = NOON;
    return status;
  };
  const end = (SECONDS + LIFETIME) * 1000;
  t.equal(await statusAt(NOON, remembered), 400);
  t.equal(await statusAt(end - 1, remembered), 400, 'to its last moment');
  t.equal(await statusAt(end, remembered), 401, 'and no longer');
  t.equal(await statusAt(end, fresh), 401, 'nor one that was never used');
  t.equal(await statusAt(end - 1000, fresh), 400);
});

await t.test('what an agency’s file takes back is taken back from tokens issued before', async (t) => {
  const { port } = later;
  t.match(await call('/v1/audit/search', bearer(both), { port }), { status: 400 }, 'the scope that it kept');
  t.match(await call('/v1/prefills', bearer(both), { port }), { status: 403, code: 'insufficient-scope' }, 'the scope that it lost');
  t.match(await call('/v1/prefills', bearer(office), { port }), { status: 401, code: 'unauthenticated' }, 'an agency that is gone');
  t.match(await call('/v1/prefills', bearer(office)), { status: 400 }, 'which the first gateway still knows');
});

await t.test('the process log holds no token and no assertion', async (t) => {
  for (const gateway of [main, later, other])
    t.same(
      gateway.lines.filter((line) => line.includes('eyJ')),
      [],
    );
  t.ok(main.lines.some((line) => line.includes('token issued')) && main.lines.some((line) => line.includes('token refused')));
  t.same(
    main.lines.filter((line) => JSON.parse(line).level >= 50),
    [],
    'and no refusal counts as a failure',
  );
});
