/** What witnesses say of a checkpoint: that at a time they saw it, and that it continues all they saw of that log before. Pure. */
import type { KeyObject } from 'node:crypto';
import { timedMessage, verifiedSignatures } from './checkpoint.ts';
import { parseNote, signatureLine } from './note.ts';
import { COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44, formatVerifierKey, type VerifierKey, verifierKeyOf } from './vkey.ts';

/** A witness with one key, Ed25519 or ML-DSA-44. */
export interface Cosigner {
  /** Given to the logs, as text. */
  readonly verifierKey: string;
  /** What is signed to say that this text of a checkpoint was seen at a time, seconds since 1970. */
  message(body: string, seconds: number): Uint8Array;
  /** The line that says so. */
  line(seconds: number, signature: Uint8Array): string;
}

/** One key is one witness: Ed25519 cosignatures do not tell names apart. */
export function cosigner(name: string, publicKey: KeyObject): Cosigner {
  const type = publicKey.asymmetricKeyType === 'ml-dsa-44' ? COSIGNATURE_ML_DSA_44 : COSIGNATURE_ED25519;
  const key = verifierKeyOf(name, publicKey, type);
  return {
    verifierKey: formatVerifierKey(name, publicKey, type),
    message: (body, seconds) => Buffer.from(timedMessage(key, body, seconds)),
    line(seconds, signature) {
      const time = Buffer.alloc(8);
      time.writeBigUInt64BE(BigInt(seconds));
      return signatureLine(key, Buffer.concat([time, signature]));
    },
  };
}

export interface Cosignature {
  readonly witness: VerifierKey;
  /** Seconds since 1970. */
  readonly time: number;
  readonly line: string;
}

/**
 * Which of these witnesses cosigned the checkpoint, each once, with its latest time. A cosignature without a time does not say that it is
 * of the newest checkpoint that was seen, and so is none here. Throws where one of a known witness is wrong.
 */
export function checkCosignatures(note: string, witnesses: readonly VerifierKey[]): Cosignature[] {
  const found = new Map<VerifierKey, Cosignature>();
  for (const { key, time = 0, line } of verifiedSignatures(parseNote(note), witnesses)) {
    if (time > (found.get(key)?.time ?? 0)) found.set(key, { witness: key, time, line });
  }
  return [...found.values()];
}
