/** A procedure as the catalogue has it: roles, fields and where they come from, papers and what replaces them. */
import type { JsonValue, KeyKind } from '../adapter.ts';
import type { OfficialText, Pointer, Provision, Text, Validity } from './basics.ts';
import type { Conflict } from './reply.ts';
import type { CoverageScope } from './source.ts';

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
