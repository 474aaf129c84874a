/** What the log is held against: the tree of RFC 6962 written down a second time, and a check of a whole stored log. */
import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { openCheckpoint, type VerifierKey } from '../../src/audit/checkpoint.ts';
import type { PrunedEntry } from '../../src/audit/log.ts';
import type { LogReader } from '../../src/audit/store.ts';
import { rootFromPath } from '../../src/audit/tree.ts';
import type { Receipt } from '../../src/domain.ts';

const sha256 = (...parts: Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** RFC 6962 §2.1 word for word over a growing list; only what was hashed once is remembered. */
export class Oracle {
  readonly leaves: Buffer[] = [];
  readonly #known = new Map<string, Buffer>();

  push(bytes: Uint8Array): Buffer {
    const leaf = sha256(Buffer.from([0]), bytes);
    this.leaves.push(leaf);
    return leaf;
  }

  /** MTH(D[from:to]). */
  root(from: number, to: number): Buffer {
    if (to === from) return sha256();
    if (to - from === 1) return this.leaves[from] as Buffer;
    const name = `${from} ${to}`;
    let known = this.#known.get(name);
    if (known === undefined) {
      const split = from + largestPowerBelow(to - from);
      known = sha256(Buffer.from([1]), this.root(from, split), this.root(split, to));
      this.#known.set(name, known);
    }
    return known;
  }

  /** PATH(index, D[from:to]), nearest first. */
  path(index: number, from: number, to: number): Buffer[] {
    if (to - from === 1) return [];
    const split = from + largestPowerBelow(to - from);
    return index < split
      ? [...this.path(index, from, split), this.root(split, to)]
      : [...this.path(index, split, to), this.root(from, split)];
  }
}

function largestPowerBelow(n: number): number {
  let power = 1;
  while (power * 2 < n) power *= 2;
  return power;
}

/**
 * Reads every entry and makes the tree anew. Throws where indexes are not dense or the signed checkpoint is not true of the
 * entries; returns the entries' bytes.
 */
export async function wholeLog(store: LogReader, key: VerifierKey): Promise<string[]> {
  const head = await store.head();
  const bodies = await store.read(0, head.size + 1000);
  const entries = bodies.filter((body) => body !== undefined);
  if (entries.length !== head.size) throw new Error(`the head says ${head.size} entries, there are ${entries.length}`);
  if (head.checkpoint === undefined) return entries;
  const checkpoint = openCheckpoint(head.checkpoint, key);
  const oracle = new Oracle();
  for (const bytes of entries.slice(0, checkpoint.size)) oracle.push(Buffer.from(bytes));
  if (!oracle.root(0, checkpoint.size).equals(checkpoint.root)) throw new Error('the entries do not lead to the signed root');
  return entries;
}

/** Whether the entry is in the tree under the checkpoint: the verifier's arithmetic over the oracle's hashes. */
export function holds(receipt: Receipt | PrunedEntry | undefined, key: VerifierKey): boolean {
  if (receipt === undefined) return false;
  const { size, root } = openCheckpoint(receipt.checkpoint, key);
  const leaf =
    'leaf' in receipt ? Buffer.from(receipt.leaf, 'base64') : new Oracle().push(Buffer.from(canonicalize(receipt.entry) as string));
  const path = receipt.proof.map((item) => Buffer.from(item, 'base64'));
  return rootFromPath(leaf, receipt.index, size, path)?.equals(root) === true;
}
