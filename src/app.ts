/** The composition root: what is plugged into what. */

import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { FastifyBaseLogger, FastifyInstance, FastifyPluginAsync } from 'fastify';
import { adapterFacts, adapters } from '../adapters/index.ts';
import { openWire } from '../adapters/wire.ts';
import { citizenTokens } from './access/citizens.ts';
import { openAccess } from './access/open.ts';
import { Tokens } from './access/tokens.ts';
import type { SourceError } from './adapter.ts';
import type { LogStore } from './audit/store.ts';
import { openCache } from './cache/open.ts';
import { longestKept } from './cache/ring.ts';
import { type Catalogue, loadCatalogue } from './catalogue/load.ts';
import { withSandboxCitizens } from './citizen-keys.ts';
import { openCompletions } from './completions.ts';
import { openCorrections } from './corrections.ts';
import type { Agency, Clock } from './domain.ts';
import { exchange } from './exchange.ts';
import { Admission } from './http/admission.ts';
import { agencyRoutes } from './http/agency.ts';
import { auditorRoutes } from './http/auditor.ts';
import { type CitizenTools, citizenRoutes } from './http/citizen.ts';
import { logRoutes } from './http/log.ts';
import { describeApi } from './http/openapi.ts';
import { routeAuthentication } from './http/operation.ts';
import { operatorRoutes } from './http/operator.ts';
import { auditReading } from './http/reading.ts';
import { buildServer } from './http/server.ts';
import { tokenRoutes } from './http/tokens.ts';
import { witnessRoutes } from './http/witness.ts';
import { type GatewayKeys, loadKeys, sandboxAgencyKey } from './keys.ts';
import { logPath, openLogbook } from './logbook.ts';
import { plugSources, type SandboxRegistries } from './plug.ts';
import { whereItArose } from './problems.ts';
import { pseudonyms } from './pseudonyms.ts';
import { type OpenPostman, openReceivers } from './receivers.ts';
import { type Around, around } from './stages/around/around.ts';
import type { Changed } from './stages/around/circuit.ts';
import { askSource } from './stages/ask.ts';
import { authenticator, type Standing } from './stages/authenticate.ts';
import { citizenAuthenticator } from './stages/authenticate-citizen.ts';
import { Guesses } from './stages/guesses.ts';
import type { ResolveTools } from './stages/resolve.ts';
import { UnderWay } from './stages/under-way.ts';
import { verification } from './verification.ts';

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
  const { dataDirectory, databaseUrl, issuer } = environment;
  const catalogue = openCatalogue(environment.configDirectory, sandbox !== undefined);
  const { gateway: settings, digest: configDigest } = catalogue;
  const keys = openKeys(options);
  const book = await openLogbook({ dataDirectory, databaseUrl, settings, keys, configDigest, clock, logger, aroundStore }, opened);
  const { log, search, ring } = book;
  const people = pseudonyms(keys.pseudonym, clock);
  const asking = await openSources(options, catalogue, keys, opened);

  const guesses = new Guesses({
    search,
    pseudonyms: people,
    clock,
    mismatchesADay: settings.mismatchesADay,
    patienceMs: settings.deadlineMs,
  });

  const agencies = withSandboxKeys(catalogue.agencies, dataDirectory);
  const demanded = sandbox === undefined;
  const { once, ...access } = await openAccess({ dataDirectory, databaseUrl, issuer, nonceKey: keys.nonce, demanded, clock }, opened);
  const tokens = new Tokens({ issuer, key: keys.token, lifetimeSeconds: settings.tokenLifetimeSeconds, agencies, once, clock });
  const standing = nobodyShutOut;
  const { bindings, nonces } = access;
  const authentication = routeAuthentication(
    authenticator({ verify: (token) => tokens.verify(token), agencies, bindings, standing, clock }),
    nonces.current,
  );
  const references = { sandbox, secret: environment.secret };
  const open: OpenPostman = (address, tls) => openWire(address, tls, { bytes: 16_384, connections: 2 });
  const receivers = openReceivers(catalogue.agencies, references, open);
  opened.defer(() => receivers.close());
  const { around } = asking;
  const later = { dataDirectory, databaseUrl, issuer, keys, tokens, receivers, logger };
  const exchanging = { ...asking, catalogue, standing, log, pseudonyms: people, configDigest, clock };
  const corrections = await openCorrections(exchanging, { ...later, drop: asking.cache.drop }, opened);
  const tools = { ...exchanging, reviews: corrections.reviews };
  const completions = await openCompletions(tools, { ...later, around }, opened);
  const onRecord = auditReading({ log, configDigest, clock });
  let stopping = false;
  const server = await buildServer({
    logger,
    schemas: (interfaceSchemas ??= apiSchemas()),
    describe: (instance) => describeApi(instance, VERSION),
    audiences: [
      agencyRoutes({
        catalogue,
        clock,
        authentication,
        around,
        drop: asking.cache.drop,
        completions,
        corrections,
        admission: new Admission({ deadlineMs: settings.deadlineMs, loopTimes: () => performance.eventLoopUtilization() }),
        verification: (caller, request, gone) => verification(caller, request, { ...tools, guesses }, gone),
        exchange: (caller, request, gone) => exchange(caller, request, { ...tools, keeper: completions }, gone),
        exchangeInBatch: (caller, request, gone) => exchange(caller, request, { ...tools, errand: 'batch' }, gone),
      }),
      auditorRoutes({ log, search, catalogue, pseudonyms: people, clock, onRecord, authentication }),
      ...citizens(options, { log, search, catalogue, pseudonyms: people, clock }),
      logRoutes({ reader: book.store, verifierKeys: ring.texts, witnessed: settings.witnesses !== undefined, onRecord, authentication }),
      ...(book.witness === undefined ? [] : [witnessRoutes(book.witness)]),
      tokenRoutes({ ...access, tokens, issuer }),
      operatorRoutes({ book, completions, configDigest, stopping: () => stopping }),
    ],
  });
  opened.defer(async () => {
    stopping = true;
    await server.close();
  });
  return { server, catalogue };
}

