/** How registries are reached over HTTP: TLS both ways, and tokens of OAuth 2, against real servers that are good, bad and broken. */
import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer, type ServerOptions } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { importJWK, type JWK, jwtVerify } from 'jose';
import t from 'tap';
import { parse } from 'yaml';
import { adapterFacts, adapters } from '../adapters/index.ts';
import { openTokens } from '../adapters/tokens.ts';
import {
  type Adapter,
  type AdapterSettings,
  type Answer,
  type JsonObject,
  type OauthSettings,
  SourceError,
  type TlsSettings,
} from '../src/adapter.ts';
import type { Fault } from '../src/catalogue/faults.ts';
import type { ConfigFile } from '../src/catalogue/files.ts';
import { loadCatalogue } from '../src/catalogue/load.ts';
import { compileProtection } from '../src/catalogue/protection.ts';
import type { RawSource } from '../src/catalogue/raw.ts';
import type { Source } from '../src/domain.ts';
import { type Plugged, plugSources } from '../src/plug.ts';
import { whereItArose } from '../src/problems.ts';
import { type Authority, findAuthority } from './support/certificates.ts';

const KEY = '003099000017';
const never = new AbortController().signal;

const citizen: RequestListener = (request, response) => {
  request.resume();
  response
    .writeHead(200, { 'content-type': 'application/json' })
    .end(JSON.stringify({ MaKetQua: '00', DuLieu: { SoDinhDanh: KEY, HoVaTen: { KhaiSinh: 'A' } } }));
};
const described: Record<string, JsonObject> = {
  person: {
    request: { key: 'person', method: 'POST', path: '/ask', headers: { 'x-key': '{credential}' }, body: { who: '{key}' } },
    answer: {
      found: { at: '/MaKetQua', equals: '00' },
      notFound: [{ at: '/MaKetQua', equals: '01' }],
      record: '/DuLieu',
      about: '/DuLieu/SoDinhDanh',
    },
    map: { '/fullName': '/HoVaTen/KhaiSinh' },
  },
};

async function listening(server: Server): Promise<URL> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  const scheme = 'setSecureContext' in server ? 'https' : 'http';
  return new URL(`${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`);
}

type Given = Partial<AdapterSettings> & { address: URL };

async function ask(adapter: string, given: Given, signal: AbortSignal = AbortSignal.timeout(5000)): Promise<Answer | SourceError> {
  const made = adapters[adapter]?.({ credential: 'an API key', datasets: described, ...given });
  try {
    return (await made?.lookUp({ dataset: 'person', key: KEY }, signal)) as Answer;
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    return error;
  } finally {
    await made?.close();
  }
}

async function until(holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 2000; !holds(); ) {
    if (Date.now() > end) throw new Error('it did not come to hold');
    await turn();
  }
}
const sockets = (): number => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;

const authority = findAuthority();
if (typeof authority === 'string') t.test('TLS', { skip: authority }, async () => undefined);
else {
  t.teardown(() => authority.close());
  await tlsTests(authority);
}

