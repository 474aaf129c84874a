/** The keys of the log at work: which one signs at a time, and how it takes over from the one before. */
import { type KeyObject, randomUUID } from 'node:crypto';
import type { Signer } from '../signer.ts';
import { bearsSignature, type Checkpoint, checkpointBody, formatVerifierKey, parseVerifierKey, type VerifierKey } from './checkpoint.ts';
import type { AuditEntry } from './entry.ts';
import { type Handover, handoverText } from './handover.ts';
import type { LogSettings } from './log.ts';
import { formatNote, signatureLine } from './note.ts';

export interface DatedLogKey {
  /** Milliseconds since the epoch. */
  readonly from: number;
  readonly publicKey: KeyObject;
  readonly signer: Signer | undefined;
  /** By which the key before vouches for it; without it that key must be at hand to sign. */
  readonly handover?: Handover | undefined;
}

export interface LogKeyRing {
  readonly keys: readonly VerifierKey[];
  /** The same as text, newest first. */
  readonly texts: readonly string[];
  readonly signer: LogSettings['signer'];
}

/** `dated` newest first. Whoever is asked to sign throws where no key is in use, or none is at hand that could vouch for a new one. */
export function logKeyRing(origin: string, dated: readonly DatedLogKey[], configDigest: string, clock: () => number): LogKeyRing {
  const texts = dated.map(({ publicKey }) => formatVerifierKey(origin, publicKey));
  const keys = texts.map((text) => parseVerifierKey(text));
  /** The newest checkpoint that was made here, and by which key: of any other the signatures must be read. */
  let made: { note: string; by: number } | undefined;
  const handover = async (i: number): Promise<Handover> => {
    const older = dated[i + 1]?.signer;
    const made = dated[i]?.handover ?? (older && (await handOver(origin, texts[i] as string, older)));
    if (made === undefined) throw new Error('the key of the log that signed before is not at hand to vouch for the new one');
    return made;
  };
  /** From the key that signed last to key `to`: one that was never used is passed on all the same, or the chain would break. */
  const takeOver = (from: number, to: number): Promise<AuditEntry[]> => {
    const own = { v: 1, kind: 'log-key', agency: 'gateway', client: 'gateway', config: configDigest } as const;
    const time = new Date(clock()).toISOString();
    const passed = Array.from({ length: Math.max(1, from - to) }, (_, i) => Math.max(from, to + 1) - 1 - i);
    return Promise.all(passed.map(async (i) => ({ ...own, time, id: randomUUID(), logKey: await handover(i) })));
  };
  const signers = dated.map(({ signer }, i) => {
    if (signer === undefined) return undefined;
    const sign = async (checkpoint: Checkpoint): Promise<string> => {
      const body = checkpointBody(checkpoint);
      const note = formatNote(body, [signatureLine(keys[i] as VerifierKey, await signer.sign(Buffer.from(body)))]);
      made = { note, by: i };
      return note;
    };
    return { sign, begun: { sign, takeOver: undefined } };
  });
  const lastSigner = (newest: string): number => keys.findIndex((key) => bearsSignature(newest, key));
  /** Of the keys that can sign. */
  const signedBy = (newest: string): number => {
    const by = made?.note === newest ? made.by : lastSigner(newest);
    return signers[by] === undefined ? -1 : by;
  };
  return {
    keys,
    texts,
    signer: (newest) => {
      const now = clock();
      const due = dated.findIndex(({ from }, i) => signers[i] !== undefined && from <= now);
      const before = newest === undefined ? -1 : signedBy(newest);
      // Another gateway's clock may be ahead: a newer key that has begun is not gone back from.
      const begun = before >= 0 && (due < 0 || before <= due);
      const signer = signers[begun ? before : due];
      if (signer === undefined) throw new Error('no key of the log is in use yet');
      if (begun || newest === undefined) return signer.begun;
      return { sign: signer.sign, takeOver: () => takeOver(lastSigner(newest), due) };
    },
  };
}

/** The introduction of a newer key by an older one. */
export const handOver = async (origin: string, key: string, older: Signer): Promise<Handover> => ({
  key,
  signature: (await older.sign(handoverText(origin, key))).toString('base64'),
});
