/** The composition root: what is plugged into what. */

import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { dirname, join } from 'node:path';
import type { Server as TlsServer } from 'node:tls';
import type { FastifyBaseLogger, FastifyInstance, FastifyPluginAsync } from 'fastify';
import { adapterFacts, adapters } from '../adapters/index.ts';
import { openWire } from '../adapters/wire.ts';
import { citizenTokens } from './access/citizens.ts';
import type { KeyTools, KeyWire } from './access/issuer-keys.ts';
import { tokensOfAll } from './access/issuers.ts';
import { openAccess } from './access/open.ts';
import { openShutOuts, type ShutOuts } from './access/open-shut-outs.ts';
import { TokenKeys } from './access/token-keys.ts';
import { Tokens } from './access/tokens.ts';
import type { SourceError } from './adapter.ts';
import type { LogStore } from './audit/store.ts';
import { openCache, redisSettings } from './cache/open.ts';
import { longestKept } from './cache/ring.ts';
import { type Catalogue, loadCatalogue } from './catalogue/load.ts';
import { withSandboxCitizens } from './citizen-keys.ts';
import { openCompletions } from './completions.ts';
import { openCorrections } from './corrections.ts';
import type { Agency, Clock } from './domain.ts';
import { type ExchangeTools, exchange } from './exchange.ts';
import { Admission } from './http/admission.ts';
import { agencyRoutes } from './http/agency.ts';
import { auditorRoutes } from './http/auditor.ts';
import { type CitizenTools, citizenRoutes } from './http/citizen.ts';
import { logRoutes } from './http/log.ts';
import { Traffic } from './http/metrics.ts';
import { describeApi } from './http/openapi.ts';
import { routeAuthentication } from './http/operation.ts';
import { alertRoutes } from './http/operator/alerts.ts';
import { shutOutRoutes } from './http/operator/shut-outs.ts';
import { operatorRoutes } from './http/operator.ts';
import { proxiesIn } from './http/proxies.ts';
import { auditReading } from './http/reading.ts';
import { buildServer, openToOperators } from './http/server.ts';
import { keepRenewed, openTls, type Tls, type TlsFiles } from './http/tls.ts';
import { tokenRoutes } from './http/tokens.ts';
import { witnessRoutes } from './http/witness.ts';
import { closeKeys, type GatewayKeys, loadKeys, sandboxAgencyKey, tryKeys } from './keys.ts';
import { logPath, openLogbook } from './logbook.ts';
import type { Act } from './misuse/act.ts';
import type { AlarmTools } from './misuse/alarms.ts';
import type { Share } from './misuse/bucket.ts';
import { detectorOf } from './misuse/detector.ts';
import { shareThroughRedis } from './misuse/exchange.ts';
import { A_READ, Limits } from './misuse/limits.ts';
import { plugSources, type SandboxRegistries } from './plug.ts';
import { whereItArose } from './problems.ts';
import { pseudonyms } from './pseudonyms.ts';
import { type OpenPostman, openReceivers } from './receivers.ts';
import { type Around, around } from './stages/around/around.ts';
import type { Changed } from './stages/around/circuit.ts';
import { askSource } from './stages/ask.ts';
import { authenticator } from './stages/authenticate.ts';
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

