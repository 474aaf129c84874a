/** Who is let in: what a token proves, who is shut out, how often anybody may ask, and what is done about misuse. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import { bindings } from './access/binding.ts';
import { citizenTokens } from './access/citizens.ts';
import type { KeyWire } from './access/issuer-keys.ts';
import { tokensOfAll } from './access/issuers.ts';
import { type Access, openAccess } from './access/open.ts';
import { openShutOuts, type ShutOuts } from './access/open-shut-outs.ts';
import type { ShutOutDesk } from './access/shut-out-desk.ts';
import { TokenKeys } from './access/token-keys.ts';
import { Tokens } from './access/tokens.ts';
import type { Catalogue } from './catalogue/load.ts';
import { withSandboxCitizens } from './citizen-keys.ts';
import type { Agency, Supplier } from './domain.ts';
import type { GatewayOptions } from './environment.ts';
import { routeAuthentication } from './http/operation.ts';
import { type GatewayKeys, sandboxAgencyKey } from './keys.ts';
import type { AlarmTools } from './misuse/alarms.ts';
import type { Share } from './misuse/bucket.ts';
import type { Detector } from './misuse/detector.ts';
import { A_READ, Limits } from './misuse/limits.ts';
import { whereItArose } from './problems.ts';
import { authenticator } from './stages/authenticate.ts';
import { citizenAuthenticator } from './stages/authenticate-citizen.ts';

type OpenWire = (
  address: URL,
  tls: undefined,
  limits: { readonly bytes: number; readonly connections: number },
) => KeyWire & { close(): Promise<void> };

export interface AdmittingTools extends Pick<AlarmTools, 'log' | 'search'> {
  readonly catalogue: Catalogue;
  readonly keys: GatewayKeys;
  /** Undefined where this gateway counts for itself. */
  readonly share: Share | undefined;
  readonly detector: Detector;
  readonly openWire: OpenWire;
}

export interface Admitting {
  readonly agencies: ReadonlyMap<string, Agency>;
  readonly suppliers: ReadonlyMap<string, Supplier>;
  readonly standing: ShutOuts['keptOut'];
  readonly shutOuts: ShutOutDesk;
  readonly tokens: Tokens;
  readonly limits: Limits;
  readonly authentication: ReturnType<typeof routeAuthentication>;
  /** Undefined where nobody vouches for citizens. */
  readonly authenticateCitizen: ReturnType<typeof citizenAuthenticator> | undefined;
  /** What the token endpoint checks proofs with. */
  readonly access: Omit<Access, 'once' | 'bindings'>;
}

/** What is opened is put on the stack, and begun. Rejects where it cannot be read who is shut out. */
export async function openAdmitting(options: GatewayOptions, tools: AdmittingTools, opened: AsyncDisposableStack): Promise<Admitting> {
  const { environment, sandbox, logger, clock = Date.now } = options;
  const { catalogue, keys, share, log, search, detector } = tools;
  const { dataDirectory, databaseUrl, issuer } = environment;
  const { gateway: settings, digest: configDigest } = catalogue;
  const agencies = withSandboxKeys(catalogue.agencies, dataDirectory);
  const suppliers = withSandboxKeys(catalogue.suppliers, dataDirectory);
  const demanded = sandbox === undefined;
  const {
    once,
    bindings: ofAgencies,
    ...access
  } = await openAccess({ dataDirectory, databaseUrl, issuer, nonceKey: keys.nonce, demanded, clock }, opened);
  const { keptOut: standing, desk } = await openStanding(options, opened);
  const shutOuts = desk({ log, configDigest });
  const tokens = new Tokens({
    issuer,
    keys: new TokenKeys(keys.token, clock),
    lifetimeSeconds: settings.tokenLifetimeSeconds,
    agencies,
    suppliers,
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
  const fetchingKeys = { open: keyWires(tools.openWire, opened), clock };
  const own = (token: string) => tokens.verify(token);
  const verify = tokensOfAll({ ...fetchingKeys, issuers: catalogue.issuers, issuer, own, bound: demanded });
  const authentication = routeAuthentication(
    authenticator({ verify, agencies, bindings: ofAgencies, standing, clock }),
    ({ agency }, scope) => limits.agency(agency.id, scope === undefined ? A_READ : 1),
    access.nonces.current,
  );
  const { citizens } = settings;
  const verifyCitizen = citizens && citizenTokens({ citizens: withSandboxCitizens(citizens, dataDirectory), issuer, ...fetchingKeys });
  const ofCitizens = bindings({ proofs: access.proofs, demanded: false });
  const authenticateCitizen = verifyCitizen && citizenAuthenticator({ verify: verifyCitizen, bindings: ofCitizens, clock });
  const act = options.act ?? shutOuts;
  opened.defer(detector.begin({ log, search, once, act, configDigest, clock, report: alarmed(logger) }));
  return { agencies, suppliers, standing, shutOuts, tokens, limits, authentication, authenticateCitizen, access };
}

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
  (openWire: OpenWire, opened: AsyncDisposableStack) =>
  (address: URL): KeyWire => {
    const wire = openWire(address, undefined, { bytes: 65_536, connections: 1 });
    opened.defer(() => wire.close());
    return wire;
  };

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
