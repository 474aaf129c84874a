/** The routes of those who read the log, listening on loopback, over a log that requests of the sandbox fill: without the rest of the gateway. */
import { createSecretKey, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { adapterFacts, adapters } from '../../adapters/index.ts';
import { citizenTokens } from '../../src/access/citizens.ts';
import type { TokenClaims } from '../../src/access/tokens.ts';
import type { AuditEntry } from '../../src/audit/entry.ts';
import type { AuditLog } from '../../src/audit/log.ts';
import type { LogSearch } from '../../src/audit/search.ts';
import type { LogStore } from '../../src/audit/store.ts';
import { type Catalogue, loadCatalogue } from '../../src/catalogue/load.ts';
import { sandboxCitizenToken, withSandboxCitizens } from '../../src/citizen-keys.ts';
import type { Agency, Caller, CitizenIssuer, PrefillRequest, Receipt } from '../../src/domain.ts';
import { exchange } from '../../src/exchange.ts';
import { auditorRoutes } from '../../src/http/auditor.ts';
import { citizenRoutes } from '../../src/http/citizen.ts';
import { routeAuthentication } from '../../src/http/operation.ts';
import { auditReading } from '../../src/http/reading.ts';
import { buildServer } from '../../src/http/server.ts';
import { loadKeys } from '../../src/keys.ts';
import { openLogbook } from '../../src/logbook.ts';
import { plugSources } from '../../src/plug.ts';
import { type Pseudonyms, pseudonyms } from '../../src/pseudonyms.ts';
import type { Sandbox } from '../../src/sandbox/index.ts';
import { around } from '../../src/stages/around/around.ts';
import { askSource } from '../../src/stages/ask.ts';
import type { Standing } from '../../src/stages/authenticate.ts';
import { authenticator } from '../../src/stages/authenticate.ts';
import { citizenAuthenticator } from '../../src/stages/authenticate-citizen.ts';
import { ISSUER, NOON, temporaryDirectory } from './gateway.ts';
import { memoryRecords } from './records.ts';
import { plainSearch } from './search.ts';
import { everybodyStands, nothingBound } from './standing.ts';

export interface Answered<Body = Record<string, unknown>> {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: Body;
}

export interface Readers {
  readonly server: FastifyInstance;
  readonly address: string;
  readonly port: number;
  readonly catalogue: Catalogue;
  readonly log: AuditLog;
  readonly store: LogStore;
  readonly people: Pseudonyms;
  readonly citizens: CitizenIssuer;
  readonly dataDirectory: string;
  /** What the routes search by; a test puts another in its place. */
  readonly searching: { by: LogSearch };
  readonly time: { now: number };
  readonly lines: string[];
  append(entry: Partial<AuditEntry>): Promise<Receipt>;
  entries(): Promise<AuditEntry[]>;
  /** A prefill by an agency of the sandbox, from its caller on. */
  prefill(agency: string, request: Partial<PrefillRequest>, gone?: AbortSignal): Promise<unknown>;
  /** The token of a citizen. */
  token(number: string): Promise<string>;
  get<Body>(path: string, headers?: Record<string, string>): Promise<Answered<Body>>;
  post<Body>(path: string, body: object, token?: string): Promise<Answered<Body>>;
  /** What is written from here on is pseudonymised with a new key. */
  rotate(): void;
  close(): Promise<void>;
}

export interface ReadersOptions {
  readonly sandbox: Sandbox;
  readonly configDirectory?: string;
  /** Stands around the store of the log, to break or watch it. */
  readonly aroundStore?: (store: LogStore) => LogStore;
  readonly citizens?: (sandbox: CitizenIssuer) => CitizenIssuer;
  readonly standing?: Standing;
}

/** The token of an agency is its identifier. */
export async function startReaders({
  sandbox,
  configDirectory = 'config',
  aroundStore,
  citizens: edit,
  standing = everybodyStands,
}: ReadersOptions): Promise<Readers> {
  const opened = new AsyncDisposableStack();
  const dataDirectory = temporaryDirectory();
  opened.defer(() => rmSync(dataDirectory, { recursive: true }));
  const time = { now: NOON };
  const clock = (): number => time.now;
  const lines: string[] = [];
  const logger = pino({ level: 'trace', base: null }, { write: (line: string) => void lines.push(line) });
  const catalogue = loadCatalogue({ directory: configDirectory, schemaDirectory: 'schemas', adapters: adapterFacts, sandbox: true });
  const configDigest = catalogue.digest;
  const keys = loadKeys(dataDirectory, true);
  const book = { dataDirectory, databaseUrl: undefined, settings: catalogue.gateway, keys, configDigest, clock, logger, aroundStore };
  const { store, log } = await openLogbook(book, opened);
  const newer = { key: createSecretKey(randomBytes(32)), from: Number.POSITIVE_INFINITY };
  const people = pseudonyms([newer, ...keys.pseudonym], clock);

  const plugged = plugSources(catalogue.sources, adapters, { sandbox, secret: () => undefined });
  for (const { adapter } of plugged.values()) opened.defer(() => adapter.close());
  const cache = memoryRecords(clock, keys.cache);
  const validators = new Map([...catalogue.schemas.datasets].map(([name, { validate }]) => [name, validate]));
  const asking = { validators, cache, clock, report: () => {} };
  const asks = new Map(
    [...plugged].map(([id, { source, adapter }]) => {
      const protection = around(source, { clock, random: Math.random, changed: () => {} });
      return [id, askSource(source, adapter, { ...asking, around: protection })];
    }),
  );
  const tools = {
    catalogue,
    cache,
    sources: catalogue.sources,
    asks,
    log,
    pseudonyms: people,
    configDigest,
    standing,
    admit: () => {},
    clock,
    around: new Map(),
    random: () => 0,
  };

  const bodies = async (): Promise<(string | undefined)[]> => store.read(0, (await store.head()).size);
  const searching = { by: plainSearch(bodies) };
  const search: LogSearch = {
    ...searching.by,
    search: (query) => searching.by.search(query),
    summary: (query) => searching.by.summary(query),
    users: () => searching.by.users(),
    uses: (query) => searching.by.uses(query),
  };
  const verify = async (agency: string): Promise<TokenClaims> => ({
    token: agency,
    agency,
    client: agency,
    scopes: ['prefill', 'audit'],
    expires: clock() / 1000 + 60,
  });
  const authentication = routeAuthentication(
    authenticator({ verify, agencies: catalogue.agencies, bindings: nothingBound, standing, clock }),
  );
  const sandboxed = withSandboxCitizens(catalogue.gateway.citizens as CitizenIssuer, dataDirectory);
  const citizens = edit === undefined ? sandboxed : edit(sandboxed);
  const open = (): never => {
    throw new Error('the keys stand in the file');
  };
  const authenticate = citizenAuthenticator({
    verify: citizenTokens({ citizens, issuer: ISSUER, open, clock }),
    bindings: nothingBound,
    clock,
  });
  const server = await buildServer({
    logger,
    schemas: readdirSync('schemas/api').map((file) => JSON.parse(readFileSync(`schemas/api/${file}`, 'utf8')) as object),
    describe: async () => {},
    audiences: [
      auditorRoutes({
        log,
        search,
        catalogue,
        pseudonyms: people,
        clock,
        authentication,
        standing,
        onRecord: auditReading({ log, configDigest, clock, standing }),
      }),
      citizenRoutes({ log, search, catalogue, pseudonyms: people, clock, authenticate, count: () => {}, nonce: () => '' }),
    ],
  });
  const address = await server.listen({ host: '127.0.0.1', port: 0 });
  opened.defer(async () => {
    server.server.closeAllConnections();
    await server.close();
  });

  const send = async <Body>(path: string, init: RequestInit): Promise<Answered<Body>> => {
    const reply = await fetch(address + path, init);
    const text = await reply.text();
    const json = /json/.test(reply.headers.get('content-type') ?? '') && !/ndjson/.test(reply.headers.get('content-type') ?? '');
    return { status: reply.status, headers: reply.headers, text, body: (json ? JSON.parse(text) : undefined) as Body };
  };
  return {
    server,
    address,
    port: (server.server.address() as AddressInfo).port,
    catalogue,
    log,
    store,
    people,
    citizens,
    dataDirectory,
    searching,
    time,
    lines,
    append: (entry) =>
      log.append(
        {
          v: 1,
          time: new Date(clock()).toISOString(),
          kind: 'outcome',
          id: 'x',
          agency: 'X01.1',
          client: 'X01.1',
          config: configDigest,
          ...entry,
        },
        { receipt: true },
      ),
    entries: async () => (await bodies()).map((body) => JSON.parse(body ?? 'null') as AuditEntry),
    prefill: (agency, request, gone = new AbortController().signal) => {
      const caller = {
        agency: catalogue.agencies.get(agency) as Agency,
        client: agency,
        scopes: new Set(['prefill']),
      } as unknown as Caller;
      const whole = {
        procedure: '1.004222',
        dossier: `${agency}-261122-0001`,
        officer: `${agency}-0042`,
        subject: '003099000017',
        ...request,
      };
      return exchange(caller, whole, tools, gone).catch((error: unknown) => error);
    },
    token: (number) => sandboxCitizenToken(dataDirectory, catalogue.gateway.citizens as CitizenIssuer, ISSUER, number, time.now),
    get: (path, headers = {}) => send(path, { headers: { authorization: 'Bearer X09.1', ...headers } }),
    post: (path, body, token = 'X09.1') =>
      send(path, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    rotate: () => {
      newer.from = time.now;
    },
    close: () => opened.disposeAsync(),
  };
}
