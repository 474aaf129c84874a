/** The words of the gateway, as types. */
import type { JsonObject, JsonValue, KeyKind, SourceFailure } from './adapter.ts';

declare const brand: unique symbol;
/** A type that only the function which establishes the fact may produce. */
export type Brand<Name extends string> = { readonly [brand]: Name };

/** A text for people; Vietnamese is the text of record. */
export interface Text {
  readonly vi: string;
  readonly en: string;
  readonly fr?: string;
}

/** A name as an official text has it: it may have no translation. */
export type OfficialText = Pick<Text, 'vi'> & Partial<Text>;

/** Days YYYY-MM-DD in Viet Nam's time, both inclusive; no `validTo` means no known end. */
export interface Validity {
  readonly validFrom: string;
  readonly validTo?: string;
}

/** What a token may be used for. */
export const SCOPES = ['prefill', 'verify', 'audit', 'changes', 'correct', 'operate'] as const;
export type Scope = (typeof SCOPES)[number];

/** A provision of a legal instrument, with how it is cited to people. */
export interface Provision extends Validity {
  readonly ref: string;
  readonly citation: string;
  readonly databases: readonly string[];
  readonly procedures: readonly string[];
  readonly rule?: string;
}

/** A registry, as its file in `config/sources/` says it. */
export interface Source {
  readonly id: string;
  readonly name: Text;
  readonly owner: Text;
  readonly database: string;
  readonly legalBasis: string;
  readonly adapter: string;
  readonly address: string;
  readonly credential?: string;
  readonly tls?: SourceTls;
  readonly oauth?: SourceOauth;
  readonly timeoutMs: number;
  readonly datasets: Readonly<Record<string, SourceDataset>>;
  readonly protection: Protection;
}

/** How a source is kept from being overloaded, and requests from waiting for it: what its file says, and the defaults where it says nothing. */
export interface Protection {
  /** Look-ups that it is asked at once. */
  readonly atOnce: number;
  /** Look-ups that may wait for their turn. */
  readonly waiting: number;
  readonly budget: {
    readonly all: Rate | undefined;
    /** Of each agency that has none of its own. */
    readonly eachAgency: Rate | undefined;
    readonly agencies: ReadonlyMap<string, Rate>;
  };
  readonly circuit: {
    /** It opens after so many failures with no answer between them. */
    readonly failures: number;
    /** It opens too where so many of a hundred failed within the while, of `of` at least. */
    readonly percent: number;
    readonly of: number;
    readonly withinSeconds: number;
    /** How long it stays open the first time; twice as long each time that trying failed. */
    readonly pauseSeconds: number;
    readonly longestPauseSeconds: number;
  };
  readonly retry: {
    /** How often one look-up is asked again. */
    readonly most: number;
    /** Of a hundred look-ups, so many. */
    readonly percent: number;
  };
  readonly maintenance: Maintenance;
}

/** So many a second in the long run, and so many at once after a pause. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** When a source's owner works on it and nobody is to ask, in Viet Nam's time. */
export interface Maintenance {
  readonly weekly: readonly WeeklyWindow[];
  readonly once: readonly SingleWindow[];
}
/** On each of the days from `from` (HH:MM) to `to` (HH:MM, or 24:00); one that ends before it begins ends on the day after. */
export interface WeeklyWindow {
  readonly days: readonly ('mon' | 'tue' | 'wed' | 'thu' | 'fri' | 'sat' | 'sun')[];
  readonly from: string;
  readonly to: string;
}
/** Once, from one minute (YYYY-MM-DDTHH:MM) to another. */
export interface SingleWindow {
  readonly from: string;
  readonly to: string;
}
/** References to files of PEM text, and the name that the server's certificate must bear. */
export interface SourceTls {
  readonly ca?: string;
  readonly certificate?: string;
  readonly key?: string;
  readonly serverName?: string;
}
/** The token endpoint that a source's token comes from, and a reference to what proves the gateway to it. */
export interface SourceOauth {
  readonly token: string;
  readonly clientId: string;
  readonly method: 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt';
  readonly credential: string;
  readonly keyId?: string;
  readonly audience?: string;
  readonly scope?: string;
  readonly tls?: SourceTls;
}
export interface SourceDataset {
  readonly maxAgeSeconds: number;
  readonly absentMaxAgeSeconds: number;
  /** How long after its age a record may still be used while the source cannot answer, where the procedure allows it too; 0 unless said. */
  readonly staleSeconds?: number;
}

/** A part of a database that its owner says is there to replace papers. */
export interface CoverageScope extends Validity {
  readonly datasets: 'all' | ReadonlySet<string>;
  /** Codes of provinces. */
  readonly localities: 'all' | ReadonlySet<string>;
}

/** A person or thing of the dossier, and how its key is known. */
export interface Role {
  readonly name: string;
  readonly label: Text;
  readonly kind: KeyKind;
  readonly given: 'required' | 'optional' | 'never';
  readonly from: readonly Binding[];
  readonly confirm?: { readonly value: Pointer; readonly is: string };
  /** Roles that must be somebody else. */
  readonly not: readonly string[];
}

