/** How one key of the log takes over from another, so that whoever trusts the older may trust the newer. Pure, and of use without a gateway. */
import { verify } from 'node:crypto';
import { fromBase64, parseVerifierKey, type VerifierKey } from './checkpoint.ts';

/** The key of the log that signs from here on, vouched for by the one before. */
export interface Handover {
  /** Verifier key, as text. */
  readonly key: string;
  /** Base64 Ed25519 signature of the key before. */
  readonly signature: string;
}

/** What the older key signs. It cannot be taken for a checkpoint, whose second line is a number. */
export const handoverText = (origin: string, key: string): Buffer => Buffer.from(`oncegate log key\n${origin}\n${key}\n`);

/** The newer key, where one of the keys that are trusted vouches for it; undefined where none does. */
export function takenOver(handover: unknown, trusted: readonly VerifierKey[]): VerifierKey | undefined {
  const { key, signature } = (handover ?? {}) as Partial<Record<keyof Handover, unknown>>;
  const bytes = typeof signature === 'string' ? fromBase64(signature) : undefined;
  if (typeof key !== 'string' || bytes === undefined) return undefined;
  return trusted.some((older) => verify(null, handoverText(older.name, key), older.key, bytes)) ? parseVerifierKey(key) : undefined;
}
