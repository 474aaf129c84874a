/** A line of the audit log: who asked what about whom, under which law, and what came of it. Never a value of a record. */
import type { Freshness } from '../domain.ts';

export interface AuditEntry {
  readonly v: 1;
  /** RFC 3339 UTC, milliseconds. */
  readonly time: string;
  /** `intent` before a registry is asked, `outcome` before an answer leaves, `refusal` before a refusal about a person leaves, `audit-read` before the log is shown. */
  readonly kind: 'intent' | 'outcome' | 'refusal' | 'audit-read';
  /** The same for all entries of one request. */
  readonly id: string;
  readonly agency: string;
  readonly client: string;
  readonly officer?: string;
  readonly procedure?: string;
  readonly dossier?: string;
  readonly grant?: string;
  readonly legalBasis?: readonly string[];
  /** Role → keyed pseudonym of the person. */
  readonly subjects?: Readonly<Record<string, string>>;
  /** Pointers of the fields whose values left, or that were asked for. */
  readonly fields?: readonly string[];
  readonly sources?: readonly SourceUse[];
  /** `answered`, `abandoned` (the caller went away), or a problem code. */
  readonly outcome?: string;
  /** Base64 SHA-256 of the canonical JSON of `{request, salt}`; the salt stands in the reply alone, so the digest gives nobody away. */
  readonly requestDigest?: string;
  /** Base64 SHA-256 of the canonical JSON of `prefill`. */
  readonly replyDigest?: string;
  /** The auditor's reason, and what was searched by or which entry was read, for `audit-read`. */
  readonly reason?: string;
  readonly query?: Readonly<Record<string, string | number>>;
  /** Digest of the configuration that decided. */
  readonly config: string;
}

/** A registry's part in an answer. */
export interface SourceUse {
  readonly source: string;
  readonly dataset: string;
  readonly role: string;
  /** `found`, `absent`, or why it gave nothing. */
  readonly result: string;
  readonly freshness?: Freshness;
}
