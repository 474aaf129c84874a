/** Reads entries, and shows none that is not the one that the tree holds at its place. */
import { LogBroken, type LogReader } from './store.ts';
import { HASH_BYTES, leafHash, TILE_WIDTH } from './tree.ts';

/** Entries between two that are wanted which are read along rather than asked for apart. */
const GAP = 4;

/** The bodies of these entries; one that was pruned is missing. Throws `LogBroken` for an entry that is not the one that was logged. */
export async function readSound(reader: LogReader, indexes: readonly number[]): Promise<Map<number, string>> {
  const wanted = new Set(indexes);
  const tiles = new Map<number, Promise<Buffer>>();
  const tileOf = (index: number): Promise<Buffer> => {
    const at = Math.floor(index / TILE_WIDTH);
    let tile = tiles.get(at);
    if (tile === undefined) tiles.set(at, (tile = reader.tile(0, at)));
    return tile;
  };
  const parts = await Promise.all(
    runs(indexes).map(async ([from, to]) => {
      const bodies = (await reader.read(from, to)).map((body, i) => [from + i, body] as const);
      const found: [number, string][] = [];
      for (const [index, body] of bodies) {
        if (body === undefined || !wanted.has(index)) continue;
        if (!isAt(await tileOf(index), index, body)) throw broken(index);
        found.push([index, body]);
      }
      return found;
    }),
  );
  return new Map(parts.flat());
}

export const broken = (index: number): LogBroken => new LogBroken(`entry ${index} is not the one that the tree holds at its place`, index);

/** Up to which index bodies may have been pruned. */
export async function prunedBefore(reader: LogReader): Promise<number> {
  const { retention } = await reader.head();
  if (retention === undefined) return 0;
  const body = (await readSound(reader, [retention])).get(retention);
  if (body === undefined) throw broken(retention);
  const upTo = (JSON.parse(body) as { retention?: { upTo?: number } }).retention?.upTo ?? 0;
  return Math.min(upTo, retention);
}

function isAt(tile: Buffer, index: number, body: string): boolean {
  const offset = (index % TILE_WIDTH) * HASH_BYTES;
  return leafHash(Buffer.from(body)).equals(tile.subarray(offset, offset + HASH_BYTES));
}

/** Indexes as ranges [from, to). */
function runs(indexes: readonly number[]): [from: number, to: number][] {
  const ranges: [number, number][] = [];
  for (const index of [...indexes].sort((one, other) => one - other)) {
    const last = ranges.at(-1);
    if (last !== undefined && index - last[1] <= GAP) last[1] = index + 1;
    else ranges.push([index, index + 1]);
  }
  return ranges;
}
