/** Reads the tree of a stored log from its tiles. */
import type { LogReader } from './store.ts';
import { HASH_BYTES, type NodeReader, TILE_HEIGHT, TILE_WIDTH, TreeEdge, tileReader } from './tree.ts';

/** Runs a computation over stored nodes twice: once to learn which tiles it needs, once with them. */
export async function withTiles<T>(store: LogReader, compute: (node: NodeReader) => T): Promise<T> {
  const wanted = new Map<string, readonly [number, number]>();
  const blank = Buffer.alloc(TILE_WIDTH * HASH_BYTES);
  compute(
    tileReader((level, index) => {
      wanted.set(`${level}/${index}`, [level, index]);
      return blank;
    }),
  );
  const tiles = await readTiles(store, wanted);
  return compute(tileReader((level, index) => tiles.get(`${level}/${index}`) as Buffer));
}

/** The growing edge of a stored tree of `size` leaves. */
export async function edgeOf(store: LogReader, size: number): Promise<TreeEdge> {
  const wanted = new Map<string, readonly [number, number]>();
  for (let level = 0; 2 ** (level * TILE_HEIGHT) <= size; level++) {
    const nodes = Math.floor(size / 2 ** (level * TILE_HEIGHT));
    const index = Math.floor(nodes / TILE_WIDTH);
    if (nodes % TILE_WIDTH !== 0) wanted.set(`${level}/${index}`, [level, index]);
  }
  const tiles = await readTiles(store, wanted);
  return TreeEdge.load(size, (level, index) => tiles.get(`${level}/${index}`) as Buffer);
}

/** The leaf hashes [from, to). */
export async function storedLeaves(store: LogReader, from: number, to: number): Promise<Buffer[]> {
  const first = Math.floor(from / TILE_WIDTH);
  const tiles = await Promise.all(Array.from({ length: Math.ceil(to / TILE_WIDTH) - first }, (_, i) => store.tile(0, first + i)));
  return Array.from({ length: to - from }, (_, i) => {
    const index = from + i;
    const offset = (index % TILE_WIDTH) * HASH_BYTES;
    return tiles[Math.floor(index / TILE_WIDTH) - first]?.subarray(offset, offset + HASH_BYTES) as Buffer;
  });
}

/** Entries before this index may have lost their bodies: `retention` is the index of the entry that says so. */
export async function prunedBefore(store: LogReader, retention: number | undefined): Promise<number> {
  const [body] = retention === undefined ? [] : await store.read(retention, retention + 1);
  const entry = body === undefined ? undefined : (JSON.parse(body) as { kind?: unknown; retention?: { upTo?: unknown } });
  const upTo = entry?.kind === 'retention' ? entry.retention?.upTo : undefined;
  return typeof upTo === 'number' ? Math.min(upTo, retention as number) : 0;
}

async function readTiles(store: LogReader, wanted: ReadonlyMap<string, readonly [number, number]>): Promise<Map<string, Buffer>> {
  return new Map(await Promise.all([...wanted].map(async ([name, at]) => [name, await store.tile(...at)] as const)));
}
