/** Verifier keys (C2SP signed-note): who signs under which name, and how. Pure, and imports nothing: the configuration and the offline verifier read them alike. */
import { createPublicKey, hash, type KeyObject } from 'node:crypto';

/** How a key signs: the byte before the public key in its text, and in the hash that gives it its identifier. */
export const ED25519 = 0x01;
/** A witness's: the text of the checkpoint and a time (C2SP tlog-cosignature). */
export const COSIGNATURE_ED25519 = 0x04;
/** A witness's, or a log's own: name, time, origin, size and root, in a form that quantum computers do not break. */
export const COSIGNATURE_ML_DSA_44 = 0x06;
export type SignatureType = typeof ED25519 | typeof COSIGNATURE_ED25519 | typeof COSIGNATURE_ML_DSA_44;

/** What a log may sign its heads with, and what a witness its cosignatures. */
export const LOG_TYPES: readonly SignatureType[] = [ED25519, COSIGNATURE_ML_DSA_44];
export const WITNESS_TYPES: readonly SignatureType[] = [COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44];

/** A verifier key as text is `<name>+<8 hex of its identifier>+<base64(type ‖ public key)>`. */
export interface VerifierKey {
  readonly name: string;
  readonly type: SignatureType;
  readonly id: Buffer;
  readonly key: KeyObject;
}

/** What stands before the raw key in its DER form (RFC 8410 §4, RFC 9881 §4), and how long that is. */
const RAW = {
  ed25519: { prefix: Buffer.from('302a300506032b6570032100', 'hex'), bytes: 32 },
  'ml-dsa-44': { prefix: Buffer.from('30820532300b06096086480165030403110382052100', 'hex'), bytes: 1312 },
};
const rawOf = (type: SignatureType): (typeof RAW)[keyof typeof RAW] => RAW[type === COSIGNATURE_ML_DSA_44 ? 'ml-dsa-44' : 'ed25519'];

/** The bytes of a base64 text, or undefined where it is not the one spelling of them: a second one would let a receipt be changed and still verify. */
export function fromBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

/** The verifier key of a key pair, either half of it. Throws where a key of this kind cannot sign so. */
export function verifierKeyOf(name: string, key: KeyObject, type: SignatureType = ED25519): VerifierKey {
  if (!isKeyName(name)) throw new Error('the name of a key is not empty and holds neither spaces nor plus signs');
  const { prefix, bytes } = rawOf(type);
  const half = key.type === 'private' ? createPublicKey(key) : key;
  const der = half.export({ format: 'der', type: 'spki' });
  if (!der.subarray(0, prefix.length).equals(prefix) || der.length !== prefix.length + bytes) {
    throw new Error(`a key of the kind ${half.asymmetricKeyType} makes no signatures of the type ${type}`);
  }
  return { name, type, id: keyId(name, type, der.subarray(prefix.length)), key: half };
}

export function formatVerifierKey(name: string, key: KeyObject, type: SignatureType = ED25519): string {
  const known = verifierKeyOf(name, key, type);
  const raw = known.key.export({ format: 'der', type: 'spki' }).subarray(rawOf(type).prefix.length);
  return `${name}+${known.id.toString('hex')}+${Buffer.concat([Buffer.from([type]), raw]).toString('base64')}`;
}

/** Throws an Error that says what is wrong with the text. Keys of other types than `types` are refused: a witness’s key says nothing as a log’s. */
export function parseVerifierKey(text: string, types: readonly SignatureType[] = [ED25519]): VerifierKey {
  const [name = '', id = '', ...encoded] = text.trim().split('+');
  // The base64 of the key may hold a plus sign itself.
  const bytes = fromBase64(encoded.join('+'));
  const type = types.find((one) => one === bytes?.[0]);
  if (!isKeyName(name) || !/^[0-9a-f]{8}$/.test(id) || type === undefined || bytes?.length !== 1 + rawOf(type).bytes) {
    throw new Error(`not a verifier key: <name>+<8 hex digits>+<base64 of ${types.map((one) => KINDS[one]).join(', or of ')}>`);
  }
  const raw = bytes.subarray(1);
  if (keyId(name, type, raw).toString('hex') !== id) throw new Error('the verifier key’s identifier does not belong to its key');
  const key = createPublicKey({ key: Buffer.concat([rawOf(type).prefix, raw]), format: 'der', type: 'spki' });
  return { name, type, id: keyId(name, type, raw), key };
}

const KINDS: Record<SignatureType, string> = {
  [ED25519]: 'an Ed25519 key',
  [COSIGNATURE_ED25519]: 'a witness’s Ed25519 key',
  [COSIGNATURE_ML_DSA_44]: 'an ML-DSA-44 key',
};

const keyId = (name: string, type: SignatureType, raw: Buffer): Buffer =>
  hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), Buffer.from([type]), raw]), 'buffer').subarray(0, 4);

/** Not empty, and without Unicode spaces (to which U+0085 belongs too), plus signs and what cannot stand in a note. */
const isKeyName = (name: string): boolean => /^[^\s+\p{Cc}]+$/u.test(name);
