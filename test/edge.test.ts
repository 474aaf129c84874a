/** The edge: what stands at which door, what every reply says to browsers, and what operators watch. */
import { writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { runCommand } from '../src/cli.ts';
import { doorOf } from '../src/commands/command.ts';
import { openToOperators } from '../src/http/server.ts';
import { startSandbox } from '../src/sandbox/index.ts';
import { startGateway } from './support/gateway.ts';
import { freePort } from './support/ports.ts';

const PERSON = '003085000041';
const sandbox = await startSandbox();
const operators = { host: '127.0.0.1', port: await freePort() };
const [apart, together] = await Promise.all([
  startGateway({ sandbox, operators }),
  startGateway({ sandbox, issuer: 'http://gateway.test' }),
]);
const door = `http://127.0.0.1:${operators.port}`;
t.teardown(async () => {
  await Promise.all([apart.close(), together.close()]);
  await sandbox.close();
});

const raw = (port: number, bytes: string): Promise<string> =>
  new Promise((resolve, reject) => {
    let said = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    socket
      .on('data', (chunk) => (said += chunk))
      .on('end', () => resolve(said))
      .on('error', reject);
  });

interface Said {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}
const ask = async (address: string, init: RequestInit = {}): Promise<Said> => {
  const reply = await fetch(address, { redirect: 'manual', ...init });
  return { status: reply.status, headers: reply.headers, text: await reply.text() };
};
const prefill = async (address: string): Promise<Said> =>
  ask(`${address}/v1/prefills`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await apart.token()}`, 'content-type': 'application/json' },
    body: JSON.stringify({ procedure: '1.004873', dossier: 'X01.1-261122-0001', officer: 'X01.1-0042', subject: PERSON }),
  });

const OPERATORS = [
  '/metrics',
  '/readyz',
  '/docs',
  '/docs/',
  '/docs/static/index.html',
  '/docs/static/swagger-ui.css',
  '/docs/json',
  '/openapi.json',
];

await t.test('what is for operators stands at their own door alone', async (t) => {
  const nothing = await ask(`${apart.address}/nothing-at-all`);
  t.equal(nothing.status, 404);
  const plain = ({ headers }: Said): object => Object.fromEntries([...headers].filter(([name]) => name !== 'date'));
  for (const path of OPERATORS) {
    t.match(await ask(door + path), { status: /^(?:200|302)$/ }, `${path} at the door`);
    for (const method of ['GET', 'POST', 'OPTIONS', 'DELETE']) {
      const said = await ask(apart.address + path, { method });
      t.match(said, { status: 404, text: nothing.text }, `${method} ${path} before it`);
      t.strictSame(plain(said), plain(nothing), 'is told from nothing by no header');
    }
    t.match(await ask(together.address + path), { status: /^(?:200|302)$/ }, `${path} where there is one door`);
  }
  for (const address of [door, apart.address]) {
    t.equal((await ask(`${address}/healthz`)).status, 200, 'that the process lives may be seen at both');
    t.equal((await prefill(address)).status, 200, 'and agencies are answered at both');
  }
});

/** To everybody else an operation says 401, before it looks at a body. */
const FOR_STRANGERS = [
  'GET /.well-known/jwks.json',
  'GET /.well-known/oauth-authorization-server',
  'GET /healthz',
  'GET /metrics',
  'GET /readyz',
  'GET /v1/log/checkpoint',
  'GET /v1/log/key',
  'GET /v1/log/tile/{level}/{path}',
  'POST /oauth2/token',
];

await t.test('what a stranger may ask for is a short list, at either door', async (t) => {
  const { paths } = JSON.parse((await ask(`${door}/openapi.json`)).text) as { paths: Record<string, Record<string, object>> };
  const operations = Object.entries(paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => [method.toUpperCase(), path]));
  const open = new Set<string>();
  for (const [method = '', path = ''] of operations) {
    for (const body of method === 'GET' ? [undefined] : ['{}', 'x'.repeat(70_000)]) {
      const init = { method, ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } }) };
      const { status } = await ask(door + path.replaceAll(/\{\w+\}/g, '1'), init);
      if (status !== 401) open.add(`${method} ${path}`);
      const first = await ask(apart.address + path.replaceAll(/\{\w+\}/g, '1'), init);
      t.ok(first.status === status || first.status === 404, `${method} ${path}: no more than that at the first`);
    }
  }
  t.strictSame([...open].sort(), FOR_STRANGERS);
  t.ok(operations.length > 30);
});

await t.test("an operator's command line finds their door", async (t) => {
  const port = await freePort();
  const named = { issuer: `http://127.0.0.1:${port}`, operators: { host: '127.0.0.1', port: await freePort() } };
  const on = await startGateway({ sandbox, port, now: Date.now(), ...named });
  t.teardown(() => on.close());
  let said = '';
  const hear = (text: string): void => void (said += text);
  const environment = { ...named, dataDirectory: on.dataDirectory } as Parameters<typeof runCommand>[1]['environment'];
  const line = { environment, serve: async () => 1, out: hear, error: hear, colour: false, stdin: process.stdin };
  t.equal(await runCommand(['shut-outs'], line), 0, said);
  t.match(said, /nobody is shut out/);
});

