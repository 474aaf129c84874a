/** Entries as a request of 1.004222 makes them, and a log to put them into. */
import { generateKeyPairSync } from 'node:crypto';
import type { AuditEntry } from '../../src/audit/entry.ts';
import { AuditLog } from '../../src/audit/log.ts';
import { type LogKeyRing, logKeyRing } from '../../src/audit/signer.ts';
import type { LogStore } from '../../src/audit/store.ts';
import { signerInMemory } from '../../src/signer.ts';

const ORIGIN = 'oncegate.bench/log';
const digest = 'q'.repeat(43);

export const ring: LogKeyRing = (() => {
  const signer = signerInMemory(generateKeyPairSync('ed25519').privateKey);
  return logKeyRing(ORIGIN, [{ from: 0, publicKey: signer.publicKey, signer }], digest, Date.now);
})();

export const openLog = (store: LogStore): Promise<AuditLog> =>
  AuditLog.open({ store, origin: ORIGIN, keys: ring.keys, signer: ring.signer });

const LOOK_UPS = ['subject', 'householder'].flatMap((role) => [
  { source: 'population', dataset: 'person', role },
  { source: 'civil-registry', dataset: 'birth', role },
  { source: 'land', dataset: 'land-holding', role },
]);

export function entryOf(n: number, kind: 'intent' | 'outcome'): AuditEntry {
  const pseudonym = (of: number): string => `${of}`.padStart(43, 'p');
  return {
    v: 1,
    time: new Date(1_795_000_000_000 + n * 50).toISOString(),
    kind,
    id: `${n.toString(16).padStart(8, '0')}-89ab-4def-8123-456789abcdef`,
    agency: `H${10 + (n % 60)}.15`,
    client: `H${10 + (n % 60)}.15`,
    officer: `H${10 + (n % 60)}.15-${String(n % 400).padStart(4, '0')}`,
    procedure: '1.004222',
    dossier: `H${10 + (n % 60)}.15-261122-${n}`,
    grant: 'residence',
    legalBasis: ['luat-68-2020#art-20-22', 'nq-66-7-2025#art-2'],
    subjects: { subject: pseudonym(n % 300_000), householder: pseudonym((n * 7) % 300_000) },
    fields: Array.from({ length: 11 }, (_, i) => `/declaration/field${i}`),
    sources: LOOK_UPS.map((lookUp) =>
      kind === 'intent' ? { ...lookUp, result: 'to-ask' } : { ...lookUp, result: 'found', freshness: 'live', milliseconds: 20 },
    ),
    requestDigest: 'd'.repeat(44),
    ...(kind === 'intent'
      ? {}
      : {
          outcome: 'answered',
          milliseconds: 25,
          unfilled: { '/relationship': 'not-found' },
          papers: { 'declaration-ct01': 'ask', 'dwelling-ownership': 'replaced', 'birth-certificate': 'replaced' },
          replyDigest: 'e'.repeat(44),
        }),
    config: digest,
  };
}
