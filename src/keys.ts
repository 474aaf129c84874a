/** The gateway's own keys: made on first start, kept in the data directory for the process alone, never in the configuration. */
import { createPrivateKey, createSecretKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, linkSync, mkdirSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface GatewayKeys {
  /** Signs access tokens (P-256, ES256: the cheaper one to verify). */
  readonly token: KeyObject;
  /** Signs checkpoints of the log (Ed25519). */
  readonly log: KeyObject;
  /** Makes the pseudonyms of the log (HMAC-SHA256). */
  readonly pseudonym: KeyObject;
  /** Seals the cache (AES-256-GCM), and names its entries (HMAC-SHA256). */
  readonly seal: KeyObject;
  readonly cacheName: KeyObject;
  /** Whether they were made for a sandbox: production refuses them. */
  readonly sandbox: boolean;
  /** Whether this start made them. */
  readonly made: boolean;
}

interface StoredKeys {
  sandbox: boolean;
  token: string;
  log: string;
  pseudonym: string;
  seal: string;
  cacheName: string;
}

/** Reads the keys in `directory`, or makes them beside no log. Throws where the file cannot be read as keys, or was lost. */
export function loadKeys(directory: string, sandbox: boolean): GatewayKeys {
  const path = join(directory, 'keys.json');
  const made = !existsSync(path);
  if (made && existsSync(join(directory, 'log.db')))
    throw new Error(`${path} is missing beside a log that was signed with it: put it back from its backup`);
  if (made) writeSecret(path, JSON.stringify(makeKeys(sandbox), null, 2));
  const stored = JSON.parse(readFileSync(path, 'utf8')) as StoredKeys;
  const secret = (value: string): KeyObject => createSecretKey(Buffer.from(value, 'base64'));
  return {
    token: createPrivateKey(stored.token),
    log: createPrivateKey(stored.log),
    pseudonym: secret(stored.pseudonym),
    seal: secret(stored.seal),
    cacheName: secret(stored.cacheName),
    sandbox: stored.sandbox,
    made,
  };
}

function makeKeys(sandbox: boolean): StoredKeys {
  const pem = (key: KeyObject): string => key.export({ format: 'pem', type: 'pkcs8' }) as string;
  const secret = (): string => randomBytes(32).toString('base64');
  return {
    sandbox,
    token: pem(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
    log: pem(generateKeyPairSync('ed25519').privateKey),
    pseudonym: secret(),
    seal: secret(),
    cacheName: secret(),
  };
}

/** Writes a file that only its owner can read, whole or not at all; where it is there already, the one that is there stays. */
export function writeSecret(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.new`;
  const file = openSync(temporary, 'w', 0o600);
  writeSync(file, text);
  fsyncSync(file);
  closeSync(file);
  try {
    linkSync(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    unlinkSync(temporary);
  }
}

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
