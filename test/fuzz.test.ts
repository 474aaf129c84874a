/** What the OpenAPI document says is asked in every wrong way, thousands of times: never a 5xx, never a reply that the document does not describe. */
import { rmSync } from 'node:fs';
import { Agent, type IncomingHttpHeaders, request as send } from 'node:http';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import t from 'tap';
import { sandboxCitizenToken } from '../src/citizen-keys.ts';
import type { CitizenIssuer } from '../src/domain.ts';
import { chance, seedOf } from './support/chance.ts';
import { editedConfig, ISSUER, startGateway } from './support/gateway.ts';

/** Of all operations together. */
const REQUESTS = Number(process.env.FUZZ ?? 4000);
const AT_ONCE = 8;

type Json = null | boolean | number | string | Json[] | { [member: string]: Json };
interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly enum?: readonly Json[];
  readonly examples?: readonly Json[];
}
interface Operation {
  readonly security?: readonly { readonly agency?: readonly string[]; readonly citizen?: readonly string[] }[];
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly example?: Json; readonly schema: Schema }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema; readonly example?: string }>> };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { readonly schema: Schema }>> }>>;
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

const seed = seedOf();
const below = chance(seed);
const pick = <T>(all: readonly T[]): T => all[below(all.length)] as T;
const often = (percent: number): boolean => below(100) < percent;

// As many batches at once as there are requests: who comes with one more is refused, and rightly.
const configDirectory = editedConfig({ 'gateway.yaml': (file) => ({ ...file, batch: { batches: AT_ONCE } }) });
const on = await startGateway({ configDirectory });
t.teardown(async () => {
  await on.close();
  rmSync(configDirectory, { recursive: true });
});
const document = (await (await fetch(`${on.address}/openapi.json`)).json()) as Document;
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
);

const ajv = new Ajv2020({ strict: false, validateSchema: false });
(formats as unknown as (ajv: Ajv2020) => void)(ajv);
ajv.addSchema({ ...document, $id: 'openapi' });
const validators = new Map<Schema, ValidateFunction>();
/** A validator of a schema that stands in the document, whose references lead into it. */
function fits(schema: Schema, value: unknown): string | undefined {
  const rebased = JSON.parse(JSON.stringify(schema), (name, inner) => (name === '$ref' ? `openapi${inner}` : inner)) as object;
  const validate = validators.get(schema) ?? ajv.compile(rebased);
  validators.set(schema, validate);
  return validate(value) ? undefined : ajv.errorsText(validate.errors);
}

const tokens = new Map<string, string>();
for (const agency of on.gateway.catalogue.agencies.keys()) tokens.set(agency, await on.token(agency));
const citizens = on.gateway.catalogue.gateway.citizens as CitizenIssuer;
tokens.set('citizen', await sandboxCitizenToken(on.dataDirectory, citizens, ISSUER, '003099000017', on.time.now));

const NASTY: readonly Json[] = [
  null,
  true,
  0,
  -1,
  1e308,
  0.1,
  2 ** 53,
  '',
  ' ',
  '0',
  '\u0000',
  '\ud800'.toWellFormed(),
  'é'.normalize('NFD'),
  '１２３４５６７８９０１２',
  '003099000017',
  "' OR 1=1 --",
  '$' + '{jndi:ldap://x}',
  '../../etc/passwd',
  '<script>alert(1)</script>',
  '1970-01-01',
  '2026-02-30',
  '9999-12-31T23:59:59.999Z',
  '+275760-09-13T00:00:00.000Z',
  'X01.1',
  'x'.repeat(5000),
  [],
  {},
  [[[[]]]],
  { $ref: '#' },
  { constructor: { prototype: { x: 1 } } },
  Array<Json>(300).fill('a'),
];

const schemaOf = (schema: Schema): Schema =>
  schema.$ref === undefined ? schema : (document.components.schemas[schema.$ref.split('/').at(-1) ?? ''] ?? {});
/** What the document shows as an example of it, or an object of its members' examples. */
function exampleOf(schema: Schema): Json {
  const { examples = [], enum: choices, properties = {} } = schemaOf(schema);
  if (examples.length > 0) return structuredClone(pick(examples));
  if (choices !== undefined) return pick(choices);
  return Object.fromEntries(Object.entries(properties).flatMap(([name, one]) => (often(80) ? [[name, exampleOf(one)]] : [])));
}