/** A JSON Pointer split into its members; `*` is every item of a list. */
export type Pointer = readonly string[];

/** `/a/b` as ['a', 'b']. */
export const splitPointer = (pointer: string): Pointer => pointer.slice(1).split('/');

/** A value of a record of a role, in one source. `lookUp` is its place in the procedure's `lookUps`. */
export interface Binding {
  readonly lookUp: number;
  readonly values: readonly Pointer[];
}

/** One question that a procedure may put to a source: the record of a role. */
export interface PlannedLookUp {
  readonly role: string;
  readonly source: string;
  readonly dataset: string;
  /** What the owner of the source's database publishes of it; absent where nothing was published. */
  readonly coverage?: readonly CoverageScope[];
  /** 1 for a key the caller gives, one more for each record that must be read before. */
  readonly stage: number;
}

export interface Field {
  readonly at: string;
  readonly path: Pointer;
  readonly name: Text;
  readonly type: string;
  readonly required: boolean;
  readonly editable: boolean;
  readonly precision?: 'year' | 'month' | 'day';
  /** What is written in a declared field: a type by name, or one of several values. */
  readonly as?: string;
  readonly choices?: readonly { readonly value: string; readonly name: Text }[];
  /** An address is given under the unit of today, where that is certain. */
  readonly asOfToday?: boolean;
  /** How two values differ in meaning on a day, where they are not compared as they stand; undefined where they say the same. */
  readonly compare?: (a: JsonValue, b: JsonValue, today: string) => Conflict['difference'] | undefined;
  readonly from: readonly Binding[];
  readonly prevails?: Provision;
  readonly note?: Text;
}

/** What may be asked about a field without its value: only what the procedure's file asks, so that nobody finds the value by asking on. */
export interface Question {
  readonly id: string;
  readonly name: Text;
  /** Index of the field. */
  readonly field: number;
  /** Whether the date is so many years before the day of the request; without it, whether a register holds a value at all. */
  readonly ageAtLeast?: number;
}

export interface Evidence {
  readonly provision: Provision;
  /** Indexes into the procedure's fields, all of which must be filled. */
  readonly fields: readonly number[];
  /** Records of which one must be there. */
  readonly records: readonly RecordCheck[];
  /** An officer has to see that the data is of this case: at most `partly`. */
  readonly compare: boolean;
  /** What it comes to whatever any register says: the paper is struck from the dossier, or nothing is known that would prove it. */
  readonly settled?: { readonly verdict: 'cut' } | { readonly verdict: 'ask'; readonly reason: string };
}
export interface RecordCheck {
  readonly lookUp: number;
  readonly value: Pointer;
  readonly is?: string;
  readonly equals?: JsonValue;
}

export interface Component {
  readonly id: string;
  readonly name: Text;
  readonly condition?: Text;
  readonly confidence: string;
  readonly kept?: 'declaration' | 'original-required' | 'no-database-replaces-it' | 'no-source' | 'no-binding' | 'crime-prevention-only';
  readonly replacedBy: readonly Evidence[];
  readonly note?: Text;
}

/** One version of a procedure, compiled: everything a request needs, looked up and checked at boot. */
export interface Procedure extends Validity {
  readonly code: string;
  /** Codes whose place it took. */
  readonly replaces?: readonly string[];
  /** Of an interlinked procedure: those that it joins, in the catalogue or not. */
  readonly parts?: readonly string[];
  readonly name: OfficialText;
  readonly sector?: OfficialText;
  /** Who decides it; an annex does not say. */
  readonly agency?: Text;
  /** Absent where only an annex is known: then there are no fields either. */
  readonly form?: { readonly name: Text; readonly confidence: string };
  readonly legalBasis: readonly Provision[];
  readonly factSources: readonly string[];
  readonly maxAgeSeconds?: number;
  readonly staleSeconds?: number;
  /** People that a dossier of it may have, where that is more than elsewhere. */
  readonly people?: number;
  readonly roles: ReadonlyMap<string, Role>;
  readonly lookUps: readonly PlannedLookUp[];
  readonly fields: readonly Field[];
  readonly components: readonly Component[];
  readonly questions?: readonly Question[];
}

/** What an agency may ask of one procedure. */
export interface Grant extends Validity {
  readonly id: string;
  readonly procedure: string;
  /** What the data may be used for, by its code. */
  readonly purpose: string;
  readonly fields: 'all' | ReadonlySet<string>;
  readonly components: 'all' | ReadonlySet<string>;
  readonly legalBasis: readonly Provision[];
  /** Where a law delays that the person concerned is told of what is done under the grant. */
  readonly disclosure?: Disclosure;
}

