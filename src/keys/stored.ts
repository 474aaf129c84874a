/** The file of the gateway's own keys: made on first start, in the data directory, for the process alone. A key stands in it, or where it is to be found. */
import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Handover } from '../audit/handover.ts';
import { replaceSecret } from './secret-file.ts';

/** A key in PEM (those that sign) or base64 (secrets), or a reference to such a text: `env:NAME`, `file:/path`. */
export type StoredText = string;
/** Of a key that signs also: the program that holds it, with its arguments, and the public half in PEM. */
export type StoredKey = StoredText | StoredProgram;
export interface StoredProgram {
  readonly program: readonly string[];
  readonly public: string;
}

export interface StoredKeys {
  readonly sandbox: boolean;
  readonly token: readonly { readonly from: string; readonly key: StoredKey }[];
  readonly log: readonly { readonly from: string; readonly key: StoredKey; readonly handover?: Handover }[];
  readonly pseudonym: readonly { readonly from: string; readonly key: StoredText }[];
  readonly witness: StoredKey;
  readonly cache: readonly { readonly from: string; readonly seal: StoredText; readonly name: StoredText }[];
  readonly later: StoredText;
  readonly nonce: StoredText;
}

/** As they were written before they could be rotated, or before there were such. */
interface OldKeys extends Partial<Pick<StoredKeys, 'witness' | 'cache' | 'later' | 'nonce'>> {
  readonly token: StoredKeys['token'] | string;
  readonly log: StoredKeys['log'] | string;
  readonly pseudonym: StoredKeys['pseudonym'] | string;
  readonly seal?: string;
  readonly cacheName?: string;
}

export const keysPath = (directory: string): string => join(directory, 'keys.json');

const EPOCH = new Date(0).toISOString();

/** Keys that were written before they could be rotated are those of the beginning; one that did not exist then is made. */
export function readKeys(path: string): StoredKeys {
  const { seal = '', cacheName = '', ...stored } = parsed(path);
  const dated = <Key>(keys: readonly Key[] | string): readonly (Key | { from: string; key: string })[] =>
    typeof keys === 'string' ? [{ from: EPOCH, key: keys }] : keys;
  const keys = {
    ...stored,
    token: dated(stored.token),
    log: dated(stored.log),
    pseudonym: dated(stored.pseudonym),
    witness: stored.witness ?? pem(newEd25519()),
    cache: stored.cache ?? [{ from: EPOCH, seal, name: cacheName }],
    later: stored.later ?? newSecret(),
    nonce: stored.nonce ?? newSecret(),
  };
  if ([stored.witness, stored.later, stored.nonce].includes(undefined)) replaceSecret(path, written(keys));
  return keys;
}

export const written = (keys: StoredKeys): string => JSON.stringify(keys, null, 2);

/** What the parser complains of quotes the file. */
function parsed(path: string): Pick<StoredKeys, 'sandbox'> & OldKeys {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) throw new Error(`${path} is not JSON`);
    throw error;
  }
}

export const pem = (key: KeyObject): string => key.export({ format: 'pem', type: key.type === 'public' ? 'spki' : 'pkcs8' }) as string;
export const newSecret = (): string => randomBytes(32).toString('base64');
export const newCacheKeys = (): { seal: string; name: string } => ({ seal: newSecret(), name: newSecret() });
export const newEd25519 = (): KeyObject => generateKeyPairSync('ed25519').privateKey;
export const newP256 = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

export const makeKeys = (sandbox: boolean): StoredKeys => ({
  sandbox,
  token: [{ from: EPOCH, key: pem(newP256()) }],
  log: [{ from: EPOCH, key: pem(newEd25519()) }],
  pseudonym: [{ from: EPOCH, key: newSecret() }],
  witness: pem(newEd25519()),
  cache: [{ from: EPOCH, ...newCacheKeys() }],
  later: newSecret(),
  nonce: newSecret(),
});
