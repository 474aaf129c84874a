/** The gateway's own keys: made on first start, kept in the data directory for the process alone, never in the configuration. */
import { createPrivateKey, createPublicKey, createSecretKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, linkSync, mkdirSync, openSync, readFileSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { formatVerifierKey } from './audit/checkpoint.ts';
import { type Handover, handOver } from './audit/handover.ts';
import { type CacheKeys, isOver } from './cache/ring.ts';

export interface GatewayKeys {
  /** Signs access tokens (P-256, ES256: the cheaper one to verify). */
  readonly token: KeyObject;
  /** Sign checkpoints of the log (Ed25519), newest first. */
  readonly log: readonly LogKey[];
  /** Make the pseudonyms of the log (HMAC-SHA256), newest first. */
  readonly pseudonym: readonly RotatedKey[];
  /** Cosigns checkpoints of other logs (Ed25519). */
  readonly witness: KeyObject;
  /** Seal the cache and name its entries, newest first. */
  readonly cache: readonly CacheKeys[];
  /** Seals what is kept to be completed later (AES-256-GCM). */
  readonly later: KeyObject;
  /** Makes the nonces that proofs must hold (HMAC-SHA256, RFC 9449 §8). */
  readonly nonce: KeyObject;
  /** Whether they were made for a sandbox: production refuses them. */
  readonly sandbox: boolean;
  /** Whether this start made them. */
  readonly made: boolean;
}

/** A key and the time it is used from, in milliseconds since the epoch: so that every gateway of a log changes to it at once. */
export interface RotatedKey {
  readonly from: number;
  readonly key: KeyObject;
}

/** Of a key that signs no more, only the public half is kept. */
export interface LogKey {
  readonly from: number;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject | undefined;
  /** By which the key before vouches for it. */
  readonly handover: Handover | undefined;
}

interface StoredKeys {
  sandbox: boolean;
  token: string;
  log: { from: string; key: string; handover?: Handover }[];
  pseudonym: { from: string; key: string }[];
  witness: string;
  cache: { from: string; seal: string; name: string }[];
  later: string;
  nonce: string;
}

/** As they were written before they could be rotated. */
interface OldKeys {
  log: StoredKeys['log'] | string;
  pseudonym: StoredKeys['pseudonym'] | string;
  witness?: string;
  later?: string;
  nonce?: string;
  cache?: StoredKeys['cache'];
  seal?: string;
  cacheName?: string;
}

/** Reads the keys in `directory`, or makes them beside no log. Throws where the file cannot be read as keys, or was lost. */
export function loadKeys(directory: string, sandbox: boolean): GatewayKeys {
  const path = join(directory, 'keys.json');
  const made = !existsSync(path);
  if (made && existsSync(join(directory, 'log.db')))
    throw new Error(`${path} is missing beside a log that was signed with it: put it back from its backup`);
  if (made) writeSecret(path, JSON.stringify(makeKeys(sandbox), null, 2));
  const stored = readKeys(path);
  const secretKey = (value: string): KeyObject => createSecretKey(Buffer.from(value, 'base64'));
  return {
    token: createPrivateKey(stored.token),
    log: stored.log.map(({ from, key, handover }) => ({
      from: Date.parse(from),
      publicKey: createPublicKey(key),
      privateKey: key.includes('PRIVATE') ? createPrivateKey(key) : undefined,
      handover,
    })),
    pseudonym: stored.pseudonym.map(({ from, key }) => ({ from: Date.parse(from), key: secretKey(key) })),
    witness: createPrivateKey(stored.witness),
    cache: stored.cache.map(({ from, seal, name }) => ({ from: Date.parse(from), seal: secretKey(seal), name: secretKey(name) })),
    later: secretKey(stored.later),
    nonce: secretKey(stored.nonce),
    sandbox: stored.sandbox,
    made,
  };
}

const EPOCH = new Date(0).toISOString();

/** Keys that were written before they could be rotated are those of the beginning; one that did not exist then is made. */
function readKeys(path: string): StoredKeys {
  const { seal = '', cacheName = '', ...stored } = JSON.parse(readFileSync(path, 'utf8')) as Omit<StoredKeys, keyof OldKeys> & OldKeys;
  const dated = (keys: StoredKeys['log'] | string): StoredKeys['log'] => (typeof keys === 'string' ? [{ from: EPOCH, key: keys }] : keys);
  const keys = {
    ...stored,
    log: dated(stored.log),
    pseudonym: dated(stored.pseudonym),
    witness: stored.witness ?? pem(newEd25519()),
    cache: stored.cache ?? [{ from: EPOCH, seal, name: cacheName }],
    later: stored.later ?? secret(),
    nonce: stored.nonce ?? secret(),
  };
  if ([stored.witness, stored.later, stored.nonce].includes(undefined)) replaceSecret(path, JSON.stringify(keys, null, 2));
  return keys;
}

export type Rotated = 'log' | 'pseudonym' | 'cache';

export interface RotationFacts {
  readonly logOrigin: string;
  /** How long a record is kept in the cache at most. */
  readonly keptSeconds: number;
}

/**
 * Makes a new key that is used from `from` on; a new key of the log is vouched for by the one before, there and then. Of the log's keys, those
 * that are over lose their private half; the one in use keeps it. Of the cache's, those that can open nothing any more are forgotten. Throws
 * where a rotation is still to come.
 */
export function rotateKey(directory: string, which: Rotated, from: Date, now: Date, { logOrigin, keptSeconds }: RotationFacts): void {
  const path = join(directory, 'keys.json');
  const stored = readKeys(path);
  const [newest] = stored[which];
  if (newest !== undefined && Date.parse(newest.from) > now.getTime())
    throw new Error(`a new key is made already; it is used from ${newest.from} on`);
  const dated = { from: from.toISOString() };
  const alive = ({ from: replaced }: { from: string }): boolean => !isOver(Date.parse(replaced), keptSeconds, now.getTime());
  const rotated: Partial<StoredKeys> = {
    log: () => ({
      log: [
        { ...dated, ...newLogKey(logOrigin, stored.log[0]?.key) },
        ...stored.log.map((one, i) => (i === 0 ? one : { ...one, key: publicPem(one.key) })),
      ],
    }),
    pseudonym: () => ({ pseudonym: [{ ...dated, key: secret() }, ...stored.pseudonym] }),
    cache: () => ({
      cache: [{ ...dated, ...newCacheKeys() }, ...stored.cache.filter((_, i) => i === 0 || alive(stored.cache[i - 1] ?? dated))],
    }),
  }[which]();
  replaceSecret(path, JSON.stringify({ ...stored, ...rotated }, null, 2));
}

const secret = (): string => randomBytes(32).toString('base64');
const newCacheKeys = (): { seal: string; name: string } => ({ seal: secret(), name: secret() });

function newLogKey(origin: string, before: string | undefined): { key: string; handover?: Handover } {
  const key = newEd25519();
  const handover = before && handOver(origin, formatVerifierKey(origin, createPublicKey(key)), createPrivateKey(before));
  return { key: pem(key), ...(handover ? { handover } : {}) };
}

const pem = (key: KeyObject): string => key.export({ format: 'pem', type: 'pkcs8' }) as string;
const publicPem = (key: string): string => createPublicKey(key).export({ format: 'pem', type: 'spki' }) as string;
const newEd25519 = (): KeyObject => generateKeyPairSync('ed25519').privateKey;

function makeKeys(sandbox: boolean): StoredKeys {
  return {
    sandbox,
    token: pem(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
    log: [{ from: EPOCH, key: pem(newEd25519()) }],
    pseudonym: [{ from: EPOCH, key: secret() }],
    witness: pem(newEd25519()),
    cache: [{ from: EPOCH, ...newCacheKeys() }],
    later: secret(),
    nonce: secret(),
  };
}

/** Writes a file that only its owner can read, whole or not at all; where it is there already, the one that is there stays. */
export function writeSecret(path: string, text: string): void {
  const temporary = writeTemporary(path, text);
  try {
    linkSync(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    unlinkSync(temporary);
  }
}

/** The same, in place of the one that is there. */
function replaceSecret(path: string, text: string): void {
  renameSync(writeTemporary(path, text), path);
}

function writeTemporary(path: string, text: string): string {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.new`;
  const file = openSync(temporary, 'w', 0o600);
  writeSync(file, text);
  fsyncSync(file);
  closeSync(file);
  return temporary;
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
