/** Whose key a proof names: the header of a DPoP proof (RFC 9449 §4.2), of which only the key itself is believed. */
import { type CryptoKey, calculateJwkThumbprint, importJWK, type JWK } from 'jose';
import { invalidProof } from './refusal.ts';

/** `Ed25519` is the newer name of what `EdDSA` means here (RFC 9864). */
export const PROOF_ALGORITHMS = ['ES256', 'EdDSA', 'Ed25519'];

/** A key that signs proofs, as a caller's header shows it. That it signed anything is not known yet. */
export interface ProofKey {
  readonly alg: string;
  /** Its thumbprint (RFC 7638), which tokens are bound to. */
  readonly jkt: string;
  /** Imported when it is first needed: that costs as much as all other checks but the signature. */
  readonly key: () => Promise<CryptoKey | Uint8Array>;
}

/** The kinds of key, by algorithm: they are few and small, so nobody can have us verify with an expensive one or a weak one. */
const KINDS: Readonly<Record<string, { readonly kty: string; readonly crv: string; readonly coordinates: readonly string[] }>> = {
  ES256: { kty: 'EC', crv: 'P-256', coordinates: ['x', 'y'] },
  EdDSA: { kty: 'OKP', crv: 'Ed25519', coordinates: ['x'] },
  Ed25519: { kty: 'OKP', crv: 'Ed25519', coordinates: ['x'] },
};
const COORDINATE = /^[A-Za-z0-9_-]{43}$/;
/** Whoever shows these has shown the key to everybody on the way. */
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'];

/** Throws a `ProofRefusal`. What the header says of other keys (`kid`, `jku`, `x5c`, `x5u`) is not looked at. */
export async function readProofKey(header: string): Promise<ProofKey> {
  const { typ, alg, jwk, crit } = parsed(header, 'its header');
  if (typ !== 'dpop+jwt') throw invalidProof('its typ is not dpop+jwt');
  const kind = typeof alg === 'string' && PROOF_ALGORITHMS.includes(alg) ? KINDS[alg] : undefined;
  if (kind === undefined) throw invalidProof(`its alg is none of ${PROOF_ALGORITHMS.join(', ')}`);
  if (crit !== undefined) throw invalidProof('it has crit');
  if (!isObject(jwk)) throw invalidProof('it has no jwk');
  if (PRIVATE.some((member) => member in jwk)) throw invalidProof('its jwk is a private key');
  const { kty, crv, coordinates } = kind;
  if (jwk.kty !== kty || jwk.crv !== crv) throw invalidProof('its jwk is not of its alg');
  const shown = coordinates.map((name) => [name, jwk[name]] as const);
  if (!shown.every(([, value]) => typeof value === 'string' && COORDINATE.test(value))) throw invalidProof('its jwk is no key');
  const key: JWK = { kty, crv, ...Object.fromEntries(shown) };
  return { alg: alg as string, jkt: await calculateJwkThumbprint(key), key: () => imported(key, alg as string) };
}

async function imported(key: JWK, alg: string): Promise<CryptoKey | Uint8Array> {
  try {
    return await importJWK(key, alg);
  } catch {
    // A point that is not on the curve.
    throw invalidProof('its jwk is no key');
  }
}

/** One of two equal members is the last, here and for whoever else asks: a part is parsed once. */
export function parsed(part: string, what: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    if (isObject(value)) return value;
  } catch {
    // As below.
  }
  throw invalidProof(`${what} is no JSON object`);
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
