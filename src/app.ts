/** The composition root: what is plugged into what. */

import { createPublicKey } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { adapterFacts, adapters } from '../adapters/index.ts';
import { checkpointSigner, formatVerifierKey, parseVerifierKey } from './audit/checkpoint.ts';
import { AuditLog } from './audit/log.ts';
import { openSqliteSearch } from './audit/search.ts';
import { openSqliteLog } from './audit/sqlite.ts';
import type { LogStore } from './audit/store.ts';
import { memoryCache } from './cache/memory.ts';
import { recordCache } from './cache/records.ts';
import { redisCache } from './cache/redis.ts';
import { tieredCache } from './cache/tiered.ts';
import { type Catalogue, loadCatalogue } from './catalogue/load.ts';
import type { Agency, Clock } from './domain.ts';
import { exchange } from './exchange.ts';
import { agencyRoutes } from './http/agency.ts';
import { auditorRoutes } from './http/auditor.ts';
import { logRoutes } from './http/log.ts';
import { describeApi } from './http/openapi.ts';
import { routeAuthentication } from './http/operation.ts';
import { operatorRoutes } from './http/operator.ts';
import { buildServer } from './http/server.ts';
import { tokenRoutes } from './http/tokens.ts';
import { loadKeys, sandboxAgencyKey } from './keys.ts';
import { plugSources, type SandboxRegistries } from './plug.ts';
import { askSource } from './stages/ask.ts';
import { authenticator } from './stages/authenticate.ts';
import { Tokens } from './tokens.ts';

/** What the process was started with. */
export interface Environment {
  readonly host: string;
  readonly port: number;
  readonly configDirectory: string;
  readonly dataDirectory: string;
  /** Public base URL, without a slash at its end. */
  readonly issuer: string;
  readonly databaseUrl: string | undefined;
  readonly redisUrl: string | undefined;
  readonly logLevel: string;
  /** A secret that a file of the configuration refers to as `env:NAME`. */
  readonly secret: (name: string) => string | undefined;
}

export interface GatewayOptions {
  readonly environment: Environment;
  readonly sandbox: SandboxRegistries | undefined;
  readonly logger: FastifyBaseLogger;
  readonly clock?: Clock;
  /** Another store for the log, for tests that break it. */
  readonly openLog?: (path: string) => LogStore;
}

export interface Gateway {
  readonly server: FastifyInstance;
  readonly catalogue: Catalogue;
  /** Makes `/readyz` say that the process is stopping. */
  drain(): void;
  /** Finishes what is in flight, writes what waits for the log, and lets go of everything. */
  close(): Promise<void>;
}

const ROOT = dirname(import.meta.dirname);
const SCHEMAS = join(ROOT, 'schemas');
const VERSION = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version;

/** Loads and checks a configuration directory. Throws `ConfigurationError`. */
export function openCatalogue(directory: string, sandbox: boolean): Catalogue {
  return loadCatalogue({ directory, schemaDirectory: SCHEMAS, adapters: adapterFacts, sandbox });
}

