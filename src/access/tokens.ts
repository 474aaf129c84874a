/** Access tokens: an agency proves itself by a signed assertion (RFC 7523) and gets a short-lived `at+jwt` (RFC 9068). */
import { randomUUID } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, errors, importJWK, type JWK, type JWTPayload, jwtVerify } from 'jose';
import { type Agency, type AgencyKey, type Clock, dayInVietnam, inForce, type Mandate, type Scope, type Supplier } from '../domain.ts';
import type { Shown } from './kept-out.ts';
import { mandateOn } from './mandates.ts';
import type { Once } from './once.ts';
import type { TokenKeys } from './token-keys.ts';

/** The algorithms an agency may sign with; a key is used with its own one, whatever the assertion says. */
const ASSERTION_ALGORITHMS = ['EdDSA', 'ES256'];
const ASSERTION_LIFETIME_SECONDS = 300;
const CLOCK_TOLERANCE_SECONDS = 10;
/** jose tolerates more than the compact form; one token has one spelling. */
const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
const MAX_TOKEN_LENGTH = 4096;

export interface TokenSettings {
  readonly issuer: string;
  readonly keys: TokenKeys;
  readonly lifetimeSeconds: number;
  readonly agencies: ReadonlyMap<string, Agency>;
  /** Who may act for agencies; nobody unless said. */
  readonly suppliers?: ReadonlyMap<string, Supplier>;
  readonly once: Once;
  /** Whether an agency, or the key by which it proved itself, was shut out. */
  readonly shutOut: (shown: Shown) => boolean;
  readonly clock: Clock;
}

/** What a token is bound to (RFC 7800): the thumbprint of a key that each request proves (RFC 9449), or of a client certificate (RFC 8705). */
export type Binding = { readonly jkt: string } | { readonly 'x5t#S256': string };

/** What a verified access token says. Expiry in seconds since the epoch. */
export interface TokenClaims {
  /** Its identifier, and that of the agency's key it was got with. */
  readonly token: string;
  readonly key?: string;
  readonly agency: string;
  readonly client: string;
  readonly actor?: string;
  readonly officer?: string;
  readonly scopes: readonly string[];
  readonly expires: number;
  readonly binding?: Binding;
}

/** Who is to have a token, and the key that proved it: the agency's own, or that of a supplier that the agency lets act for it today. */
export interface ProvenClient {
  readonly agency: Agency;
  readonly key: string;
  readonly actor?: Mandate;
}

/** A token request that is refused, with its code of RFC 6749 §5.2. Says nothing about which agencies there are. */
export class TokenRefusal extends Error {
  readonly code: 'invalid_request' | 'invalid_client' | 'unsupported_grant_type' | 'invalid_scope';
  /** What is wrong, for the operator alone. */
  readonly reason: string | undefined;

  constructor(code: TokenRefusal['code'], description: string, reason?: string) {
    super(description);
    this.code = code;
    this.reason = reason;
  }
}

/** Who signed an assertion, and with which key. */
interface Proven {
  readonly client: Agency | Supplier;
  readonly key: string;
}

/** Why an assertion proves nothing, for the operator alone. */
class Unproven extends Error {}

/** One refusal for every reason: it says nothing about which agencies and keys there are. */
const refused = (reason: string): TokenRefusal => new TokenRefusal('invalid_client', 'the client assertion is not valid', reason);

export class Tokens {
  readonly #settings: TokenSettings;
  readonly #agencyKeys = new WeakMap<AgencyKey, Promise<Awaited<ReturnType<typeof importJWK>>>>();

  constructor(settings: TokenSettings) {
    this.#settings = settings;
  }

  /** The public keys that verify access tokens and delivered events, as a JWK Set (RFC 7517). */
  async jwks(): Promise<{ keys: JWK[] }> {
    return this.#settings.keys.jwks();
  }

