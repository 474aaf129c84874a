/** Signing at once and with the key in hand, for tests of those who verify. */
import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { type Checkpoint, checkpointBody } from '../../src/audit/checkpoint.ts';
import { cosigner } from '../../src/audit/cosignature.ts';
import { type Handover, handoverText } from '../../src/audit/handover.ts';
import { formatNote, signatureLine } from '../../src/audit/note.ts';
import { verifierKeyOf } from '../../src/audit/vkey.ts';
import { type Signer, signerInMemory } from '../../src/signer.ts';

/** Signs checkpoints under `name`, with each of the keys: while a log changes its key, with the old and the new. */
export function checkpointSigner(name: string, ...privateKeys: KeyObject[]): (checkpoint: Checkpoint) => string {
  const keys = privateKeys.map((privateKey) => ({ privateKey, known: verifierKeyOf(name, privateKey) }));
  return (checkpoint) => {
    const body = checkpointBody(checkpoint);
    return formatNote(
      body,
      keys.map(({ privateKey, known }) => signatureLine(known, sign(null, Buffer.from(body), privateKey))),
    );
  };
}

/** A witness with this key, whose lines say what it is told. */
export function cosigning(name: string, privateKey: KeyObject): { verifierKey: string; cosign: (body: string, seconds: number) => string } {
  const { verifierKey, message, line } = cosigner(name, createPublicKey(privateKey));
  return { verifierKey, cosign: (body, seconds) => line(seconds, sign(null, message(body, seconds), privateKey)) };
}

export const handOver = (origin: string, key: string, older: KeyObject): Handover => ({
  key,
  signature: sign(null, handoverText(origin, key), older).toString('base64'),
});

/** A key of a log in the form of its ring. */
export const ofRing = ({ privateKey } = generateKeyPairSync('ed25519')): { publicKey: KeyObject; signer: Signer } => {
  const signer = signerInMemory(privateKey);
  return { publicKey: signer.publicKey, signer };
};
