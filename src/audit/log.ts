/** The append-only log: what queued while the last commit ran is committed, hashed into the tree and signed at once. */
import type { JsonObject } from '../adapter.ts';
import type { Receipt } from '../domain.ts';
import { canonicalJson } from './canonical.ts';
import { type Checkpoint, openCheckpoint, type VerifierKey } from './checkpoint.ts';
import type { AuditEntry } from './entry.ts';
import { LogBroken, LogMoved, type LogStore } from './store.ts';
import {
  HASH_BYTES,
  inclusionPath,
  leafHash,
  NEWEST,
  rangeRoot,
  rootFromPath,
  TILE_HEIGHT,
  TILE_WIDTH,
  TreeEdge,
  tileReader,
} from './tree.ts';

/** The log could not be written: nothing that waited for it may happen. */
export class LogUnavailable extends Error {}

interface Waiting {
  readonly entry: AuditEntry;
  readonly bytes: string;
  readonly receipt: boolean;
  readonly resolve: (receipt: Receipt) => void;
  readonly reject: (error: Error) => void;
}

export interface LogSettings {
  readonly store: LogStore;
  readonly origin: string;
  readonly sign: (checkpoint: Checkpoint) => string;
  readonly key: VerifierKey;
  /** How many entries may wait; beyond it `append` refuses at once. */
  readonly queue?: number;
}

/** How often a batch is fitted anew to a log that other processes write to as well. */
const MAX_TRIES = 20;

export class AuditLog {
  readonly #settings: LogSettings;
  readonly #limit: number;
  #edge: TreeEdge;
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  #healthy = true;
  /** Whether the store holds a signed checkpoint. */
  #signed: boolean;

  private constructor(settings: LogSettings, edge: TreeEdge, signed: boolean) {
    this.#signed = signed;
    this.#settings = settings;
    this.#edge = edge;
    this.#limit = settings.queue ?? 10_000;
  }

  /** Opens the log and checks that its newest signed checkpoint is true of what is stored. Throws where it is not. */
  static async open(settings: LogSettings): Promise<AuditLog> {
    const head = await settings.store.head();
    if (head.checkpoint !== undefined) {
      const { size, root, origin } = openCheckpoint(head.checkpoint, settings.key);
      if (origin !== settings.origin) throw new Error(`the log is that of ${origin}, not of ${settings.origin}`);
      if (size > head.size) throw new Error(`the log lost entries: its checkpoint speaks of ${size}, it holds ${head.size}`);
      const stored = await withTiles(settings.store, (node) => rangeRoot(0, size, node));
      if (!stored.equals(root)) throw new Error('the log was changed: its tree does not lead to its signed checkpoint');
    }
    if (head.checkpoint === undefined && head.size > 0)
      throw new Error('the log was changed: it holds entries and bears no signed checkpoint');
    await checkNewest(settings.store, head.size);
    return new AuditLog(settings, await edgeOf(settings.store, head.size), head.checkpoint !== undefined);
  }

  /** Whether the last commit succeeded. */
  get healthy(): boolean {
    return this.#healthy;
  }

