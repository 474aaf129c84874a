/** The HTTP server: what holds for every route, and the routes of each audience plugged in. */
import { randomUUID } from 'node:crypto';
import { type Server, STATUS_CODES } from 'node:http';
import type { BlockList, Socket } from 'node:net';
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyPluginAsync,
  type FastifyRequest,
  type FastifyServerOptions,
  LogController,
} from 'fastify';
import { Problem } from '../problems.ts';
import { isWatched } from './arrival.ts';
import { lookAtCertificates } from './client-certificate.ts';
import { refuseAmbiguous } from './framing.ts';
import type { Traffic } from './metrics.ts';
import { type Address, type Hidden, openDoor, operatorsRoutes } from './operators-door.ts';
import { problemDocument, refusals, sendProblem } from './problem.ts';
import { strictInput } from './strict-input.ts';
import type { Tls } from './tls.ts';

export interface ServerSettings {
  readonly logger: FastifyBaseLogger;
  /** Every schema of `schemas/api/`. */
  readonly schemas: readonly object[];
  /** Adds the description of the interface; it must see the routes as they are added. */
  readonly describe: (server: FastifyInstance) => Promise<void>;
  readonly audiences: readonly FastifyPluginAsync[];
  readonly traffic?: Traffic;
  /** Whether operators have a door of their own. */
  readonly separate?: boolean;
  /** Whether callers come by https, here or in front. */
  readonly https?: boolean;
  /** Where the gateway ends TLS itself. */
  readonly tls?: Tls | undefined;
  /** The proxies that are believed what certificate a client showed them. */
  readonly proxies?: BlockList | undefined;
}

const BODY_BYTES = 64 * 1024;
/** Requests on one connection that wait for their answers; beyond it the connection is cut. */
const MAX_PIPELINED = 16;
const MAX_CONNECTIONS = 4096;
/** A connection on which nothing moves for so long is cut, a caller who does not read his answer too. Milliseconds. */
const STALLED_MS = 30_000;
/** A request that has not arrived whole within this is cut. Milliseconds. */
const ARRIVAL_MS = 10_000;
/** How long a connection is kept that nobody uses: longer than a proxy in front keeps it. Milliseconds. */
const KEPT_MS = 72_000;
/** How often that is looked at; Node's own 30 seconds would let a slow body stay open four times as long. Milliseconds. */
const ARRIVAL_CHECK_MS = 1000;

/** OWASP's for an interface that shows nothing by itself; the pages have a policy of their own. No header of CORS is ever sent: no other site's page may read a reply. */
const EVERY_REPLY = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};
/** Two years, as browsers that preload want it. */
const HTTPS_ALONE = { 'strict-transport-security': 'max-age=63072000; includeSubDomains' };

const HTTP = { maxHeaderSize: 16 * 1024, connectionsCheckingInterval: ARRIVAL_CHECK_MS };

const everyReplyBy = (https: boolean): Readonly<Record<string, string>> => ({ ...EVERY_REPLY, ...(https ? HTTPS_ALONE : {}) });

