/** What leaves: the form, what is known of each field and paper, and the receipt. */
import type { JsonObject, JsonValue } from '../adapter.ts';
import type { Text } from './basics.ts';
import type { CompletedBy, Freshness, Stale } from './request.ts';

export type FieldStatus = 'filled' | 'ask' | 'not-found' | 'not-authorised' | 'unavailable' | 'conflict' | 'under-review' | 'pending';

export interface FieldResult {
  status: FieldStatus;
  reason?: string;
  source?: string;
  dataset?: string;
  recordedAt?: string;
  observedAt?: string;
  freshness?: Freshness;
  /** Since when somebody's report that the value is wrong waits for an answer (RFC 3339). */
  underReviewSince?: string;
  /** Why there is no newer answer, where it is `stale`. */
  staleBecause?: Stale['because'];
  editable?: boolean;
  /** Other sources that hold the same value. */
  confirmedBy?: string[];
  /** Sources that hold the value too but did not answer. */
  unconfirmed?: string[];
  retryAfterSeconds?: number;
  /** A text that looks as though an old encoding had been misread: shown as it is, for an officer to see. */
  suspect?: 'legacy-encoding';
  /** Of an address: its unit as recorded and as of today (`AddressPlace` of src/vietnam/places/address.ts). */
  place?: object;
}

export type Verdict = 'replaced' | 'partly' | 'ask' | 'cut' | 'pending';

export interface ComponentResult {
  id: string;
  name: Text;
  verdict: Verdict;
  by?: string[];
  legalBasis?: string;
  reason?: string;
  condition?: Text;
  note?: Text;
}

export interface Conflict {
  field: string;
  /** How the values differ: `diacritics` (names), `suspect-default` (a first day of a year or month that may stand for an unknown one), `old-unit` (an address under a unit that was split, which may be the other’s), `different`. */
  difference: 'diacritics' | 'suspect-default' | 'old-unit' | 'different';
  values: { source: string; value: JsonValue }[];
  rule?: string;
  legalBasis?: string;
  chosen?: string;
}

/** What of a number does not fit its record: the place of registration, the sex, or the year of birth with its century. */
export type UnusualNumber = 'place' | 'sex' | 'year';

/** What the officer should notice that no field says. */
export interface Notice {
  code: 'person-deceased' | 'number-cancelled' | 'number-replaced' | 'number-unusual';
  role: string;
  source: string;
  /** Of an unusual number: what of it does not fit. */
  reason?: UnusualNumber;
}

/** The whole reply but for its receipt. Personal data. */
export interface Prefill {
  id: string;
  /** Random: it keeps the digests in the log from giving away, by guessing, what they are digests of. */
  salt: string;
  procedure: string;
  dossier: string;
  issuedAt: string;
  form: JsonObject;
  fields: Record<string, FieldResult>;
  components: ComponentResult[];
  conflicts: Conflict[];
  notices: Notice[];
  summary: { fields: number; filled: number; components: number; replaced: number };
  /** Where something is `pending`: how it is completed, and until when that is tried. */
  completion?: Completion;
  /** The prefill that this one completes, by its identifier. */
  completes?: string;
}

export interface Completion {
  by: CompletedBy;
  until: string;
}

/** Proof that an entry is in the log, to be kept with the answer. */
export interface Receipt {
  readonly entry: JsonObject;
  readonly index: number;
  readonly proof: readonly string[];
  readonly checkpoint: string;
}