await t.test('whoever came through one door does not pass as one who came through the other', async (t) => {
  for (const headers of [{ host: `127.0.0.1:${operators.port}` }, { 'x-forwarded-host': door }, { forwarded: `host=${door}` }])
    t.equal((await ask(`${apart.address}/metrics`, { headers })).status, 404);
  for (const path of ['//metrics', '/./metrics', '/%6detrics', '/metrics/', '/metrics?x', '/METRICS', '/v1/../metrics', `${door}/metrics`])
    t.match(await raw(apart.port, `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`), /^HTTP\/1\.1 4/, path);
});

await t.test('who comes through the door of operators is no proxy, and is cut as everybody is', async (t) => {
  const forged = `:${Buffer.from('a certificate').toString('base64')}:`;
  t.match(await ask(`${door}/v1/sources`, { headers: { 'client-cert': forged } }), { status: 400, text: /proxies alone/ });
  const another = await openToOperators(together.gateway.server, false, { host: '127.0.0.1', port: 0 });
  t.teardown(() => another.close());
  const limits = ({ timeout, requestTimeout, keepAliveTimeout, maxConnections }: Server): object => ({
    timeout,
    requestTimeout,
    keepAliveTimeout,
    maxConnections,
  });
  const first = limits(together.gateway.server.server);
  t.strictSame(limits(another), first);
  t.notOk(Object.values(first).includes(0));
});

await t.test('an operator’s command line finds the door, with proofs of the public address', async (t) => {
  const [port, at] = [await freePort(), { host: '127.0.0.1', port: await freePort() }];
  const issuer = `http://127.0.0.1:${port}`;
  const on = await startGateway({ sandbox, issuer, port, operators: at, now: Date.now() });
  t.teardown(() => on.close());
  const doorAt = (operators: object): string | undefined => doorOf({ operators } as Parameters<typeof doorOf>[0]);
  const environment = { issuer, dataDirectory: on.dataDirectory } as Parameters<typeof runCommand>[1]['environment'];
  const run = async (): Promise<string> => {
    let said = '';
    const hear = (text: string): void => void (said += text);
    await runCommand(['shut-outs'], { environment, serve: async () => 1, out: hear, error: hear, colour: false, stdin: process.stdin });
    return said;
  };
  writeFileSync(join(on.dataDirectory, 'address'), `${issuer}\n`);
  t.match(await run(), /not-found/, 'through the first address there is nothing');
  writeFileSync(join(on.dataDirectory, 'address'), `${issuer}\n${doorAt({ host: at.host, port: at.port })}\n`);
  t.equal(await run(), 'nobody is shut out');
  t.equal(doorAt({ host: '::1', port: 9 }), 'http://[::1]:9');
});

await t.test('every reply tells browsers to do nothing with it, and no page of another site may read it', async (t) => {
  const headers = {
    origin: 'https://evil.example',
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization',
  };
  const replies: [string, Said][] = [
    ['an answer', await prefill(apart.address)],
    ['a refusal', await ask(`${apart.address}/v1/procedures`, { headers })],
    ['nothing there', await ask(`${apart.address}/nothing`, { headers })],
    ['a preflight', await ask(`${apart.address}/v1/prefills`, { method: 'OPTIONS', headers })],
    ['a preflight of tokens', await ask(`${apart.address}/oauth2/token`, { method: 'OPTIONS', headers })],
    ['the keys', await ask(`${apart.address}/.well-known/jwks.json`, { headers })],
    ['numbers', await ask(`${door}/metrics`, { headers })],
    ['the pages', await ask(`${door}/docs/static/index.html`, { headers })],
  ];
  for (const [name, said] of replies) {
    const all = Object.fromEntries(said.headers);
    t.match(
      all,
      {
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'referrer-policy': 'no-referrer',
        'cross-origin-resource-policy': 'same-origin',
        'strict-transport-security': 'max-age=63072000; includeSubDomains',
        'content-security-policy': /^default-src '(?:none|self)'.*frame-ancestors 'none'$/,
      },
      name,
    );
    t.strictSame(
      Object.keys(all).filter((header) => header.startsWith('access-control-')),
      [],
      `${name}: nothing of CORS`,
    );
    t.notMatch(Object.keys(all), ['server', 'x-powered-by'], `${name}: nor of what answers`);
  }
  for (const [name, said] of replies.slice(3, 5)) t.equal(said.status, 405, name);
  const unparsed = await raw(apart.port, 'GET / HTTP/1.1\r\nbad header\r\n\r\n');
  t.match(unparsed, /content-security-policy: default-src 'none'[\s\S]*strict-transport-security: /);
  t.notMatch(
    Object.fromEntries((await ask(`${together.address}/healthz`)).headers),
    { 'strict-transport-security': /./ },
    'by plain http nothing of https',
  );
});