  /** Tries whether the log can be written again, and says so. */
  async probe(): Promise<boolean> {
    if (this.#healthy || this.#running !== undefined) return this.#healthy;
    const { size } = this.#edge;
    try {
      await this.#settings.store.append({ from: size, entries: [], tiles: [], checkpoint: undefined }).catch((error) => {
        if (!(error instanceof LogMoved)) throw error;
        return this.#reload();
      });
      this.#healthy = true;
    } catch {
      this.#healthy = false;
    }
    return this.#healthy;
  }

  /** Appends an entry; resolves when it is durable. Rejects with `LogUnavailable`, and then nothing of it was kept. */
  append(entry: AuditEntry, options: { receipt: boolean }): Promise<Receipt> {
    if (this.#waiting.length >= this.#limit) return Promise.reject(new LogUnavailable('too many entries wait for the log'));
    const bytes = canonicalJson(entry);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entry, bytes, receipt: options.receipt, resolve, reject });
      // Committing on the next turn of the event loop lets every request of this turn share one sync and one signature.
      this.#running ??= new Promise<void>((done) => {
        setImmediate(() => void this.#run().then(done));
      });
    });
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, NEWEST);
      try {
        await this.#commit(batch);
        this.#healthy = true;
      } catch (error) {
        this.#healthy = false;
        const refusal = new LogUnavailable('the log could not be written', { cause: error });
        for (const waiting of batch) waiting.reject(refusal);
      }
    }
    this.#running = undefined;
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    for (let tries = 1; ; tries++) {
      const from = this.#edge.size;
      try {
        return await this.#store(batch);
      } catch (error) {
        // Leaves that were not stored must not stay: another process could bring the log to just the length they feign.
        this.#edge.truncate(from);
        if (!(error instanceof LogMoved) || tries === MAX_TRIES) throw error;
        await this.#reload();
      }
    }
  }

  async #store(batch: readonly Waiting[]): Promise<void> {
    const { store, origin, sign } = this.#settings;
    const from = this.#edge.size;
    for (const waiting of batch) this.#edge.append(leafHash(Buffer.from(waiting.bytes)));
    const size = this.#edge.size;
    // Intents alone need no signature, since nothing leaves on their strength; but a log that holds anything bears one.
    const needed = !this.#signed || batch.some((waiting) => waiting.receipt);
    const checkpoint = needed ? sign({ origin, size, root: this.#edge.root() }) : undefined;
    await store.append({ from, entries: batch.map((waiting) => waiting.bytes), tiles: this.#edge.tilesSince(from), checkpoint });
    this.#signed = true;
    batch.forEach((waiting, i) => {
      const index = from + i;
      const proof = waiting.receipt ? inclusionPath(index, size, this.#edge.node).map((item) => item.toString('base64')) : [];
      waiting.resolve({ entry: waiting.entry as unknown as JsonObject, index, proof, checkpoint: checkpoint ?? '' });
    });
    this.#edge.trim();
  }

  /** Another process wrote: the log is as long as the store says, and must continue the one this process knows. */
  async #reload(): Promise<void> {
    const { store } = this.#settings;
    const { size, checkpoint } = await store.head();
    const known = this.#edge.size;
    if (size < known) throw new Error(`the log was cut off beneath the gateway: it held ${known} entries, now ${size}`);
    const root = await withTiles(store, (node) => rangeRoot(0, known, node));
    if (!root.equals(this.#edge.root())) throw new Error('the log was changed beneath the gateway: it does not continue the one it knew');
    this.#edge = await edgeOf(store, size);
    this.#signed = checkpoint !== undefined;
  }

  /** One entry with the proof that it is under the newest signed checkpoint, or undefined where that does not reach it. */
  async entry(index: number): Promise<Receipt | undefined> {
    const { store, key } = this.#settings;
    const { checkpoint } = await store.head();
    if (checkpoint === undefined) return undefined;
    const { size, root } = openCheckpoint(checkpoint, key);
    const [bytes] = index < size ? await store.read(index, index + 1) : [];
    if (bytes === undefined) return undefined;
    const path = await withTiles(store, (node) => inclusionPath(index, size, node));
    if (!rootFromPath(leafHash(Buffer.from(bytes)), index, size, path)?.equals(root))
      throw new LogBroken(`entry ${index} is not the one that was signed`, index);
    return { entry: JSON.parse(bytes), index, proof: path.map((item) => item.toString('base64')), checkpoint };
  }

  async checkpoint(): Promise<string | undefined> {
    return (await this.#settings.store.head()).checkpoint;
  }

  /** Resolves when nothing waits any more. */
  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }
}

/** Checks the entries of the newest tile, where a torn or restored file shows, against their leaves. Throws an Error that names the first that does not fit. */
async function checkNewest(store: LogStore, size: number): Promise<void> {
  if (size === 0) return;
  const tile = Math.floor((size - 1) / TILE_WIDTH);
  const from = tile * TILE_WIDTH;
  const [entries, hashes] = await Promise.all([store.read(from, size), store.tile(0, tile)]);
  for (let i = 0; i < size - from; i++) {
    const bytes = entries[i];
    if (bytes === undefined) throw new Error(`the log lost entries: it holds ${from + entries.length} where it should hold ${size}`);
    if (!leafHash(Buffer.from(bytes)).equals(hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES)))
      throw new Error(`the log was changed: entry ${from + i} is not the one in its tree`);
  }
}

async function edgeOf(store: LogStore, size: number): Promise<TreeEdge> {
  const tiles = new Map<string, Buffer>();
  for (let level = 0; 2 ** (level * TILE_HEIGHT) <= size; level++) {
    const nodes = Math.floor(size / 2 ** (level * TILE_HEIGHT));
    const index = Math.floor(nodes / TILE_WIDTH);
    if (nodes % TILE_WIDTH !== 0) tiles.set(`${level}/${index}`, await store.tile(level, index));
  }
  return TreeEdge.load(size, (level, index) => tiles.get(`${level}/${index}`) as Buffer);
}

/** Runs a computation over stored nodes twice: once to learn which tiles it needs, once with them. */
async function withTiles<T>(store: LogStore, compute: (node: (level: number, index: number) => Buffer) => T): Promise<T> {
  const wanted = new Map<string, { level: number; index: number; hashes?: Buffer }>();
  const blank = Buffer.alloc(TILE_WIDTH * 32);
  compute(
    tileReader((level, index) => {
      wanted.set(`${level}/${index}`, { level, index });
      return blank;
    }),
  );
  for (const tile of wanted.values()) tile.hashes = await store.tile(tile.level, tile.index);
  return compute(tileReader((level, index) => wanted.get(`${level}/${index}`)?.hashes as Buffer));
}