/** A form of the numbers of an agency's officials or dossiers. */
export interface NumberForm {
  /** The agency before the hyphen. */
  readonly of: string;
  /** Whether a unit below it may stand there too. */
  readonly below: boolean;
  /** What follows, character by character: `#` a digit, `@` a capital letter, `*` either, anything else itself; any number where there is none. */
  readonly number?: string;
  /** First day on which it is taken. */
  readonly from?: string;
}

/** A delay of the citizen's own view. It always ends. */
export interface Disclosure {
  /** Last day YYYY-MM-DD, in Viet Nam, on which the citizen is not shown it. */
  readonly withheldUntil: string;
  readonly legalBasis: Provision;
}

/** A public key of an agency, as JWK. */
export interface AgencyKey {
  readonly kid: string;
  readonly kty: string;
  readonly crv: string;
  readonly x: string;
  readonly y?: string;
  readonly alg: string;
  readonly validFrom?: string;
  readonly validTo?: string;
}

export interface Agency {
  readonly id: string;
  readonly name: Text;
  readonly sandbox: boolean;
  /** Code of the province it works in; absent where it works in several, or does not say. */
  readonly locality?: string;
  readonly scopes: ReadonlySet<Scope>;
  readonly keys: readonly AgencyKey[] | 'sandbox';
  readonly grants: readonly Grant[];
  /** The sources that it may tell the changes of, and answers reports of wrong values for. */
  readonly owns: ReadonlySet<string>;
  /** Where it takes what was completed later; undefined where it fetches. */
  readonly deliveries?: Deliveries;
  /** Who else may ask in its name; nobody where it names nobody. */
  readonly suppliers?: readonly Mandate[];
  /** Its last day; from the next on nothing of it holds. */
  readonly endedOn?: string;
  /** The numbers it may name; without them, any of the agency or a unit below it. */
  readonly officers?: readonly NumberForm[];
  readonly dossiers?: readonly NumberForm[];
  /** Where its honest work looks otherwise than that of the others. */
  readonly misuse?: AgencyMisuse;
}

/** How an agency's honest work looks, as its file says: numbers of its own for the rules of `misuse` in `gateway.yaml`. */
export interface AgencyMisuse {
  readonly peopleOfDossier?: { readonly more: number };
  readonly sequence?: { readonly numbers: number };
  readonly offHours?: { readonly more: number };
  readonly readByMany?: { readonly officers: number };
  readonly overCustom?: { readonly times?: number; readonly atLeast?: number };
  readonly agencyOverCustom?: { readonly times?: number; readonly atLeast?: number };
  /** Whether it works at night and on days off. */
  readonly worksAtNight?: boolean;
  /** Officials that are machines: they have neither hours nor customs. */
  readonly automated?: readonly string[];
}

/** What a supplier, a company that runs the agency's software, may do for it. It always ends. */
export interface Mandate extends Validity {
  readonly supplier: string;
  readonly scopes: ReadonlySet<Scope>;
  readonly procedures: 'all' | ReadonlySet<string>;
}

/** A company that has a key of its own, and nothing that it may do but what agencies let it do for them. */
export type Supplier = Pick<Agency, 'id' | 'name' | 'sandbox' | 'keys'>;

/** An address of an agency, or a reference to where it stands. */
export interface Deliveries {
  readonly address: string;
  readonly tls?: SourceTls;
}

/** Who calls: an agency whose token was verified. Only `authenticate` makes one. */
export type Caller = Brand<'caller'> & {
  readonly agency: Agency;
  readonly client: string;
  readonly scopes: ReadonlySet<Scope>;
  /** Identifier of its token, and of the agency's key that the token was got with: each can be shut out. Absent where the gateway comes back by itself. */
  readonly token?: string;
  readonly key?: string;
  /** The supplier that acts for the agency. */
  readonly actor?: string;
  /** The official whom the token's issuer vouches for: then nobody else is acting. */
  readonly officer?: string;
};

/** Who vouches for citizens: the issuer of their tokens. */
export interface CitizenIssuer {
  readonly issuer: string;
  /** Whom its tokens must be addressed to; the gateway's own issuer unless said. */
  readonly audience?: string;
  /** Its public keys, the address where they stand with the algorithms that are taken, or `sandbox`: made on first use. */
  readonly keys: 'sandbox' | readonly AgencyKey[] | { readonly jwks: string; readonly algorithms: readonly string[] };
  /** The claim that holds the 12-digit number. */
  readonly numberClaim: string;
}

/** A citizen whose token was verified. Only `authenticate-citizen` makes one. Personal data. */
export type Citizen = Brand<'citizen'> & { readonly issuer: string; readonly number: string };

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

/** Milliseconds since the epoch; injected everywhere, so that tests own the time. */
export type Clock = () => number;

/** The calendar day in Viet Nam (UTC+7, no daylight saving) at `now`. */
export function dayInVietnam(now: number): string {
  return new Date(now + 7 * 3_600_000).toISOString().slice(0, 10);
}

/** Whether `day` lies within the validity. */
export function inForce(validity: Validity, day: string): boolean {
  return validity.validFrom <= day && (validity.validTo === undefined || day <= validity.validTo);
}
