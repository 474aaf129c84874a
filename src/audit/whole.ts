/** Checks a whole log: every entry against the tree, the tree against its signed head, and against what was seen of it before. */
import { type Checkpoint, openCheckpoint, readCheckpoint, type VerifierKey } from './checkpoint.ts';
import { takenOver } from './handover.ts';
import { parseNote } from './note.ts';
import { type Head, LogBroken, type LogReader } from './store.ts';
import { EMPTY_ROOT, HASH_BYTES, leafHash, TILE_HEIGHT, TILE_WIDTH, TreeEdge } from './tree.ts';

/** What a verifier keeps of a log between two visits: its head, and a hash for every 256 entries, which tells where another log begins to differ. */
export interface Seen {
  readonly checkpoint: string;
  /** Roots of the complete blocks of 256 entries, one after the other. */
  readonly blocks: Buffer;
}

export interface Checked {
  readonly entries: number;
  /** How many of them are under the signed head. */
  readonly signed: number;
  /** How many have lost their bodies, as the log itself says they should. */
  readonly pruned: number;
  /** The keys of the log that are vouched for, newest last. */
  readonly keys: readonly VerifierKey[];
  /** To be kept; undefined for a log without a signed head. */
  readonly seen: Seen | undefined;
}

/**
 * Reads every entry once, in memory that grows by 32 bytes for 256 entries. `keys` are those that the reader trusts; newer ones are believed
 * where the log holds an entry by which an older one vouches for them. Throws `LogBroken` at the first entry that was changed, dropped,
 * moved, put in or forked, or Error where the log cannot be read.
 */
export async function checkLog(log: LogReader, keys: VerifierKey | readonly VerifierKey[], seen?: Seen): Promise<Checked> {
  for (let tries = 1; ; tries++) {
    const head = await log.head();
    try {
      return await checkFrom(log, head, keys, seen);
    } catch (error) {
      // Bodies may have gone while they were read: the entry that says so stands beyond the head that was looked at.
      const grown = error instanceof LogBroken && error.missing && (await log.head()).size > head.size;
      if (!grown || tries === MAX_TRIES) throw error;
    }
  }
}

/** How often a log that forgets while it is read is read anew. */
const MAX_TRIES = 3;

async function checkFrom(log: LogReader, head: Head, keys: VerifierKey | readonly VerifierKey[], seen?: Seen): Promise<Checked> {
  if (head.checkpoint === undefined && head.size > 0) throw new LogBroken('the log holds entries and bears no signed head', 0);
  const before = seen === undefined ? undefined : readCheckpoint(parseNote(seen.checkpoint).body);
  const signedSize = head.checkpoint === undefined ? 0 : Number(head.checkpoint.split('\n')[1]);
  checkLengths(head.size, signedSize, before);

  const scan = new Scan(log, seen?.blocks ?? Buffer.alloc(0), [keys].flat());
  let signedRoot = EMPTY_ROOT;
  for (const end of stops(head.size, [signedSize, before?.size ?? 0])) {
    await scan.readTo(end);
    if (end === signedSize) signedRoot = scan.edge.root();
    if (end === before?.size && !scan.edge.root().equals(before.root))
      throw new LogBroken(`the first ${end} entries are not those that led to the head that was kept: the log was forked`, scan.blockStart);
  }
  await checkForgotten(log, scan);
  if (signedSize < head.size) throw new LogBroken(`entry ${signedSize} and those after it are under no signature`, signedSize);
  if (head.checkpoint === undefined) return { entries: 0, signed: 0, pruned: 0, keys: scan.trusted, seen: undefined };
  // Only now is it known which keys are vouched for: what was seen may bear the signature of a newer one than the reader trusts, too.
  if (seen !== undefined) openCheckpoint(seen.checkpoint, scan.trusted);
  if (!openCheckpoint(head.checkpoint, scan.trusted).root.equals(signedRoot)) {
    throw new LogBroken(
      `the first ${signedSize} entries do not lead to the head that was signed over them: entries and tree were changed together`,
    );
  }
  await checkTree(log, scan.blocks);
  const blocks = Buffer.concat(scan.blocks.slice(0, Math.floor(signedSize / TILE_WIDTH)));
  const kept = { checkpoint: head.checkpoint, blocks };
  return { entries: head.size, signed: signedSize, pruned: scan.missing, keys: scan.trusted, seen: kept };
}

function checkLengths(size: number, signed: number, before: Checkpoint | undefined): void {
  if (signed > size) throw new LogBroken(`the log was cut off: its signed head speaks of ${signed} entries, it holds ${size}`, size);
  if (before !== undefined && before.size > signed) {
    throw new LogBroken(`the log was rolled back: the head that was kept speaks of ${before.size} entries, its own of ${signed}`, signed);
  }
}

/** Checks that the bodies that are gone are those that the log itself says it forgot: what else is told of that, nobody signed. */
async function checkForgotten(log: LogReader, { missing, firstMissing, lastMissing, declared, forgotten }: Scan): Promise<void> {
  for (let at = forgotten; at <= lastMissing; at += TILE_WIDTH) {
    const gone = (await log.read(at, Math.min(at + TILE_WIDTH, lastMissing + 1))).indexOf(undefined);
    if (gone >= 0) throw new LogBroken(`entry ${at + gone} is missing`, at + gone, true);
  }
  if (missing > declared)
    throw new LogBroken(`${missing} bodies are missing, of which the log says that ${declared} were forgotten`, firstMissing, true);
}

