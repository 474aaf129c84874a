/** A second door for operators: where there is one, nothing stands at their addresses for whoever comes through the first. */
import { createServer, type Server, type ServerOptions } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Whether who asks may not see that there is such a route, by its declared path. */
export type Hidden = (request: FastifyRequest, route: string | undefined) => boolean;

/** Documents and pages that are no operation of anybody's. */
const PAGES = ['/docs', '/openapi.json'];
/** Who came through the second door, of whatever server. */
const through = new WeakSet<Socket>();

const isOperators = ({ url, schema }: Pick<RouteOptions, 'url' | 'schema'>): boolean =>
  PAGES.some((page) => url === page || url.startsWith(`${page}/`)) ||
  (url !== '/healthz' && (schema as { tags?: string[] } | undefined)?.tags?.includes('Operators') === true);

/** To be called before there are routes. */
export function operatorsRoutes(server: FastifyInstance, separate: boolean): Hidden {
  const routes = new Set<string>();
  server.addHook('onRoute', (route) => {
    if (isOperators(route)) routes.add(route.url);
  });
  return ({ socket }, route) => separate && route !== undefined && routes.has(route) && !through.has(socket);
}

/** Opens it: everything that the first door has can be had here too. `refuse` answers what is no HTTP. Rejects where the address is taken. */
export async function openDoor(
  server: FastifyInstance,
  options: ServerOptions,
  refuse: (error: NodeJS.ErrnoException, socket: Socket) => void,
  { host, port }: Address,
): Promise<Server> {
  const door = createServer(options, (request, response) => server.routing(request, response));
  // What of the first one’s limits no option sets: a caller who reads no answer is cut here too.
  ({ timeout: door.timeout, maxConnections: door.maxConnections } = server.server);
  door.on('connection', (socket) => through.add(socket)).on('clientError', (error, socket) => refuse(error, socket as Socket));
  door.on('checkExpectation', (request, response) => door.emit('request', request, response));
  await new Promise<void>((resolve, reject) => door.once('error', reject).listen(port, host, resolve));
  return door;
}
