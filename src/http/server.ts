/** The HTTP server: what holds for every route, and the routes of each audience plugged in. */
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyPluginAsync } from 'fastify';
import { Problem, problems } from '../problems.ts';
import { sendProblem, toProblem } from './problem.ts';
import { NotStrictJson, parseStrictJson } from './strict-json.ts';

export interface ServerSettings {
  readonly logger: FastifyBaseLogger;
  /** Every schema of `schemas/api/`. */
  readonly schemas: readonly object[];
  /** Adds the description of the interface; it must see the routes as they are added. */
  readonly describe: (server: FastifyInstance) => Promise<void>;
  readonly audiences: readonly FastifyPluginAsync[];
}

const BODY_BYTES = 64 * 1024;
/** A request that has not arrived whole within this is cut. Milliseconds. */
const ARRIVAL_MS = 10_000;

export async function buildServer({ logger, schemas, describe, audiences }: ServerSettings): Promise<FastifyInstance> {
  const server = fastify({
    loggerInstance: logger,
    disableRequestLogging: true,
    genReqId: () => randomUUID(),
    bodyLimit: BODY_BYTES,
    requestTimeout: ARRIVAL_MS,
    keepAliveTimeout: 72_000,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    routerOptions: { maxParamLength: 64 },
    http: { maxHeaderSize: 16 * 1024 },
    clientErrorHandler: refuseUnparsed,
  });
  strictInput(server);
  for (const schema of schemas) server.addSchema(schema);

  server.setErrorHandler(sendProblem);
  server.setNotFoundHandler((request, reply) => {
    const elsewhere = (['GET', 'POST'] as const).filter(
      (method) => method !== request.method && server.hasRoute({ method, url: request.url.split('?')[0] ?? '' }),
    );
    if (elsewhere.length > 0) reply.header('allow', elsewhere.join(', '));
    return sendProblem(new Problem(elsewhere.length > 0 ? 'method-not-allowed' : 'not-found'), request, reply);
  });
  server.addHook('onRequest', async (_request, reply) => {
    reply.headers({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'x-frame-options': 'DENY',
    });
  });
  // One line a request, of what cannot name a person: the route as it was declared, never the URL as it was asked.
  server.addHook('onResponse', async (request, reply) => {
    request.log.info(
      {
        method: request.method,
        route: request.routeOptions.url ?? 'none',
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
      },
      'request',
    );
  });
  await describe(server);
  for (const audience of audiences) await server.register(audience);
  return server;
}

/** Fastify would drop unknown members, turn 7 into "7" and take the last of two equal members. Here what is wrong is refused. */
function strictInput(server: FastifyInstance): void {
  const ajv = new Ajv2020({
    coerceTypes: false,
    useDefaults: false,
    removeAdditional: false,
    allErrors: false,
    strict: true,
    strictRequired: false,
  });
  (formats as unknown as (ajv: Ajv2020) => void)(ajv);
  server.setValidatorCompiler(({ schema }) => {
    const id = (schema as { $id?: string; $ref?: string }).$ref ?? (schema as { $id?: string }).$id;
    for (const [name, known] of Object.entries(server.getSchemas())) {
      if (ajv.getSchema(name) === undefined) ajv.addSchema(known as object, name);
    }
    return (id === undefined ? undefined : ajv.getSchema(id.replace('#', ''))) ?? ajv.compile(schema);
  });
  // Fastify's own serialiser would drop from a reply whatever its schema does not name; tests hold replies to their schemas instead.
  server.setSerializerCompiler(() => (data) => JSON.stringify(data));
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', { parseAs: 'buffer' }, async (_request: unknown, body: Buffer) => {
    try {
      return parseStrictJson(body);
    } catch (error) {
      if (error instanceof NotStrictJson) throw new Problem('malformed-json', { detail: error.message });
      throw error;
    }
  });
}

/** What Node could not even parse as HTTP: no route, no reply object, only a socket. */
function refuseUnparsed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const code = { HPE_HEADER_OVERFLOW: 'headers-too-large', ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout' }[error.code ?? ''] as
    | 'headers-too-large'
    | 'request-timeout'
    | undefined;
  const problem = new Problem(code ?? 'invalid-request');
  const { status, title } = problems[problem.code];
  const body = JSON.stringify({ type: `urn:oncegate:problem:${problem.code}`, title, status, code: toProblem(problem).code });
  socket.end(
    `HTTP/1.1 ${status} ${title}\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