/** The value with something in it changed, added or taken away, at any depth. */
function spoilt(value: Json): Json {
  if (often(20) || typeof value !== 'object' || value === null) return pick(NASTY);
  if (Array.isArray(value)) {
    const at = below(value.length + 1);
    return often(50) ? [...value, pick(NASTY)] : value.map((one, i) => (i === at ? spoilt(one) : one));
  }
  const names = Object.keys(value);
  const name = pick(names.length > 0 ? names : ['x']);
  const { [name]: inner = null, ...rest } = value;
  switch (below(4)) {
    case 0:
      return rest;
    case 1:
      return { ...value, [pick(['x', 'toString', 'fields', 'subject', 'a b', '003099000017', 'é'])]: pick(NASTY) };
    default:
      return { ...value, [name]: spoilt(inner) };
  }
}

/** As bytes, which may be no JSON any more. */
function written(value: Json): Buffer {
  const text = JSON.stringify(value);
  switch (below(16)) {
    case 0:
      return Buffer.from(text.slice(0, below(text.length + 1)));
    case 1:
      return Buffer.concat([Buffer.from(text), Buffer.from([0xff])]);
    case 2:
      return Buffer.from(text.replace(/^\{/, '{"subject":"003099000017","subject":"003099000018",'));
    case 3:
      return Buffer.from(text.replace(/^\{/, '{"__proto__":{"x":1},'));
    case 4:
      return Buffer.from('['.repeat(below(100)) + text);
    case 5:
      return Buffer.from(Array.from({ length: below(200) }, () => below(256)));
    default:
      return Buffer.from(text);
  }
}

const IN_PATHS = [
  '',
  '%',
  '%00',
  '%2e%2e',
  '%ff',
  'é',
  'x'.repeat(80),
  '003099000017',
  '-1',
  '0',
  '99999999999999999999',
  '1.004222',
  'a/b',
  ';',
];
const asText = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value));

interface Ask {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
}

function made({ path, method, operation }: (typeof operations)[number]): Ask {
  const { parameters = [], requestBody, security = [] } = operation;
  const value = ({ schema, example }: { schema: Schema; example?: Json }): string =>
    asText(often(40) ? pick(NASTY) : (example ?? exampleOf(schema)));
  let address = path;
  const query: string[] = [];
  const headers: Record<string, string> = {};
  for (const parameter of parameters) {
    if (parameter.in === 'path')
      address = address.replace(
        `{${parameter.name}}`,
        often(40) ? encodeURIComponent(pick(IN_PATHS)) : often(10) ? pick(IN_PATHS) : encodeURIComponent(value(parameter)),
      );
    else if (often(70) && parameter.in === 'query')
      query.push(`${parameter.name}=${often(90) ? encodeURIComponent(value(parameter)) : pick(IN_PATHS)}`);
    else if (often(50)) headers[parameter.name] = encodeURIComponent(value(parameter)).slice(0, 2000);
  }
  if (often(5)) query.push(`${pick(['x', '__proto__', 'from'])}=${encodeURIComponent(asText(pick(NASTY)))}`);
  const [wanted] = security;
  const scope = wanted?.citizen ? 'citizen' : wanted?.agency?.[0];
  const holders = [...on.gateway.catalogue.agencies.values()].filter(({ scopes }) => scope === undefined || scopes.has(scope as never));
  const whose = often(85) ? (scope === 'citizen' ? 'citizen' : pick(holders).id) : pick([...tokens.keys()]);
  if (security.length > 0 && often(95))
    headers.authorization = often(95) ? `Bearer ${tokens.get(whose)}` : pick(['Bearer', 'Bearer x.y.z', 'Basic eDp5', 'DPoP x']);
  if (often(3)) headers.accept = pick(['text/html', '*/*;q=0', 'x']);
  if (often(2)) headers.expect = '100-continue';
  const [[type, content] = []] = Object.entries(requestBody?.content ?? {});
  if (type === undefined || content === undefined) {
    if (often(10) && method !== 'GET') headers['content-type'] = pick(['application/json', 'text/plain', 'x/y']);
    return { method, path: address + (query.length > 0 ? `?${query.join('&')}` : ''), headers, body: undefined };
  }
  headers['content-type'] = often(94)
    ? type
    : pick(['application/json', 'application/json; charset=latin1', 'text/plain', 'multipart/form-data', 'x']);
  if (often(2)) headers['content-encoding'] = pick(['gzip', 'br', 'identity', 'x']);
  const example = exampleOf(content.schema);
  const value0 = often(25) ? example : often(70) ? spoilt(example) : spoilt(spoilt(example));
  const form = type === 'application/x-www-form-urlencoded';
  const body = form
    ? Buffer.from(
        new URLSearchParams(
          Object.entries((example as Record<string, Json>) ?? {}).map(([name, one]): [string, string] => [
            name,
            asText(often(30) ? pick(NASTY) : one),
          ]),
        ).toString(),
      )
    : content.example !== undefined || typeof example !== 'object'
      ? written(often(50) ? (content.example ?? '') : spoilt(example))
      : written(value0);
  return { method, path: address + (query.length > 0 ? `?${query.join('&')}` : ''), headers, body };
}

