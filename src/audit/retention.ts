/** Forgets the bodies of entries that were kept long enough: said on record first, and the tree stays whole. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AuditEntry, EntryKind, Retention } from './entry.ts';
import type { LogSearch } from './search.ts';
import { readSound } from './sound.ts';
import type { LogStore } from './store.ts';
import { prunedBefore } from './stored.ts';

export interface RetentionTools {
  readonly store: LogStore;
  readonly search: LogSearch;
  /** Kind of entry → days that its entries are kept. A kind that is not named is kept for ever. */
  readonly days: Readonly<Partial<Record<EntryKind, number>>>;
  /** Puts on record what is about to be forgotten; resolves with the index of that entry. */
  readonly onRecord: (part: Pick<AuditEntry, 'retention'>) => Promise<number>;
  readonly clock: () => number;
}

/** Entries that one round forgets, and those that one step does: between two steps the process serves its callers. */
const ROUND = 1_000_000;
const STEP = 500;
const DAY_MS = 86_400_000;

/**
 * One round; resolves with how many bodies were forgotten. What an earlier round said would go and did not get to goes without being said
 * anew: the count of what is missing must be the count of what was said. Throws an Error where the search says of an entry what the log does not.
 */
export async function forgetOld(tools: RetentionTools): Promise<number> {
  const { store, search, days, onRecord, clock } = tools;
  const last = await lastSaid(search);
  const before: Record<string, string> = {};
  const said: number[] = [];
  const unsaid: number[] = [];
  for (const [kind, kept] of Object.entries(days) as [EntryKind, number][]) {
    const time = new Date(clock() - kept * DAY_MS).toISOString();
    const found = await search.expired(kind, time, ROUND - unsaid.length);
    const times = await timesOf(store, found, kind, time);
    for (const index of found)
      (last !== undefined && covers(last.retention, kind, times.get(index) ?? '', index) ? said : unsaid).push(index);
    if (found.length > 0) before[kind] = time;
  }
  if (last !== undefined) await forget(tools, said, last.index);
  if (unsaid.length === 0) return said.length;
  // Never less than an earlier round said: of the entries of a kind that is kept longer the last one may stand before those that went already.
  const earlier = await prunedBefore(store, (await store.head()).retention);
  const upTo = unsaid.reduce((end, index) => Math.max(end, index + 1), earlier);
  await forget(tools, unsaid, await onRecord({ retention: { before, count: unsaid.length, upTo } }));
  return said.length + unsaid.length;
}

async function forget({ store, search }: RetentionTools, indexes: readonly number[], retention: number): Promise<void> {
  for (let i = 0; i < indexes.length; i += STEP) {
    const step = indexes.slice(i, i + STEP);
    await store.prune(step, retention);
    await search.forget(step);
    await nextTurn();
  }
}

async function lastSaid(search: LogSearch): Promise<{ index: number; retention: Retention } | undefined> {
  const [found] = await search.search({ kind: 'retention', limit: 1 });
  const retention = found && (JSON.parse(found.body) as AuditEntry).retention;
  return retention && { index: found.index, retention };
}

/** Whether the entry is one of those that were said to go. A round that was full did not name all that were old enough. */
const covers = ({ before, upTo, count }: Retention, kind: string, time: string, index: number): boolean =>
  count < ROUND && index < upTo && before[kind] !== undefined && time < before[kind];

/** The times of the entries, by the log itself: the search is a copy, and must not decide what is gone for ever. */
async function timesOf(store: LogStore, indexes: readonly number[], kind: EntryKind, before: string): Promise<Map<number, string>> {
  const times = new Map<number, string>();
  for (let i = 0; i < indexes.length; i += STEP) {
    for (const [index, body] of await readSound(store, indexes.slice(i, i + STEP))) {
      const entry = JSON.parse(body) as AuditEntry;
      if (entry.kind !== kind || !(entry.time < before))
        throw new Error(`entry ${index} is not old enough to be forgotten, whatever the search of the log says`);
      times.set(index, entry.time);
    }
    await nextTurn();
  }
  return times;
}
