/** The keys of the log at work: which one signs at a time, and how it takes over from the one before. */
import { type KeyObject, randomUUID } from 'node:crypto';
import { checkpointSigner, formatVerifierKey, parseVerifierKey, type VerifierKey } from './checkpoint.ts';
import type { AuditEntry } from './entry.ts';
import { handOver } from './handover.ts';
import type { LogSigner } from './log.ts';

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
  readonly signer: () => LogSigner;
}

/** `dated` newest first. Throws where the oldest key, or one to come, has no private half. */
export function logKeyRing(origin: string, dated: readonly DatedLogKey[], configDigest: string, clock: () => number): LogKeyRing {
  const texts = dated.map(({ publicKey }) => formatVerifierKey(origin, publicKey));
  const keys = texts.map((text) => parseVerifierKey(text));
  const signers = dated.map(({ from, privateKey }, i) => {
    if (privateKey === undefined) return undefined;
    const takeOver = (): AuditEntry => {
      const older = dated[i + 1]?.privateKey;
      if (older === undefined) throw new Error('the key of the log that signed before is not at hand to vouch for the new one');
      const own = { v: 1, kind: 'log-key', id: randomUUID(), agency: 'gateway', client: 'gateway', config: configDigest } as const;
      return { ...own, time: new Date(clock()).toISOString(), logKey: handOver(origin, texts[i] as string, older) };
    };
    return { from, signer: { key: keys[i] as VerifierKey, sign: checkpointSigner(origin, privateKey), takeOver } };
  });
  return {
    keys,
    texts,
    signer: () => {
      const now = clock();
      const found = signers.find((one) => one !== undefined && one.from <= now);
      if (found === undefined) throw new Error('no key of the log is in use yet');
      return found.signer;
    },
  };
}
