/** Where Redis is, as REDIS_URL says it: one server, servers that Sentinels watch, or a cluster. */

export interface RedisAddress {
  readonly kind: 'single' | 'sentinel' | 'cluster';
  readonly tls: boolean;
  /** The server, the Sentinels, or some nodes of the cluster. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly username?: string;
  readonly password?: string;
  /** The name that the Sentinels know the servers by. */
  readonly name?: string;
  readonly database: number;
  /** By which the Sentinels know the gateway, where they ask for it. */
  readonly sentinel?: { readonly username?: string; readonly password: string };
}

const FORMS =
  'redis://[user:password@]host[:port][/database], redis+sentinel://[user:password@]host[:port],…/name[/database][?sentinel=user:password] or redis+cluster://[user:password@]host[:port],…; with TLS rediss';
const WHOLE =
  /^redis(?<tls>s)?(?:\+(?<kind>sentinel|cluster))?:\/\/(?:(?<credentials>[^@/?#]*)@)?(?<nodes>[^@/?#]+)(?:\/(?<path>[^?#]*))?(?:\?sentinel=(?<sentinel>[^&#]+))?$/;
const NODE = /^(?<host>[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\])(?::(?<port>[0-9]{1,5}))?$/;
const PORTS = { single: 6379, sentinel: 26379, cluster: 6379 };

/** Throws where it is not understood as a whole; what it says repeats nothing of the text, which holds a password. */
export function parseRedisAddress(text: string): RedisAddress {
  const refuse = (why: string): never => {
    throw new Error(`REDIS_URL ${why}; it takes ${FORMS}`);
  };
  const parts = WHOLE.exec(text)?.groups ?? refuse('is of no form that is known');
  const kind = (parts.kind ?? 'single') as RedisAddress['kind'];
  const nodes = (parts.nodes ?? '').split(',').map((one) => {
    const { host = '', port } = NODE.exec(one)?.groups ?? refuse('names a host that is none');
    const number = Number(port ?? PORTS[kind]);
    if (number < 1 || number > 65535) refuse('names a port that is none');
    return { host: host.replace(/^\[|\]$/g, ''), port: number };
  });
  if (kind === 'single' && nodes.length > 1) refuse('names several hosts, and neither sentinel nor cluster');
  const path = parts.path ? parts.path.split('/') : [];
  const name = kind === 'sentinel' ? path.shift() : undefined;
  if (kind === 'sentinel' && !/^[A-Za-z0-9._-]+$/.test(name ?? '')) refuse('does not say by which name the Sentinels know the servers');
  const [database = '0', ...more] = path;
  if (more.length > 0 || !/^[0-9]{1,4}$/.test(database)) refuse('ends in what is no number of a database');
  if (kind === 'cluster' && path.length > 0) refuse('names a database, and a cluster has but one');
  if (kind !== 'sentinel' && parts.sentinel !== undefined) refuse('has a password for Sentinels, and names none');
  const credentials = (of: string | undefined) => {
    const [username = '', password, ...rest] = (of ?? ':-')
      .split(':')
      .map((part) => decoded(part) ?? refuse('holds % that encodes nothing'));
    if (!password || rest.length > 0) refuse('has credentials that are not user:password; a : in them is written %3A, an @ %40, a / %2F');
    return of === undefined ? undefined : { ...(username === '' ? {} : { username }), password: password as string };
  };
  const sentinel = credentials(parts.sentinel);
  return {
    kind,
    tls: parts.tls !== undefined,
    nodes,
    ...credentials(parts.credentials),
    ...(name === undefined ? {} : { name }),
    database: Number(database),
    ...(sentinel === undefined ? {} : { sentinel }),
  };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
