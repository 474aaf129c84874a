/** A line of the audit log: who asked what about whom, under which law, and what came of it. Never a value of a record. */
import type { Freshness } from '../domain.ts';
import type { Handover } from './handover.ts';

export type EntryKind =
  /** Before a registry is asked. */
  | 'intent'
  /** Before an answer leaves. */
  | 'outcome'
  /** Before a refusal about a person leaves. */
  | 'refusal'
  /** Before the log is shown to an auditor, or to a citizen what it says of them. */
  | 'audit-read'
  | 'citizen-read'
  /** Each time before a prefill that was completed later, or a report of a wrong value, is handed out. */
  | 'delivery'
  /** Before somebody is shut out or let in again, and when the gateway itself saw misuse. */
  | 'shut-out'
  | 'alert'
  /** Before bodies of entries are forgotten. */
  | 'retention'
  /** When a new key begins to sign the log. */
  | 'log-key';

/** Outcomes of a report that a value is wrong, and of its answer: of the fields that such an entry names no value left. */
export const OF_REPORTS: ReadonlySet<string> = new Set(['reported', 'withdrawn', 'corrected', 'unfounded', 'elsewhere']);

export interface AuditEntry {
  readonly v: 1;
  /** RFC 3339 UTC, milliseconds. */
  readonly time: string;
  readonly kind: EntryKind;
  /** The same for all entries of one request. */
  readonly id: string;
  /** The request whose gaps this one was to fill: the gateway asked again later by itself. Or the report that this one closes. */
  readonly completes?: string;
  /** `citizen` where a citizen read their own ledger, `gateway` where the gateway itself acts. */
  readonly agency: string;
  readonly client: string;
  /** The supplier that acted for the agency. */
  readonly actor?: string;
  readonly officer?: string;
  readonly procedure?: string;
  readonly dossier?: string;
  readonly grant?: string;
  /** What the data was asked for, as the grant says it. */
  readonly purpose?: string;
  readonly legalBasis?: readonly string[];
  /** Role → keyed pseudonym of the person. */
  readonly subjects?: Readonly<Record<string, string>>;
  /** Pointers of the fields whose values left, that were asked for, or that were reported wrong. */
  readonly fields?: readonly string[];
  /** Fields whose values were sought and did not leave → status. What the form leaves to the applicant is not listed. */
  readonly unfilled?: Readonly<Record<string, string>>;
  /** Fields about which sources disagree. */
  readonly conflicts?: readonly string[];
  /** Fields, and questions by id, that were compared with the registers → `match`, `mismatch`, `unknown`; no value left. */
  readonly compared?: Readonly<Record<string, string>>;
  /** Paper of the dossier → verdict. */
  readonly papers?: Readonly<Record<string, string>>;
  readonly sources?: readonly SourceUse[];
  /**
   * `reported` (to the owner of a register that a value is wrong), and what came of it: `withdrawn`, `corrected`, `unfounded`, `elsewhere`;
   * `answered`, `compared` or `mismatch` (values were compared, and did not leave), `abandoned` (the caller went away), `incomplete` (asked again later, and not enough came: nothing left), or a problem code; of a
   * `delivery` `sent` or `fetched`, or why it was refused though it is there; of a `shut-out` `shut-out` or `let-in`, and `shut-out-unavailable` where
   * what the entry before said may not have taken effect; of an `alert` the rule.
   */
  readonly outcome?: string;
  /** From the request's arrival to this entry. */
  readonly milliseconds?: number;
  /** Day YYYY-MM-DD in Viet Nam until which the law keeps the access from the citizen's own ledger. */
  readonly withheldUntil?: string;
  /** Base64 SHA-256 of the canonical JSON of `{request, salt}`; the salt stands in the reply alone, so the digest gives nobody away. */
  readonly requestDigest?: string;
  /** Base64 SHA-256 of the canonical JSON of `prefill`. */
  readonly replyDigest?: string;
  /** For `audit-read`: the person who reads, the reason (as of a `shut-out`), and what was searched by or which entry was read. */
  readonly auditor?: string;
  readonly reason?: string;
  readonly query?: Readonly<Record<string, string | number>>;
  /** Who was shut out or let in: see `Target` in src/access/shut-outs.ts. */
  readonly shutOut?: ShutOutOf;
  readonly retention?: Retention;
  readonly alert?: Alert;
  readonly logKey?: Handover;
  /** Digest of the configuration that decided. */
  readonly config: string;
}

export interface ShutOutOf {
  readonly kind: string;
  readonly whose?: string;
  readonly value?: string;
  readonly perMinute?: number;
  readonly until?: string;
}

/** What was counted within a day, or a few minutes, at how much it is remarkable, and what was done about it. */
export interface Alert {
  readonly count: number;
  readonly threshold: number;
  readonly action: 'warn' | 'slow' | 'stop';
}

/** Bodies about to be forgotten: of the kinds named, with a time before the one beside each. */
export interface Retention {
  readonly before: Readonly<Record<string, string>>;
  /** How many. */
  readonly count: number;
  /** All of them stand before this index. */
  readonly upTo: number;
}

/** A registry's part in an answer. */
export interface SourceUse {
  readonly source: string;
  readonly dataset: string;
  readonly role: string;
  /** `found`, `absent`, `to-ask` in an intent, `reported-wrong`, or why it gave nothing. */
  readonly result: string;
  readonly freshness?: Freshness;
  /** Why the registry gave nothing newer, where it is `stale`. */
  readonly staleBecause?: string;
  /** How long it took to answer; absent where it was not asked. */
  readonly milliseconds?: number;
}
