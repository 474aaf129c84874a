/** The Merkle tree of RFC 6962 §2.1: hashes, inclusion paths, and the growing right edge kept in memory. Pure. */
import { hash } from 'node:crypto';

export const HASH_BYTES = 32;
/** Width of a tile of C2SP tlog-tiles: 2^8 hashes. */
export const TILE_HEIGHT = 8;
export const TILE_WIDTH = 1 << TILE_HEIGHT;

const LEAF = Buffer.from([0]);
const NODE = Buffer.from([1]);

/** SHA-256(0x00 ‖ bytes): the leaf hash of an entry; of a text, its UTF-8 is meant. */
export const leafHash = (entry: Uint8Array | string): Buffer =>
  hash('sha256', typeof entry === 'string' ? `\0${entry}` : Buffer.concat([LEAF, entry]), 'buffer');
/** SHA-256(0x01 ‖ left ‖ right). */
export const nodeHash = (left: Uint8Array, right: Uint8Array): Buffer => hash('sha256', Buffer.concat([NODE, left, right]), 'buffer');
/** The root of the empty tree: SHA-256 of nothing. */
export const EMPTY_ROOT: Buffer = hash('sha256', Buffer.alloc(0), 'buffer');

/** The hash of the complete subtree over the leaves [index·2^level, (index+1)·2^level). Throws where it is not at hand. */
export type NodeReader = (level: number, index: number) => Buffer;

/** The root over the leaves [from, to): complete subtrees are read, the ragged rest is hashed. */
export function rangeRoot(from: number, to: number, node: NodeReader): Buffer {
  const size = to - from;
  if (size === 0) return EMPTY_ROOT;
  const level = Math.ceil(Math.log2(size));
  if (2 ** level === size && from % size === 0) return node(level, from / size);
  const split = from + 2 ** (level - 1);
  return nodeHash(rangeRoot(from, split, node), rangeRoot(split, to, node));
}

/** PATH(index, D[size]) of RFC 6962 §2.1.1: the hashes that lead from a leaf to the root, nearest first. */
export function inclusionPath(index: number, size: number, node: NodeReader): Buffer[] {
  const path: Buffer[] = [];
  let from = 0;
  let to = size;
  while (to - from > 1) {
    const split = from + 2 ** (Math.ceil(Math.log2(to - from)) - 1);
    if (index < split) {
      path.push(rangeRoot(split, to, node));
      to = split;
    } else {
      path.push(rangeRoot(from, split, node));
      from = split;
    }
  }
  return path.reverse();
}

