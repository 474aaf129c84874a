/** The composition root: what is plugged into what. */

import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { adapterFacts, adapters } from '../adapters/index.ts';
import type { SourceError } from './adapter.ts';
import { openSqliteSearch } from './audit/search.ts';
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
import { recorder } from './http/recorded.ts';
import { buildServer } from './http/server.ts';
import { tokenRoutes } from './http/tokens.ts';
import { type GatewayKeys, loadKeys, sandboxAgencyKey } from './keys.ts';
import { openLogbook } from './logbook.ts';
import { plugSources, type SandboxRegistries } from './plug.ts';
import { whereItArose } from './problems.ts';
import { pseudonyms } from './pseudonyms.ts';
import { askSource } from './stages/ask.ts';
import { authenticator } from './stages/authenticate.ts';
import { Tokens } from './tokens.ts';

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
  readonly logLevel: string;
  /** A secret that a file of the configuration refers to as `env:NAME`. */
  readonly secret: (name: string) => string | undefined;
}

export interface GatewayOptions {
  readonly environment: Environment;
  readonly sandbox: SandboxRegistries | undefined;
  readonly logger: FastifyBaseLogger;
  readonly clock?: Clock;
  /** Put around the store of the log by tests that break it. */
  readonly aroundStore?: (store: LogStore) => LogStore;
}

export interface Gateway {
  readonly server: FastifyInstance;
  readonly catalogue: Catalogue;
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

/** Throws `ConfigurationError` where the configuration cannot be used, and an Error where the data directory cannot; then nothing stays open. */
export async function createGateway(options: GatewayOptions): Promise<Gateway> {
  const opened = new AsyncDisposableStack();
  try {
    const { server, catalogue } = await compose(options, opened);
    return { server, catalogue, close: () => opened.disposeAsync() };
  } catch (error) {
    await opened.disposeAsync();
    throw error;
  }
}

/** What is put on the stack is let go in reverse order: the server first, then what it needs. */
async function compose(options: GatewayOptions, opened: AsyncDisposableStack): Promise<Omit<Gateway, 'close'>> {
  const { environment, sandbox, logger, clock = Date.now, aroundStore } = options;
  const { dataDirectory, issuer, databaseUrl, redisUrl } = environment;
  if (databaseUrl !== undefined) throw new Error('DATABASE_URL is set, but this version keeps its log in SQLite only: unset it');
  const catalogue = openCatalogue(environment.configDirectory, sandbox !== undefined);
  const configDigest = catalogue.digest;
  const plugged = plugSources(catalogue.sources, adapters, { sandbox, secret: environment.secret });
  for (const { adapter } of plugged.values()) opened.defer(() => adapter.close());

  const keys = openKeys(options);
  const agencies = withSandboxKeys(catalogue.agencies, dataDirectory);
  const { logOrigin: origin } = catalogue.gateway;
  const book = { dataDirectory, databaseUrl, origin, keys, configDigest, clock, ...(aroundStore === undefined ? {} : { aroundStore }) };
  const { store, log, ring } = await openLogbook(book, opened);
  const search = openSqliteSearch(join(dataDirectory, 'search.db'), store);
  opened.defer(() => search.close());
  const people = pseudonyms(keys.pseudonym, clock);

  const near = memoryCache(catalogue.gateway.cacheBytes);
  const report = (state: string): void => logger.warn({ redis: state }, 'shared cache');
  const cache = redisUrl === undefined ? near : tieredCache(near, redisCache(redisUrl, report));
  opened.defer(() => cache.close());
  const records = recordCache(cache, keys.seal, keys.cacheName);

  const asking = {
    validators: new Map([...catalogue.schemas.datasets].map(([name, { validate }]) => [name, validate])),
    cache: records,
    clock,
    report: (source: string, dataset: string, failure: SourceError): void =>
      logger.warn({ source, dataset, reason: failure.reason, cause: whereItArose(failure.cause) }, 'registry failed'),
  };
  const asks = new Map([...plugged].map(([id, { source, adapter }]) => [id, askSource(source, adapter, asking)]));
  const tools = { catalogue, cache: records, sources: catalogue.sources, asks, log, pseudonyms: people, configDigest, clock };

  const tokens = new Tokens({ issuer, key: keys.token, lifetimeSeconds: catalogue.gateway.tokenLifetimeSeconds, agencies, clock });
  const authentication = routeAuthentication(authenticator({ verify: (token) => tokens.verify(token), agencies, clock }));
  let stopping = false;
  const server = await buildServer({
    logger,
    schemas: apiSchemas(),
    describe: (instance) => describeApi(instance, VERSION),
    audiences: [
      agencyRoutes({ catalogue, clock, authentication, exchange: (caller, request, gone) => exchange(caller, request, tools, gone) }),
      auditorRoutes({ log, search, pseudonyms: people, configDigest, clock, authentication }),
      logRoutes({
        reader: store,
        verifierKeys: ring.texts,
        witnessed: false,
        onRecord: recorder({ log, configDigest, clock }),
        authentication,
      }),
      tokenRoutes(tokens, issuer),
      operatorRoutes({ log, configDigest, stopping: () => stopping }),
    ],
  });
  opened.defer(async () => {
    stopping = true;
    await server.close();
  });
  return { server, catalogue };
}

function openKeys({ environment, sandbox, logger }: GatewayOptions): GatewayKeys {
  const keys = loadKeys(environment.dataDirectory, sandbox !== undefined);
  if (keys.sandbox !== (sandbox !== undefined)) {
    const [made, wanted] = keys.sandbox ? ['a sandbox', 'production'] : ['production', 'a sandbox'];
    throw new Error(`the keys in the data directory were made for ${made}: ${wanted} takes a data directory of its own`);
  }
  if (!keys.made && !existsSync(join(environment.dataDirectory, 'log.db'))) {
    throw new Error('log.db is missing beside the keys that signed it: put it back from its backup, or take a new data directory');
  }
  if (keys.made) logger.info({ sandbox: keys.sandbox }, 'keys made');
  return keys;
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
