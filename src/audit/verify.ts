/** Checks a saved reply offline, with the log's public keys alone. It imports nothing of the gateway but the tree and the checkpoint. */
import { hash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { fromBase64, openCheckpoint, type VerifierKey } from './checkpoint.ts';
import { HASH_BYTES, leafHash, rootFromPath } from './tree.ts';

/** What a caller keeps: the reply as it came, and where wanted the request as it was sent. */
export interface SavedReply {
  readonly prefill?: unknown;
  /** In its place, of claims that were compared. */
  readonly verification?: unknown;
  /** Or of a report that a value is wrong. */
  readonly correction?: unknown;
  readonly receipt: unknown;
}

/** Where something stands in which log, under a head of how many entries. */
export interface Place {
  readonly index: number;
  readonly size: number;
  readonly origin: string;
}

export interface Verified extends Place {
  readonly time: string;
  readonly agency: string;
}

/** SHA-256 of the RFC 8785 canonical JSON of a value, base64. */
export function digestOf(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new Error('the value has no canonical JSON');
  return hash('sha256', text, 'base64');
}

/**
 * Checks that the reply is the one the log holds, that the entry is in the tree, and that the tree's head is signed by one of `keys`, of which a log has more than one after a rotation.
 * With `request`, checks too that this was the question. Throws an Error whose message says what does not hold.
 */
export function verifyReply(saved: SavedReply, keys: VerifierKey | readonly VerifierKey[], request?: unknown): Verified {
  const others = (['verification', 'correction'] as const).filter(
    (one) => isObject(saved) && isObject(saved[one]) && !('prefill' in saved),
  );
  const kind = others[0] ?? 'prefill';
  const answer = isObject(saved) ? saved[kind] : undefined;
  if (!isObject(saved) || !isObject(answer)) throw new Error('there is no prefill to check');
  onlyMembers(saved, [kind, 'receipt'], 'reply');
  const { entry } = receiptParts(saved.receipt);
  if (entry.replyDigest !== digestOf(answer)) throw new Error('the answer is not the one that the log holds: it was changed');
  if (request !== undefined && entry.requestDigest !== digestOf({ request, salt: answer.salt }))
    throw new Error('the request is not the one that the log holds');
  return verifyReceipt(saved.receipt, keys);
}

/** Checks that the receipt's entry is in the tree whose head one of `keys` signed: for an entry of the log by itself. Throws as `verifyReply` does. */
export function verifyReceipt(receipt: unknown, keys: VerifierKey | readonly VerifierKey[]): Verified {
  const { entry, ...place } = receiptParts(receipt);
  return { ...verifyPlace(leafHash(canonicalize(entry) ?? ''), place, keys), time: String(entry.time), agency: String(entry.agency) };
}

/**
 * The same for a receipt with the hash of an entry in its place, of an entry that names others too or was forgotten: some entry with that
 * hash is in the tree. What it says, and whatever else stands in the receipt, nothing vouches for. Throws as `verifyReply` does.
 */
export function verifyLeaf(receipt: unknown, keys: VerifierKey | readonly VerifierKey[]): Place {
  if (!isObject(receipt)) throw new Error('there is no receipt to check');
  onlyMembers(receipt, ['leaf', 'index', 'proof', 'checkpoint', 'pruned', 'retention'], 'receipt');
  const { leaf } = receipt;
  const hashed = typeof leaf === 'string' ? fromBase64(leaf) : undefined;
  if (hashed?.length !== HASH_BYTES) throw new Error('the receipt’s leaf is not a hash');
  return verifyPlace(hashed, placeParts(receipt), keys);
}

function verifyPlace(leaf: Buffer, { index, proof, checkpoint }: PlaceParts, keys: VerifierKey | readonly VerifierKey[]): Place {
  const head = openCheckpoint(checkpoint, keys);
  const root = rootFromPath(leaf, index, head.size, proof);
  if (root === undefined || !root.equals(head.root))
    throw new Error('the entry is not in the log at this place: entry, index or proof was changed');
  return { index, size: head.size, origin: head.origin };
}

interface PlaceParts {
  readonly index: number;
  readonly proof: Buffer[];
  readonly checkpoint: string;
}

function receiptParts(receipt: unknown): PlaceParts & { entry: Record<string, unknown> } {
  if (!isObject(receipt)) throw new Error('there is no receipt to check');
  onlyMembers(receipt, ['entry', 'index', 'proof', 'checkpoint'], 'receipt');
  const { entry } = receipt;
  if (!isObject(entry)) throw new Error('the receipt lacks its entry, index, proof or checkpoint');
  return { entry, ...placeParts(receipt) };
}

function placeParts({ index, proof, checkpoint }: Record<string, unknown>): PlaceParts {
  if (typeof index !== 'number' || typeof checkpoint !== 'string' || !Array.isArray(proof)) {
    throw new Error('the receipt lacks its entry, index, proof or checkpoint');
  }
  const path = proof.map((item) => {
    const bytes = typeof item === 'string' ? fromBase64(item) : undefined;
    if (bytes?.length !== HASH_BYTES) throw new Error('the proof holds something that is not a hash');
    return bytes;
  });
  return { index, proof: path, checkpoint };
}

/** What nobody signed must not stand beside what was. */
function onlyMembers(object: object, names: readonly string[], where: string): void {
  if (Object.keys(object).some((name) => !names.includes(name))) throw new Error(`the ${where} holds a member that nothing vouches for`);
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
