/** Citizens' tokens, from an issuer that the configuration names: `at+jwt` (RFC 9068), checked as RFC 8725 advises. */
import { createRemoteJWKSet, decodeProtectedHeader, errors, importJWK, type JWK, type JWTPayload, jwtVerify } from 'jose';
import { type AgencyKey, type CitizenIssuer, type Clock, dayInVietnam, inForce } from '../domain.ts';
import { Problem } from '../problems.ts';

/** No token lives longer, however long its issuer would have it. */
const LIFETIME_SECONDS = 3600;
const CLOCK_TOLERANCE_SECONDS = 10;
/** jose tolerates more than the compact form; one token has one spelling. */
const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
const MAX_TOKEN_LENGTH = 4096;
/** How long the address of the issuer's keys is given; how often a token with an unknown key, or after a failure, may make us ask again; how long keys are kept. Milliseconds. */
const JWKS = { timeoutDuration: 5000, cooldownDuration: 30_000, cacheMaxAge: 600_000 };

/** What a verified token says. Expiry in seconds since the epoch. Personal data. */
export interface CitizenClaims {
  readonly issuer: string;
  readonly number: string;
  readonly scopes: readonly string[];
  readonly expires: number;
}

export interface CitizenTokenSettings {
  /** With the keys of the sandbox put in place of `sandbox`. */
  readonly citizens: CitizenIssuer;
  /** The gateway's own issuer. */
  readonly issuer: string;
  readonly clock: Clock;
}

type Keys = Exclude<CitizenIssuer['keys'], 'sandbox'>;
type Header = ReturnType<typeof decodeProtectedHeader>;
/** The key that a token's header names. Throws a JOSEError where there is none. */
type FindKey = (header: Header) => Promise<Awaited<ReturnType<typeof importJWK>>>;

/**
 * The returned function gives what a token says, or undefined where it is not to be trusted. It throws a `Problem` where the issuer's keys
 * cannot be had. Throws an Error for an issuer that cannot be told from the gateway itself, whose tokens are those of agencies.
 */
export function citizenTokens({ citizens, issuer, clock }: CitizenTokenSettings): (token: string) => Promise<CitizenClaims | undefined> {
  if (citizens.issuer === issuer) throw new Error('the issuer of citizens’ tokens must be another than the gateway');
  if (citizens.keys === 'sandbox') throw new Error('the keys of the sandbox were not made');
  const findKey = 'jwks' in citizens.keys ? remoteKeys(citizens.keys, clock) : ownKeys(citizens.keys, clock);
  const audience = citizens.audience ?? issuer;
  return async (token) => {
    if (token.length > MAX_TOKEN_LENGTH || !COMPACT.test(token)) return undefined;
    try {
      const header = decodeProtectedHeader(token);
      const { payload } = await jwtVerify(token, await findKey(header), {
        // That of the key, which the one in the header was found to be.
        algorithms: [String(header.alg)],
        typ: 'at+jwt',
        issuer: citizens.issuer,
        audience,
        requiredClaims: ['exp', 'iat', 'jti', 'scope', citizens.numberClaim],
        maxTokenAge: LIFETIME_SECONDS,
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        currentDate: new Date(clock()),
      });
      return claimsOf(payload, citizens);
    } catch (error) {
      // A TypeError is of a token that jose cannot even take apart.
      if (error instanceof errors.JOSEError || error instanceof TypeError) return undefined;
      throw error;
    }
  };
}

function claimsOf(payload: JWTPayload, { issuer, numberClaim }: CitizenIssuer): CitizenClaims | undefined {
  const { exp = 0, iat = 0, jti, aud, scope } = payload;
  const number = payload[numberClaim];
  if (exp - iat > LIFETIME_SECONDS) return undefined;
  if (typeof jti !== 'string' || jti === '' || jti.length > 200) return undefined;
  // Whoever else a token is addressed to could use it here in the citizen's name.
  if ([aud].flat().length !== 1) return undefined;
  if (typeof scope !== 'string' || typeof number !== 'string' || !/^[0-9]{12}$/.test(number)) return undefined;
  return { issuer, number, scopes: scope.split(' '), expires: exp };
}

function ownKeys(keys: readonly AgencyKey[], clock: Clock): FindKey {
  const imported = new WeakMap<AgencyKey, ReturnType<typeof importJWK>>();
  return async ({ kid, alg }) => {
    const today = dayInVietnam(clock());
    const found = keys.find((one) => one.kid === kid && one.alg === alg && inForce({ validFrom: '0000', ...one }, today));
    if (found === undefined) throw new errors.JWKSNoMatchingKey();
    let key = imported.get(found);
    if (key === undefined) imported.set(found, (key = importJWK({ ...found } as JWK, found.alg)));
    return key;
  };
}

/** Keys fetched from the issuer. Where they cannot be had that is not the token's fault, and strangers cannot make us ask again and again. */
function remoteKeys({ jwks, algorithms }: Extract<Keys, { readonly jwks: string }>, clock: Clock): FindKey {
  const fetched = createRemoteJWKSet(new URL(jwks), JWKS);
  let failedAt = Number.NEGATIVE_INFINITY;
  return async (header) => {
    const { alg } = header;
    if (alg === undefined || !algorithms.includes(alg)) throw new errors.JOSEAlgNotAllowed('not one of the algorithms that are taken');
    if (!fetched.fresh && clock() - failedAt < JWKS.cooldownDuration) throw new Problem('issuer-unavailable', { retryAfterSeconds: 30 });
    try {
      return await fetched({ ...header, alg });
    } catch (error) {
      if (KEY_IS_WRONG.some((kind) => error instanceof kind)) throw error;
      failedAt = clock();
      throw new Problem('issuer-unavailable', { retryAfterSeconds: 30, cause: error });
    }
  };
}

/** What jose says of a token whose key the issuer does not have; anything else is the issuer's failure. */
const KEY_IS_WRONG = [errors.JWKSNoMatchingKey, errors.JWKSMultipleMatchingKeys, errors.JOSENotSupported];
