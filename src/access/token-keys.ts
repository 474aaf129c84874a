/** The keys of tokens and delivered events, newest first: which one signs at a time, and which verify what was signed before. */
import { hash, type KeyObject } from 'node:crypto';
import { errors, type JWK, type JWTPayload } from 'jose';
import type { Clock } from '../domain.ts';
import type { Signer } from '../signer.ts';

export interface TokenKey {
  /** Milliseconds since the epoch from which it signs. It verifies before: the clock of another gateway may be ahead. */
  readonly from: number;
  readonly publicKey: KeyObject;
  /** None of a key that signs no more. */
  readonly signer: Signer | undefined;
}

/** No token lives longer, whatever `tokenLifetimeSeconds` says, and clocks of gateways differ by less than a minute. */
const TOKENS_LIVE_MS = 3_660_000;
/** Receivers may verify an event when they get to it. */
const EVENTS_LIVE_MS = 7 * 86_400_000;

/** Whether nobody verifies anything any more by a key that was replaced then. */
export const isOver = (replaced: number, now: number): boolean => replaced + EVENTS_LIVE_MS < now;

export class TokenKeys {
  readonly #ring: readonly (TokenKey & { readonly kid: string; readonly jwk: JWK; readonly replaced: number })[];
  readonly #clock: Clock;

  constructor(ring: readonly TokenKey[], clock: Clock) {
    this.#clock = clock;
    this.#ring = ring.map((one, i) => {
      const { kty, crv, x, y } = one.publicKey.export({ format: 'jwk' }) as JWK;
      // RFC 7638.
      const kid = hash('sha256', JSON.stringify({ crv, kty, x, y }), 'base64url');
      const jwk = { kty, crv, x, y, kid, alg: 'ES256', use: 'sig' } as JWK;
      return { ...one, kid, jwk, replaced: ring[i - 1]?.from ?? Number.POSITIVE_INFINITY };
    });
  }

  /** The one to come among them: whoever keeps a copy has it before it signs. */
  jwks(): { keys: JWK[] } {
    return { keys: this.#ring.filter(({ replaced }) => !isOver(replaced, this.#clock())).map(({ jwk }) => jwk) };
  }

  /** The key that verifies an access token. Throws a `JOSEError` for one that there is not, and for one that no living token can be signed with. */
  verifier(kid: string | undefined): KeyObject {
    const now = this.#clock();
    const found = this.#ring.find((one) => one.kid === kid && one.replaced + TOKENS_LIVE_MS > now);
    if (found === undefined) throw new errors.JWKSNoMatchingKey();
    return found.publicKey;
  }

  /** A JWT in compact form (RFC 7515 §7.1). Rejects with `SignerUnavailable`. */
  async sign(typ: string, claims: JWTPayload): Promise<string> {
    const now = this.#clock();
    const key = this.#ring.find(({ from, signer }) => signer !== undefined && from <= now);
    if (key?.signer === undefined) throw new Error('no key of tokens is in use yet');
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const input = `${part({ alg: 'ES256', typ, kid: key.kid })}.${part(claims)}`;
    return `${input}.${(await key.signer.sign(Buffer.from(input))).toString('base64url')}`;
  }
}
