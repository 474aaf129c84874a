/** New keys for old: each is used from a time on, so that every gateway changes to it at once. */
import { isOver as tokensAreOver } from '../access/token-keys.ts';
import { formatVerifierKey } from '../audit/checkpoint.ts';
import { handOver } from '../audit/signer.ts';
import { isOver as cacheIsOver } from '../cache/ring.ts';
import type { Signer } from '../signer.ts';
import { ALONE, hindrance, KeyReading, type KeyTools, type Kind } from './reading.ts';
import { replaceSecret } from './secret-file.ts';
import {
  keysPath,
  newCacheKeys,
  newEd25519,
  newP256,
  newSecret,
  pem,
  readKeys,
  type StoredKey,
  type StoredKeys,
  written,
} from './stored.ts';

export type Rotated = 'log' | 'pseudonym' | 'cache' | 'token';

export interface RotationFacts {
  readonly logOrigin: string;
  /** How long a record is kept in the cache at most. */
  readonly keptSeconds: number;
  /** The new key, where it is not to be made here. Not for the cache, which has two. */
  readonly key?: StoredKey;
}

/**
 * Puts a new key into `keys.json`, used from `from` on; a new key of the log is vouched for by the one before, there and then. Of keys that sign,
 * those that are over lose their private half, or where it was to be found; the one in use keeps it. Keys of tokens that verify nothing any more,
 * and of the cache that open nothing any more, are forgotten. Rejects where a rotation is still to come, and where a key that was named is of no use.
 */
export async function rotateKey(
  directory: string,
  which: Rotated,
  from: Date,
  now: Date,
  { logOrigin, keptSeconds, key: given }: RotationFacts,
  tools: KeyTools = ALONE,
): Promise<void> {
  const path = keysPath(directory);
  const stored = readKeys(path);
  const [newest] = stored[which];
  if (newest !== undefined && Date.parse(newest.from) > now.getTime())
    throw new Error(`a new key is made already; it is used from ${newest.from} on`);
  const reading = new KeyReading(tools);
  const dated = { from: from.toISOString() };
  /** Those that may still be of use: `over` says of when a key was replaced whether it is not. */
  const alive = <Key extends { readonly from: string }>(keys: readonly Key[], over: (replaced: number) => boolean): Key[] =>
    keys.filter((_, i) => i === 0 || !over(Date.parse((keys[i - 1] as Key).from)));
  const publicAfterFirst = <Key extends { readonly key: StoredKey }>(keys: readonly Key[], kind: Kind): Key[] =>
    keys.map((one, i) => (i === 0 ? one : { ...one, key: pem(reading.verifying(`${which} ${i}`, one.key, kind).publicKey) }));

  const rotated: Record<Rotated, () => Promise<Partial<StoredKeys>>> = {
    async log() {
      const key = given ?? pem(newEd25519());
      const [signer, older] = [reading.signing('the new key', key, 'Ed25519'), reading.signing('log', stored.log[0]?.key, 'Ed25519')];
      const log = publicAfterFirst(stored.log, 'Ed25519');
      const handover = await tried(reading, [signer, older], () =>
        handOver(logOrigin, formatVerifierKey(logOrigin, signer.publicKey), older),
      );
      return { log: [{ ...dated, key, handover }, ...log] };
    },
    async token() {
      const key = given ?? pem(newP256());
      const signer = reading.signing('the new key', key, 'P-256');
      const before = alive(stored.token, (replaced) => tokensAreOver(replaced, now.getTime()));
      return tried(reading, [signer], async () => ({ token: [{ ...dated, key }, ...publicAfterFirst(before, 'P-256')] }));
    },
    async pseudonym() {
      const key = given ?? newSecret();
      reading.secret('the new key', key);
      return tried(reading, [], async () => ({ pseudonym: [{ ...dated, key: key as string }, ...stored.pseudonym] }));
    },
    async cache() {
      if (given !== undefined) throw new Error('the cache has two keys: say in keys.json by hand where they are');
      const before = alive(stored.cache, (replaced) => cacheIsOver(replaced, keptSeconds, now.getTime()));
      return { cache: [{ ...dated, ...newCacheKeys() }, ...before] };
    },
  };
  replaceSecret(path, written({ ...stored, ...(await rotated[which]()) }));
}

/** Does what is to be done with keys that are without fault and sign, and ends their programs. */
async function tried<T>(reading: KeyReading, signers: readonly Signer[], todo: () => Promise<T>): Promise<T> {
  try {
    if (reading.faults.length === 0) {
      const hindrances = await Promise.all(signers.map(hindrance));
      reading.faults.push(...hindrances.filter((found) => found !== undefined));
    }
    if (reading.faults.length > 0) throw new Error(`no key was changed: ${reading.faults.join('; ')}`);
    return await todo();
  } finally {
    for (const signer of signers) signer.close();
  }
}