const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
t.teardown(() => agent.destroy());

interface Said {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}
const said = ({ method, path, headers, body }: Ask): Promise<Said> =>
  new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(body.length) };
    const asked = send({ agent, host: '127.0.0.1', port: on.port, method, path, headers: { ...length, ...headers } }, async (response) => {
      const chunks = await response.toArray();
      resolve({ status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(chunks).toString() });
    });
    asked.setTimeout(20_000, () => asked.destroy(new Error('no answer')));
    asked.on('error', reject);
    asked.end(body);
  });

/** What the server says before it is known which operation is meant, or before the operation looks: described once, for all. */
const ANYWHERE = new Set([400, 404, 405, 408, 413, 415, 431]);

/** What is wrong with the reply, if anything. */
function wrong({ responses }: Operation, { status, headers, text }: Said): string | undefined {
  if (status >= 500) return 'a failure of the gateway';
  const whole = headers['content-type'] ?? '';
  const [type = ''] = whole.split(';');
  const described = responses[status]?.content?.[whole] ?? responses[status]?.content?.[type];
  if (described === undefined) {
    if (!ANYWHERE.has(status) || type !== 'application/problem+json') return `${status} ${type} is not described`;
    return fits({ $ref: '#/components/schemas/Problem' }, JSON.parse(text));
  }
  return /json$/.test(type) && !type.includes('ndjson') ? fits(described.schema, JSON.parse(text)) : undefined;
}

t.test(`${REQUESTS} requests, most of them wrong`, async (t) => {
  t.comment(`seed ${seed}: SEED=${seed} shows this run again`);
  const statuses = new Map<number, number>();
  const bad = new Map<string, string>();
  for (let done = 0; done < REQUESTS; done += AT_ONCE) {
    // So that nobody is over a limit for standing still.
    on.time.now += 100;
    const asks = Array.from({ length: AT_ONCE }, () => {
      const operation = pick(operations);
      return { operation, ask: made(operation) };
    });
    await Promise.all(
      asks.map(async ({ operation: { method, path, operation }, ask }) => {
        const reply = await said(ask);
        statuses.set(reply.status, (statuses.get(reply.status) ?? 0) + 1);
        const fault = wrong(operation, reply);
        if (fault !== undefined)
          bad.set(
            `${method} ${path}: ${fault}`,
            `${JSON.stringify({ ...ask, body: ask.body?.toString('latin1').slice(0, 600) })} → ${reply.status} ${reply.text.slice(0, 300)}`,
          );
      }),
    );
  }
  t.comment(JSON.stringify(Object.fromEntries([...statuses].sort())));
  for (const [fault, shown] of bad) t.fail(fault, { shown });
  for (const status of [200, 400, 401, 403, 404]) t.ok((statuses.get(status) ?? 0) > REQUESTS / 100, `${status} was among them often`);
  const failures = on.lines.filter((line) => (JSON.parse(line) as { level: number }).level >= 50);
  t.strictSame(failures, [], 'nothing failed inside');
  t.equal((await said({ method: 'GET', path: '/readyz', headers: {}, body: undefined })).status, 200);
});
