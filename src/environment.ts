/** What a gateway is started with: what the process was told, and what tests put in place of it. */
import type { FastifyBaseLogger } from 'fastify';
import type { LogStore } from './audit/store.ts';
import type { Clock } from './domain.ts';
import type { TlsFiles } from './http/tls.ts';
import type { Act } from './misuse/act.ts';
import type { SandboxRegistries } from './plug.ts';

/** What the process was started with. */
export interface Environment {
  readonly host: string;
  readonly port: number;
  readonly configDirectory: string;
  readonly dataDirectory: string;
  /** Where a verifier of this machine's user keeps what it saw. */
  readonly stateDirectory: string;
  /** Public base URL, without a slash at its end. */
  readonly issuer: string;
  readonly databaseUrl: string | undefined;
  readonly redisUrl: string | undefined;
  /** Path of the CAs that are trusted with Redis; the system's where there is none. */
  readonly redisCa?: string | undefined;
  readonly logLevel: string;
  /** A second address for operators alone; without it they share the first. */
  readonly operators?: { readonly host: string; readonly port: number } | undefined;
  /** Where the gateway ends TLS itself. */
  readonly tls?: TlsFiles | undefined;
  /** The proxies that are believed what certificate a client showed them: addresses and networks, with commas between. */
  readonly proxies?: string | undefined;
  /** A secret that a file of the configuration refers to as `env:NAME`. */
  readonly secret: (name: string) => string | undefined;
}

export interface GatewayOptions {
  readonly environment: Environment;
  readonly sandbox: SandboxRegistries | undefined;
  readonly logger: FastifyBaseLogger;
  readonly clock?: Clock;
  /** Numbers in [0, 1). */
  readonly random?: () => number;
  /** What slows officials and shuts them out. */
  readonly act?: Act;
  /** Put around the store of the log by tests that break it. */
  readonly aroundStore?: (store: LogStore) => LogStore;
}
