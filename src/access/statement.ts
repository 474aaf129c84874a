/** A token that another issuer signed, checked as RFC 8725 and RFC 9068 advise: that it is whole, of this issuer, for us alone, and of today. */
import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from 'jose';
import type { Clock } from '../domain.ts';
import type { FindKey } from './issuer-keys.ts';
import type { Binding } from './tokens.ts';

const CLOCK_TOLERANCE_SECONDS = 10;
/** jose tolerates more than the compact form; one token has one spelling. */
const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
const MAX_TOKEN_LENGTH = 4096;
/** An identifier stands in the log and in lists of tokens that were shut out. */
const IDENTIFIER = /^[\x21-\x7e]{1,200}$/;

export interface Expected {
  readonly issuer: string;
  readonly audience: string;
  /** No token lives longer, however long its issuer would have it. */
  readonly lifetimeSeconds: number;
  /** Claims that must be there, besides those of any access token. */
  readonly claims: readonly string[];
  readonly findKey: FindKey;
  readonly clock: Clock;
}

/** What a token says, and which key signed it. */
export interface Statement {
  readonly payload: JWTPayload;
  readonly jti: string;
  readonly kid: string;
  /** Seconds since the epoch. */
  readonly expires: number;
  readonly binding?: Binding;
}

/** Undefined for a token that is not to be trusted. Throws a `Problem` where that cannot be known. */
export async function statementOf(token: string, expected: Expected): Promise<Statement | undefined> {
  if (!isCompact(token)) return undefined;
  const { issuer, audience, lifetimeSeconds, claims, findKey, clock } = expected;
  try {
    const { alg, kid } = decodeProtectedHeader(token);
    if (typeof alg !== 'string' || typeof kid !== 'string') return undefined;
    const key = await findKey({ alg, kid });
    if (key === undefined) return undefined;
    const { payload } = await jwtVerify(token, key, {
      // That of the key, which the one in the header was found to be.
      algorithms: [alg],
      typ: 'at+jwt',
      issuer,
      audience,
      requiredClaims: ['exp', 'iat', 'jti', ...claims],
      maxTokenAge: lifetimeSeconds,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      currentDate: new Date(clock()),
    });
    const { exp = 0, iat = 0, jti, aud } = payload;
    if (exp - iat > lifetimeSeconds) return undefined;
    if (typeof jti !== 'string' || !IDENTIFIER.test(jti)) return undefined;
    // Whoever else a token is addressed to could use it here in the other's name.
    if ([aud].flat().length !== 1) return undefined;
    const binding = bindingIn(payload.cnf);
    if (binding === 'unknown') return undefined;
    return { payload, jti, kid, expires: exp, ...(binding === undefined ? {} : { binding }) };
  } catch (error) {
    // A TypeError is of a token that jose cannot even take apart.
    if (error instanceof errors.JOSEError || error instanceof TypeError) return undefined;
    throw error;
  }
}

/** RFC 7800. A token that is bound to something that we cannot check is not one that is not bound. */
function bindingIn(cnf: unknown): Binding | 'unknown' | undefined {
  if (cnf === undefined) return undefined;
  const [[name, value] = [], ...more] = Object.entries((typeof cnf === 'object' && cnf) || {});
  if (more.length > 0 || typeof value !== 'string' || !/^[A-Za-z0-9_-]{43}$/.test(value)) return 'unknown';
  if (name === 'jkt') return { jkt: value };
  return name === 'x5t#S256' ? { 'x5t#S256': value } : 'unknown';
}

/** Who a token says that it is from. Nothing is verified: it says only by whose keys to try. */
export function claimedIssuer(token: string): string | undefined {
  if (!isCompact(token)) return undefined;
  try {
    const { iss } = decodeJwt(token);
    return typeof iss === 'string' ? iss : undefined;
  } catch {
    return undefined;
  }
}

const isCompact = (token: string): boolean => token.length <= MAX_TOKEN_LENGTH && COMPACT.test(token);