export interface Gateway {
  readonly server: FastifyInstance;
  readonly catalogue: Catalogue;
  /** Listens, for operators too where they have an address of their own. Rejects where an address is taken. */
  listen(): Promise<void>;
  /** Serves the certificate that the files of TLS hold by now. */
  renewCertificate(): void;
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
    const composed = await compose(options, opened);
    return { ...composed, close: () => opened.disposeAsync() };
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
  const keys = await openKeys(options, opened);
  const detector = detectorOf(catalogue, clock);
  const { follower } = detector;
  const book = await openLogbook(
    { dataDirectory, databaseUrl, settings, keys, configDigest, clock, logger, follower, aroundStore },
    opened,
  );
  const { log, search, ring } = book;
  const people = pseudonyms(keys.pseudonym, clock);
  const share = openSharing(options, keys, opened);
  const asking = await openSources(options, catalogue, keys, share, opened);

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
  const { bindings, nonces } = access;
  const { keptOut: standing, desk: shutOutDesk } = await openStanding(options, opened);
  const shutOuts = shutOutDesk({ log, configDigest });
  const tokens = new Tokens({
    issuer,
    keys: new TokenKeys(keys.token, clock),
    lifetimeSeconds: settings.tokenLifetimeSeconds,
    agencies,
    suppliers: withSandboxKeys(catalogue.suppliers, dataDirectory),
    once,
    shutOut: standing.shutOut,
    clock,
  });
  const limits = new Limits({
    limits: settings.limits,
    pace: (agency, officer) => standing.pace(agency, officer),
    clock,
    share,
    report: (agency, refused) => logger.warn({ agency, refused }, 'too many requests'),
  });
  const fetchingKeys = { open: keyWires(opened), clock };
  const own = (token: string) => tokens.verify(token);
  const verify = tokensOfAll({ ...fetchingKeys, issuers: catalogue.issuers, issuer, own, bound: demanded });
  const authentication = routeAuthentication(
    authenticator({ verify, agencies, bindings, standing, clock }),
    ({ agency }, scope) => limits.agency(agency.id, scope === undefined ? A_READ : 1),
    nonces.current,
  );
  const references = { sandbox, secret: environment.secret };
  const open: OpenPostman = (address, tls) => openWire(address, tls, { bytes: 16_384, connections: 2 });
  const receivers = openReceivers(catalogue.agencies, references, open);
  opened.defer(() => receivers.close());
  const { around } = asking;
  const later = { dataDirectory, databaseUrl, issuer, keys, tokens, receivers, logger };
  const admit: ExchangeTools['admit'] = (caller, request) => limits.admit(caller, request);
  const exchanging = { ...asking, admit, catalogue, standing, log, pseudonyms: people, configDigest, clock, sequence: detector.sequence };
  opened.defer(detector.begin({ log, search, once, act: options.act ?? shutOuts, configDigest, clock, report: alarmed(logger) }));
  const corrections = await openCorrections(exchanging, { ...later, drop: asking.cache.drop }, opened);
  const tools = { ...exchanging, reviews: corrections.reviews };
  const completions = await openCompletions(tools, { ...later, around }, opened);
  const onRecord = auditReading({ log, configDigest, clock, standing });
  const admission = new Admission({ deadlineMs: settings.deadlineMs, loopTimes: () => performance.eventLoopUtilization() });
  let stopping = false;
  const traffic = new Traffic();
  const { operators } = environment;
  const https = issuer.startsWith('https:');
  const tls = environment.tls && openTls(environment.tls);
  const proxies = environment.proxies === undefined ? undefined : proxiesIn(environment.proxies);
  const server = await buildServer({
    tls,
    proxies,
    logger,
    schemas: (interfaceSchemas ??= apiSchemas()),
    describe: (instance) => describeApi(instance, VERSION),
    traffic,
    separate: operators !== undefined,
    https,
    audiences: [
      agencyRoutes({
        catalogue,
        clock,
        authentication,
        rules: tools,
        around,
        drop: asking.cache.drop,
        completions,
        corrections,
        limits,
        admission,
        verification: (caller, request, gone) => verification(caller, request, { ...tools, guesses }, gone),
        exchange: (caller, request, gone) => exchange(caller, request, { ...tools, keeper: completions }, gone),
        exchangeInBatch: (caller, request, gone, counted) =>
          exchange(caller, request, { ...tools, errand: 'batch', ...(counted ? { admit: () => {} } : {}) }, gone),
      }),
      auditorRoutes({ log, search, catalogue, pseudonyms: people, clock, onRecord, standing, authentication }),
      ...citizens(
        options,
        { log, search, catalogue, pseudonyms: people, clock, count: (citizen) => limits.citizen(citizen) },
        fetchingKeys,
      ),
      logRoutes({ reader: book.store, verifierKeys: ring.texts, witnessed: settings.witnesses !== undefined, onRecord, authentication }),
      ...(book.witness === undefined ? [] : [witnessRoutes(book.witness)]),
      tokenRoutes({
        ...access,
        tokens,
        issuer,
        admit: () => admission.admit(),
        count: (agency) => limits.agency(agency),
        certificates: tls !== undefined || proxies !== undefined,
      }),
      operatorRoutes({
        book,
        completions,
        shutOuts: standing,
        configDigest,
        traffic,
        metrics: sandbox !== undefined || operators !== undefined,
        sources: around,
        stopping: () => stopping,
      }),
      shutOutRoutes({ desk: shutOuts, agencies, standing, log, configDigest, clock, authentication }),
      alertRoutes({ search, onRecord, authentication }),
    ],
  });
  // Closed after the first: it says that the process is stopping as long as that takes.
  let operatorsServer: Server | undefined;
  opened.defer(async () => operatorsServer && closed(operatorsServer));
  opened.defer(async () => {
    stopping = true;
    await server.close();
  });
  const listen = async (): Promise<void> => {
    await server.listen({ host: environment.host, port: environment.port });
    if (operators !== undefined) operatorsServer = await openToOperators(server, https, operators);
  };
  return { server, catalogue, listen, renewCertificate: renewing(server, tls, logger, opened) };
}

const closed = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });

