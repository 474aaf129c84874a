/** Proofs of a key (RFC 9449) as clients make them, and as attackers would: every part can be replaced by anything. */
import { createHash, createHmac, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';
import { calculateJwkThumbprint, type JWK } from 'jose';

export interface Proving {
  readonly method?: string;
  readonly url: string;
  readonly token?: string | undefined;
  readonly nonce?: string | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Replace what is there; undefined takes it away. */
  readonly claims?: object;
  readonly header?: object;
  /** Stands behind the claims, before the brace: a claim can stand twice. */
  readonly more?: string;
}

export interface Prover {
  readonly jwk: JWK;
  readonly key: KeyObject;
  readonly jkt: string;
  prove(of: Proving): string;
}

export async function prover(alg: 'ES256' | 'EdDSA' | 'Ed25519' = 'ES256'): Promise<Prover> {
  const { privateKey: key, publicKey } =
    alg === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519');
  const jwk = publicKey.export({ format: 'jwk' }) as JWK;
  const prove: Prover['prove'] = ({ header = {}, more = '', ...of }) =>
    signed(JSON.stringify({ typ: 'dpop+jwt', alg, jwk, ...header }), JSON.stringify(claimsOf(of)).replace(/\}$/, `${more}}`), key);
  return { jwk, key, jkt: await calculateJwkThumbprint(jwk), prove };
}

export function claimsOf({ method = 'POST', url, token, nonce, now, claims = {} }: Proving): object {
  return {
    htm: method,
    htu: url,
    iat: Math.floor(now / 1000),
    jti: randomUUID(),
    ...(token === undefined ? {} : { ath: createHash('sha256').update(token).digest('base64url') }),
    ...(nonce === undefined ? {} : { nonce }),
    ...claims,
  };
}

/** A compact token of any two texts, signed as the key can, or with a secret. */
export function signed(header: string, payload: string, key: KeyObject): string {
  const input = [header, payload].map((part) => Buffer.from(part).toString('base64url')).join('.');
  const made =
    key.type === 'secret'
      ? createHmac('sha256', key).update(input).digest()
      : sign(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' });
  return `${input}.${made.toString('base64url')}`;
}
