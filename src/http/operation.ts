/** How a route is described and guarded: one description serves validation, OpenAPI and the reader. */
import type { FastifyReply, FastifyRequest, onRequestAsyncHookHandler } from 'fastify';
import type { Caller, Scope } from '../domain.ts';
import { problems } from '../problems.ts';
import type { Credentials } from '../stages/authenticate.ts';
import { certificateOf } from './client-certificate.ts';

export interface OperationDescription {
  readonly summary: string;
  readonly description?: string;
  readonly tag: 'Agencies' | 'Auditors' | 'Citizens' | 'The log' | 'Witness' | 'Tokens' | 'Operators';
  /** The scope of an agency's token, `any` for any of them, `citizen` for a citizen's token, `none` for no token. */
  readonly scope: Scope | 'any' | 'citizen' | 'none';
  /** Names of schemas in `schemas/api/`, or what is not JSON. */
  readonly body?: string | { readonly type: string; readonly description: string; readonly example?: string };
  readonly reply: string | { readonly type: string | readonly string[]; readonly schema?: object; readonly description: string };
  readonly params?: Readonly<Record<string, object>>;
  readonly querystring?: object;
  /** Header fields of its own, none of which has to be there. */
  readonly headers?: Readonly<Record<string, object>>;
  /** What 202 means, and the schema of its body. */
  readonly accepted?: { readonly description: string; readonly schema: string };
  /** The statuses of the refusals it can give. */
  readonly refusals?: readonly number[];
  /** Refusals in a form of their own: status → what they mean and the schema in `schemas/api/`, or the type of what is not JSON. */
  readonly ownRefusals?: Readonly<
    Record<number, { readonly description: string } & ({ readonly schema: string } | { readonly type: string })>
  >;
}

/** A Fastify route schema. */
export function operation(described: OperationDescription): Record<string, unknown> {
  const {
    summary,
    description,
    tag,
    scope,
    body,
    reply,
    params,
    querystring,
    headers,
    accepted,
    refusals = [],
    ownRefusals = {},
  } = described;
  const codes = (status: number): string =>
    Object.entries(problems)
      .filter(([, problem]) => problem.status === status)
      .map(([code, problem]) => `\`${code}\` ${problem.title}`)
      .join('; ');
  const everywhere = scope === 'none' ? [] : [429];
  const refused: [number, object][] = [...new Set([...refusals, ...everywhere])].map((status) => [
    status,
    { description: codes(status), content: { 'application/problem+json': { schema: { $ref: 'Problem#' } } } },
  ]);
  for (const [status, own] of Object.entries(ownRefusals)) {
    const content = 'schema' in own ? { 'application/json': { schema: { $ref: `${own.schema}#` } } } : text(own.type);
    refused.push([Number(status), { description: own.description, content }]);
  }
  if (accepted !== undefined) {
    const content = { 'application/json': { schema: { $ref: `${accepted.schema}#` } } };
    refused.push([202, { description: accepted.description, content }]);
  }
  const [content, meaning] =
    typeof reply === 'string'
      ? [{ 'application/json': { schema: { $ref: `${reply}#` } } }, 'Done.']
      : [
          Object.assign({}, ...[reply.type].flat().map((type) => ({ [type]: { schema: reply.schema ?? { type: 'string' } } }))),
          reply.description,
        ];
  return {
    summary,
    ...(description === undefined ? {} : { description }),
    tags: [tag],
    security: securityOf(scope),
    ...(body === undefined ? {} : { body: typeof body === 'string' ? { $ref: `${body}#` } : { content: text(body.type, body) } }),
    ...(params === undefined
      ? {}
      : { params: { type: 'object', additionalProperties: false, properties: params, required: Object.keys(params) } }),
    ...(querystring === undefined ? {} : { querystring }),
    ...(headers === undefined ? {} : { headers: { type: 'object', properties: headers } }),
    response: { 200: { description: meaning, content }, ...Object.fromEntries(refused) },
  };
}

const text = (
  type: string,
  { description, example }: { readonly description?: string; readonly example?: string } = {},
): Record<string, { schema: object }> => ({
  [type]: {
    schema: {
      type: 'string',
      ...(description === undefined ? {} : { description }),
      ...(example === undefined ? {} : { examples: [example] }),
    },
  },
});

function securityOf(scope: OperationDescription['scope']): object[] {
  if (scope === 'none') return [];
  return scope === 'citizen' ? [{ citizen: [] }] : [{ agency: scope === 'any' ? [] : [scope] }];
}

/** Guards a route before its body is read: a stranger learns nothing of its schema. */
export interface RouteAuthentication {
  readonly onRequest: onRequestAsyncHookHandler;
}

const callers = new WeakMap<FastifyRequest, Caller>();

/** `count` hears of each request once its caller is known, and throws where it is one too many; of a request that is looked at again it does not. */
export function routeAuthentication(
  authenticate: (credentials: Credentials, scope: Scope | undefined) => Promise<Caller>,
  count: (caller: Caller, scope: Scope | undefined) => void = () => {},
  nonce?: () => string,
): (scope?: Scope) => RouteAuthentication {
  return (scope) => ({
    onRequest: async (request, reply) => {
      const known = shown.get(request);
      const credentials = known ?? credentialsOf(request);
      if (known === undefined) {
        shown.set(request, credentials);
        if (nonce !== undefined) offerNonce(request, reply, nonce);
      }
      const caller = await authenticate(credentials, scope);
      callers.set(request, caller);
      if (known === undefined) count(caller, scope);
    },
  });
}

/** One object a request, however often its caller is looked at: what it shows is proven once. */
const shown = new WeakMap<FastifyRequest, Credentials>();

/** With every reply to whoever speaks DPoP, so that whoever keeps asking has a fresh one. */
export function offerNonce({ headers }: FastifyRequest, reply: FastifyReply, nonce: () => string): void {
  if (headers.dpop !== undefined || /^dpop /i.test(headers.authorization ?? '')) reply.header('dpop-nonce', nonce());
}

export function credentialsOf(request: FastifyRequest): Credentials {
  const [path = ''] = request.url.split('?');
  return {
    authorization: onlyHeader(request, 'authorization'),
    method: request.method,
    path,
    proof: onlyHeader(request, 'dpop'),
    certificate: certificateOf(request),
  };
}

/** A header, where there is one. Of two Node keeps the first, or joins them; something in front may have looked at the second. */
export function onlyHeader({ headers, raw }: FastifyRequest, name: string): string | undefined {
  const names = raw.rawHeaders.filter((other, i) => i % 2 === 0 && other.toLowerCase() === name);
  return names.length > 1 ? undefined : headers[name]?.toString();
}

/** The caller of a guarded route. */
export function callerOf(request: FastifyRequest): Caller {
  const caller = callers.get(request);
  if (caller === undefined) throw new Error('the route is not guarded');
  return caller;
}
