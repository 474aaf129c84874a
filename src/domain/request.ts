/** A request on its way: asked, authorised, planned, on record, resolved. */
import type { JsonObject, SourceFailure } from '../adapter.ts';
import type { Brand } from './basics.ts';
import type { Caller, Grant } from './party.ts';
import type { Procedure } from './procedure.ts';

/** A request body that its schema accepted. Personal data. */
export type PrefillRequest = {
  readonly procedure: string;
  /** What for; has to be said only where the agency may ask for several purposes. */
  readonly purpose?: string;
  readonly dossier: string;
  readonly officer: string;
  readonly subject: string;
  readonly related?: Readonly<Record<string, string>>;
  readonly fields?: readonly string[];
  readonly maxAgeSeconds?: number;
  /** Whether what registries that are away may still say is wanted later, and who goes to the other for it. */
  readonly completion?: CompletedBy;
};

export type CompletedBy = 'fetch' | 'deliver';

/** Claims to be compared with the registers. Personal data. */
export type VerificationRequest = Omit<PrefillRequest, 'fields'> & {
  /** Pointer to a field of the form → what is claimed to stand there. */
  readonly claims?: Readonly<Record<string, string | number | boolean>>;
  /** Questions of the procedure, by id. */
  readonly questions?: readonly string[];
};

/** A request that a grant in force allows. Only `authorise` makes one. */
export type Authorised = Brand<'authorised'> & {
  readonly caller: Caller;
  readonly request: PrefillRequest;
  readonly procedure: Procedure;
  readonly grant: Grant;
  /** The day of the request in Viet Nam, by which validity is judged. */
  readonly today: string;
};

/** Which fields may leave, which papers are judged, and the look-ups that takes. Only `plan` makes one. */
export type Plan = Brand<'plan'> & {
  readonly procedure: Procedure;
  /** Indexes of the fields that the reply lists. */
  readonly listed: readonly number[];
  /** Those of them whose value may leave. */
  readonly disclosed: ReadonlySet<number>;
  /** Indexes of the papers that are judged. */
  readonly judged: ReadonlySet<number>;
  /** Indexes of the look-ups that the above need, in stage order. */
  readonly lookUps: readonly number[];
  /** Indexes of those that replace no paper here today: the owner publishes nothing of the kind for the agency's province. */
  readonly uncovered: ReadonlySet<number>;
};

/** Proof that the intent is on record: `ask` of a source takes one. Only `open` makes one. */
export type Opened = Brand<'opened'> & { readonly index: number };

export type Freshness = 'live' | 'cached' | 'stale';

/** Why an answer past its age stands where a newer one could not be had, and when that is worth trying again. */
export interface Stale {
  readonly because: SourceFailure | NotAskedReason;
  readonly retryAfterSeconds?: number;
}

/** What became of one look-up. */
export type Outcome = {
  /** How long the source took, where it was asked. */
  readonly milliseconds?: number;
} & (
  | {
      readonly kind: 'found';
      readonly record: JsonObject;
      readonly recordedAt: string | null;
      readonly observedAt: string;
      readonly freshness: Freshness;
      /** Where it rests on an answer past its age: its own, or the one that its key was found in. */
      readonly stale?: Stale;
    }
  | {
      readonly kind: 'absent';
      readonly why?: 'cancelled';
      readonly successor?: string;
      readonly observedAt: string;
      readonly freshness: 'live' | 'cached';
    }
  | { readonly kind: 'unavailable'; readonly reason: SourceFailure | NotAskedReason; readonly retryAfterSeconds?: number }
  /** The key of the role is not known, so nobody was asked. */
  | { readonly kind: 'no-key'; readonly reason: NoKey; readonly retryAfterSeconds?: number }
);

/** Why the gateway did not ask a source, stable as `SourceFailure` is: its maintenance, its failures, its budget, or too many at once. */
export type NotAskedReason = 'maintenance' | 'circuit-open' | 'budget' | 'overloaded';

export type NoKey = 'role-not-given' | 'several-values' | 'not-found' | 'unavailable' | 'not-confirmed';

/** Every planned look-up answered, by its index; and the key of every role that became known. Personal data. */
export type Resolved = Brand<'resolved'> & {
  readonly outcomes: ReadonlyMap<number, Outcome>;
  readonly keys: ReadonlyMap<string, string>;
  /** Roles whose key was found in an answer past its age. */
  readonly stale: ReadonlySet<string>;
  /** Roles whose number was cancelled and followed to the one that took its place → the source that said so. */
  readonly replaced: ReadonlyMap<string, string>;
};
