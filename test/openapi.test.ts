/** What developers browse: the OpenAPI document is sound, its examples are real, and its page needs no internet. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { sandboxCitizenToken } from '../src/citizen-keys.ts';
import type { CitizenIssuer } from '../src/domain.ts';
import { ISSUER, startGateway, temporaryDirectory } from './support/gateway.ts';
import { schemaCheck } from './support/schemas.ts';
import { until } from './support/waiting.ts';

interface Operation {
  readonly summary?: string;
  readonly security?: { agency?: string[]; citizen?: string[] }[];
  readonly parameters?: { name: string; in: string; required?: boolean; example?: string }[];
  readonly requestBody?: { content: Record<string, { schema: { $ref?: string }; example?: string }> };
  readonly responses: Record<string, { description: string; content?: Record<string, { schema: { $ref?: string; type?: string } }> }>;
}
interface OpenApi {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: {
    schemas: Record<string, { description?: string; examples?: unknown[]; properties?: Record<string, { description?: string }> }>;
  };
}

const check = schemaCheck();
const on = await startGateway();
t.teardown(() => on.close());
const document = (await (await fetch(`${on.address}/openapi.json`)).json()) as OpenApi;
const COMPLETED = 'get /v1/prefills/{id}';
const ALERTS = '/v1/alerts';
const lateness = ({ name, path }: { name: string; path: string }): number =>
  path === ALERTS ? 3 : name === COMPLETED ? 2 : Number(path.startsWith('/v1/corrections'));
const operations = Object.entries(document.paths)
  .flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation, name: `${method} ${path}` })),
  )
  // Last: a value has to be under review for some, a registry away for one and misuse suspected for one, which others would show.
  .sort((a, b) => lateness(a) - lateness(b));
const nameOf = (ref: string | undefined): string => ref?.split('/').at(-1) ?? '';

t.test('the document is OpenAPI 3.1 and every reference in it leads somewhere', async (t) => {
  t.match(document.openapi, /^3\.1\./);
  for (const [, ref] of JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g))
    t.ok(nameOf(ref) in document.components.schemas && ref?.startsWith('#/'), ref ?? '');
});

t.test('every operation, schema and member is described', async (t) => {
  for (const { name, operation } of operations) {
    t.ok(operation.summary, name);
    t.ok(operation.security, `${name} says which token it takes`);
  }
  for (const [name, schema] of Object.entries(document.components.schemas)) {
    t.ok(schema.description, name);
    for (const [member, property] of Object.entries(schema.properties ?? {}))
      t.ok(property.description ?? '$ref' in property, `${name}.${member}`);
  }
});

/** Members that differ from one run to the next. */
const VOLATILE = new Set([
  'id',
  'salt',
  'issuedAt',
  'observedAt',
  'time',
  'requestDigest',
  'replyDigest',
  'config',
  'subjects',
  'proof',
  'checkpoint',
  'query',
  'access_token',
  'since',
  'recent',
  'leaf',
  'digest',
  'completes',
  'behind',
]);
/** An alert comes when it comes, between whatever entries. */
const steady = (value: unknown, path: string): unknown =>
  JSON.parse(JSON.stringify(value, (member, inner) => (VOLATILE.has(member) || (path === ALERTS && member === 'index') ? '…' : inner)));

const agencyFor = (scopes: readonly string[]): string =>
  scopes.includes('operate') ? 'X00.1' : scopes.includes('audit') ? 'X09.1' : scopes.includes('changes') ? 'X05.1' : 'X01.1';

/** The identifier of a report that is open. */
async function reported(): Promise<string> {
  const headers = { authorization: `Bearer ${await on.token()}`, 'content-type': 'application/json' };
  const body = JSON.stringify(document.components.schemas.CorrectionRequest?.examples?.[0]);
  const reply = await fetch(`${on.address}/v1/corrections`, { method: 'POST', headers, body });
  return ((await reply.json()) as { correction: { id: string } }).correction.id;
}

/** The identifier of a shut-out that holds. */
async function shutOut(): Promise<string> {
  const headers = { authorization: `Bearer ${await on.token('X00.1')}`, 'content-type': 'application/json' };
  const body = JSON.stringify(document.components.schemas.ShutOutRequest?.examples?.[0]);
  const reply = await fetch(`${on.address}/v1/shut-outs`, { method: 'POST', headers, body });
  return ((await reply.json()) as { shutOut: { id: string } }).shutOut.id;
}

const citizensToken = (): Promise<string> =>
  sandboxCitizenToken(on.dataDirectory, on.gateway.catalogue.gateway.citizens as CitizenIssuer, ISSUER, '003099000017', on.time.now);

/** The identifier of a prefill that was completed later. */
async function completed(): Promise<string> {
  const headers = { authorization: `Bearer ${await on.token()}`, 'content-type': 'application/json' };
  const request = { ...(document.components.schemas.PrefillRequest?.examples?.[0] as object), maxAgeSeconds: 0, completion: 'fetch' };
  on.sandbox.tell('land', { mode: 'fail' });
  const reply = await fetch(`${on.address}/v1/prefills`, { method: 'POST', headers, body: JSON.stringify(request) });
  const { prefill } = (await reply.json()) as { prefill: { id: string } };
  on.sandbox.tell('land', { mode: 'ok' });
  on.time.now += 60_000;
  await until('it is completed', async () => (await fetch(`${on.address}/v1/prefills/${prefill.id}`, { headers })).status === 200);
  return prefill.id;
}