  /** The agency that an assertion proves, or the one named where it proves a supplier that may act for it. Throws `TokenRefusal`. */
  async authenticateClient(assertion: string, tokenEndpoint: string, named?: string): Promise<ProvenClient> {
    try {
      const proven = this.#mayAct(await this.#proven(assertion, tokenEndpoint), named);
      const { agency, key, actor } = proven;
      // Last: who proves nothing does not learn who is shut out, and who is learns no more than that the proof is not taken.
      if (agency.endedOn !== undefined && agency.endedOn < dayInVietnam(this.#settings.clock())) throw new Unproven('the agency has ended');
      if (this.#settings.shutOut({ agency, key, actor: actor?.supplier })) throw new Unproven('shut out');
      return proven;
    } catch (error) {
      if (error instanceof Unproven) throw refused(error.message);
      if (error instanceof errors.JOSEError) throw refused([error.code, (error as { claim?: string }).claim].filter(Boolean).join(' '));
      if (error instanceof TypeError) throw refused('not a token');
      throw error;
    }
  }

  /** Only whoever proved to be a supplier is told that one has to name the agency, and nobody which agency lets whom act. */
  #mayAct({ client, key }: Proven, named: string | undefined): ProvenClient {
    const { agencies, clock } = this.#settings;
    if ('grants' in client) {
      if (named !== undefined && named !== client.id) throw new Unproven('an agency acts for itself alone');
      return { agency: client, key };
    }
    if (named === undefined) throw new TokenRefusal('invalid_request', 'agency is missing: a supplier acts for one');
    const agency = agencies.get(named);
    const actor = agency && mandateOn(agency, client.id, dayInVietnam(clock()));
    if (agency === undefined || actor === undefined) throw new Unproven('the supplier may not act for this agency today');
    return { agency, key, actor };
  }

  async #proven(assertion: string, tokenEndpoint: string): Promise<Proven> {
    const { clock, issuer } = this.#settings;
    if (assertion.length > MAX_TOKEN_LENGTH || !COMPACT.test(assertion)) throw new Unproven('not a compact token');
    const id = String(decodeJwt(assertion).iss);
    const client = this.#settings.agencies.get(id) ?? this.#settings.suppliers?.get(id);
    if (client === undefined) throw new Unproven('no such agency');
    const { kid, alg } = decodeProtectedHeader(assertion);
    const today = dayInVietnam(clock());
    const keys = client.keys === 'sandbox' ? [] : client.keys;
    const key = keys.find((one) => one.kid === kid && one.alg === alg && inForce({ validFrom: '0000', ...one }, today));
    if (key === undefined) throw new Unproven('no such key, or not in force');
    const { payload } = await jwtVerify(assertion, await this.#import(key), {
      algorithms: ASSERTION_ALGORITHMS,
      issuer: id,
      subject: id,
      audience: [issuer, tokenEndpoint],
      requiredClaims: ['exp', 'iat', 'jti'],
      maxTokenAge: ASSERTION_LIFETIME_SECONDS,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      currentDate: new Date(clock()),
    });
    const seconds = Math.floor(clock() / 1000);
    const { exp = 0, jti, aud } = payload;
    if (exp > seconds + 2 * ASSERTION_LIFETIME_SECONDS) throw new Unproven('lives too long');
    if (typeof jti !== 'string' || jti === '' || jti.length > 200) throw new Unproven('jti');
    // Whoever else an assertion is addressed to could use it here in the agency's name.
    if ([aud].flat().length !== 1) throw new Unproven('more than one audience');
    const until = (exp + CLOCK_TOLERANCE_SECONDS) * 1000;
    if (!(await this.#settings.once.use(`assertion ${id} ${jti}`, until))) throw new Unproven('used before');
    return { client, key: key.kid };
  }

  /** A JWT that the JWK Set verifies. `typ` keeps one kind from being taken for another: only an `at+jwt` is an access token. */
  async sign(typ: string, claims: JWTPayload): Promise<string> {
    return this.#settings.keys.sign(typ, claims);
  }

  /** A new access token for the scopes asked, all of which the agency, or its supplier for it, must have; without `scope`, for all. */
  async issue(
    { agency, key, actor }: ProvenClient,
    scope: string | undefined,
    binding?: Binding,
  ): Promise<{ access_token: string; token_type: 'Bearer'; expires_in: number; scope: string }> {
    const { scopes: held } = actor ?? agency;
    const scopes = scope === undefined ? [...held] : [...new Set(scope.split(' ').filter((one) => one !== ''))];
    if (scopes.length === 0 || scopes.some((one) => !held.has(one as Scope)))
      throw new TokenRefusal('invalid_scope', 'the agency has not all of these scopes');
    const { issuer, lifetimeSeconds, clock } = this.#settings;
    const now = Math.floor(clock() / 1000);
    const token = await this.sign('at+jwt', {
      client_id: actor?.supplier ?? agency.id,
      client_key: key,
      // Who acts for whom, as RFC 8693 §4.1 says it.
      ...(actor === undefined ? {} : { act: { sub: actor.supplier } }),
      ...(binding === undefined ? {} : { cnf: binding }),
      scope: scopes.join(' '),
      iss: issuer,
      sub: agency.id,
      aud: issuer,
      iat: now,
      exp: now + lifetimeSeconds,
      jti: randomUUID(),
    });
    return { access_token: token, token_type: 'Bearer', expires_in: lifetimeSeconds, scope: scopes.join(' ') };
  }

  /** What an access token of ours says, or undefined for anything else. */
  async verify(token: string): Promise<TokenClaims | undefined> {
    if (token.length > MAX_TOKEN_LENGTH || !COMPACT.test(token)) return undefined;
    const { issuer, lifetimeSeconds, clock, keys } = this.#settings;
    try {
      const { payload } = await jwtVerify(token, ({ kid }) => keys.verifier(kid), {
        algorithms: ['ES256'],
        typ: 'at+jwt',
        issuer,
        audience: issuer,
        requiredClaims: ['exp', 'iat', 'jti', 'sub', 'client_id', 'client_key', 'scope'],
        maxTokenAge: lifetimeSeconds,
        clockTolerance: 0,
        currentDate: new Date(clock()),
      });
      return {
        token: String(payload.jti),
        key: String(payload.client_key),
        agency: String(payload.sub),
        client: String(payload.client_id),
        ...(payload.act === undefined ? {} : { actor: String((payload.act as JWTPayload).sub) }),
        scopes: String(payload.scope).split(' '),
        expires: payload.exp ?? 0,
        ...(payload.cnf === undefined ? {} : { binding: payload.cnf as Binding }),
      };
    } catch (error) {
      if (error instanceof errors.JOSEError) return undefined;
      throw error;
    }
  }

  #import(key: AgencyKey): Promise<Awaited<ReturnType<typeof importJWK>>> {
    let imported = this.#agencyKeys.get(key);
    if (imported === undefined) this.#agencyKeys.set(key, (imported = importJWK({ ...key } as JWK, key.alg)));
    return imported;
  }
}
