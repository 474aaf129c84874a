/** The composition root: what is plugged into what. */
import { readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { dirname, join } from 'node:path';
import type { Server as TlsServer } from 'node:tls';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { adapterFacts, adapters } from '../adapters/index.ts';
import { openWire } from '../adapters/wire.ts';
import { checkIssuer } from './access/open.ts';
import { openAdmitting } from './admitting.ts';
import { redisSettings } from './cache/open.ts';
import { type Catalogue, loadCatalogue } from './catalogue/load.ts';
import { openCompletions } from './completions.ts';
import { openCorrections } from './corrections.ts';
import type { GatewayOptions } from './environment.ts';
import { type ExchangeTools, exchange } from './exchange.ts';
import { Admission } from './http/admission.ts';
import { agencyRoutes } from './http/agency.ts';
import { auditorRoutes } from './http/auditor.ts';
import { citizenRoutes } from './http/citizen.ts';
import { logRoutes } from './http/log.ts';
import { Traffic } from './http/metrics.ts';
import { apiSchemas, describeApi } from './http/openapi.ts';
import { alertRoutes } from './http/operator/alerts.ts';
import { shutOutRoutes } from './http/operator/shut-outs.ts';
import { operatorRoutes } from './http/operator.ts';
import { proxiesIn } from './http/proxies.ts';
import { auditReading } from './http/reading.ts';
import { buildServer, openToOperators } from './http/server.ts';
import { keepRenewed, openTls, type Tls } from './http/tls.ts';
import { tokenRoutes } from './http/tokens.ts';
import { witnessRoutes } from './http/witness.ts';
import type { GatewayKeys } from './keys.ts';
import { openLogbook } from './logbook.ts';
import type { Share } from './misuse/bucket.ts';
import { detectorOf } from './misuse/detector.ts';
import { shareThroughRedis } from './misuse/exchange.ts';
import { openKeys } from './opened-keys.ts';
import { pseudonyms } from './pseudonyms.ts';
import { type OpenPostman, openReceivers } from './receivers.ts';
import { openRegistries } from './registries.ts';
import { Guesses } from './stages/guesses.ts';
import { verification } from './verification.ts';

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

/** Read once: they do not change while the process runs. */
let interfaceSchemas: readonly object[] | undefined;

/** What is put on the stack is let go in reverse order: the server first, then what it needs. */
async function compose(options: GatewayOptions, opened: AsyncDisposableStack): Promise<Omit<Gateway, 'close'>> {
  const { environment, sandbox, logger, clock = Date.now, aroundStore } = options;
  const { dataDirectory, databaseUrl, issuer } = environment;
  checkIssuer(issuer);
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
  const asking = await openRegistries(options, catalogue, keys, adapters, share, opened);

  const guesses = new Guesses({
    search,
    pseudonyms: people,
    clock,
    mismatchesADay: settings.mismatchesADay,
    patienceMs: settings.deadlineMs,
  });

  const admitting = await openAdmitting(options, { catalogue, keys, share, log, search, detector, openWire }, opened);
  const { agencies, suppliers, standing, shutOuts, tokens, limits, authentication, authenticateCitizen } = admitting;
  const references = { sandbox, secret: environment.secret };
  const open: OpenPostman = (address, tls) => openWire(address, tls, { bytes: 16_384, connections: 2 });
  const receivers = openReceivers(catalogue.agencies, references, open);
  opened.defer(() => receivers.close());
  const { around } = asking;
  const later = { dataDirectory, databaseUrl, issuer, keys, tokens, receivers, logger };
  const admit: ExchangeTools['admit'] = (caller, request) => limits.admit(caller, request);
  const exchanging = { ...asking, admit, catalogue, standing, log, pseudonyms: people, configDigest, clock, sequence: detector.sequence };
  const corrections = await openCorrections(exchanging, { ...later, drop: asking.cache.drop }, opened);
  const tools = { ...exchanging, reviews: corrections.reviews };
  const completions = await openCompletions(tools, { ...later, around }, opened);
  const reading = { log, search, catalogue, pseudonyms: people, clock };
  const onRecord = auditReading({ log, configDigest, clock, standing });
  const admission = new Admission({ deadlineMs: settings.deadlineMs, loopTimes: () => performance.eventLoopUtilization() });
  let stopping = false;
  const traffic = new Traffic();
  const { operators } = environment;
  const https = issuer.startsWith('https:');
  if (sandbox === undefined && !https) logger.warn('ONCEGATE_ISSUER is no https: whoever is on the way can read and change what passes');
  const tls = environment.tls && openTls(environment.tls);
  const proxies = environment.proxies === undefined ? undefined : proxiesIn(environment.proxies);
  const server = await buildServer({
    tls,
    proxies,
    logger,
    schemas: (interfaceSchemas ??= apiSchemas(SCHEMAS)),
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
      auditorRoutes({ ...reading, onRecord, standing, authentication }),
      // Where nobody vouches for citizens there is no such address.
      ...(authenticateCitizen === undefined
        ? []
        : [
            citizenRoutes({
              ...reading,
              authenticate: authenticateCitizen,
              count: (citizen) => limits.citizen(citizen),
              nonce: admitting.access.nonces.current,
            }),
          ]),
      logRoutes({ reader: book.store, verifierKeys: ring.texts, witnessed: settings.witnesses !== undefined, onRecord, authentication }),
      ...(book.witness === undefined ? [] : [witnessRoutes(book.witness)]),
      tokenRoutes({
        ...admitting.access,
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
      shutOutRoutes({
        desk: shutOuts,
        known: { agencies, suppliers, issuers: catalogue.issuers },
        standing,
        log,
        configDigest,
        clock,
        authentication,
      }),
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

function renewing(server: FastifyInstance, tls: Tls | undefined, logger: FastifyBaseLogger, opened: AsyncDisposableStack): () => void {
  if (tls === undefined) return () => {};
  const { look, end } = keepRenewed(server.server as unknown as TlsServer, tls, {
    renewed: (validTo) => logger.info({ validTo }, 'certificate renewed'),
    failed: (reason) => logger.error({ reason }, 'certificate not renewed'),
  });
  opened.defer(end);
  return look;
}