/** Somebody tries numbers one after the other, and the alert about it stands. */
async function suspected(): Promise<void> {
  const headers = { authorization: `Bearer ${await on.token()}`, 'content-type': 'application/json' };
  const request = { procedure: '1.004222', dossier: 'X01.1-261122-0009', officer: 'X01.1-0042' };
  for (let serial = 1; serial <= 5; serial++) {
    const body = JSON.stringify({ ...request, subject: `09909910000${serial}` });
    await fetch(`${on.address}/v1/prefills`, { method: 'POST', headers, body });
  }
  await until('somebody is suspected', async () => (await on.alerts()).length > 0);
}

t.test('every example works, and what comes back is what the document shows', async (t) => {
  for (const { path, method, operation, name } of operations) {
    const { agency, citizen } = operation.security?.[0] ?? {};
    const token = citizen === undefined ? agency && (await on.token(agencyFor(agency))) : await citizensToken();
    const { parameters = [] } = operation;
    const shownAt = parameters.reduce((text, parameter) => text.replace(`{${parameter.name}}`, parameter.example ?? ''), path);
    const made =
      name === COMPLETED
        ? completed
        : path.startsWith('/v1/shut-outs/')
          ? shutOut
          : path.startsWith('/v1/corrections/')
            ? reported
            : undefined;
    const url = made === undefined ? shownAt : path.replace('{id}', await made());
    if (path === ALERTS) await suspected();
    const query = new URLSearchParams();
    for (const { in: place, required, name: member, example } of parameters)
      if (place === 'query' && required) query.set(member, example ?? '');
    if (path === '/oauth2/token') continue; // test/tokens.test.ts asks for tokens in every way
    const [type, body] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
    const example = document.components.schemas[nameOf(body?.schema.$ref)]?.examples?.[0] ?? body?.example;
    if (body !== undefined) t.ok(example, `${name} has an example request`);
    const reply = await fetch(`${on.address}${url}${query.size > 0 ? `?${query}` : ''}`, {
      method: method.toUpperCase(),
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(type === undefined ? {} : { 'content-type': type }),
      },
      ...(example === undefined ? {} : { body: typeof example === 'string' ? example : JSON.stringify(example) }),
    });
    t.equal(reply.status, 200, `${name} answers its example`);
    const [replyType, content] = Object.entries(operation.responses['200']?.content ?? {})[0] ?? [];
    t.ok(reply.headers.get('content-type')?.startsWith(replyType ?? 'none'), `${name} answers ${replyType}`);
    const schema = nameOf(content?.schema.$ref);
    if (schema === '') continue;
    const value: unknown = await reply.json();
    check(schema, value);
    if (process.env.UPDATE_EXAMPLES) {
      writeFileSync(join('schemas/examples', `${schema}.json`), `${JSON.stringify(value, null, 2)}\n`);
      continue;
    }
    const shown = document.components.schemas[schema]?.examples?.[0];
    t.strictSame(
      steady(shown, path),
      steady(value, path),
      `${name} shows a real answer (UPDATE_EXAMPLES=1 npx tap test/openapi.test.ts writes them anew)`,
    );
    check(schema, shown);
  }
});

t.test(
  'every refusal that the document lists has the form of a problem, those of the token endpoint the form of OAuth where it has one',
  async (t) => {
    for (const { name, operation } of operations) {
      for (const [status, response] of Object.entries(operation.responses)) {
        if (status.startsWith('2')) continue;
        // RFC 6749 §5.2 knows no word for too many requests, nor for a server that cannot just now.
        const oauth = name === 'post /oauth2/token' && !['429', '503'].includes(status);
        const [type, form] = oauth ? ['application/json', 'TokenError'] : ['application/problem+json', 'Problem'];
        t.equal(nameOf(response.content?.[type ?? '']?.schema.$ref), form, `${name} ${status}`);
        t.match(response.description, /`[a-z_-]+`/, `${name} ${status} names its codes`);
      }
    }
  },
);

const chromium =
  process.env.CHROMIUM ??
  ['chromium', 'chromium-browser', 'google-chrome']
    .flatMap((name) => (process.env.PATH ?? '').split(delimiter).map((at) => join(at, name)))
    .find(existsSync);
const noBrowser = chromium === undefined && !process.env.CI ? 'no chromium on this machine: set CHROMIUM to its path' : false;
t.test('the page shows every operation in a browser that reaches nothing but the gateway', { skip: noBrowser }, async (t) => {
  const profile = temporaryDirectory();
  t.teardown(() => rmSync(profile, { recursive: true, force: true, maxRetries: 5 }));
  const { stdout } = await promisify(execFile)(
    chromium ?? 'chromium',
    [
      ...[
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
      // Every name but the gateway's own address fails to resolve.
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
      `--user-data-dir=${profile}`,
      '--virtual-time-budget=10000',
      '--dump-dom',
      `${on.address}/docs/`,
    ],
    { maxBuffer: 64 * 1024 * 1024, timeout: 60_000 },
  );
  for (const { operation, name } of operations)
    t.ok(stdout.includes(operation.summary?.replaceAll('&', '&amp;') ?? '?'), `${name} is on the page`);
  const page = await fetch(`${on.address}/docs/`);
  t.match(page.headers.get('content-security-policy') ?? '', /default-src 'self'/, 'and its policy lets nothing else in');
  t.notMatch(await page.text(), /(?:src|href)="https?:/, 'nor does it ask for anything elsewhere');
});

t.test('examples hold nobody’s data but the sandbox’s', async (t) => {
  for (const [name, { examples }] of Object.entries(document.components.schemas)) {
    for (const [number] of JSON.stringify(examples ?? []).matchAll(/(?<![0-9])[0-9]{12}(?![0-9])/g))
      t.match(number, /^(?:000|003|099)/, name);
  }
  t.ok(existsSync('schemas/examples') && readFileSync('schemas/examples/PrefillReply.json', 'utf8').includes('003099000017'));
});
