/** Proofs that one tree continues another: nothing that was in the older was changed or taken out (RFC 6962 §2.1.2). Pure. */
import { EMPTY_ROOT, HASH_BYTES, type NodeReader, nodeHash, rangeRoot } from './tree.ts';

/** No tree whose size a number can hold needs more. */
export const MAX_PATH = 63;

/** PROOF(oldSize, D[newSize]): what leads from the older root to the newer, as RFC 6962 orders it. Empty where the older tree is empty or the same. */
export function consistencyPath(oldSize: number, newSize: number, node: NodeReader): Buffer[] {
  if (!isSize(oldSize) || !isSize(newSize) || oldSize > newSize) throw new RangeError('no tree continues one that is longer');
  if (oldSize === 0) return [];
  const path: Buffer[] = [];
  let from = 0;
  let to = newSize;
  while (oldSize < to) {
    const split = from + 2 ** (Math.ceil(Math.log2(to - from)) - 1);
    if (oldSize <= split) {
      path.push(rangeRoot(split, to, node));
      to = split;
    } else {
      path.push(rangeRoot(from, split, node));
      from = split;
    }
  }
  // Whoever checks has the older root already; only a subtree within it must be told.
  if (from > 0) path.push(rangeRoot(from, to, node));
  return path.reverse();
}

/** A tree as its checkpoint states it. */
export interface TreeHead {
  readonly size: number;
  readonly root: Uint8Array;
}

/** Checks by RFC 9162 §2.1.4.2 that `newer` continues `older`. Throws an Error that says what does not hold. Any tree continues the empty one. */
export function checkConsistency(older: TreeHead, newer: TreeHead, path: readonly Uint8Array[]): void {
  if (!isSize(older.size) || !isSize(newer.size) || older.size > newer.size) throw new Error('the newer tree is shorter than the older');
  for (const { size, root } of [older, newer]) {
    if (size === 0 && !EMPTY_ROOT.equals(root)) throw new Error('an empty tree has another root');
  }
  if (older.size === 0 || older.size === newer.size) {
    if (path.length > 0) throw new Error('the proof is longer than it must be');
    if (older.size > 0 && !Buffer.from(older.root).equals(newer.root)) throw new Error('two trees of one size have different roots');
    return;
  }
  if (path.some((hash) => hash.length !== HASH_BYTES)) throw new Error('the proof holds something that is not a hash');
  const roots = rootsFrom(older, newer.size, path);
  if (roots === undefined) throw new Error('the proof has not the length it must have');
  if (!roots.older.equals(older.root)) throw new Error('the proof does not lead to the older root');
  if (!roots.newer.equals(newer.root)) throw new Error('the proof does not lead to the newer root');
}

/** The two roots that the proof leads to, or undefined where it is too short or too long. */
function rootsFrom(older: TreeHead, newSize: number, path: readonly Uint8Array[]): { older: Buffer; newer: Buffer } | undefined {
  const [first, ...rest] = isPowerOfTwo(older.size) ? [older.root, ...path] : path;
  if (first === undefined || path.length === 0) return undefined;
  let node = older.size - 1;
  let last = newSize - 1;
  const up = (): void => {
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  };
  while (node % 2 === 1) up();
  let oldRoot: Buffer = Buffer.from(first);
  let newRoot: Buffer = oldRoot;
  for (const sibling of rest) {
    if (last === 0) return undefined;
    if (node % 2 === 1 || node === last) {
      oldRoot = nodeHash(sibling, oldRoot);
      newRoot = nodeHash(sibling, newRoot);
      while (node % 2 === 0 && node !== 0) up();
    } else {
      newRoot = nodeHash(newRoot, sibling);
    }
    up();
  }
  return last === 0 ? { older: oldRoot, newer: newRoot } : undefined;
}

const isSize = (size: number): boolean => Number.isSafeInteger(size) && size >= 0;

function isPowerOfTwo(size: number): boolean {
  let power = 1;
  while (power < size) power *= 2;
  return power === size;
}