/** The registries, each with its checks and its protection around it and the cache before it. */
async function openSources(
  { environment, sandbox, logger, clock = Date.now, random = Math.random }: GatewayOptions,
  { sources, schemas, gateway }: Catalogue,
  keys: GatewayKeys,
  opened: AsyncDisposableStack,
): Promise<ResolveTools & { readonly around: ReadonlyMap<string, Around> }> {
  const plugged = plugSources(sources, adapters, { sandbox, secret: environment.secret });
  for (const { adapter } of plugged.values()) opened.defer(() => adapter.close());
  const { cache, close } = openCache({
    limitBytes: gateway.cacheBytes,
    redisUrl: environment.redisUrl,
    redisCa: environment.redisCa,
    keys: keys.cache,
    keptSeconds: longestKept(sources),
    clock,
    report: (state) => logger.warn({ redis: state }, 'shared cache'),
  });
  opened.defer(close);
  const validators = new Map([...schemas.datasets].map(([name, { validate }]) => [name, validate]));
  const report = (source: string, dataset: string, failure: SourceError): void =>
    logger.warn({ source, dataset, reason: failure.reason, cause: whereItArose(failure.cause) }, 'registry failed');
  const surrounded = new Map([...plugged].map(([id, { source }]) => [id, around(source, { clock, random, changed: told(logger, id) })]));
  const underWay = new UnderWay();
  opened.defer(() => underWay.over());
  const asks = new Map(
    [...plugged].map(([id, { source, adapter }]) => {
      const tools = { validators, cache, clock, around: surrounded.get(id) as Around, report };
      return [id, underWay.watch(askSource(source, adapter, tools))];
    }),
  );
  return { cache, sources, asks, around: surrounded, clock, random };
}

/** One line when a registry is left alone and one when it is asked again, not one for each who would have asked. */
const told =
  (logger: FastifyBaseLogger, source: string): Changed =>
  (state, seconds) =>
    state === 'open' ? logger.warn({ source, seconds }, 'registry left alone') : logger.info({ source }, 'registry asked again');

/** Nothing shuts anybody out yet. */
const nobodyShutOut: Standing = { shutOut: () => false, checkOfficer: () => {}, pace: () => undefined };

/** Where nobody vouches for citizens there is no such address. */
function citizens({ environment }: GatewayOptions, tools: Omit<CitizenTools, 'authenticate'>): FastifyPluginAsync[] {
  const { citizens: named } = tools.catalogue.gateway;
  if (named === undefined) return [];
  const { issuer, dataDirectory } = environment;
  const verify = citizenTokens({ citizens: withSandboxCitizens(named, dataDirectory), issuer, clock: tools.clock });
  return [citizenRoutes({ ...tools, authenticate: citizenAuthenticator({ verify, clock: tools.clock }) })];
}

function openKeys({ environment, sandbox, logger }: GatewayOptions): GatewayKeys {
  const keys = loadKeys(environment.dataDirectory, sandbox !== undefined);
  if (keys.sandbox !== (sandbox !== undefined)) {
    const [made, wanted] = keys.sandbox ? ['a sandbox', 'production'] : ['production', 'a sandbox'];
    throw new Error(`the keys in the data directory were made for ${made}: ${wanted} takes a data directory of its own`);
  }
  if (!keys.made && environment.databaseUrl === undefined && !existsSync(logPath(environment.dataDirectory))) {
    throw new Error('log.db is missing beside the keys that signed it: put it back from its backup, or take a new data directory');
  }
  if (keys.made) logger.info({ sandbox: keys.sandbox }, 'keys made');
  return keys;
}

/** Read once: they do not change while the process runs. */
let interfaceSchemas: readonly object[] | undefined;

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
