/** Computes over a tree that is stored as tiles: what the computation needs is read first, each tile once. */
import type { LogReader } from './store.ts';
import { HASH_BYTES, type NodeReader, TILE_WIDTH, tileReader } from './tree.ts';

/** Runs `compute` twice: once to learn which tiles it needs, once with them. It must ask for the same nodes whatever they hold. */
export async function overStored<T>(reader: Pick<LogReader, 'tile'>, compute: (node: NodeReader) => T): Promise<T> {
  const tiles = new Map<string, { level: number; index: number; hashes: Buffer }>();
  const blank = Buffer.alloc(TILE_WIDTH * HASH_BYTES);
  const tile = (level: number, index: number): Buffer => {
    const name = `${level}/${index}`;
    if (!tiles.has(name)) tiles.set(name, { level, index, hashes: blank });
    return tiles.get(name)?.hashes as Buffer;
  };
  compute(tileReader(tile));
  await Promise.all([...tiles.values()].map(async (one) => (one.hashes = await reader.tile(one.level, one.index))));
  return compute(tileReader(tile));
}
