/** Agencies' key pairs that are made here: for the sandbox, and by `agency new`. */
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeSecret } from './secret-file.ts';

/** Makes an agency's key pair: the private JWK for the agency, the public one for its file in `config/agencies/`. */
export function makeAgencyKey(kid: string): {
  privateJwk: Record<string, string>;
  publicJwk: { kid: string; kty: string; crv: string; x: string; alg: string; use: string };
} {
  const { privateKey } = generateKeyPairSync('ed25519');
  const { d, x } = privateKey.export({ format: 'jwk' }) as { d: string; x: string };
  const publicJwk = { kid, kty: 'OKP', crv: 'Ed25519', x, alg: 'EdDSA', use: 'sig' };
  return { privateJwk: { ...publicJwk, d }, publicJwk };
}

/** Where the private keys of the sandbox's agencies, and those that `agency new` makes, are kept. */
export const agencyKeyPath = (directory: string, agency: string): string => join(directory, 'agencies', `${agency}.jwk.json`);

/** The public keys of a sandbox agency; its key pair is made on first use. */
export function sandboxAgencyKey(directory: string, agency: string): { kid: string; kty: string; crv: string; x: string; alg: string } {
  const path = agencyKeyPath(directory, agency);
  if (!existsSync(path)) writeSecret(path, JSON.stringify(makeAgencyKey(`${agency}-sandbox`).privateJwk, null, 2));
  const { kid, kty, crv, x, alg } = JSON.parse(readFileSync(path, 'utf8')) as Record<'kid' | 'kty' | 'crv' | 'x' | 'alg', string>;
  return { kid, kty, crv, x, alg };
}
