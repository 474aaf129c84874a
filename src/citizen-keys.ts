/** The issuer of citizens' tokens in the sandbox: its key, made on first use, and tokens signed with it. */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { importJWK, type JWK, SignJWT } from 'jose';
import type { AgencyKey, CitizenIssuer } from './domain.ts';
import { makeAgencyKey, writeSecret } from './keys.ts';

const LIFETIME_SECONDS = 600;

function privateKey(directory: string): AgencyKey & { readonly d: string } {
  const path = join(directory, 'citizen-issuer.jwk.json');
  if (!existsSync(path)) writeSecret(path, JSON.stringify(makeAgencyKey('citizens-sandbox').privateJwk, null, 2));
  return JSON.parse(readFileSync(path, 'utf8'));
}

/** The issuer with the keys of the sandbox where its file says so. */
export function withSandboxCitizens(citizens: CitizenIssuer, directory: string): CitizenIssuer {
  if (citizens.keys !== 'sandbox') return citizens;
  const { d: _secret, ...key } = privateKey(directory);
  return { ...citizens, keys: [key] };
}

/** A token by which a citizen of the sandbox looks at their own accesses. `gateway` is the gateway's issuer, `now` in milliseconds. */
export async function sandboxCitizenToken(
  directory: string,
  { issuer, audience, numberClaim }: CitizenIssuer,
  gateway: string,
  number: string,
  now: number,
): Promise<string> {
  const key = privateKey(directory);
  const seconds = Math.floor(now / 1000);
  return new SignJWT({ client_id: 'sandbox', scope: 'citizen', [numberClaim]: number })
    .setProtectedHeader({ alg: key.alg, typ: 'at+jwt', kid: key.kid })
    .setIssuer(issuer)
    .setAudience(audience ?? gateway)
    .setIssuedAt(seconds)
    .setExpirationTime(seconds + LIFETIME_SECONDS)
    .setJti(randomUUID())
    .sign(await importJWK(key as unknown as JWK));
}
