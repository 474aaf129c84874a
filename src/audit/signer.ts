/** The keys of the log at work: which one signs at a time, and how it takes over from the one before. */
import { type KeyObject, randomUUID } from 'node:crypto';
import { bearsSignature, type Checkpoint, checkpointSigner, formatVerifierKey, parseVerifierKey, type VerifierKey } from './checkpoint.ts';
import type { AuditEntry } from './entry.ts';
import { handOver } from './handover.ts';
import type { LogSettings } from './log.ts';

export interface DatedLogKey {
  /** Milliseconds since the epoch. */
  readonly from: number;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject | undefined;
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
  const takeOver = (i: number): AuditEntry => {
    const older = dated[i + 1]?.privateKey;
    if (older === undefined) throw new Error('the key of the log that signed before is not at hand to vouch for the new one');
    const own = { v: 1, kind: 'log-key', id: randomUUID(), agency: 'gateway', client: 'gateway', config: configDigest } as const;
    return { ...own, time: new Date(clock()).toISOString(), logKey: handOver(origin, texts[i] as string, older) };
  };
  const signers = dated.map(({ privateKey }, i) => {
    if (privateKey === undefined) return undefined;
    const signing = checkpointSigner(origin, privateKey);
    const sign = (checkpoint: Checkpoint): string => {
      const note = signing(checkpoint);
      made = { note, by: i };
      return note;
    };
    return { begun: { sign, takeOver: undefined }, beginning: { sign, takeOver: () => takeOver(i) } };
  });
  const signedBy = (newest: string): number =>
    made?.note === newest ? made.by : keys.findIndex((key, i) => signers[i] !== undefined && bearsSignature(newest, key));
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
      return begun || newest === undefined ? signer.begun : signer.beginning;
    },
  };
}
