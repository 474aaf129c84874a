/** What auditors and citizens search: a projection that follows the log, can be thrown away, and is made again from it. */
import type { EntryKind } from './entry.ts';

/** Every condition given must hold. Times are RFC 3339 UTC, `from` inclusive, `to` exclusive. */
export interface Conditions {
  /** Pseudonyms of one person, one for each key there was: an entry with any of them in whatever role matches. */
  readonly pseudonyms?: readonly string[];
  readonly id?: string;
  readonly agency?: string;
  /** The supplier that acted for an agency. */
  readonly actor?: string;
  readonly officer?: string;
  readonly procedure?: string;
  readonly dossier?: string;
  /** An agency, supplier, official, key or token that was shut out or let in: the entry's own agency and official are the operator's. */
  readonly concerns?: string;
  readonly legalBasis?: string;
  readonly source?: string;
  readonly field?: string;
  readonly kind?: EntryKind;
  readonly outcome?: string;
  readonly from?: string;
  readonly to?: string;
}

export interface SearchQuery extends Conditions {
  /** Only entries before this index: the cursor of the page before. */
  readonly before?: number;
  readonly limit: number;
}

export interface Found {
  readonly index: number;
  /** Canonical JSON of the entry, checked against the tree. */
  readonly body: string;
}

export interface SummaryQuery {
  /** Days YYYY-MM-DD in Viet Nam, both inclusive. */
  readonly from: string;
  readonly to: string;
  readonly by: readonly ('agency' | 'procedure')[];
}

/** What happened on one day, or on one day in one agency or procedure. */
export interface DayTally {
  readonly day: string;
  readonly agency?: string;
  readonly procedure?: string;
  /** Outcome or problem code → requests. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Source → result (`found`, `absent`, or a failure) → look-ups. */
  readonly sources: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Values that left. */
  readonly fields: number;
  /** Status → fields whose values were sought and did not leave. */
  readonly unfilled: Readonly<Record<string, number>>;
  /** Fields about which registries disagreed. */
  readonly conflicts: number;
  /** Verdict → papers; `replaced` are those that nobody had to ask for. */
  readonly papers: Readonly<Record<string, number>>;
}

export interface UsesQuery {
  /** Months YYYY-MM in Viet Nam, both inclusive. */
  readonly from: string;
  readonly to: string;
  readonly agencies: readonly string[];
}

/** What was done under a grant: outcomes with which something was given, compared or reported. */
export interface GrantUse extends TimesUsed {
  readonly agency: string;
  readonly procedure: string;
  readonly grant: string;
  /** `MANY_OFFICERS` stands for as many and more. */
  readonly officers: number;
  /** That were given, compared or reported at least once. */
  readonly fields: readonly string[];
  /** That were replaced, in whole or in part, or struck at least once. */
  readonly papers: readonly string[];
  /** Supplier → what of it the supplier did. */
  readonly suppliers: Readonly<Record<string, TimesUsed>>;
}
export interface TimesUsed {
  readonly uses: number;
  /** RFC 3339 UTC. */
  readonly lastUsed: string;
}

export interface LogSearch {
  /** Newest first. Whatever was on record when it was asked is found. */
  search(query: SearchQuery): Promise<Found[]>;
  /** Days in order. Waits for the log as `search` does. Throws a RangeError where there are more than `MAX_TALLIES` rows. */
  summary(query: SummaryQuery): Promise<DayTally[]>;
  /** Agencies under whose grants something was done, in order. Waits for the log as `search` does, as the next one does. */
  users(): Promise<string[]>;
  uses(query: UsesQuery): Promise<GrantUse[]>;
  /** Entries of a kind with a time before this one whose bodies are still kept, oldest first. */
  expired(kind: EntryKind, before: string, limit: number): Promise<number[]>;
  /** Forgets entries whose bodies are about to be pruned; summary and uses keep counting them until they are made again. */
  forget(indexes: readonly number[]): Promise<void>;
  /** How many entries the log has, and how many of them the projection has taken over. */
  progress(): Promise<{ size: number; followed: number }>;
  close(): Promise<void>;
}

export const MAX_TALLIES = 20_000;
export const MANY_OFFICERS = 1000;
