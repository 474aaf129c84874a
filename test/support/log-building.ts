/** Builds logs fast: in large batches and without a signature, but with a true tree, whose every entry checks. */
import type { LogStore } from '../../src/audit/store.ts';
import { edgeOf } from '../../src/audit/stored.ts';
import { leafHash, NEWEST } from '../../src/audit/tree.ts';

/** Appends the first `count` of the bodies. `told` hears how long the log is. */
export async function logAll(
  store: LogStore,
  bodies: Iterator<string>,
  count: number,
  told: (size: number) => void = () => {},
): Promise<void> {
  const { size } = await store.head();
  const edge = await edgeOf(store, size);
  while (edge.size < size + count) {
    const batch = Array.from({ length: Math.min(NEWEST, size + count - edge.size) }, () => bodies.next().value as string);
    await store.append(() => {
      const from = edge.size;
      for (const body of batch) edge.append(leafHash(Buffer.from(body)));
      return { entries: batch, tiles: edge.tilesSince(from), checkpoint: undefined };
    });
    edge.trim();
    told(edge.size);
  }
}