export async function buildServer(settings: ServerSettings): Promise<FastifyInstance> {
  const { logger, schemas, describe, audiences, traffic, separate = false, https = false, tls, proxies } = settings;
  const everyReply = everyReplyBy(https);
  const options = {
    loggerInstance: logger,
    // Fastify's own request lines hold the URL as it was asked.
    logController: new LogController({ disableRequestLogging: true }),
    frameworkErrors: (error, request, reply) => sendProblem(error, request, reply.headers(everyReply)),
    genReqId: () => randomUUID(),
    bodyLimit: BODY_BYTES,
    requestTimeout: ARRIVAL_MS,
    connectionTimeout: STALLED_MS,
    keepAliveTimeout: KEPT_MS,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    routerOptions: { maxParamLength: 64 },
    clientErrorHandler: refuseUnparsed(everyReply),
  } satisfies FastifyServerOptions;
  // A server of HTTP over TLS has all that one of HTTP has; Fastify’s types keep the two apart.
  const server =
    tls === undefined
      ? fastify({ ...options, http: HTTP })
      : (fastify({ ...options, https: { ...HTTP, ...tls.options } }) as unknown as FastifyInstance);
  strictInput(server, schemas);
  for (const schema of schemas) server.addSchema(schema);

  server.setErrorHandler(sendProblem);
  const hidden = operatorsRoutes(server, separate);
  const methodsAt = routeTable(server, hidden);
  server.setNotFoundHandler((request, reply) => sendProblem(new Problem('not-found'), request, reply));
  server.addHook('onRequest', async (request, reply) => {
    reply.headers(everyReply);
    if (hidden(request, request.routeOptions.url)) throw new Problem('not-found');
    if (!request.is404) return;
    // Before the body is read: where there is no route, what the body holds does not matter.
    const methods = methodsAt(request);
    if (methods.length === 0) throw new Problem('not-found');
    reply.header('allow', methods.join(', '));
    throw new Problem('method-not-allowed');
  });
  lookAtCertificates(server, { proxies, trustedOnly: tls?.files.clientCa !== undefined });
  refuseAmbiguous(server);
  // Node would answer 417 by itself, in no form of ours; RFC 9110 §10.1.1 lets an unknown expectation pass.
  server.server.on('checkExpectation', (request, response) => server.server.emit('request', request, response));
  server.server.maxConnections = MAX_CONNECTIONS;
  cutPipelines(server);
  endConnections(server);
  // One line a request, of what cannot name a person: the route as it was declared, never the URL as it was asked.
  server.addHook('onResponse', async (request, reply) => {
    const { url = 'none' } = request.routeOptions;
    traffic?.answered(request.method, url, reply.statusCode, reply.elapsedTime / 1000, refusals.get(reply));
    request.log.info(
      {
        method: request.method,
        route: url,
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

/** Opens the operators' own door of a server that is ready. */
export const openToOperators = (server: FastifyInstance, https: boolean, address: Address): Promise<Server> =>
  openDoor(server, { ...HTTP, requestTimeout: ARRIVAL_MS, keepAliveTimeout: KEPT_MS }, refuseUnparsed(everyReplyBy(https)), address);

/** Which methods the path of a request has. Fastify itself finds routes by their declared path only. */
function routeTable(server: FastifyInstance, hidden: Hidden): (request: FastifyRequest) => string[] {
  const routes: { url: string; methods: string[]; path: RegExp }[] = [];
  server.addHook('onRoute', ({ method, url }) => {
    const parts = url.split('/').map((part) => {
      if (part.startsWith(':')) return '[^/]+';
      return part === '*' ? '.*' : part.replaceAll('.', '\\.');
    });
    routes.push({ url, methods: [method].flat(), path: new RegExp(`^${parts.join('/')}$`) });
  });
  return (request) => {
    const [path = ''] = request.url.split('?');
    return [...new Set(routes.filter((route) => route.path.test(path) && !hidden(request, route.url)).flatMap((route) => route.methods))];
  };
}

/** Node starts every request that one piece of input holds: a caller who sends many and reads no answer would fill the memory. */
function cutPipelines(server: FastifyInstance): void {
  const unanswered = new WeakMap<Socket, number>();
  server.addHook('onRequest', async ({ socket }, reply) => {
    const waiting = (unanswered.get(socket) ?? 0) + 1;
    unanswered.set(socket, waiting);
    reply.raw.once('close', () => unanswered.set(socket, (unanswered.get(socket) ?? 1) - 1));
    if (waiting <= MAX_PIPELINED) return;
    socket.destroy();
    return reply.hijack();
  });
}

/** When closing, Node keeps a connection that was busy at that moment, or has not said anything yet: here none outlives the last reply. */
function endConnections(server: FastifyInstance): void {
  let atWork = 0;
  let closing = false;
  /** Node knows a connection by TLS only when its handshake is over. */
  const sockets = new Set<Socket>();
  server.server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const endAll = (): void => {
    server.server.closeAllConnections();
    for (const socket of sockets) socket.destroy();
  };
  const end = (): void => {
    if (closing && atWork === 0) setImmediate(() => atWork === 0 && endAll());
  };
  server.addHook('onRequest', async (_request, reply) => {
    atWork++;
    // It comes whether the reply was sent or the caller went away.
    reply.raw.once('close', () => {
      atWork--;
      end();
    });
  });
  server.addHook('onSend', async (_request, reply) => {
    if (closing) reply.header('connection', 'close');
  });
  server.addHook('preClose', async () => {
    closing = true;
    end();
  });
}

/** What Node could not even parse as HTTP: no route, no reply object, only a socket. */
const refuseUnparsed =
  (everyReply: Readonly<Record<string, string>>) =>
  (error: NodeJS.ErrnoException, socket: Socket): void => {
    if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && isWatched(socket)) return;
    // Where no connection by TLS came to be, or it broke, nobody could read an answer.
    if (!socket.writable || error.code === 'ECONNRESET' || /^ERR_(?:SSL|TLS)_/.test(error.code ?? '')) {
      socket.destroy();
      return;
    }
    const code = { HPE_HEADER_OVERFLOW: 'headers-too-large', ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout' }[error.code ?? ''] as
      | 'headers-too-large'
      | 'request-timeout'
      | undefined;
    const document = problemDocument(new Problem(code ?? 'invalid-request'));
    const body = JSON.stringify(document);
    const headers = {
      ...everyReply,
      'content-type': 'application/problem+json',
      'content-length': Buffer.byteLength(body),
      connection: 'close',
    };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.end(`HTTP/1.1 ${document.status} ${STATUS_CODES[document.status]}\r\n${lines.join('')}\r\n${body}`);
  };
