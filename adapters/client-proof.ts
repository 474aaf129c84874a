/** How the gateway proves to a token endpoint who it is: by a secret (RFC 6749, section 2.3.1) or by signing (RFC 7523). */

import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import type { ClientProof } from '../src/adapter.ts';

/** What it adds to the request for a token. */
export interface Proof {
  readonly authorization?: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** Seconds: an assertion is sent at once. */
const LIFETIME = 60;

/** `now` in milliseconds since 1970. */
export async function proofOf(proof: ClientProof, clientId: string, now: number): Promise<Proof> {
  if (proof.method === 'private_key_jwt') {
    const client_assertion_type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
    return { fields: { client_id: clientId, client_assertion_type, client_assertion: await assertion(proof, clientId, now) } };
  }
  if (proof.method === 'client_secret_post') return { fields: { client_id: clientId, client_secret: proof.secret } };
  const pair = `${formEncoded(clientId)}:${formEncoded(proof.secret)}`;
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}`, fields: {} };
}

function assertion(proof: Extract<ClientProof, { method: 'private_key_jwt' }>, clientId: string, now: number): Promise<string> {
  const { key, algorithm, keyId, audience } = proof;
  const issued = Math.floor(now / 1000);
  return new SignJWT()
    .setProtectedHeader({ alg: algorithm, typ: 'JWT', ...(keyId === undefined ? {} : { kid: keyId }) })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(audience)
    .setJti(randomUUID())
    .setIssuedAt(issued)
    .setExpirationTime(issued + LIFETIME)
    .sign(key);
}

/** Both halves are encoded before they are joined. */
const formEncoded = (text: string): string => new URLSearchParams({ '': text }).toString().slice(1);