/** The registries, each with its checks and its protection around it and the cache before it. */
async function openSources(
  { environment, sandbox, logger, clock = Date.now, random = Math.random }: GatewayOptions,
  { sources, schemas, gateway }: Catalogue,
  keys: GatewayKeys,
  share: Share | undefined,
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
  const surrounded = new Map(
    [...plugged].map(([id, { source }]) => [id, around(source, { clock, random, changed: told(logger, id), share })]),
  );
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

/** Where there is a Redis, gateways count together. */
function openSharing(
  { environment: { redisUrl, redisCa }, clock = Date.now }: GatewayOptions,
  { nonce }: GatewayKeys,
  opened: AsyncDisposableStack,
): Share | undefined {
  if (redisUrl === undefined) return undefined;
  const { share, close } = shareThroughRedis({ redis: redisSettings(redisUrl, redisCa), key: nonce, clock });
  opened.defer(close);
  return share;
}

/** One line when a registry is left alone and one when it is asked again, not one for each who would have asked. */
const told =
  (logger: FastifyBaseLogger, source: string): Changed =>
  (state, seconds) =>
    state === 'open' ? logger.warn({ source, seconds }, 'registry left alone') : logger.info({ source }, 'registry asked again');

/** What the process log holds of shut-outs: never who. */
function openStanding({ environment, logger, clock = Date.now }: GatewayOptions, opened: AsyncDisposableStack): Promise<ShutOuts> {
  const path = join(environment.dataDirectory, 'shut-outs.db');
  const report = (what: string, about?: object, error?: unknown): void =>
    logger.warn({ ...about, ...(error === undefined ? {} : { cause: whereItArose(error) }) }, what);
  return openShutOuts({ path, databaseUrl: environment.databaseUrl, clock, report }, opened);
}

/** Neither officials nor dossiers: what they are called is what callers say. */
const alarmed =
  (logger: FastifyBaseLogger): AlarmTools['report'] =>
  (event) => {
    if ('failed' in event)
      return logger.error({ cause: whereItArose(event.failed) }, 'an alert could not be put on record: it is tried again');
    const { id, code, agency, action } = event.raised;
    logger.warn({ rule: code, action, agency, id, index: event.index }, 'misuse suspected');
  };

/** A JWK Set holds fifty keys at most, of a kilobyte or so. */
const keyWires =
  (opened: AsyncDisposableStack) =>
  (address: URL): KeyWire => {
    const wire = openWire(address, undefined, { bytes: 65_536, connections: 1 });
    opened.defer(() => wire.close());
    return wire;
  };

function renewing(server: FastifyInstance, tls: Tls | undefined, logger: FastifyBaseLogger, opened: AsyncDisposableStack): () => void {
  if (tls === undefined) return () => {};
  const { look, end } = keepRenewed(server.server as unknown as TlsServer, tls, {
    renewed: (validTo) => logger.info({ validTo }, 'certificate renewed'),
    failed: (reason) => logger.error({ reason }, 'certificate not renewed'),
  });
  opened.defer(end);
  return look;
}

/** Where nobody vouches for citizens there is no such address. */
function citizens(
  { environment }: GatewayOptions,
  tools: Omit<CitizenTools, 'authenticate'>,
  fetchingKeys: KeyTools,
): FastifyPluginAsync[] {
  const { citizens: named } = tools.catalogue.gateway;
  if (named === undefined) return [];
  const { issuer, dataDirectory } = environment;
  const verify = citizenTokens({ citizens: withSandboxCitizens(named, dataDirectory), issuer, ...fetchingKeys });
  return [citizenRoutes({ ...tools, authenticate: citizenAuthenticator({ verify, clock: tools.clock }) })];
}

async function openKeys(
  { environment, sandbox, logger, clock = Date.now }: GatewayOptions,
  opened: AsyncDisposableStack,
): Promise<GatewayKeys> {
  const { dataDirectory, secret } = environment;
  const left = (key: string, reason: string): void =>
    logger.error({ key, reason }, 'the program that signs was left, and is started again');
  const keys = loadKeys(dataDirectory, sandbox !== undefined, { secret, left });
  opened.defer(() => closeKeys(keys));
  if (keys.sandbox !== (sandbox !== undefined)) {
    const [made, wanted] = keys.sandbox ? ['a sandbox', 'production'] : ['production', 'a sandbox'];
    throw new Error(`the keys in the data directory were made for ${made}: ${wanted} takes a data directory of its own`);
  }
  if (!keys.made && environment.databaseUrl === undefined && !existsSync(logPath(environment.dataDirectory))) {
    throw new Error('log.db is missing beside the keys that signed it: put it back from its backup, or take a new data directory');
  }
  await tryKeys(dataDirectory, keys, clock());
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

/** The sandbox's agencies, and its suppliers, have their keys made for them on first start. */
function withSandboxKeys<T extends Pick<Agency, 'keys'>>(clients: ReadonlyMap<string, T>, dataDirectory: string): Map<string, T> {
  mkdirSync(dataDirectory, { recursive: true, mode: 0o700 });
  return new Map(
    [...clients].map(([id, client]) => [
      id,
      client.keys === 'sandbox' ? { ...client, keys: [sandboxAgencyKey(dataDirectory, id)] } : client,
    ]),
  );
}
