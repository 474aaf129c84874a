/** The signed head of the log: a C2SP tlog-checkpoint in a C2SP signed note with an Ed25519 key. Pure, and of use without a gateway. */
import { createPublicKey, hash, type KeyObject, sign, verify } from 'node:crypto';

const ALGORITHM_ED25519 = 1;
const ED25519_SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
}

/** A verifier key: who signs under which name. As text `<name>+<8 hex of key id>+<base64(0x01 ‖ public key)>`. */
export interface VerifierKey {
  readonly name: string;
  readonly id: Buffer;
  readonly key: KeyObject;
}

const rawPublicKey = (key: KeyObject): Buffer => key.export({ format: 'der', type: 'spki' }).subarray(ED25519_SPKI_PREFIX.length);

function keyId(name: string, raw: Buffer): Buffer {
  return hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), Buffer.from([ALGORITHM_ED25519]), raw]), 'buffer').subarray(0, 4);
}

export function formatVerifierKey(name: string, key: KeyObject): string {
  const raw = rawPublicKey(key);
  return `${name}+${keyId(name, raw).toString('hex')}+${Buffer.concat([Buffer.from([ALGORITHM_ED25519]), raw]).toString('base64')}`;
}

/** The bytes of a base64 text, or undefined where it is not the one spelling of them: a second one would let a receipt be changed and still verify. */
export function fromBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

/** Throws an Error that says what is wrong with the text. */
export function parseVerifierKey(text: string): VerifierKey {
  const [name, id, encoded, ...rest] = text.trim().split('+');
  // The base64 of the key may hold a plus sign itself.
  const bytes = fromBase64([encoded, ...rest].join('+'));
  if (!name || !/^[0-9a-f]{8}$/.test(id ?? '') || bytes?.length !== 33 || bytes[0] !== ALGORITHM_ED25519) {
    throw new Error('not a verifier key: <name>+<8 hex digits>+<base64 of an Ed25519 key>');
  }
  const raw = bytes.subarray(1);
  if (keyId(name, raw).toString('hex') !== id) throw new Error('the verifier key’s identifier does not belong to its key');
  const key = createPublicKey({ key: Buffer.concat([ED25519_SPKI_PREFIX, raw]), format: 'der', type: 'spki' });
  return { name, id: keyId(name, raw), key };
}

/** A function that signs checkpoints under `name`; made once, since exporting a key costs more than a signature. */
export function checkpointSigner(name: string, privateKey: KeyObject): (checkpoint: Checkpoint) => string {
  const id = keyId(name, rawPublicKey(createPublicKey(privateKey)));
  return ({ origin, size, root }) => {
    const body = `${origin}\n${size}\n${root.toString('base64')}\n`;
    const signature = sign(null, Buffer.from(body), privateKey);
    return `${body}\n— ${name} ${Buffer.concat([id, signature]).toString('base64')}\n`;
  };
}

/** Whether a line of the note claims to be of this key: nothing is verified. */
export function bearsSignature(note: string, { name, id }: VerifierKey): boolean {
  return signatures(note).some((line) => line.name === name && line.bytes.subarray(0, 4).equals(id));
}

function signatures(note: string): { name: string; bytes: Buffer }[] {
  return note
    .slice(note.indexOf('\n\n') + 2, -1)
    .split('\n')
    .map((line) => {
      const [, name, text] = /^— (\S+) ([A-Za-z0-9+/=]+)$/.exec(line) ?? [];
      const bytes = fromBase64(text ?? '');
      if (name === undefined || bytes === undefined) throw new Error('the checkpoint holds a line that is no signature');
      return { name, bytes };
    });
}

/** The checkpoint in a signed note of the log that one of its keys signed. Throws an Error that says what does not hold. */
export function openCheckpoint(note: string, keys: VerifierKey | readonly VerifierKey[]): Checkpoint {
  const end = note.indexOf('\n\n');
  if (end < 0 || !note.endsWith('\n')) throw new Error('the checkpoint is not a signed note');
  const body = note.slice(0, end + 1);
  const lines = signatures(note);
  const known = [keys].flat();
  const signed = known.filter((key) => {
    const line = lines.find(({ name, bytes }) => name === key.name && bytes.subarray(0, 4).equals(key.id));
    if (line !== undefined && !verify(null, Buffer.from(body), key.key, line.bytes.subarray(4)))
      throw new Error(`the signature of ${key.name} on the checkpoint is wrong`);
    return line !== undefined;
  });
  if (signed.length === 0) throw new Error(`the checkpoint bears no signature of ${known[0]?.name}`);
  const [origin, size, root, ...rest] = body.slice(0, -1).split('\n');
  const hashed = fromBase64(root ?? '');
  if (!origin || !/^(0|[1-9][0-9]{0,15})$/.test(size ?? '') || hashed?.length !== 32 || rest.length > 0) {
    throw new Error('the checkpoint has not the form of a checkpoint');
  }
  // A key signs under the name of its log: with one key for two logs, the head of one is still not that of the other.
  if (!signed.some(({ name }) => name === origin)) throw new Error(`the checkpoint is that of ${origin}, not of ${signed[0]?.name}`);
  return { origin, size: Number(size), root: hashed };
}