/** The root that a leaf hash and its path lead to (RFC 9162 §2.1.3.2), or undefined where the path has not the length it must have. */
export function rootFromPath(leaf: Uint8Array, index: number, size: number, path: readonly Uint8Array[]): Buffer | undefined {
  if (!(Number.isSafeInteger(index) && Number.isSafeInteger(size) && index >= 0 && index < size)) return undefined;
  let node = index;
  let last = size - 1;
  let root: Buffer = Buffer.from(leaf);
  for (const sibling of path) {
    if (last === 0) return undefined;
    if (node % 2 === 1 || node === last) {
      root = nodeHash(sibling, root);
      while (node % 2 === 0 && node !== 0) {
        node = Math.floor(node / 2);
        last = Math.floor(last / 2);
      }
    } else {
      root = nodeHash(root, sibling);
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 ? root : undefined;
}

/** How many of the newest leaves keep every node that their inclusion path needs. A batch is never larger. */
export const NEWEST = 1024;

/**
 * The right edge of a growing tree: enough nodes in memory to append, to state the root, and to prove any of the newest
 * `NEWEST` leaves, in a space that does not grow with the tree.
 */
export class TreeEdge {
  size = 0;
  readonly #levels: { base: number; nodes: Buffer[] }[] = [];

  readonly node: NodeReader = (level, index) => {
    const at = this.#levels[level];
    const found = at?.nodes[index - at.base];
    if (found === undefined) throw new RangeError(`node ${level}/${index} is not at the edge`);
    return found;
  };

  /** Opens the edge of a tree of `size` leaves from its rightmost, partial tiles; `tile` gives the hashes of one, at least `width` of them. */
  static load(size: number, tile: (level: number, index: number, width: number) => Buffer): TreeEdge {
    const edge = new TreeEdge();
    edge.size = size;
    for (let level = 0; 2 ** (level * TILE_HEIGHT) <= size; level++) {
      const nodes = Math.floor(size / 2 ** (level * TILE_HEIGHT));
      const index = Math.floor(nodes / TILE_WIDTH);
      const width = nodes % TILE_WIDTH;
      const hashes = width === 0 ? Buffer.alloc(0) : tile(level, index, width);
      let row: Buffer[] = Array.from({ length: width }, (_, i) => Buffer.from(hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES)));
      let base = index * TILE_WIDTH;
      for (let up = 0; up < TILE_HEIGHT; up++) {
        edge.#levels[level * TILE_HEIGHT + up] = { base, nodes: row };
        row = Array.from({ length: Math.floor(row.length / 2) }, (_, i) => nodeHash(row[2 * i] as Buffer, row[2 * i + 1] as Buffer));
        base /= 2;
      }
    }
    return edge;
  }

  append(leaf: Buffer): void {
    let hashed = leaf;
    let index = this.size++;
    for (let level = 0; ; level++) {
      const at = (this.#levels[level] ??= { base: index, nodes: [] });
      at.nodes.push(hashed);
      if (index % 2 === 0) return;
      hashed = nodeHash(this.node(level, index - 1), hashed);
      index = (index - 1) / 2;
    }
  }

  root(): Buffer {
    return rangeRoot(0, this.size, this.node);
  }

  /** Takes back every leaf from `size` on: the commit that would have stored them failed. */
  truncate(size: number): void {
    this.size = size;
    this.#levels.forEach((at, level) => {
      at.nodes.length = Math.max(0, Math.min(at.nodes.length, Math.floor(size / 2 ** level) - at.base));
    });
  }

  /** Forgets what neither appending, nor proving the newest leaves, nor writing the partial tiles needs. */
  trim(): void {
    this.#levels.forEach((at, level) => {
      const keep = Math.max(TILE_WIDTH, Math.ceil(NEWEST / 2 ** level)) + 2;
      if (at.nodes.length > 4 * keep) at.base += at.nodes.splice(0, at.nodes.length - keep).length;
    });
  }

  /** The tiles that the leaves from `since` on changed or completed, each with all its hashes. */
  tilesSince(since: number): { level: number; index: number; hashes: Buffer }[] {
    const tiles: { level: number; index: number; hashes: Buffer }[] = [];
    for (let level = 0; 2 ** (level * TILE_HEIGHT) <= this.size; level++) {
      const before = Math.floor(since / 2 ** (level * TILE_HEIGHT));
      const now = Math.floor(this.size / 2 ** (level * TILE_HEIGHT));
      if (now === before) break;
      for (let index = Math.floor(before / TILE_WIDTH); index * TILE_WIDTH < now; index++) {
        const hashes: Buffer[] = [];
        for (let i = index * TILE_WIDTH; i < Math.min(now, (index + 1) * TILE_WIDTH); i++) hashes.push(this.node(level * TILE_HEIGHT, i));
        tiles.push({ level, index, hashes: Buffer.concat(hashes) });
      }
    }
    return tiles;
  }
}

/** Reads nodes of a stored tree from its tiles, whichever of a tree of `size` leaves, at the price of one tile each. */
export function tileReader(tile: (level: number, index: number) => Buffer): NodeReader {
  return (level, index) => {
    const tileLevel = Math.floor(level / TILE_HEIGHT);
    const up = level % TILE_HEIGHT;
    const first = index * 2 ** up;
    const hashes = tile(tileLevel, Math.floor(first / TILE_WIDTH));
    const offset = first % TILE_WIDTH;
    let row: Buffer[] = Array.from({ length: 2 ** up }, (_, i) =>
      hashes.subarray((offset + i) * HASH_BYTES, (offset + i + 1) * HASH_BYTES),
    );
    while (row.length > 1) row = Array.from({ length: row.length / 2 }, (_, i) => nodeHash(row[2 * i] as Buffer, row[2 * i + 1] as Buffer));
    return row[0] as Buffer;
  };
}
