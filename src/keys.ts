/** The gateway's own keys, as `keys.json` in the data directory has them or says where they are; never in the configuration. */
import type { KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { TokenKey } from './access/token-keys.ts';
import type { Handover } from './audit/handover.ts';
import type { CacheKeys } from './cache/ring.ts';
import { ALONE, hindrance, KeyReading, type KeyTools } from './keys/reading.ts';
import { isOpenToOthers, writeSecret } from './keys/secret-file.ts';
import { keysPath, makeKeys, readKeys, written } from './keys/stored.ts';
import type { Signer } from './signer.ts';

export { agencyKeyPath, makeAgencyKey, sandboxAgencyKey } from './keys/agency.ts';
export { type Rotated, rotateKey } from './keys/rotate.ts';
export { writeSecret } from './keys/secret-file.ts';

export interface GatewayKeys {
  /** Sign access tokens and events (P-256, ES256: the cheaper one to verify), newest first. */
  readonly token: readonly TokenKey[];
  /** Sign checkpoints of the log (Ed25519), newest first. */
  readonly log: readonly LogKey[];
  /** Make the pseudonyms of the log (HMAC-SHA256), newest first. */
  readonly pseudonym: readonly RotatedKey[];
  /** Cosigns checkpoints of other logs (Ed25519). */
  readonly witness: Signer;
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
  readonly signer: Signer | undefined;
  /** By which the key before vouches for it. */
  readonly handover: Handover | undefined;
}

/**
 * Reads the keys in `directory`, or makes them beside no log. Throws where the file cannot be read as keys, or was lost; an error names all that
 * is wrong with them. Whether programs sign is not tried: `tryKeys` does.
 */
export function loadKeys(directory: string, sandbox: boolean, tools: KeyTools = ALONE): GatewayKeys {
  const path = keysPath(directory);
  const made = !existsSync(path);
  if (made && existsSync(join(directory, 'log.db')))
    throw new Error(`${path} is missing beside a log that was signed with it: put it back from its backup`);
  if (made) writeSecret(path, written(makeKeys(sandbox)));
  if (isOpenToOthers(path)) throw new Error(`others than its owner may read ${path}: chmod 600`);
  const stored = readKeys(path);
  const reading = new KeyReading(tools);
  const keys: GatewayKeys = {
    token: reading.ring('token', stored.token).map(({ at, from, key }) => ({ from, ...reading.verifying(at, key, 'P-256') })),
    log: reading
      .ring('log', stored.log)
      .map(({ at, from, key, handover }) => ({ from, handover, ...reading.verifying(at, key, 'Ed25519') })),
    pseudonym: reading.ring('pseudonym', stored.pseudonym).map(({ at, from, key }) => ({ from, key: reading.secret(at, key) })),
    witness: reading.signing('witness', stored.witness, 'Ed25519'),
    cache: reading.ring('cache', stored.cache).map(({ at, from, seal, name }) => ({
      from,
      seal: reading.secret(`${at}: seal`, seal),
      name: reading.secret(`${at}: name`, name),
    })),
    later: reading.secret('later', stored.later),
    nonce: reading.secret('nonce', stored.nonce),
    sandbox: stored.sandbox,
    made,
  };
  if (reading.faults.length > 0) throw new KeyFaults(path, reading.faults);
  return keys;
}

/** All that is wrong with keys, one a line. */
class KeyFaults extends Error {
  constructor(path: string, faults: readonly string[]) {
    super(`${path} cannot be used:\n${faults.map((fault) => `  ${fault}`).join('\n')}`);
  }
}

/** Lets every key that may still be asked to sign do so once, and rejects where one does not: better now than at the first request. */
export async function tryKeys(directory: string, keys: GatewayKeys, now: number): Promise<void> {
  const used = (ring: readonly { from: number; signer: Signer | undefined }[]): (Signer | undefined)[] =>
    ring.flatMap(({ signer }, i) => ((ring[i - 1]?.from ?? now + 1) > now ? [signer] : []));
  const named = { token: used(keys.token), log: used(keys.log), witness: [keys.witness] };
  const trying = Object.entries(named).flatMap(([name, signers]) => signers.map(async (one) => [name, one && (await hindrance(one))]));
  const faults = (await Promise.all(trying)).flatMap(([name, found]) => (found === undefined ? [] : [`${name}: ${found}`]));
  if (faults.length > 0) throw new KeyFaults(keysPath(directory), faults);
}

/** Ends the programs that hold keys. */
export function closeKeys({ token, log, witness }: GatewayKeys): void {
  for (const { signer } of [...token, ...log, { signer: witness }]) signer?.close();
}
