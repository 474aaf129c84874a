/** The signed head of a log: a C2SP tlog-checkpoint in a signed note. Pure, and of use without a gateway. */
import { verify } from 'node:crypto';
import { isBy, parseNote, type SignedNote } from './note.ts';
import { COSIGNATURE_ML_DSA_44, ED25519, fromBase64, type VerifierKey } from './vkey.ts';

export { formatVerifierKey, fromBase64, parseVerifierKey, type VerifierKey } from './vkey.ts';

export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
}

/** What a text says, whoever signed it. Lines after the third are extensions, which say nothing here but are signed with the rest. Throws where it is no checkpoint. */
export function readCheckpoint(body: string): Checkpoint {
  const [origin, size, root, ...extensions] = body.slice(0, -1).split('\n');
  const hashed = fromBase64(root ?? '');
  const sized = /^(0|[1-9][0-9]{0,15})$/.test(size ?? '') && Number.isSafeInteger(Number(size));
  if (!origin || !sized || hashed?.length !== 32 || extensions.includes('')) {
    throw new Error('the checkpoint has not the form of a checkpoint');
  }
  return { origin, size: Number(size), root: hashed };
}

/** The text of a checkpoint, as it is signed. */
export const checkpointBody = ({ origin, size, root }: Checkpoint): string => `${origin}\n${size}\n${root.toString('base64')}\n`;

/** The checkpoint in a signed note that any of these keys of the log signed. Throws an Error that says what does not hold. */
export function openCheckpoint(note: string, keys: VerifierKey | readonly VerifierKey[]): Checkpoint {
  const parsed = parseNote(note);
  const known = 'name' in keys ? [keys] : keys;
  const signed = verifiedSignatures(parsed, known);
  if (signed.length === 0) {
    throw new Error(`the checkpoint bears no signature of ${[...new Set(known.map(({ name }) => name))].join(' or ')}`);
  }
  const checkpoint = readCheckpoint(parsed.body);
  // A key signs under the name of its log: with one key for two logs, the head of one is still not that of the other.
  if (!signed.some(({ key }) => key.name === checkpoint.origin)) {
    throw new Error(`the checkpoint is that of ${checkpoint.origin}, not of ${signed[0]?.key.name}`);
  }
  return checkpoint;
}

/** Whether a line of the note claims to be of this key: nothing is verified. */
export const bearsSignature = (note: string, key: VerifierKey): boolean => parseNote(note).signatures.some((one) => isBy(one, key));

/** A signature that holds. */
export interface Verified {
  readonly key: VerifierKey;
  /** Seconds since 1970 at which a witness signed; undefined for a signature that says no time. */
  readonly time: number | undefined;
  readonly line: string;
}

/** The signatures of these keys; those of others say nothing. Throws where one by a known key is wrong: the note was changed, or made up. */
export function verifiedSignatures({ body, signatures }: SignedNote, keys: readonly VerifierKey[]): Verified[] {
  return signatures.flatMap((one) => {
    const key = keys.find((known) => isBy(one, known));
    if (key === undefined) return [];
    const { message, signature, time } =
      key.type === ED25519 ? { message: body, ...one, time: undefined } : timed(key, body, one.signature);
    if (message === undefined || !verify(null, Buffer.from(message), key.key, signature)) {
      throw new Error(`the signature of ${key.name} on the checkpoint is wrong`);
    }
    return [{ key, time, line: one.line }];
  });
}

function timed(key: VerifierKey, body: string, value: Buffer): { message: string | Buffer | undefined; signature: Buffer; time: number } {
  const time = value.length > 8 ? Number(value.readBigUInt64BE()) : Number.NaN;
  // Beyond 2^53 seconds it could not be told which second was signed; the standard ends at 2^63.
  return { message: Number.isSafeInteger(time) ? timedMessage(key, body, time) : undefined, signature: value.subarray(8), time };
}

/** What a cosignature signs (C2SP tlog-cosignature). Throws where the text is no checkpoint, or a name too long for the form. */
export function timedMessage({ name, type }: Pick<VerifierKey, 'name' | 'type'>, body: string, time: number): string | Buffer {
  if (type !== COSIGNATURE_ML_DSA_44) return `cosignature/v1\ntime ${time}\n${body}`;
  const { origin, size, root } = readCheckpoint(body);
  return Buffer.concat([Buffer.from('subtree/v1\n\0'), short(name), uint64(time), short(origin), uint64(0), uint64(size), root]);
}

function uint64(number: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(number));
  return bytes;
}

function short(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length === 0 || bytes.length > 255) throw new Error('a name of more than 255 bytes cannot be cosigned');
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}