/** Throws `ConfigurationError` where the configuration cannot be used, and an Error where the data directory cannot. */
export async function createGateway({
  environment,
  sandbox,
  logger,
  clock = Date.now,
  openLog = openSqliteLog,
}: GatewayOptions): Promise<Gateway> {
  if (environment.databaseUrl !== undefined)
    throw new Error('DATABASE_URL is set, but this version keeps its log in SQLite only: unset it');
  const catalogue = openCatalogue(environment.configDirectory, sandbox !== undefined);
  const { dataDirectory, issuer } = environment;
  const plugged = plugSources(catalogue.sources, adapters, { sandbox, secret: environment.secret });
  const agencies = withSandboxKeys(catalogue.agencies, dataDirectory);

  const keys = loadKeys(dataDirectory, sandbox !== undefined);
  if (keys.sandbox !== (sandbox !== undefined)) {
    const [made, wanted] = keys.sandbox ? ['a sandbox', 'production'] : ['production', 'a sandbox'];
    throw new Error(`the keys in the data directory were made for ${made}: ${wanted} takes a data directory of its own`);
  }
  if (keys.made) logger.info({ sandbox: keys.sandbox }, 'keys made');
  const origin = catalogue.gateway.logOrigin;
  const verifierKey = formatVerifierKey(origin, createPublicKey(keys.log));
  writeFileSync(join(dataDirectory, 'log.vkey'), `${verifierKey}\n`);

  const store = openLog(join(dataDirectory, 'log.db'));
  const log = await AuditLog.open({ store, origin, sign: checkpointSigner(origin, keys.log), key: parseVerifierKey(verifierKey) });
  const search = openSqliteSearch(join(dataDirectory, 'search.db'), store);

  const near = memoryCache(catalogue.gateway.cacheBytes);
  const { redisUrl } = environment;
  const cache =
    redisUrl === undefined
      ? near
      : tieredCache(
          near,
          redisCache(redisUrl, (state) => logger.warn({ redis: state }, 'shared cache')),
        );

  const tokens = new Tokens({ issuer, key: keys.token, lifetimeSeconds: catalogue.gateway.tokenLifetimeSeconds, agencies, clock });
  const authentication = routeAuthentication(authenticator({ verify: (token) => tokens.verify(token), agencies, clock }));
  const configDigest = catalogue.digest;
  const validators = new Map([...catalogue.schemas.datasets].map(([name, { validate }]) => [name, validate]));
  const records = recordCache(cache, keys.seal, keys.cacheName);
  const tools = {
    catalogue,
    cache: records,
    sources: catalogue.sources,
    asks: new Map([...plugged].map(([id, { source, adapter }]) => [id, askSource(source, adapter, { validators, cache: records, clock })])),
    log,
    pseudonymKey: keys.pseudonym,
    configDigest,
    clock,
  };

  let draining = false;
  const server = await buildServer({
    logger,
    schemas: apiSchemas(),
    describe: (instance) => describeApi(instance, issuer, VERSION),
    audiences: [
      agencyRoutes({ catalogue, clock, authentication, exchange: (caller, request, gone) => exchange(caller, request, tools, gone) }),
      auditorRoutes({ log, search, pseudonymKey: keys.pseudonym, configDigest, clock, authentication }),
      logRoutes(log, verifierKey),
      tokenRoutes(tokens, issuer),
      operatorRoutes({ log, configDigest, draining: () => draining }),
    ],
  });
  return {
    server,
    catalogue,
    drain: () => {
      draining = true;
    },
    async close() {
      draining = true;
      await server.close();
      await log.settled();
      await search.close();
      await store.close();
      await cache.close();
      await Promise.all([...plugged.values()].map(({ adapter }) => adapter.close()));
    },
  };
}

/** The schemas of the HTTP interface; replies that were recorded in the sandbox are their examples. */
function apiSchemas(): object[] {
  const read = (file: string): object => JSON.parse(readFileSync(join(SCHEMAS, file), 'utf8')) as object;
  const examples = new Set(readdirSync(join(SCHEMAS, 'examples')));
  return readdirSync(join(SCHEMAS, 'api')).map((file) => {
    const schema = read(`api/${file}`) as { $id: string };
    const example = `${schema.$id}.json`;
    return examples.has(example) ? { ...schema, examples: [read(`examples/${example}`)] } : schema;
  });
}

/** The sandbox's agencies have their keys made for them on first start. */
function withSandboxKeys(agencies: ReadonlyMap<string, Agency>, dataDirectory: string): Map<string, Agency> {
  mkdirSync(dataDirectory, { recursive: true, mode: 0o700 });
  return new Map(
    [...agencies].map(([id, agency]) => [
      id,
      agency.keys === 'sandbox' ? { ...agency, keys: [sandboxAgencyKey(dataDirectory, id)] } : agency,
    ]),
  );
}
