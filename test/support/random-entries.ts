/** Entries such as a gateway may write, at random: mostly alike, with all that an entry may have or lack, and clocks that jump. */
import type { AuditEntry, EntryKind } from '../../src/audit/entry.ts';
import type { Conditions } from '../../src/audit/search.ts';

const DAY_MS = 86_400_000;
const START = Date.parse('2026-03-01T00:00:00Z');
export const KINDS: readonly EntryKind[] = ['intent', 'outcome', 'outcome', 'outcome', 'refusal', 'audit-read', 'retention'];

export type Random = (below: number) => number;

/** A clock that mostly goes forward, and is put back and forth by seconds, days or years. */
export function* clock(random: Random): Generator<number> {
  for (let time = START; ; ) {
    time += random(20_000);
    if (random(200) === 0) time += (random(2) === 0 ? -1 : 1) * random(5) * DAY_MS;
    yield random(300) === 0 ? time - random(3000) * DAY_MS : time - random(5000);
  }
}

const some = <T>(random: Random, of: readonly T[]): T[] => of.filter(() => random(3) === 0);
const names = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`);
export const one = <T>(random: Random, of: readonly T[]): T => of[random(of.length)] as T;

export const AGENCIES = names('H26.', 5);
const OFFICERS = names('officer ', 40);
const PROCEDURES = names('1.00000', 6);
const DOSSIERS = names('dossier-', 300);
export const PEOPLE = names('pseudonym', 200);
const LAWS = names('law-', 4);
const SOURCES = names('source-', 4);
const FIELDS = names('/field', 9);
const GRANTS = names('grant-', 3);
const SUPPLIERS = names('S', 2);
const OUTCOMES = ['answered', 'answered', 'compared', 'abandoned', 'forbidden', '__proto__'];
const IDS = Array.from({ length: 500 }, (_, i) =>
  i % 7 === 0 ? `request ${i}` : `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`,
);

export function entryAt(random: Random, time: number): AuditEntry {
  const kind = one(random, KINDS);
  const agency = one(random, AGENCIES);
  const about = kind === 'audit-read' || kind === 'retention' || random(20) === 0 ? {} : { procedure: one(random, PROCEDURES) };
  return {
    v: 1,
    time: new Date(time).toISOString(),
    kind,
    id: one(random, IDS),
    agency,
    client: agency,
    config: 'none',
    ...about,
    ...(random(3) > 0 ? {} : { actor: one(random, SUPPLIERS) }),
    ...(random(3) === 0 ? {} : { grant: one(random, GRANTS) }),
    ...(random(3) === 0 ? {} : { officer: one(random, OFFICERS) }),
    ...(random(3) === 0 ? {} : { dossier: one(random, DOSSIERS) }),
    ...(random(4) === 0 ? {} : { legalBasis: some(random, LAWS) }),
    ...(random(4) === 0 ? {} : { fields: some(random, FIELDS) }),
    ...(random(4) === 0 ? {} : { subjects: { subject: one(random, PEOPLE), householder: one(random, PEOPLE) } }),
    ...(random(4) === 0
      ? {}
      : {
          sources: some(random, SOURCES).map((source) => ({
            source,
            dataset: 'd',
            role: 'r',
            result: one(random, ['found', 'absent', 'to-ask']),
          })),
        }),
    ...(kind === 'outcome' || kind === 'refusal' ? { outcome: one(random, OUTCOMES) } : {}),
    ...(random(3) > 0 ? {} : { unfilled: { '/a': one(random, ['unavailable', 'conflict']), '/b': 'not-found' } }),
    ...(random(5) > 0 ? {} : { conflicts: some(random, FIELDS) }),
    ...(random(2) === 0 ? {} : { papers: { lease: one(random, ['replaced', 'ask']), photo: 'ask' } }),
  };
}

/** Where each condition takes its value from; one in thirty asks for what no entry has. */
export function conditionsFor(random: Random, times: readonly number[]): Conditions {
  const from: Record<string, (() => unknown) | undefined> = {
    pseudonyms: () => Array.from({ length: random(4) }, () => one(random, PEOPLE)),
    id: () => one(random, IDS),
    agency: () => one(random, AGENCIES),
    actor: () => one(random, SUPPLIERS),
    officer: () => one(random, OFFICERS),
    procedure: () => one(random, PROCEDURES),
    dossier: () => one(random, DOSSIERS),
    legalBasis: () => one(random, LAWS),
    source: () => one(random, SOURCES),
    field: () => one(random, FIELDS),
    kind: () => one(random, KINDS),
    outcome: () => one(random, OUTCOMES),
    from: () => new Date(one(random, times) + random(3) * DAY_MS - DAY_MS).toISOString(),
    to: () => new Date(one(random, times) + random(3) * DAY_MS - DAY_MS).toISOString(),
  };
  const asked = Object.keys(from).filter(() => random(6) === 0);
  return Object.fromEntries(
    asked.map((name) => [name, random(30) === 0 && !['from', 'to', 'pseudonyms'].includes(name) ? 'nobody' : from[name]?.()]),
  );
}
