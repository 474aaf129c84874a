/** Checks a whole log: every entry against the tree, the tree against its signed head. */
import { type Checkpoint, openCheckpoint, type VerifierKey } from './checkpoint.ts';
import { LogBroken, type LogStore } from './store.ts';
import { HASH_BYTES, leafHash, rangeRoot, TILE_WIDTH, TreeEdge } from './tree.ts';

/**
 * Reads every entry once, in constant memory. `seen` is a checkpoint that somebody kept: the log must continue it. Throws `LogBroken` at the
 * first entry that was changed, dropped, moved or put in, or Error where the log cannot be read.
 */
export async function checkLog(store: LogStore, key: VerifierKey, seen?: Checkpoint): Promise<{ entries: number; signed: number }> {
  const head = await store.head();
  const signed = head.checkpoint === undefined ? undefined : openCheckpoint(head.checkpoint, key);
  if (signed !== undefined && signed.size > head.size) {
    throw new LogBroken(`the log was cut off: its signed head speaks of ${signed.size} entries, it holds ${head.size}`, head.size);
  }
  if (seen !== undefined && seen.size > (signed?.size ?? 0)) {
    throw new LogBroken(
      `the log was rolled back: the head that was kept speaks of ${seen.size} entries, its own of ${signed?.size ?? 0}`,
      signed?.size ?? 0,
    );
  }
  // The tree is made anew from the entries; the stored tiles only tell which entry it is that does not fit.
  const edge = new TreeEdge();
  const heads = [signed, seen].filter((one) => one !== undefined).sort((a, b) => a.size - b.size);
  for (let from = 0; from < head.size; from += TILE_WIDTH) {
    const bodies = await store.read(from, Math.min(head.size, from + TILE_WIDTH));
    const tile = await store.tile(0, from / TILE_WIDTH).catch(() => undefined);
    for (let i = 0; i < Math.min(TILE_WIDTH, head.size - from); i++) {
      const body = bodies[i];
      if (body === undefined) throw new LogBroken(`an entry from ${from} to ${from + TILE_WIDTH - 1} is missing`, from);
      const leaf = leafHash(Buffer.from(body));
      const stored = tile?.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES);
      if (stored?.length === HASH_BYTES && !stored.equals(leaf))
        throw new LogBroken(`entry ${from + i} is not the one that the tree holds at its place`, from + i);
      edge.append(leaf);
      while (heads[0]?.size === edge.size) checkRoot(heads.shift() as Checkpoint, edge);
    }
    edge.trim();
  }
  return { entries: head.size, signed: signed?.size ?? 0 };
}

function checkRoot(head: Checkpoint, edge: TreeEdge): void {
  if (!rangeRoot(0, edge.size, edge.node).equals(head.root)) {
    throw new LogBroken(
      `the first ${head.size} entries do not lead to the head that was signed over them: entries and tree were changed together`,
    );
  }
}