async function tlsTests({ ca, issue, file }: Authority): Promise<void> {
  const good = issue({ by: ca });
  const other = issue({ ca: true });
  const ours = issue({ by: ca, names: 'DNS:gateway.example' });
  const served = ({ certificate, key }: { certificate: string; key: string }): ServerOptions => ({ cert: certificate, key });
  const wantsOurs: ServerOptions = { ...served(good), ca: ca.certificate, requestCert: true, rejectUnauthorized: true };
  const trusting: TlsSettings = { ca: ca.certificate };
  const showing: TlsSettings = { ...trusting, certificate: ours.certificate, key: ours.key };
  const old: ServerOptions = { ...served(good), minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' };

  /** A server, what its source's file says of TLS, and the code of the failure where there is one. */
  const ROWS: [string, ServerOptions, TlsSettings | undefined, RegExp | undefined][] = [
    ['a certificate of the named CA', served(good), trusting, undefined],
    ['of one of several CAs in a file', served(good), { ca: other.certificate + ca.certificate }, undefined],
    ['of a CA that is not named', served(good), { ca: other.certificate }, /of a CA that is not trusted \(UNABLE_TO_/],
    ['of a CA that nobody knows', served(good), undefined, /of a CA that is not trusted \(UNABLE_TO_/],
    ['signed by itself', served(issue({})), trusting, /not trusted \(DEPTH_ZERO_SELF_SIGNED_CERT\)/],
    ['signed by itself, and named', served(other), { ca: other.certificate }, undefined],
    ['expired', served(issue({ by: ca, days: -1 })), trusting, /has expired \(CERT_HAS_EXPIRED\)/],
    [
      'for another name',
      served(issue({ by: ca, names: 'DNS:elsewhere.example' })),
      trusting,
      /another name \(ERR_TLS_CERT_ALTNAME_INVALID\)/,
    ],
    [
      'for the name that the file gives',
      served(issue({ by: ca, names: 'DNS:elsewhere.example' })),
      { ...trusting, serverName: 'elsewhere.example' },
      undefined,
    ],
    [
      'for the address, and not for the name that the file gives',
      served(good),
      { ...trusting, serverName: 'elsewhere.example' },
      /ALTNAME/,
    ],
    ['our certificate shown', wantsOurs, showing, undefined],
    ['our certificate missing', wantsOurs, trusting, /\(/],
    ['our certificate of a CA that the server does not know', { ...wantsOurs, ca: other.certificate }, showing, /\(/],
    ['older than TLS 1.2', old, trusting, /\(ERR_SSL_/],
    ['TLS 1.2', { ...served(good), maxVersion: 'TLSv1.2' }, trusting, undefined],
    ['HTTP/2 is not taken up', { ...served(good), ALPNProtocols: ['h2', 'http/1.1'] }, trusting, undefined],
  ];

  for (const [name, server, tls, failure] of ROWS) {
    t.test(`TLS: ${name}`, async (t) => {
      const address = await listening(createSecureServer(server, citizen));
      for (const adapter of ['population', 'json-http']) {
        const answer = await ask(adapter, { address, ...(tls === undefined ? {} : { tls }) });
        if (failure === undefined) {
          t.match(answer, { found: true }, adapter);
          continue;
        }
        t.match(answer, { reason: 'unreachable', message: failure }, adapter);
        const logged = answer instanceof SourceError ? whereItArose(answer.cause)?.code : undefined;
        t.ok(logged !== undefined && `${answer}`.includes(logged), 'the operator’s log says which');
      }
    });
  }

  t.test('TLS: not even the environment loosens it', async (t) => {
    const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    t.teardown(() => {
      if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
    });
    const address = await listening(createSecureServer(served(issue({})), citizen));
    t.match(await ask('population', { address, tls: trusting }), { reason: 'unreachable' });
  });

  t.test('TLS: a header of the file does not change the name that is asked for and proven', async (t) => {
    const names: unknown[] = [];
    const server = createSecureServer(served(issue({ by: ca, names: 'DNS:localhost' })), citizen);
    server.on('secureConnection', (socket) => names.push(socket.servername));
    const { port } = await listening(server);
    const person = {
      ...described.person,
      request: { ...(described.person?.request as JsonObject), headers: { host: 'elsewhere.example' } },
    };
    const given = { address: new URL(`https://localhost:${port}`), tls: trusting, datasets: { person } };
    t.match(await ask('json-http', given), { found: true });
    t.strictSame(names, ['localhost']);
  });

  t.test('TLS: connections are kept for the next question', async (t) => {
    let connections = 0;
    const server = createSecureServer(served(good), citizen);
    server.on('secureConnection', () => connections++);
    const made = adapters.population?.({ address: await listening(server), credential: undefined, datasets: {}, tls: trusting });
    for (let i = 0; i < 20; i++) await made?.lookUp({ dataset: 'person', key: KEY }, never);
    await made?.close();
    t.ok(connections < 3, `${connections} for 20`);
  });

  t.test('TLS: a server that never says a word holds nobody, and no socket', async (t) => {
    const silent = createTcpServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const held: Socket[] = [];
    t.teardown(() => {
      silent.close();
      for (const socket of held) socket.destroy();
    });
    silent.on('connection', (socket) => held.push(socket.resume()));
    const address = new URL(`https://127.0.0.1:${(silent.address() as AddressInfo).port}`);
    const quiet = sockets();
    const made = adapters.population?.({ address, credential: undefined, datasets: {}, tls: trusting });
    const abort = new AbortController();
    const waiting = made?.lookUp({ dataset: 'person', key: KEY }, abort.signal).catch((error: unknown) => error);
    await until(() => held.length === 1);
    abort.abort(new Error('enough'));
    const began = performance.now();
    t.match(await waiting, { message: 'enough' });
    t.ok(performance.now() - began < 2000, 'at once');
    await until(() => held[0]?.destroyed === true && sockets() <= quiet);
    const again = made?.lookUp({ dataset: 'person', key: KEY }, never).catch((error: unknown) => error);
    await until(() => held.length === 2);
    await made?.close();
    t.match(await again, { reason: 'unreachable' });
  });

  t.test('TLS: where the file names no CA, those of the system are trusted', async (t) => {
    const server = createSecureServer(served(good), citizen);
    const address = await listening(server);
    const script = `
      import { population } from './adapters/population.ts';
      const made = population({ address: new URL('${address}'), credential: undefined, datasets: {} });
      const told = await made.lookUp({ dataset: 'person', key: '${KEY}' }, AbortSignal.timeout(5000)).catch((error) => error);
      console.log(told.found ?? told.message);
      await made.close();`;
    const run = (env: Record<string, string>): Promise<string> =>
      new Promise((resolve) => {
        const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
          env: { ...process.env, ...env },
          stdio: ['ignore', 'pipe', 'pipe'],
        });
        let said = '';
        child.stdout.on('data', (chunk) => (said += chunk));
        child.stderr.on('data', (chunk) => (said += chunk));
        child.on('close', () => resolve(said.trim()));
      });
    t.equal(await run({ SSL_CERT_FILE: file('system.pem', ca.certificate) }), 'true');
    t.match(await run({ SSL_CERT_FILE: file('system.pem', other.certificate) }), /not trusted/);
  });

  t.test('TLS: what a source shows its registry, it does not show the token endpoint', async (t) => {
    const shown: unknown[] = [];
    const answers: RequestListener = (request, response) => {
      request.resume();
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ access_token: 'T', token_type: 'Bearer' }));
    };
    const asking = { ...wantsOurs, rejectUnauthorized: false };
    const tokenServer = createSecureServer(asking, answers);
    tokenServer.on('secureConnection', (socket) => shown.push(Object.keys(socket.getPeerCertificate()).length > 0));
    const token = await listening(tokenServer);
    const address = await listening(createSecureServer(wantsOurs, citizen));
    const oauth = (tls?: TlsSettings): OauthSettings => ({
      token,
      clientId: 'c',
      proof: { method: 'client_secret_post', secret: 's' },
      ...(tls && { tls }),
    });
    t.match(await ask('population', { address, tls: showing, oauth: oauth() }), {
      reason: 'unreachable',
      message: /^no token: .*not trusted/,
    });
    t.match(await ask('population', { address, tls: showing, oauth: oauth(trusting) }), { found: true });
    t.match(await ask('population', { address, tls: showing, oauth: oauth(showing) }), { found: true });
    t.strictSame(shown, [false, true]);
  });

  t.test('what a file refers to for TLS must be what it is referred to as', async (t) => {
    const plugged = (tls: object, address = 'https://127.0.0.1:1'): string[] => plugFaults({ address, tls });
    const certificate = `file:${file('our.pem', ours.certificate)}`;
    const key = `file:${file('our.key', ours.key)}`;
    const ROWS: [string, object, string[]][] = [
      ['nothing wrong', { ca: `file:${file('ca.pem', `# ours\n${ca.certificate}\n${other.certificate}`)}`, certificate, key }, []],
      ['no such file', { ca: 'file:/nowhere/ca.pem' }, ['/tls/ca missing-secret']],
      ['no certificate', { ca: key }, ['/tls/ca connection', '/tls/ca connection']],
      ['a broken certificate', { ca: `file:${file('cut.pem', ca.certificate.replace(/MII.{40}/, 'MII'))}` }, ['/tls/ca connection']],
      ['no key', { certificate, key: certificate }, ['/tls/key connection']],
      ['the key of another', { certificate, key: `file:${file('other.key', good.key)}` }, ['/tls/key connection']],
    ];
    for (const [name, tls, faults] of ROWS) t.strictSame(plugged(tls), faults, name);
    t.strictSame(plugged({ certificate, key }, 'env:PLAIN'), ['/tls connection'], 'an address elsewhere that turns out not to be https');
  });
}

interface Told {
  readonly authorization: string | undefined;
  readonly form: URLSearchParams;
}
type TokenAnswer = (told: Told, turn: number) => { status?: number; headers?: Record<string, string>; body: unknown } | 'hang';

async function formOf(request: IncomingMessage): Promise<URLSearchParams> {
  let body = '';
  for await (const chunk of request) body += chunk;
  return new URLSearchParams(body);
}

/** A token endpoint that answers as told, and what it was asked. */
async function tokenEndpoint(answer: TokenAnswer): Promise<{ token: URL; asked: Told[] }> {
  const asked: Told[] = [];
  const listener: RequestListener = async (request, response) => {
    const told = { authorization: request.headers.authorization, form: await formOf(request) };
    asked.push(told);
    const said = answer(told, asked.length);
    if (said === 'hang') return;
    const body = typeof said.body === 'string' ? said.body : JSON.stringify(said.body);
    response.writeHead(said.status ?? 200, { 'content-type': 'application/json', ...said.headers }).end(body);
  };
  return { token: new URL('/oauth2/token?realm=r', await listening(createServer(listener))), asked };
}

const bearer = (token: string, expires_in?: number) => ({ body: { access_token: token, token_type: 'Bearer', expires_in } });
const SECRET = 'p@ss word+é';
const byPost = { method: 'client_secret_post', secret: SECRET } as const;
const settings = (token: URL, more: Partial<OauthSettings> = {}): OauthSettings => ({
  token,
  clientId: 'gate:way',
  proof: byPost,
  ...more,
});

/** A registry that takes some tokens, and those that it was shown. */
async function registry(
  takes: (token: string | undefined, turn: number) => boolean,
): Promise<{ address: URL; shown: (string | undefined)[] }> {
  const shown: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    shown.push(request.headers.authorization);
    if (takes(request.headers.authorization, shown.length)) return citizen(request, response);
    request.resume();
    response.writeHead(401, { 'content-type': 'application/json' }).end('{}');
  });
  return { address: await listening(server), shown };
}

for (const adapter of ['population', 'json-http']) {
  t.test(`a token: one for many questions at once, by ${adapter}`, async (t) => {
    const { token, asked } = await tokenEndpoint((_, turn) => bearer(`T${turn}`, 60));
    const { address, shown } = await registry(() => true);
    const made = adapters[adapter]?.({
      address,
      credential: undefined,
      datasets: described,
      oauth: settings(token, { scope: 'read all' }),
    });
    await Promise.all(Array.from({ length: 8 }, () => made?.lookUp({ dataset: 'person', key: KEY }, never)));
    await made?.lookUp({ dataset: 'person', key: KEY }, never);
    await made?.close();
    t.strictSame([...new Set(shown)], ['Bearer T1']);
    t.equal(shown.length, 9);
    t.equal(asked.length, 1);
    t.strictSame(Object.fromEntries(asked[0]?.form ?? []), {
      grant_type: 'client_credentials',
      client_id: 'gate:way',
      client_secret: SECRET,
      scope: 'read all',
    });
  });
}

/** How long a token lives, in seconds → up to when it is used again. */
const LIVES: [string, unknown, number][] = [
  ['an hour', 3600, 3570],
  ['a minute', 60, 54],
  ['as text', '60', 54],
  ['it does not say', undefined, 270],
  ['not at all', 0, 0],
  ['a year, which nobody believes', 31_536_000, 86_370],
];

for (const [name, expires_in, seconds] of LIVES) {
  t.test(`a token lives: ${name}`, async (t) => {
    const { token } = await tokenEndpoint((_, turn) => ({ body: { access_token: `T${turn}`, token_type: 'bearer', expires_in } }));
    let now = Date.now();
    const tokens = openTokens(settings(token), () => now);
    t.teardown(() => tokens.close());
    t.equal(await tokens.get(never), 'T1');
    now += seconds * 1000 - 1;
    if (seconds > 0) t.equal(await tokens.get(never), 'T1');
    now += 1;
    t.equal(await tokens.get(never), 'T2');
  });
}

t.test('a token that the registry does not take any more is had anew, once', async (t) => {
  const { token, asked } = await tokenEndpoint((_, turn) => bearer(`T${turn}`, 3600));
  let good = 'T1';
  const { address, shown } = await registry((given) => given === `Bearer ${good}`);
  const made = adapters.population?.({ address, credential: undefined, datasets: {}, oauth: settings(token) });
  t.teardown(() => made?.close());
  const lookUp = () => made?.lookUp({ dataset: 'person', key: KEY }, never).catch((error: unknown) => error);
  t.match(await lookUp(), { found: true });
  good = 'T2';
  t.match(await Promise.all(Array.from({ length: 8 }, lookUp)), Array(8).fill({ found: true }));
  t.equal(asked.length, 2, 'one new token for all that were turned away');
  good = 'none';
  shown.length = 0;
  t.match(await lookUp(), { reason: 'refused', message: /status 401/ });
  t.strictSame(shown, ['Bearer T2', 'Bearer T3'], 'and no third time');
});

t.test('a token that is not taken any more is had anew, even where a file takes 401 for an answer', async (t) => {
  const { token } = await tokenEndpoint((_, turn) => bearer(`T${turn}`, 3600));
  const { address } = await registry((given) => given === 'Bearer T2');
  const person = { ...described.person, answer: { ...(described.person?.answer as JsonObject), notFound: [{ status: 401 }] } };
  t.match(await ask('json-http', { address, oauth: settings(token), datasets: { person } }), { found: true });
});

t.test('a token: the second question is under the signal of the first', async (t) => {
  const { token, asked } = await tokenEndpoint((_, turn) => (turn === 1 ? bearer('T1', 3600) : 'hang'));
  const { address } = await registry(() => false);
  const abort = new AbortController();
  const reason = new Error('enough');
  const waiting = ask('population', { address, oauth: settings(token) }, abort.signal).catch((error: unknown) => error);
  await until(() => asked.length === 2);
  abort.abort(reason);
  t.equal(await waiting, reason);
});

t.test('a token endpoint that hangs holds nobody longer than they wait, and no socket', async (t) => {
  const { token, asked } = await tokenEndpoint((_, turn) => (turn === 1 ? 'hang' : bearer('T', 60)));
  const { address } = await registry(() => true);
  const quiet = sockets();
  const made = adapters.population?.({ address, credential: undefined, datasets: {}, oauth: settings(token) });
  const [first, second] = [new AbortController(), new AbortController()];
  const reason = new Error('enough');
  const lookUp = (signal: AbortSignal) => made?.lookUp({ dataset: 'person', key: KEY }, signal).catch((error: unknown) => error);
  const [one, two] = [lookUp(first.signal), lookUp(second.signal)];
  await until(() => asked.length === 1);
  first.abort(reason);
  t.equal(await one, reason);
  t.equal(asked.length, 1, 'the other still waits for the same call');
  second.abort(reason);
  t.equal(await two, reason);
  await until(() => sockets() <= quiet);
  t.match(await lookUp(never), { found: true }, 'the next who asks is not held by it');
  await made?.close();
  await until(() => sockets() <= quiet);
});

/** What the endpoint says → the failure. */
const BAD: [string, ReturnType<TokenAnswer>, object][] = [
  ['an unknown client', { status: 401, body: { error: 'invalid_client' } }, { reason: 'refused', message: 'no token: invalid_client' }],
  [
    'a scope that is not granted',
    { status: 400, body: { error: 'invalid_scope' } },
    { reason: 'refused', message: 'no token: invalid_scope' },
  ],
  ['an error that nobody knows', { status: 400, body: { error: SECRET } }, { reason: 'error', message: 'no token: status 400' }],
  ['401 without a word', { status: 401, body: [] }, { reason: 'refused' }],
  ['forbidden', { status: 403, body: {} }, { reason: 'refused' }],
  ['a page', { headers: { 'content-type': 'text/html' }, body: '<!doctype html>' }, { reason: 'malformed' }],
  ['half an answer', { body: '{"access_token":"T' }, { reason: 'malformed' }],
  ['a list', { body: [] }, { reason: 'malformed' }],
  ['no token', { body: { token_type: 'Bearer' } }, { reason: 'malformed' }],
  ['a token that adds a header', { body: { token_type: 'Bearer', access_token: 'T\r\nx-admin: 1' } }, { reason: 'malformed' }],
  ['a token of another type', { body: { token_type: 'DPoP', access_token: 'T' } }, { reason: 'malformed' }],
  ['a lifetime that is none', { body: { token_type: 'Bearer', access_token: 'T', expires_in: 'soon' } }, { reason: 'malformed' }],
  ['a flood', { body: 'x'.repeat(100_000) }, { reason: 'malformed', message: /longer than 65536 bytes/ }],
  ['a redirect', { status: 307, headers: { location: '/elsewhere' }, body: {} }, { reason: 'error', message: /status 307/ }],
  ['busy', { status: 503, headers: { 'retry-after': '7' }, body: {} }, { reason: 'error', retryAfterSeconds: 7 }],
];

for (const [name, answer, failure] of BAD) {
  t.test(`no token: ${name}`, async (t) => {
    const { token, asked } = await tokenEndpoint(() => answer);
    const { address, shown } = await registry(() => true);
    const told = await ask('population', { address, oauth: settings(token) });
    t.match(told, failure);
    t.strictSame([asked.length, shown.length], [1, 0], 'asked once, and the registry not at all');
    const { stack, cause, message } = told as SourceError;
    t.notOk([stack, message, JSON.stringify(told), String(cause)].some((text) => text?.includes(SECRET) || text?.includes(KEY)));
  });
}

t.test('no token: nobody there', async (t) => {
  const { address } = await registry(() => true);
  const oauth = settings(new URL('http://127.0.0.1:1/token'));
  t.match(await ask('population', { address, oauth }), { reason: 'unreachable', message: 'no token: no connection (ECONNREFUSED)' });
});

t.test('a client is known by a secret in a header', async (t) => {
  const { token, asked } = await tokenEndpoint(() => bearer('T'));
  const tokens = openTokens(settings(token, { proof: { method: 'client_secret_basic', secret: SECRET } }));
  t.teardown(() => tokens.close());
  await tokens.get(never);
  const [told] = asked;
  t.equal(Buffer.from(told?.authorization?.replace('Basic ', '') ?? '', 'base64').toString(), 'gate%3Away:p%40ss+word%2B%C3%A9');
  t.strictSame(Object.fromEntries(told?.form ?? []), { grant_type: 'client_credentials' });
});

const pem = (key: ReturnType<typeof generateKeyPairSync>['privateKey']): string => key.export({ type: 'pkcs8', format: 'pem' }) as string;
const jwk = (key: ReturnType<typeof generateKeyPairSync>['privateKey'], more: object): string =>
  JSON.stringify({ ...key.export({ format: 'jwk' }), ...more });
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ed = generateKeyPairSync('ed25519');

/** A private key as its file holds it → the header of what is signed with it. */
const KEYS: [string, { publicKey: typeof p256.publicKey }, string, object, object][] = [
  ['P-256 in PEM', p256, pem(p256.privateKey), {}, { alg: 'ES256', typ: 'JWT' }],
  ['P-256 in PEM, with a name', p256, pem(p256.privateKey), { keyId: 'k1' }, { alg: 'ES256', typ: 'JWT', kid: 'k1' }],
  ['RSA in PEM', rsa, pem(rsa.privateKey), {}, { alg: 'RS256', typ: 'JWT' }],
  [
    'RSA as a JWK that names its algorithm',
    rsa,
    jwk(rsa.privateKey, { alg: 'PS256', kid: 'k2' }),
    {},
    { alg: 'PS256', typ: 'JWT', kid: 'k2' },
  ],
  ['Ed25519 in PEM', ed, pem(ed.privateKey), { audience: 'https://issuer.example' }, { alg: 'EdDSA', typ: 'JWT' }],
];

for (const [name, { publicKey }, credential, more, header] of KEYS) {
  t.test(`a client is known by what it signs: ${name}`, async (t) => {
    const { token, asked } = await tokenEndpoint(() => bearer('T', 60));
    const { address } = await registry((given) => given === 'Bearer T');
    const file = {
      address: address.href,
      oauth: { token: token.href, clientId: 'gateway', method: 'private_key_jwt', credential: 'env:KEY', ...more },
    };
    const made = plugged(file, { KEY: credential });
    t.match(
      await made.lookUp({ dataset: 'birth-notice', key: KEY }, never).catch((error: unknown) => error),
      { reason: 'malformed' },
      'it came to the registry',
    );
    await made.close();
    const { client_assertion, ...form } = Object.fromEntries(asked[0]?.form ?? []);
    t.strictSame(form, {
      grant_type: 'client_credentials',
      client_id: 'gateway',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    });
    const audience = 'audience' in more ? String(more.audience) : token.href;
    const key = await importJWK(publicKey.export({ format: 'jwk' }) as JWK, (header as { alg: string }).alg);
    const { payload, protectedHeader } = await jwtVerify(client_assertion ?? '', key, {
      audience,
      issuer: 'gateway',
      subject: 'gateway',
      maxTokenAge: 60,
    });
    t.strictSame(protectedHeader, header);
    t.match(payload, { jti: /^[0-9a-f-]{36}$/ });
    t.equal((payload.exp ?? 0) - (payload.iat ?? 0), 60);
  });
}

/** The file of a shipped source with some of it changed. */
function changed(more: object): string {
  const said = { address: 'https://registry.example', credential: 'env:KEY', headers: '{}', ...more };
  const { address, credential, headers, ...rest } = said as Record<string, unknown>;
  const added = Object.entries(rest).map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`);
  return readFileSync('config/sources/birth-notices.yaml', 'utf8')
    .replace(/^address: .*$/m, `address: ${address}`)
    .replace(/^credential: .*\n/m, `credential: ${credential}\n${added.join('')}`)
    .replace(/headers: .*$/m, `headers: ${headers}`);
}

/** What `check` finds wrong with such a file; the rest of the configuration is not there. */
function checkFaults(more: object, sandbox = true): string[] {
  const directory = t.testdir({ sources: { 'birth-notices.yaml': changed(more) } });
  return faultsIn(() => loadCatalogue({ directory, schemaDirectory: 'schemas', adapters: adapterFacts, sandbox }));
}

function faultsIn(make: () => unknown): string[] {
  try {
    make();
    return [];
  } catch (error) {
    const { faults } = error as { faults?: Fault[] };
    if (faults === undefined) throw error;
    return faults.filter(({ file }) => file.startsWith('sources/')).map(({ pointer, rule }) => `${pointer} ${rule}`);
  }
}

function plugged(more: object, env: Record<string, string>): Adapter {
  const raw = parse(changed(more)) as Source & RawSource;
  const source = { ...raw, protection: compileProtection({ fault() {} } as unknown as ConfigFile, raw) };
  const found = plugSources(new Map([[source.id, source]]), adapters, { sandbox: undefined, secret: (name) => env[name] });
  return (found.get(source.id) as Plugged).adapter;
}

function plugFaults(more: object, env: Record<string, string> = {}): string[] {
  return faultsIn(() => void plugged(more, { KEY: 'an API key', PLAIN: 'http://127.0.0.1:1', FAR: 'http://far.example/', ...env }).close());
}

const oauth = { token: 'https://login.example/token', clientId: 'c', method: 'client_secret_basic', credential: 'env:SECRET' };

/** What a source's file says → what `check` finds wrong with it. */
const FILES: [string, object, string[]][] = [
  [
    'all that there is',
    {
      tls: { ca: 'file:/a', certificate: 'file:/b', key: 'file:/c', serverName: 'r.example' },
      oauth: { ...oauth, scope: 'a b', tls: { ca: 'file:/a' } },
    },
    [],
  ],
  ['a certificate without its key', { tls: { certificate: 'file:/b' } }, ['/tls schema']],
  ['a key without its certificate', { tls: { key: 'file:/b' } }, ['/tls schema']],
  ['a key that is no reference', { tls: { certificate: 'file:/b', key: '-----BEGIN' } }, ['/tls/key schema']],
  ['a CA from the environment', { tls: { ca: 'env:CA' } }, ['/tls/ca schema']],
  ['nothing', { tls: {} }, ['/tls schema']],
  ['a word that nobody knows', { tls: { ca: 'file:/a', rejectUnauthorized: false } }, ['/tls/rejectUnauthorized schema']],
  ['TLS to an address without', { address: 'http://127.0.0.1:1', tls: { ca: 'file:/a' } }, ['/tls connection']],
  ['TLS to the sandbox', { address: 'sandbox:birth-notices', tls: { ca: 'file:/a' } }, ['/tls connection']],
  ['a secret in the file', { oauth: { ...oauth, credential: 'hunter2' } }, ['/oauth/credential schema']],
  ['no method', { oauth: { token: oauth.token, clientId: 'c', credential: 'env:S' } }, ['/oauth schema']],
  ['a method that nobody knows', { oauth: { ...oauth, method: 'none' } }, ['/oauth/method schema']],
  ['a scope that is none', { oauth: { ...oauth, scope: 'a  b' } }, ['/oauth/scope schema']],
  [
    'a name for a key where there is none',
    { oauth: { ...oauth, keyId: 'k', audience: 'a' } },
    ['/oauth/keyId connection', '/oauth/audience connection'],
  ],
  ['a token over an open line', { oauth: { ...oauth, token: 'http://login.example/token' } }, ['/oauth/token connection']],
  ['a token to an open line', { address: 'http://registry.example', oauth }, ['/address connection']],
  ['a token from this machine', { address: 'http://127.0.0.1:1', oauth: { ...oauth, token: 'http://localhost:1/token' } }, []],
  [
    'TLS to a token endpoint without',
    { oauth: { ...oauth, token: 'http://127.0.0.1:1', tls: { ca: 'file:/a' } } },
    ['/oauth/tls connection'],
  ],
  [
    'two things in one header',
    { oauth, headers: '{ authorization: "Bearer {credential}" }' },
    ['/datasets/birth-notice/request/headers/authorization connection'],
  ],
];

for (const [name, more, faults] of FILES) t.test(`a source’s file: ${name}`, async (t) => t.strictSame(checkFaults(more), faults));

t.test('a source’s file: the sandbox’s secrets are not for production', async (t) => {
  const found = checkFaults({ oauth: { ...oauth, credential: 'sandbox:birth-notices' } }, false);
  t.strictSame(found, ['/oauth/credential sandbox-in-production']);
});

const byKey = { ...oauth, method: 'private_key_jwt', credential: 'env:SIGNER' };

/** What references of `oauth` lead to → what is wrong with it on start. */
const LED: [string, object, Record<string, string>, string[]][] = [
  ['nothing wrong', { oauth }, { SECRET: 's' }, []],
  ['nowhere', { oauth: { ...oauth, token: 'env:NONE' } }, {}, ['/oauth/credential missing-secret', '/oauth/token connection']],
  ['to an open line', { oauth: { ...oauth, token: 'env:FAR' } }, { SECRET: 's' }, ['/oauth/token connection']],
  ['a registry on an open line', { address: 'env:FAR', oauth }, { SECRET: 's' }, ['/address connection']],
  ['no key', { oauth: byKey }, { SIGNER: 'a password' }, ['/oauth/credential connection']],
  ['a JWK that is none', { oauth: byKey }, { SIGNER: '{"kty":"EC"}' }, ['/oauth/credential connection']],
  [
    'a public key',
    { oauth: byKey },
    { SIGNER: JSON.stringify(p256.publicKey.export({ format: 'jwk' })) },
    ['/oauth/credential connection'],
  ],
  ['a key that cannot sign', { oauth: byKey }, { SIGNER: pem(generateKeyPairSync('x25519').privateKey) }, ['/oauth/credential connection']],
  [
    'a short key',
    { oauth: byKey },
    { SIGNER: pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey) },
    ['/oauth/credential connection'],
  ],
  [
    'an algorithm that is not the key’s',
    { oauth: byKey },
    { SIGNER: jwk(p256.privateKey, { alg: 'HS256' }) },
    ['/oauth/credential connection'],
  ],
];

for (const [name, more, env, faults] of LED) t.test(`a reference leads: ${name}`, async (t) => t.strictSame(plugFaults(more, env), faults));
