/** Access tokens: an agency proves itself by a signed assertion (RFC 7523) and gets a short-lived `at+jwt` (RFC 9068). */
import { randomUUID } from 'node:crypto';
import { errors, type JWK, type JWTPayload, jwtVerify } from 'jose';
import type { Scope } from '../domain.ts';
import { type AssertionSettings, clientAssertions, type ProvenClient } from './assertions.ts';
import { TokenRefusal } from './refusal.ts';
import type { TokenKeys } from './token-keys.ts';

/** jose tolerates more than the compact form; one token has one spelling. */
const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
const MAX_TOKEN_LENGTH = 4096;

export interface TokenSettings extends AssertionSettings {
  readonly keys: TokenKeys;
  readonly lifetimeSeconds: number;
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

export class Tokens {
  readonly #settings: TokenSettings;
  /** The agency that an assertion proves, or the one named where it proves a supplier that may act for it. Throws `TokenRefusal`. */
  readonly authenticateClient: (assertion: string, tokenEndpoint: string, named?: string) => Promise<ProvenClient>;

  constructor(settings: TokenSettings) {
    this.#settings = settings;
    this.authenticateClient = clientAssertions(settings);
  }

  /** The public keys that verify access tokens and delivered events, as a JWK Set (RFC 7517). */
  async jwks(): Promise<{ keys: JWK[] }> {
    return this.#settings.keys.jwks();
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
  ): Promise<{ access_token: string; token_type: 'Bearer' | 'DPoP'; expires_in: number; scope: string }> {
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
    const type = binding !== undefined && 'jkt' in binding ? 'DPoP' : 'Bearer';
    return { access_token: token, token_type: type, expires_in: lifetimeSeconds, scope: scopes.join(' ') };
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
}
