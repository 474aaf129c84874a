/** Proofs that a caller holds the key that his token is bound to: DPoP (RFC 9449), with nonces of ours, each used once. */
import { hash } from 'node:crypto';
import { compactVerify, errors } from 'jose';
import type { Clock } from '../domain.ts';
import type { Nonces } from './nonces.ts';
import type { Once } from './once.ts';
import { type ProofKey, parsed, readProofKey } from './proof-key.ts';
import { invalidProof, nonceNeeded } from './refusal.ts';

/** jose tolerates more than the compact form; one proof has one spelling. */
const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
const MAX_LENGTH = 2048;
const LIFETIME_SECONDS = 60;
const CLOCK_TOLERANCE_SECONDS = 10;
/** At least 96 bits in base64url: others could otherwise guess it, and use it first. */
const JTI = /^[\x21-\x7e]{16,200}$/;
const REMEMBERED = 1000;

/** What a proof has to be of. */
export interface Shown {
  readonly method: string;
  /** Path of the request, without its query. */
  readonly path: string;
  /** Where a token comes with it: the token, and the thumbprint of the key it is bound to. */
  readonly token?: { readonly value: string; readonly jkt: string };
}

/** A proof that holds, but for that it may have been used before. */
export interface Proven {
  readonly jkt: string;
  readonly header: string;
  readonly by: ProofKey;
  readonly name: string;
  /** When it will hold no more, for any gateway. Milliseconds since the epoch. */
  readonly until: number;
}

export interface Proofs {
  /** The cheapest checks come first, and whatever costs a signature comes last. Throws a `ProofRefusal`. */
  check(proof: string, shown: Shown): Promise<Proven>;
  /** MUST be called before anything is done on the strength of a proof, and only for a caller who is known. Throws a `ProofRefusal` where it was used before. */
  use(proven: Proven): Promise<void>;
}

export interface ProofTools {
  /** Public base URL: what a proof must name, whatever the `Host` header says. */
  readonly issuer: string;
  readonly nonces: Nonces;
  readonly once: Once;
  readonly clock: Clock;
}

export function dpopProofs({ issuer, nonces, once, clock }: ProofTools): Proofs {
  const { origin, pathname } = new URL(issuer);
  const base = origin + spelled(pathname.replace(/\/$/, ''));
  /** By the header that showed them: a caller's is the same in all of his proofs. Strangers put nothing here. */
  const remembered = new Map<string, ProofKey>();

  const checkClaims = (claims: Record<string, unknown>, { method, path, token }: Shown): void => {
    const { htm, htu, iat, jti, ath, nonce } = claims;
    const seconds = clock() / 1000;
    if (htm !== method) throw invalidProof('its htm is not the method');
    if (addressOf(htu) !== base + spelled(path)) throw invalidProof('its htu is not this address');
    if (typeof iat !== 'number' || !(iat >= seconds - LIFETIME_SECONDS && iat <= seconds + CLOCK_TOLERANCE_SECONDS))
      throw invalidProof('its iat is not of now');
    if (typeof jti !== 'string' || !JTI.test(jti)) throw invalidProof('its jti has not 16 to 200 visible characters');
    if (token !== undefined && ath !== hash('sha256', token.value, 'base64url')) throw invalidProof('its ath is not of the token');
    // Last: with a nonce it would be good.
    if (!nonces.fresh(nonce)) throw nonceNeeded();
  };

  return {
    async check(proof, shown) {
      if (proof.length > MAX_LENGTH || !COMPACT.test(proof))
        throw invalidProof(`not one compact token of at most ${MAX_LENGTH} characters`);
      const [header = '', payload = ''] = proof.split('.');
      const by = remembered.get(header) ?? (await readProofKey(header));
      if (shown.token !== undefined && by.jkt !== shown.token.jkt) throw invalidProof('it is of another key than the token');
      const claims = parsed(payload, 'its payload');
      checkClaims(claims, shown);
      const key = await by.key();
      try {
        await compactVerify(proof, key, { algorithms: [by.alg] });
      } catch (error) {
        if (error instanceof errors.JOSEError) throw invalidProof('its signature does not hold');
        throw error;
      }
      const until = Math.ceil((Number(claims.iat) + LIFETIME_SECONDS + CLOCK_TOLERANCE_SECONDS) * 1000);
      return { jkt: by.jkt, header, by: { ...by, key: async () => key }, name: `proof ${by.jkt} ${claims.jti}`, until };
    },
    async use({ header, by, name, until }) {
      if (!(await once.use(name, until))) throw invalidProof('it was used before');
      if (remembered.has(header)) return;
      if (remembered.size >= REMEMBERED) remembered.delete(remembered.keys().next().value as string);
      remembered.set(header, by);
    },
  };
}

/** Scheme, host, port and path as RFC 3986 §6.2.2 spells them, without query and fragment (RFC 9449 §4.3); undefined for what is no address. */
function addressOf(htu: unknown): string | undefined {
  const url = typeof htu === 'string' ? URL.parse(htu) : null;
  return url === null || url.username !== '' || url.password !== '' ? undefined : url.origin + spelled(url.pathname);
}

/**
 * One spelling of what is escaped. Segments of dots are followed in the proof's address and not in the request's path: none that holds them is
 * the address of anything here.
 */
function spelled(path: string): string {
  if (!path.includes('%')) return path;
  return path.replaceAll(/%[0-9A-Fa-f]{2}/g, (escaped) => {
    const character = String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
    return /[A-Za-z0-9._~-]/.test(character) ? character : escaped.toUpperCase();
  });
}
