/** A witness for the logs of others (C2SP tlog-witness): it cosigns a head only where that continues every head it cosigned before. */
import { hash } from 'node:crypto';
import type { Signer } from '../signer.ts';
import { type Checkpoint, readCheckpoint, verifiedSignatures } from './checkpoint.ts';
import { checkConsistency, MAX_PATH } from './consistency.ts';
import { type Cosigner, cosigner } from './cosignature.ts';
import { formatNote, parseNote, type SignedNote } from './note.ts';
import { EMPTY_ROOT, HASH_BYTES } from './tree.ts';
import { fromBase64, parseVerifierKey, type VerifierKey, WITNESS_TYPES } from './vkey.ts';

/** What a witness remembers: for each log the newest head that it cosigned. */
export interface WitnessStore {
  last(origin: string): Promise<{ readonly size: number; readonly note: string } | undefined>;
  /**
   * Puts the note in the place of the one of `oldSize` (0 where there is none yet) and resolves true, or resolves false where what stands there
   * is not of that size any more. MUST do so at once and for all processes, and MUST resolve only when it would survive a power cut: a witness
   * that forgets cosigns two histories.
   */
  replace(origin: string, oldSize: number, newSize: number, note: string): Promise<boolean>;
  close(): Promise<void>;
}

export interface WitnessSettings {
  readonly name: string;
  /** Ed25519, ML-DSA-44 or one of each: every reply bears a signature of each. */
  readonly keys: readonly Signer[];
  /** Origin of a log → the keys it may sign with. */
  readonly logs: ReadonlyMap<string, readonly VerifierKey[]>;
  readonly store: WitnessStore;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Told of two heads of one size and different roots that a log signed: together they prove that it shows two histories, so keep both. */
  readonly forked: (origin: string, before: string, after: string) => void;
}

export type Answer =
  | { readonly status: 200; readonly lines: string }
  | { readonly status: 400 | 403 | 404 | 422; readonly detail: string }
  /** The size of the newest head that was cosigned. */
  | { readonly status: 409; readonly size: number };

/** A head that is brought again so soon gets the same answer: anybody can bring it, and each new one costs a write that is synced. */
const FRESH_SECONDS = 60;

export class Witness {
  readonly #settings: WitnessSettings;
  readonly #cosigners: readonly Cosigner[];
  readonly #keys: readonly VerifierKey[];
  readonly #origins: ReadonlyMap<string, string>;

  constructor(settings: WitnessSettings) {
    this.#settings = settings;
    this.#cosigners = settings.keys.map(({ publicKey }) => cosigner(settings.name, publicKey));
    this.#keys = this.verifierKeys.map((key) => parseVerifierKey(key, WITNESS_TYPES));
    this.#origins = new Map([...settings.logs.keys()].map((origin) => [hash('sha256', origin, 'hex'), origin]));
  }

  /** For the logs, which must know by which keys the cosignatures are. */
  get verifierKeys(): readonly string[] {
    return this.#cosigners.map(({ verifierKey }) => verifierKey);
  }

  /** The newest cosigned head of the log whose origin has this SHA-256 (hex), with the log's and the witness's signatures. */
  async checkpoint(originHash: string): Promise<string | undefined> {
    const origin = this.#origins.get(originHash);
    return origin === undefined ? undefined : (await this.#settings.store.last(origin))?.note;
  }

  /** Answers the body of an `add-checkpoint` request. The order of the checks is that of the specification. */
  async addCheckpoint(body: string): Promise<Answer> {
    const { logs, store, clock, forked } = this.#settings;
    const submitted = readSubmission(body);
    if (submitted === undefined) return { status: 400, detail: 'the body is not an old size, a proof and a checkpoint' };
    const { oldSize, path, note, head } = submitted;
    const keys = logs.get(head.origin);
    if (keys === undefined) return { status: 404, detail: 'the log is not one of those that are witnessed here' };
    const signed = signaturesOf(note, keys);
    if (signed.length === 0) return { status: 403, detail: 'the checkpoint bears no valid signature of the log' };
    if (oldSize > head.size) return { status: 400, detail: 'the old size is larger than that of the checkpoint' };

    const last = await store.last(head.origin);
    if (oldSize !== (last?.size ?? 0)) return { status: 409, size: last?.size ?? 0 };
    const known = last && parseNote(last.note);
    const before = known === undefined ? { size: 0, root: EMPTY_ROOT } : readCheckpoint(known.body);
    try {
      checkConsistency(before, head, path);
    } catch (error) {
      // A proof that leads nowhere proves nothing: anybody can bring a sound head with one.
      if (last !== undefined && before.size === head.size && !before.root.equals(head.root)) {
        forked(head.origin, last.note, formatNote(note.body, signed));
      }
      return { status: 422, detail: (error as Error).message };
    }
    const seconds = Math.floor(clock() / 1000);
    const fresh = known?.body === note.body ? this.#linesSince(seconds - FRESH_SECONDS, known) : [];
    if (fresh.length > 0) return { status: 200, lines: fresh.join('') };
    const lines = await Promise.all(this.#cosigners.map((one, i) => this.#cosign(one, i, note.body, seconds)));
    // Only what this witness checked is kept and shown, not what others wrote below it.
    const kept = formatNote(note.body, [...signed, ...lines]);
    if (await store.replace(head.origin, oldSize, head.size, kept)) return { status: 200, lines: lines.join('') };
    return { status: 409, size: (await store.last(head.origin))?.size ?? 0 };
  }

  async #cosign({ message, line }: Cosigner, i: number, body: string, seconds: number): Promise<string> {
    const signer = this.#settings.keys[i] as Signer;
    return line(seconds, await signer.sign(message(body, seconds)));
  }

  /** What this witness said of the note since then, where it said so with each of its keys. */
  #linesSince(seconds: number, note: SignedNote): string[] {
    const lines = verifiedSignatures(note, this.#keys).flatMap(({ time = 0, line }) => (time >= seconds ? [`${line}\n`] : []));
    return lines.length === this.#keys.length ? lines : [];
  }
}

interface Submission {
  readonly oldSize: number;
  readonly path: readonly Buffer[];
  readonly note: SignedNote;
  readonly head: Checkpoint;
}

/** Undefined where the body is malformed. */
function readSubmission(body: string): Submission | undefined {
  const end = body.indexOf('\n\n');
  const [old = '', ...proof] = body.slice(0, Math.max(end, 0)).split('\n');
  const oldSize = /^old (0|[1-9][0-9]{0,15})$/.exec(old)?.[1];
  const path = proof.map(fromBase64);
  if (oldSize === undefined || path.length > MAX_PATH || !path.every((one) => one?.length === HASH_BYTES)) return undefined;
  try {
    const note = parseNote(body.slice(end + 2));
    return { oldSize: Number(oldSize), path: path as Buffer[], note, head: readCheckpoint(note.body) };
  } catch {
    return undefined;
  }
}

/** The lines by which the log signed; none where one that claims to be is wrong: such a note is malformed. */
function signaturesOf(note: SignedNote, keys: readonly VerifierKey[]): string[] {
  try {
    return verifiedSignatures(note, keys).map(({ line }) => `${line}\n`);
  } catch {
    return [];
  }
}
