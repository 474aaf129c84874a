/** Proofs of a key as a caller makes them (RFC 9449 §4): for the command line. */
import { generateKeyPairSync, hash, randomUUID } from 'node:crypto';
import { importJWK, type JWK, SignJWT } from 'jose';

export const makeProofKey = (): JWK => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }) as JWK;

export interface Proved {
  readonly method: string;
  readonly url: string;
  readonly token?: string | undefined;
  readonly nonce?: string | undefined;
}

/** Of a request, with a key that `makeProofKey` made. */
export async function makeProof(key: JWK, { method, url, token, nonce }: Proved): Promise<string> {
  const { kty = '', crv = '', x = '', y = '' } = key;
  return new SignJWT({
    htm: method,
    htu: url.replace(/[?#].*$/, ''),
    ...(token === undefined ? {} : { ath: hash('sha256', token, 'base64url') }),
    ...(nonce === undefined ? {} : { nonce }),
  })
    .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk: { kty, crv, x, y } })
    .setIssuedAt()
    .setJti(randomUUID())
    .sign(await importJWK(key, 'ES256'));
}
