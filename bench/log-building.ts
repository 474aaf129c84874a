/** Builds long logs fast: large batches, but a true tree, whose every entry checks. */
import type { LogStore } from '../src/audit/store.ts';
import { leafHash, NEWEST, TILE_HEIGHT, TILE_WIDTH, TreeEdge } from '../src/audit/tree.ts';
import { bodies } from './log-entries.ts';

/** Adds entries to a new log, or to one that was left half built, until it has `count`. `told` hears how far it is. */
export async function buildLog(store: LogStore, count: number, told: (size: number) => void): Promise<void> {
  const entries = bodies(count, 1);
  const { size } = await store.head();
  for (let i = 0; i < size; i++) entries.next();
  const edge = await edgeOf(store, size);
  while (edge.size < count) {
    const batch = Array.from({ length: Math.min(NEWEST, count - edge.size) }, () => entries.next().value as string);
    await store.append(() => {
      const from = edge.size;
      for (const body of batch) edge.append(leafHash(Buffer.from(body)));
      return { entries: batch, tiles: edge.tilesSince(from), checkpoint: undefined };
    });
    edge.trim();
    told(edge.size);
  }
}

async function edgeOf(store: LogStore, size: number): Promise<TreeEdge> {
  const tiles = new Map<number, Buffer>();
  for (let level = 0, nodes = size; nodes > 0; level++, nodes = Math.floor(nodes / TILE_WIDTH))
    if (nodes % TILE_WIDTH !== 0) tiles.set(level, await store.tile(level, nodes >> TILE_HEIGHT));
  return TreeEdge.load(size, (level) => tiles.get(level) as Buffer);
}
