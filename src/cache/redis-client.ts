/** Connections to Redis, of whatever kind it is, through ioredis. */
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type { RedisAddress } from './redis-address.ts';

export interface RedisSettings {
  readonly address: RedisAddress;
  /** PEM of the only CAs that are trusted; absent, the system's. Only with TLS. */
  readonly ca?: string;
}

/** A server that takes a question and then says nothing at all is gone. Milliseconds. */
const SILENCE_MS = 2000;
const CONNECT_MS = 2000;
const LONGEST_PAUSE_MS = 2000;

export function connectRedis(settings: RedisSettings): Redis | Cluster {
  const { address } = settings;
  if (address.kind !== 'cluster')
    return new Redis({ ...options(settings), retryStrategy: (attempt) => Math.min(50 * 2 ** attempt, LONGEST_PAUSE_MS) });
  return new Cluster([...address.nodes], {
    redisOptions: options(settings),
    enableAutoPipelining: true,
    enableOfflineQueue: false,
    // Certificates bear the names that nodes are announced by; resolved here they would be addresses.
    dnsLookup: (name, done) => done(null, name),
    clusterRetryStrategy: (attempt) => Math.min(50 * 2 ** attempt, LONGEST_PAUSE_MS),
    slotsRefreshTimeout: CONNECT_MS,
    slotsRefreshInterval: 5000,
    // Whoever waits for a record is better served by its registry.
    maxRedirections: 3,
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
  });
}

/** One connection that hears what is published, to any node; it ends for good when it breaks. Undefined where there is none to connect to. */
export function connectListener(settings: RedisSettings, commands: Redis | Cluster): Redis | undefined {
  const once = { ...options(settings), enableAutoPipelining: false, retryStrategy: null };
  if (commands instanceof Redis) return new Redis(once);
  const nodes = commands.nodes('master');
  const { host, port } = nodes[Math.floor(Math.random() * nodes.length)]?.options ?? {};
  return host === undefined || port === undefined ? undefined : new Redis({ ...once, host, port });
}

function options({ address, ca }: RedisSettings): Omit<RedisOptions, 'replyMapping'> {
  const { kind, username, password, nodes, name, database, sentinel } = address;
  const tls = ca === undefined ? {} : { ca };
  const [node] = nodes;
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(address.tls ? { tls } : {}),
    ...(kind === 'single' && node !== undefined ? node : {}),
    ...(kind === 'sentinel' && name !== undefined
      ? {
          sentinels: [...nodes],
          name,
          sentinelCommandTimeout: CONNECT_MS,
          ...(sentinel?.username === undefined ? {} : { sentinelUsername: sentinel.username }),
          ...(sentinel === undefined ? {} : { sentinelPassword: sentinel.password }),
          ...(address.tls ? { sentinelTLS: tls, enableTLSForSentinelMode: true } : {}),
        }
      : {}),
    ...(kind === 'cluster' ? {} : { db: database }),
    // Commands of one turn of the event loop travel together.
    enableAutoPipelining: true,
    // While Redis is away a command fails at once, instead of waiting with the request.
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    connectTimeout: CONNECT_MS,
    socketTimeout: SILENCE_MS,
    // One command less that the operator has to allow.
    disableClientInfo: true,
  };
}