await t.test('operators watch numbers, which are of nobody', async (t) => {
  await prefill(apart.address);
  await ask(`${apart.address}/v1/procedures/${PERSON}`);
  await ask(`${apart.address}/oauth2/token`, { method: 'POST', body: new URLSearchParams({ grant_type: PERSON }) });
  const { text, headers } = await ask(`${door}/metrics`);
  t.match(headers.get('content-type'), 'text/plain; version=0.0.4');
  const lines = text.trimEnd().split('\n');
  for (const line of lines)
    t.match(line, /^(?:# (?:HELP|TYPE) [a-z_]+ \S.*|[a-z_]+(?:\{[a-z]+="[^"]*"(?:,[a-z]+="[^"]*")*\})? [0-9.e+-]+)$/, line);
  const values = new Map(
    lines
      .filter((line) => !line.startsWith('#'))
      .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
  t.ok((values.get('oncegate_requests_total{method="POST",route="/v1/prefills",status="200"}') ?? 0) >= 3);
  t.ok((values.get('oncegate_refusals_total{code="unauthenticated"}') ?? 0) >= 1);
  t.equal(values.get('oncegate_refusals_total{code="unsupported_grant_type"}'), 1);
  t.equal(
    values.get('oncegate_request_seconds_count{route="/v1/prefills"}'),
    values.get('oncegate_request_seconds_bucket{route="/v1/prefills",le="+Inf"}'),
  );
  t.equal(values.get('oncegate_source_up{source="population"}'), 1);
  t.ok((values.get('oncegate_log_entries') ?? 0) > 0);
  t.ok((values.get('process_resident_memory_bytes') ?? 0) > 1e7);
  t.notMatch(text, /(?<![0-9.])0[0-9]{11}(?![0-9])/);
  for (const name of new Set([...values.keys()].map((key) => key.replace(/(?:_bucket|_sum|_count)?(?:\{.*)?$/, ''))))
    t.match(text, `# TYPE ${name} `, name);
});

await t.test('nothing that a caller writes becomes a line of the process log, or a label', async (t) => {
  const MARK = 'INJECTED';
  const forged = `x\n{"level":60,"msg":"${MARK}"}`;
  const before = apart.lines.length;
  const form = (fields: Record<string, string>): Promise<Said> =>
    ask(`${apart.address}/oauth2/token`, { method: 'POST', body: new URLSearchParams({ grant_type: 'client_credentials', ...fields }) });
  const header = Buffer.from(JSON.stringify({ alg: forged, kid: forged, typ: forged })).toString('base64url');
  const said = [
    await form({ grant_type: forged, [forged]: forged }),
    await form({
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: `${header}.${Buffer.from(JSON.stringify({ iss: forged })).toString('base64url')}.AA`,
      agency: forged,
      scope: forged,
    }),
    await ask(`${apart.address}/${encodeURIComponent(forged)}?${encodeURIComponent(forged)}`, {
      headers: { 'user-agent': MARK, 'x-request-id': MARK, 'request-id': MARK, traceparent: MARK, 'x-forwarded-for': MARK, referer: MARK },
    }),
    await ask(`${apart.address}/v1/sources`, { headers: { authorization: `DPoP ${header}.e30.AA`, dpop: `${header}.e30.AA` } }),
    await ask(`${apart.address}/v1/sources`, { headers: { authorization: `Bearer ${header}.e30.AA`, 'x-original-url': `/${MARK}` } }),
  ];
  const lines = apart.lines.slice(before);
  t.ok(lines.length >= said.length);
  for (const line of lines) {
    t.match(line, /^[^\n]*\n$/);
    t.ok(JSON.parse(line));
  }
  t.notMatch([...lines, ...said.map(({ text }) => text), (await ask(`${door}/metrics`)).text].join(''), MARK);
  await raw(apart.port, `INJECTED / HTTP/1.1\r\nhost: x\r\n\r\n`);
  t.notMatch((await ask(`${door}/metrics`)).text, MARK, 'nor a method');
});
