/** An issuer of tokens for the hand-written endpoint, of the same algorithm, form and claims as the gateway's own. */
import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';

export async function issueToken(): Promise<{ issuer: string; jwk: JWK; token: string }> {
  const issuer = 'http://127.0.0.1:8080';
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const token = await new SignJWT({ client_id: 'X01.1', scope: 'prefill' })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'bench' })
    .setIssuer(issuer)
    .setSubject('X01.1')
    .setAudience(issuer)
    .setIssuedAt()
    .setExpirationTime('1h')
    .setJti(randomUUID())
    .sign(privateKey);
  return { issuer, jwk: await exportJWK(publicKey), token };
}
