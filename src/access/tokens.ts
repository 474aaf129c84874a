/** Access tokens: an agency proves itself by a signed assertion (RFC 7523) and gets a short-lived `at+jwt` (RFC 9068). */
import { createPublicKey, type KeyObject, randomUUID } from 'node:crypto';
import {
  calculateJwkThumbprint,
  decodeJwt,
  decodeProtectedHeader,
  errors,
  importJWK,
  type JWK,
  type JWTPayload,
  jwtVerify,
  SignJWT,
} from 'jose';
import { type Agency, type AgencyKey, type Clock, dayInVietnam, inForce, type Scope } from '../domain.ts';
import type { Once } from './once.ts';

/** The algorithms an agency may sign with; a key is used with its own one, whatever the assertion says. */
const ASSERTION_ALGORITHMS = ['EdDSA', 'ES256'];
const ASSERTION_LIFETIME_SECONDS = 300;
const CLOCK_TOLERANCE_SECONDS = 10;
/** jose tolerates more than the compact form; one token has one spelling. */
const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
const MAX_TOKEN_LENGTH = 4096;

export interface TokenSettings {
  readonly issuer: string;
  readonly key: KeyObject;
  readonly lifetimeSeconds: number;
  readonly agencies: ReadonlyMap<string, Agency>;
  readonly once: Once;
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

/** An agency that proved itself, and with which of its keys. */
export interface ProvenClient {
  readonly agency: Agency;
  readonly key: string;
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

/** Why an assertion proves nothing, for the operator alone. */
class Unproven extends Error {}

/** One refusal for every reason: it says nothing about which agencies and keys there are. */
const refused = (reason: string): TokenRefusal => new TokenRefusal('invalid_client', 'the client assertion is not valid', reason);

export class Tokens {
  readonly #settings: TokenSettings;
  readonly #publicKey: KeyObject;
  readonly #agencyKeys = new WeakMap<AgencyKey, Promise<Awaited<ReturnType<typeof importJWK>>>>();

  constructor(settings: TokenSettings) {
    this.#settings = settings;
    this.#publicKey = createPublicKey(settings.key);
  }

  /** The public keys that verify access tokens and delivered events, as a JWK Set (RFC 7517). */
  async jwks(): Promise<{ keys: JWK[] }> {
    const jwk = this.#publicKey.export({ format: 'jwk' }) as JWK;
    return { keys: [{ ...jwk, kid: await calculateJwkThumbprint(jwk), alg: 'ES256', use: 'sig' }] };
  }

  /** The agency that an assertion proves. Throws `TokenRefusal`. */
  async authenticateClient(assertion: string, tokenEndpoint: string): Promise<ProvenClient> {
    try {
      return await this.#provenAgency(assertion, tokenEndpoint);
    } catch (error) {
      if (error instanceof Unproven) throw refused(error.message);
      if (error instanceof errors.JOSEError) throw refused([error.code, (error as { claim?: string }).claim].filter(Boolean).join(' '));
      if (error instanceof TypeError) throw refused('not a token');
      throw error;
    }
  }

  async #provenAgency(assertion: string, tokenEndpoint: string): Promise<ProvenClient> {
    const { clock, issuer } = this.#settings;
    if (assertion.length > MAX_TOKEN_LENGTH || !COMPACT.test(assertion)) throw new Unproven('not a compact token');
    const agency = this.#settings.agencies.get(String(decodeJwt(assertion).iss));
    if (agency === undefined) throw new Unproven('no such agency');
    const { kid, alg } = decodeProtectedHeader(assertion);
    const today = dayInVietnam(clock());
    if (agency.endedOn !== undefined && agency.endedOn < today) throw new Unproven('the agency has ended');
    const keys = agency.keys === 'sandbox' ? [] : agency.keys;
    const key = keys.find((one) => one.kid === kid && one.alg === alg && inForce({ validFrom: '0000', ...one }, today));
    if (key === undefined) throw new Unproven('no such key, or not in force');
    const { payload } = await jwtVerify(assertion, await this.#import(key), {
      algorithms: ASSERTION_ALGORITHMS,
      issuer: agency.id,
      subject: agency.id,
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
    if (!(await this.#settings.once.use(`assertion ${agency.id} ${jti}`, until))) throw new Unproven('used before');
    return { agency, key: key.kid };
  }

  /** A JWT that the JWK Set verifies. `typ` keeps one kind from being taken for another: only an `at+jwt` is an access token. */
  async sign(typ: string, claims: JWTPayload): Promise<string> {
    const [jwk] = (await this.jwks()).keys;
    return new SignJWT(claims).setProtectedHeader({ alg: 'ES256', typ, kid: jwk?.kid ?? '' }).sign(this.#settings.key);
  }

  /** A new access token for the scopes asked, all of which the agency must have; without `scope`, for all it has. */
  async issue(
    { agency, key }: ProvenClient,
    scope: string | undefined,
    binding?: Binding,
  ): Promise<{ access_token: string; token_type: 'Bearer'; expires_in: number; scope: string }> {
    const scopes = scope === undefined ? [...agency.scopes] : [...new Set(scope.split(' ').filter((one) => one !== ''))];
    if (scopes.length === 0 || scopes.some((one) => !agency.scopes.has(one as Scope)))
      throw new TokenRefusal('invalid_scope', 'the agency has not all of these scopes');
    const { issuer, lifetimeSeconds, clock } = this.#settings;
    const now = Math.floor(clock() / 1000);
    const token = await this.sign('at+jwt', {
      client_id: agency.id,
      client_key: key,
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
    const { issuer, lifetimeSeconds, clock } = this.#settings;
    try {
      const { payload } = await jwtVerify(token, this.#publicKey, {
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
