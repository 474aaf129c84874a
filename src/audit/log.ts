/** The append-only log: what queued while the last commit ran is committed, hashed into the tree and signed at once. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { JsonObject } from '../adapter.ts';
import type { Receipt } from '../domain.ts';
import { canonicalJson } from './canonical.ts';
import { type Checkpoint, openCheckpoint, type VerifierKey } from './checkpoint.ts';
import type { AuditEntry } from './entry.ts';
import { type Batch, type Head, LogBroken, type LogReader, type LogStore } from './store.ts';
import { edgeOf, prunedBefore, storedLeaves, withTiles } from './stored.ts';
import { inclusionPath, leafHash, NEWEST, rangeRoot, rootFromPath, TILE_WIDTH, type TreeEdge } from './tree.ts';

/** The log could not be written: nothing that waited for it may happen. */
export class LogUnavailable extends Error {}

/** A key of the log at work. */
export interface LogSigner {
  /** A signed note with this checkpoint. */
  readonly sign: (checkpoint: Checkpoint) => string | Promise<string>;
  /** The entries by which it takes over from the key before, where it has not signed the log yet. */
  readonly takeOver: (() => Promise<readonly AuditEntry[]>) | undefined;
}

export interface LogSettings {
  readonly store: LogStore;
  readonly origin: string;
  /** Whoever signs, or signed once, newest first. */
  readonly keys: readonly VerifierKey[];
  /** Who signs after this checkpoint, the newest there is. */
  readonly signer: (newest: string | undefined) => LogSigner;
  /** How many entries may wait; beyond it `append` refuses at once. */
  readonly queue?: number;
}

/** An entry whose body is not kept any more: its place in the tree still is, and the entry that says why. */
export interface PrunedEntry {
  readonly index: number;
  readonly pruned: true;
  /** Base64 leaf hash. */
  readonly leaf: string;
  readonly proof: readonly string[];
  readonly checkpoint: string;
  /** Index of the entry that says up to where, and why, bodies were forgotten. */
  readonly retention: number;
}

/** What is being stored. */
interface Taken {
  readonly from: number;
  readonly batch: readonly Waiting[];
  checkpoint: string | undefined;
}

interface Waiting {
  readonly entry: AuditEntry;
  /** Canonical JSON. */
  readonly body: string;
  readonly receipt: boolean;
  readonly resolve: (receipt: Receipt) => void;
  readonly reject: (error: Error) => void;
}

/** An entry is no longer than a bundle of tlog-tiles can say. Bytes. */
export const MAX_ENTRY_BYTES = 65_535;

/** Up to how many entries of other processes are followed leaf by leaf; beyond, the edge of the tree is read anew. */
const FOLLOWED = NEWEST;

export class AuditLog {
  readonly #settings: LogSettings;
  readonly #limit: number;
  #edge: TreeEdge;
  /** The newest signed checkpoint that this process knows of. */
  #checkpoint: string | undefined;
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  #healthy = true;

  private constructor(settings: LogSettings, edge: TreeEdge, checkpoint: string | undefined) {
    this.#settings = settings;
    this.#edge = edge;
    this.#checkpoint = checkpoint;
    this.#limit = settings.queue ?? 10_000;
  }

  /** Opens the log and checks that its newest signed checkpoint is true of what is stored. Throws where it is not. */
  static async open(settings: LogSettings): Promise<AuditLog> {
    const { store, keys } = settings;
    const head = await store.head();
    if (head.checkpoint !== undefined) {
      const { size, root, origin } = openCheckpoint(head.checkpoint, keys);
      if (origin !== settings.origin) throw new Error(`the log is that of ${origin}, not of ${settings.origin}`);
      if (size > head.size) throw new Error(`the log lost entries: its checkpoint speaks of ${size}, it holds ${head.size}`);
      if (size < head.size) throw new Error(`the log was changed: it holds ${head.size} entries, of which ${size} are signed`);
      const stored = await withTiles(store, (node) => rangeRoot(0, size, node));
      if (!stored.equals(root)) throw new Error('the log was changed: its tree does not lead to its signed checkpoint');
    }
    if (head.checkpoint === undefined && head.size > 0)
      throw new Error('the log was changed: it holds entries and bears no signed checkpoint');
    await checkNewest(store, head);
    return new AuditLog(settings, await edgeOf(store, head.size), head.checkpoint);
  }

