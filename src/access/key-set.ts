/** What is taken of a JWK Set (RFC 7517) that somebody else publishes: public keys that can do nothing but check signatures, each with one algorithm. */
import { createPublicKey, type KeyObject } from 'node:crypto';

/** By algorithm: what a key of it looks like (RFC 7518, RFC 8037). */
const SHAPES: Readonly<Record<string, { readonly kty: string; readonly crv?: string; readonly members: readonly string[] }>> = {
  EdDSA: { kty: 'OKP', crv: 'Ed25519', members: ['crv', 'x'] },
  ES256: { kty: 'EC', crv: 'P-256', members: ['crv', 'x', 'y'] },
  PS256: { kty: 'RSA', members: ['n', 'e'] },
  RS256: { kty: 'RSA', members: ['n', 'e'] },
};
/** More than any issuer has at a time. */
const MOST_KEYS = 50;
/** RFC 7518, section 3.3; and beyond the largest, checking one signature would cost more than a request. */
const RSA_BITS = { least: 2048, most: 8192 };
const LARGEST_EXPONENT = 2n ** 32n;

type Jwk = Readonly<Record<string, unknown>>;

/** By what name a key of the set is found. */
export const nameOf = (alg: string, kid: string): string => `${alg} ${kid}`;

/** The keys of a set, by `nameOf`; what is no key for this is passed over. Throws where it is no JWK Set. */
export function keysIn(bytes: Uint8Array, algorithms: readonly string[]): Map<string, KeyObject> {
  const set = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as { keys?: unknown } | null;
  if (!Array.isArray(set?.keys) || set.keys.length > MOST_KEYS) throw new Error(`not a JWK Set of ${MOST_KEYS} keys at most`);
  const keys = new Map<string, KeyObject>();
  const twice = new Set<string>();
  for (const jwk of set.keys as unknown[]) {
    if (typeof jwk !== 'object' || jwk === null) continue;
    const [name, key] = keyIn(jwk as Jwk, algorithms) ?? [];
    if (name === undefined || key === undefined) continue;
    // Nobody knows which of two is meant.
    if (keys.has(name)) twice.add(name);
    keys.set(name, key);
  }
  for (const name of twice) keys.delete(name);
  return keys;
}

function keyIn(jwk: Jwk, algorithms: readonly string[]): [name: string, key: KeyObject] | undefined {
  const { kid, use = 'sig', key_ops: operations = ['verify'] } = jwk;
  if (typeof kid !== 'string' || !/^[\x21-\x7e]{1,200}$/.test(kid) || use !== 'sig') return undefined;
  if (!Array.isArray(operations) || !operations.includes('verify')) return undefined;
  // Whoever reads the set has the private half then.
  if (['d', 'p', 'q', 'k', 'priv'].some((member) => member in jwk)) return undefined;
  const alg = algorithmOf(jwk, algorithms);
  const key = alg === undefined ? undefined : imported(jwk, alg);
  return alg === undefined || key === undefined ? undefined : [nameOf(alg, kid), key];
}

/** That which the key names; where it names none, the one of those taken that fits it, if there is one alone: a key is used with one algorithm (RFC 8725, section 3.1). */
function algorithmOf(jwk: Jwk, algorithms: readonly string[]): string | undefined {
  const fitting = algorithms.filter((name) => SHAPES[name]?.kty === jwk.kty && SHAPES[name]?.crv === jwk.crv);
  if (jwk.alg !== undefined) return fitting.find((name) => name === jwk.alg);
  return fitting.length === 1 ? fitting[0] : undefined;
}

function imported(jwk: Jwk, alg: string): KeyObject | undefined {
  const { kty = '', members = [] } = SHAPES[alg] ?? {};
  try {
    const key = createPublicKey({ key: { kty, ...Object.fromEntries(members.map((member) => [member, jwk[member]])) }, format: 'jwk' });
    const { modulusLength = RSA_BITS.least, publicExponent = 3n } = key.asymmetricKeyDetails ?? {};
    const sound =
      modulusLength >= RSA_BITS.least && modulusLength <= RSA_BITS.most && publicExponent >= 3n && publicExponent <= LARGEST_EXPONENT;
    return sound ? key : undefined;
  } catch {
    return undefined;
  }
}
