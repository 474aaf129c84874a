/** Reads a log over HTTP as its outsiders see it: checkpoint, tiles and, with an auditor's token, bundles of entries (C2SP tlog-tiles). */
import type { Head, LogReader } from './store.ts';
import { decodeBundle, formatTilePath, type TilePath, widthIn } from './tiles.ts';
import { TILE_WIDTH } from './tree.ts';

/**
 * `get` answers a GET of a path below the log's prefix; it rejects where that is refused. The log seems as long as its signed head says: what
 * nobody signed yet is not shown to outsiders.
 */
export function remoteLog(get: (path: string) => Promise<Buffer>): LogReader {
  let size = 0;
  let last: { name: string; bundle: (string | undefined)[] } | undefined;
  const fetchTile = async (tile: Omit<TilePath, 'width'>): Promise<Buffer> => {
    const width = widthIn(size, tile);
    if (width === 0) throw new Error(`the log has no tile ${tile.level}/${tile.index}`);
    return get(`tile/${formatTilePath({ ...tile, width })}`);
  };
  const readBundle = async (index: number): Promise<(string | undefined)[]> => {
    const name = `${index} ${size}`;
    if (last?.name !== name)
      last = { name, bundle: decodeBundle(await fetchTile({ level: 'entries', index })).map((body) => body?.toString()) };
    return last.bundle;
  };
  return {
    async head(): Promise<Head> {
      const checkpoint = (await get('checkpoint')).toString();
      size = Number(checkpoint.split('\n')[1]);
      if (!Number.isSafeInteger(size) || size < 0) throw new Error('what stands in place of the checkpoint is none');
      return { size, checkpoint, cosigned: undefined, retention: undefined };
    },
    async read(from, to) {
      const bodies: (string | undefined)[] = [];
      for (let at = from; at < Math.min(to, size); at += TILE_WIDTH - (at % TILE_WIDTH)) {
        const bundle = await readBundle(Math.floor(at / TILE_WIDTH));
        bodies.push(...bundle.slice(at % TILE_WIDTH, Math.min(to, size) - at + (at % TILE_WIDTH)));
      }
      return bodies;
    },
    tile: (level, index) => fetchTile({ level, index }),
  };
}