/** Checks the stored tree above its leaves, which proofs are made from, against the roots of the blocks. A tile that is not there misleads nobody. */
async function checkTree(log: LogReader, blocks: readonly Buffer[]): Promise<void> {
  let row = blocks;
  for (let level = 1, span = TILE_WIDTH; row.length > 0; level++, span *= TILE_WIDTH) {
    const above: Buffer[] = [];
    for (let from = 0; from < row.length; from += TILE_WIDTH) {
      const stored = await log.tile(level, from / TILE_WIDTH).catch(() => Buffer.alloc(0));
      const hashes = row.slice(from, from + TILE_WIDTH);
      const wrong = hashes.findIndex((hash, i) => {
        const held = stored.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES);
        return held.length === HASH_BYTES && !held.equals(hash);
      });
      const first = (from + wrong) * span;
      if (wrong >= 0) throw new LogBroken(`the stored tree is wrong over the entries ${first} to ${first + span - 1}`, first);
      const edge = new TreeEdge();
      for (const hash of hashes) edge.append(hash);
      if (hashes.length === TILE_WIDTH) above.push(edge.root());
    }
    row = above;
  }
}

/** Where to halt on the way through the log: at every end of a block of 256, and at the sizes of the heads. */
function* stops(size: number, heads: readonly number[]): Generator<number> {
  for (let end = 0; end < size; ) {
    const block = end - (end % TILE_WIDTH) + TILE_WIDTH;
    end = Math.min(block, size, ...heads.filter((head) => head > end));
    yield end;
  }
}

/** The way through the log, entry by entry. The tree is made anew; the stored one only tells which entry it is that does not fit. */
class Scan {
  readonly edge = new TreeEdge();
  readonly blocks: Buffer[] = [];
  readonly trusted: VerifierKey[];
  missing = 0;
  firstMissing: number | undefined;
  lastMissing = -1;
  /** How many the log says it forgot, and before which index. */
  declared = 0;
  forgotten = 0;
  readonly #log: LogReader;
  readonly #seenBlocks: Buffer;

  constructor(log: LogReader, seenBlocks: Buffer, keys: readonly VerifierKey[]) {
    this.#log = log;
    this.#seenBlocks = seenBlocks;
    this.trusted = [...keys];
  }

  /** The first entry of the block that was read last. */
  get blockStart(): number {
    return Math.floor((this.edge.size - 1) / TILE_WIDTH) * TILE_WIDTH;
  }

  /** Reads up to entry `end` of the block that is being read. */
  async readTo(end: number): Promise<void> {
    const from = this.edge.size;
    const [bodies, tile] = await Promise.all([
      this.#log.read(from, end),
      this.#log.tile(0, Math.floor(from / TILE_WIDTH)).catch(() => Buffer.alloc(0)),
    ]);
    for (let index = from; index < end; index++) {
      const offset = (index % TILE_WIDTH) * HASH_BYTES;
      const stored = tile.subarray(offset, offset + HASH_BYTES);
      const body = bodies[index - from];
      this.edge.append(body === undefined ? this.#pruned(index, stored) : this.#present(index, body, stored));
    }
    if (end % TILE_WIDTH === 0) this.#endBlock(end / TILE_WIDTH - 1);
    this.edge.trim();
  }

  #present(index: number, body: string, stored: Buffer): Buffer {
    const leaf = leafHash(body);
    if (stored.length === HASH_BYTES && !stored.equals(leaf))
      throw new LogBroken(`entry ${index} is not the one that the tree holds at its place`, index);
    // Cheaper than reading every entry as JSON, and an entry of these kinds holds the text.
    if (body.includes('"kind":"log-key"') || body.includes('"kind":"retention"')) this.#own(index, body);
    return leaf;
  }

  #pruned(index: number, stored: Buffer): Buffer {
    if (stored.length !== HASH_BYTES) throw new LogBroken(`entry ${index} is missing`, index);
    this.firstMissing ??= index;
    this.lastMissing = index;
    this.missing++;
    return Buffer.from(stored);
  }

  /** What the log says of itself. */
  #own(index: number, body: string): void {
    const { kind, logKey, retention } = parsed(body);
    const newer = kind === 'log-key' ? takenOver(logKey, this.trusted) : undefined;
    if (newer !== undefined && !this.trusted.some((one) => one.name === newer.name && one.id.equals(newer.id))) this.trusted.push(newer);
    const { count, upTo } = (kind === 'retention' ? retention : undefined) ?? {};
    if (typeof count !== 'number' || typeof upTo !== 'number') return;
    this.declared += count;
    this.forgotten = Math.max(this.forgotten, Math.min(upTo, index));
  }

  #endBlock(block: number): void {
    const root = this.edge.node(TILE_HEIGHT, block);
    const before = this.#seenBlocks.subarray(block * HASH_BYTES, (block + 1) * HASH_BYTES);
    if (before.length === HASH_BYTES && !before.equals(root)) {
      const first = block * TILE_WIDTH;
      throw new LogBroken(
        `among the entries ${first} to ${first + TILE_WIDTH - 1} is the first that is not the one seen before: the log was forked`,
        first,
      );
    }
    this.blocks.push(Buffer.from(root));
  }
}

/** Whether it is the entry that was signed is for the tree to say: what is none says nothing. */
function parsed(body: string): { kind?: unknown; logKey?: unknown; retention?: { count?: unknown; upTo?: unknown } } {
  try {
    return JSON.parse(body) ?? {};
  } catch {
    return {};
  }
}
