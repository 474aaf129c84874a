/** The tree and its entries as files that anyone can fetch and keep (C2SP tlog-tiles): their paths, and bundles of entries. Pure. */
import { TILE_WIDTH } from './tree.ts';

export interface TilePath {
  /** 0 to 63, or `entries` for a bundle of what the tiles of level 0 are the hashes of. */
  readonly level: number | 'entries';
  readonly index: number;
  /** How many hashes or entries of it: `TILE_WIDTH` for a full one. */
  readonly width: number;
}

/** What stands after `tile/` in an address: `0/x001/x234/067`, `entries/067.p/5`. */
export function formatTilePath({ level, index, width }: TilePath): string {
  const digits = String(index);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/.../g) ?? [];
  const [last, ...before] = groups.reverse();
  const number = [...before.reverse().map((group) => `x${group}`), last].join('/');
  return `${level}/${number}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
}

/** Undefined where the text is not the one spelling of a tile’s path: caches and mirrors know a tile by it. */
export function parseTilePath(text: string): TilePath | undefined {
  const found = /^(entries|[0-9]{1,2})\/((?:x[0-9]{3}\/){0,5}[0-9]{3})(?:\.p\/([0-9]{1,3}))?$/.exec(text);
  if (found === null) return undefined;
  const [, level = '', groups = '', width] = found;
  const path: TilePath = {
    level: level === 'entries' ? level : Number(level),
    index: Number(groups.replaceAll(/[x/]/g, '')),
    width: width === undefined ? TILE_WIDTH : Number(width),
  };
  const within = path.level === 'entries' || path.level <= 63;
  const sized = path.width > 0 && (width === undefined || path.width < TILE_WIDTH) && Number.isSafeInteger((path.index + 1) * TILE_WIDTH);
  return within && sized && formatTilePath(path) === text ? path : undefined;
}

/** How wide the tile is in a tree of `size` leaves: 0 where it has none. */
export function widthIn(size: number, { level, index }: Pick<TilePath, 'level' | 'index'>): number {
  const nodes = Math.floor(size / TILE_WIDTH ** (level === 'entries' ? 0 : level));
  return Math.min(TILE_WIDTH, Math.max(0, nodes - index * TILE_WIDTH));
}

const MAX_ENTRY_BYTES = 0xffff;

/**
 * A bundle: each entry after its length, uint16 big-endian. A body that was forgotten is written as length zero, which no entry has, since
 * an entry is a JSON object: whoever reads takes its leaf hash from the tile of level 0 instead. Throws where an entry is longer than the form allows.
 */
export function encodeBundle(bodies: readonly (string | undefined)[]): Buffer {
  return Buffer.concat(
    bodies.flatMap((body) => {
      const bytes = Buffer.from(body ?? '');
      if (bytes.length > MAX_ENTRY_BYTES) throw new RangeError(`an entry of ${bytes.length} bytes fits no bundle`);
      const length = Buffer.alloc(2);
      length.writeUInt16BE(bytes.length);
      return [length, bytes];
    }),
  );
}

/** The entries of a bundle, undefined for one that was forgotten. Throws where it ends within an entry. */
export function decodeBundle(bundle: Buffer): (Buffer | undefined)[] {
  const entries: (Buffer | undefined)[] = [];
  for (let at = 0; at < bundle.length; ) {
    const end = at + 2 > bundle.length ? Number.POSITIVE_INFINITY : at + 2 + bundle.readUInt16BE(at);
    if (end > bundle.length) throw new Error('the bundle ends within an entry');
    entries.push(end === at + 2 ? undefined : bundle.subarray(at + 2, end));
    at = end;
  }
  return entries;
}
