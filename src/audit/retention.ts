/** Forgets the bodies of entries that were kept long enough: said on record first, and the tree stays whole. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AuditEntry, EntryKind, Retention } from './entry.ts';
import type { LogSearch } from './search.ts';
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
const ROUND = 100_000;
const STEP = 500;
const DAY_MS = 86_400_000;

/** One round; resolves with how many bodies were forgotten. Where there is more to do, the next round does it. */
export async function forgetOld({ store, search, days, onRecord, clock }: RetentionTools): Promise<number> {
  const before: Record<string, string> = {};
  const old: number[] = [];
  for (const [kind, kept] of Object.entries(days) as [EntryKind, number][]) {
    const time = new Date(clock() - kept * DAY_MS).toISOString();
    const found = await search.expired(kind, time, ROUND - old.length);
    if (found.length === 0) continue;
    before[kind] = time;
    old.push(...found);
  }
  if (old.length === 0) return 0;
  // Never less than an earlier round said: of the entries of a kind that is kept longer the last one may stand before those that went already.
  const earlier = await prunedBefore(store, (await store.head()).retention);
  const retention: Retention = { before, count: old.length, upTo: old.reduce((last, index) => Math.max(last, index + 1), earlier) };
  const index = await onRecord({ retention });
  for (let i = 0; i < old.length; i += STEP) {
    const step = old.slice(i, i + STEP);
    await store.prune(step, index);
    await search.forget(step);
    await nextTurn();
  }
  return old.length;
}