  /** Whether the last commit succeeded. */
  get healthy(): boolean {
    return this.#healthy;
  }

  /** Tries whether the log can be written again, and says so. */
  async probe(): Promise<boolean> {
    if (!this.#healthy && this.#running === undefined) await this.#start(true);
    return this.#healthy;
  }

  /** Appends an entry; resolves when it is durable. Rejects with `LogUnavailable`, and then nobody may act as though it were on record. */
  append(entry: AuditEntry, options: { receipt: boolean }): Promise<Receipt> {
    if (this.#waiting.length >= this.#limit) return Promise.reject(new LogUnavailable('too many entries wait for the log'));
    const body = canonicalJson(entry);
    if (Buffer.byteLength(body) > MAX_ENTRY_BYTES) return Promise.reject(new RangeError('the entry is too long for the log'));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entry, body, receipt: options.receipt, resolve, reject });
      // Committing on the next turn of the event loop lets every request of this turn share one sync and one signature.
      if (this.#running === undefined) void this.#start(false);
    });
  }

  #start(evenEmpty: boolean): Promise<void> {
    this.#running = (async () => {
      await nextTurn();
      if (evenEmpty) await this.#commit();
      while (this.#waiting.length > 0) await this.#commit();
      this.#running = undefined;
    })();
    return this.#running;
  }

  /** Commits what waits. What that is, is settled when it is this process's turn to write: whatever came while another wrote goes along. */
  async #commit(): Promise<void> {
    let taken: Taken | undefined;
    const make = async (): Promise<Batch> => {
      taken = { from: this.#edge.size, batch: this.#waiting.splice(0, NEWEST), checkpoint: undefined };
      // Whoever was taken is in `taken` before anything can throw: nobody would answer him otherwise.
      const signer = this.#settings.signer(this.#checkpoint);
      taken = { ...taken, batch: await takingOver(signer, taken.batch) };
      return this.#make(taken, signer);
    };
    try {
      await this.#settings.store.append((head) => (this.#knows(head) ? make() : this.#follow(head).then(make)));
      this.#healthy = true;
    } catch (error) {
      this.#healthy = false;
      // Whether it was stored shows when the log is read next. Until then the leaves must not stay: another process could bring the log to just the length they feign.
      if (taken !== undefined) this.#edge.truncate(taken.from);
      const refusal = new LogUnavailable('the log could not be written', { cause: error });
      for (const waiting of [...(taken?.batch ?? []), ...this.#waiting.splice(0)]) waiting.reject(refusal);
      return;
    }
    if (taken !== undefined) this.#answer(taken);
  }

  async #make(taken: Taken, signer: LogSigner): Promise<Batch> {
    const { origin } = this.#settings;
    const { from, batch } = taken;
    for (const { body } of batch) this.#edge.append(leafHash(body));
    // Intents too: an entry without a signature behind it could be put in by anybody who can write to the store, and be signed with the next.
    // An empty batch is signed for nothing but to try: a log that cannot be signed cannot be written.
    const signed = await signer.sign({ origin, size: this.#edge.size, root: this.#edge.root() });
    if (batch.length > 0) taken.checkpoint = signed;
    return { entries: batch.map(({ body }) => body), tiles: this.#edge.tilesSince(from), checkpoint: taken.checkpoint };
  }

  #answer({ from, batch, checkpoint }: Taken): void {
    const size = from + batch.length;
    this.#checkpoint = checkpoint ?? this.#checkpoint;
    batch.forEach(({ entry, receipt, resolve }, i) => {
      const proof = receipt ? inclusionPath(from + i, size, this.#edge.node).map((item) => item.toString('base64')) : [];
      resolve({ entry: entry as unknown as JsonObject, index: from + i, proof, checkpoint: receipt ? (checkpoint ?? '') : '' });
    });
    this.#edge.trim();
  }

  #knows(head: Head): boolean {
    return head.size === this.#edge.size && head.checkpoint === this.#checkpoint;
  }

  /** Another process wrote: the log is as long as the head says, and must continue the one this process knows. */
  async #follow({ size, checkpoint }: Head): Promise<void> {
    const { store, keys } = this.#settings;
    const known = this.#edge.size;
    if (size < known) throw new Error(`the log was cut off beneath the gateway: it held ${known} entries, now ${size}`);
    const signed = checkpoint === undefined ? undefined : openCheckpoint(checkpoint, keys);
    if (signed === undefined || signed.size !== size || size === known) throw changed();
    if (size - known > FOLLOWED) {
      const [before, after] = await withTiles(store, (node) => [rangeRoot(0, known, node), rangeRoot(0, size, node)]);
      if (!before.equals(this.#edge.root()) || !after.equals(signed.root)) throw changed();
      this.#edge = await edgeOf(store, size);
    } else {
      try {
        for (const leaf of await storedLeaves(store, known, size)) this.#edge.append(leaf);
        if (!signed.root.equals(this.#edge.root())) throw changed();
      } catch (error) {
        this.#edge.truncate(known);
        throw error;
      }
    }
    this.#checkpoint = checkpoint;
  }

  /** One entry with the proof that it is under the newest signed checkpoint, or undefined where there is none. */
  async entry(index: number): Promise<Receipt | PrunedEntry | undefined> {
    const { store, keys } = this.#settings;
    const { checkpoint, retention } = await store.head();
    if (checkpoint === undefined) return undefined;
    const { size, root } = openCheckpoint(checkpoint, keys);
    if (index >= size) return undefined;
    const [body] = await store.read(index, index + 1);
    if (body === undefined && !(index < (await prunedBefore(store, retention)))) throw new LogBroken(`entry ${index} is missing`, index);
    const [[leaf], path] = await withTiles(store, (node) => [[node(0, index)], inclusionPath(index, size, node)] as const);
    const expected = body === undefined ? leaf : leafHash(body);
    if (!rootFromPath(expected, index, size, path)?.equals(root))
      throw new LogBroken(`entry ${index} is not the one that was signed`, index);
    const place = { index, proof: path.map((item) => item.toString('base64')), checkpoint };
    if (body !== undefined) return { entry: JSON.parse(body), ...place };
    return { ...place, pruned: true, leaf: leaf.toString('base64'), retention: retention as number };
  }

  /** Resolves when nothing waits any more. */
  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }
}

/** A key that signs the log for the first time says so first. */
async function takingOver({ takeOver }: LogSigner, batch: readonly Waiting[]): Promise<readonly Waiting[]> {
  if (takeOver === undefined) return batch;
  const entries = (await takeOver()).map((entry) => ({
    entry,
    body: canonicalJson(entry),
    receipt: false,
    resolve: () => {},
    reject: () => {},
  }));
  return [...entries, ...batch];
}

const changed = (): Error => new Error('the log was changed beneath the gateway: it does not continue the one it knew');

/** Checks the entries of the newest tile, where a torn or restored file shows, against their leaves. Throws an Error that names the first that does not fit. */
async function checkNewest(store: LogReader, { size, retention }: Head): Promise<void> {
  if (size === 0) return;
  const from = Math.floor((size - 1) / TILE_WIDTH) * TILE_WIDTH;
  const [bodies, leaves, pruned] = await Promise.all([
    store.read(from, size),
    storedLeaves(store, from, size),
    prunedBefore(store, retention),
  ]);
  if (bodies.length < size - from) throw new Error(`the log lost entries: it holds ${from + bodies.length} where it should hold ${size}`);
  bodies.forEach((body, i) => {
    if (body === undefined && from + i < pruned) return;
    if (body === undefined) throw new Error(`the log lost entries: ${from + i} is missing`);
    if (!leafHash(body).equals(leaves[i] ?? Buffer.alloc(0)))
      throw new Error(`the log was changed: entry ${from + i} is not the one in its tree`);
  });
}
