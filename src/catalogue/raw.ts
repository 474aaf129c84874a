/** The shapes of the configuration's files, as their JSON Schemas in `schemas/config/` let them through. */
import type { JsonValue, KeyKind } from '../adapter.ts';
import type {
  AgencyKey,
  AgencyMisuse,
  Component,
  Deliveries,
  Maintenance,
  Protection,
  Scope,
  Source,
  SourceDataset,
  Text,
} from '../domain.ts';
import type { RawMisuse } from './misuse.ts';

export interface RawLegal {
  id: string;
  cite: string;
  validFrom: string;
  validTo?: string;
  provisions: { id: string; cite: string; procedures?: string[]; databases?: string[]; rule?: string }[];
}

export interface RawAnnex {
  instrument: string;
  annex: string;
  effect: Effect;
  confidence: string;
  source: string;
  records: RawRecord[];
}

export interface RawRecord {
  ref: string;
  code: string;
  codeRaw?: string;
  name: string;
  document: string;
  types: string[];
  databases: string[];
  database: string;
  owner: string;
  instrument: string;
  provision: string;
  sector: string;
  confidence?: string;
  suspect?: string;
}

export interface RawEvidence {
  instrument: string;
  roles: Record<string, RawRole>;
  rules: RawRule[];
}

export interface RawRule {
  database: string;
  types: string[];
  documents: string[];
  except?: string[];
  records: RawRecordCheck[];
  note?: Text;
}

export interface RawCoverage {
  database: string;
  sandbox?: boolean;
  scopes: { datasets: 'all' | string[]; localities: 'all' | string[]; validFrom: string; validTo?: string }[];
}

/** What an annex does to its papers: `replaced-by-data` asks for them where the data cannot be had, `cut` asks for them no more. */
export type Effect = 'replaced-by-data' | 'cut';

export interface RawBinding {
  role: string;
  dataset: string;
  source?: string;
  value: string | string[];
}

export interface RawRecordCheck extends Omit<RawBinding, 'value'> {
  value: string;
  is?: string;
  equals?: JsonValue;
}

export interface RawRole {
  kind: KeyKind;
  name: Text;
  given?: 'required' | 'optional' | 'never';
  from?: RawBinding[];
  confirm?: { value: string; is: string };
  not?: string[];
}

export interface RawField {
  at: string;
  name: Text;
  type: string;
  required: boolean;
  editable?: boolean;
  precision?: 'year' | 'month' | 'day';
  as?: string;
  choices?: { value: string; name: Text }[];
  asOfToday?: boolean;
  from?: RawBinding[];
  prevails?: string;
  note?: Text;
}

export interface RawComponent {
  id: string;
  name: Text;
  condition?: Text;
  confidence: string;
  kept?: NonNullable<Component['kept']>;
  replacedBy?: { provision: string; fields?: string[]; records?: RawRecordCheck[]; compare?: true }[];
  note?: Text;
}

export interface RawQuestion {
  id: string;
  name: Text;
  field: string;
  ageAtLeast?: number;
}

export interface RawProcedure {
  questions?: RawQuestion[];
  code: string;
  validFrom: string;
  validTo?: string;
  replaces?: string[];
  parts?: string[];
  name: Text;
  sector?: Text;
  agency: Text;
  form: { name: Text; confidence: string };
  legalBasis: string[];
  sources: string[];
  maxAgeSeconds?: number;
  staleSeconds?: number;
  people?: number;
  roles: Record<string, RawRole>;
  fields: RawField[];
  components: RawComponent[];
}

export interface RawGrant {
  id: string;
  procedure: string;
  purpose: string;
  fields: 'all' | string[];
  components: 'all' | string[];
  legalBasis: string[];
  validFrom: string;
  validTo: string;
  disclosure?: { withheldUntil: string; legalBasis: string };
}

export interface RawAgency {
  id: string;
  name: Text;
  sandbox?: boolean;
  locality?: string;
  scopes: Scope[];
  keys?: 'sandbox' | AgencyKey[];
  deliveries?: Deliveries;
  grants?: RawGrant[];
  owns?: string[];
  limits?: RawAgencyLimits;
  suppliers?: RawMandate[];
  endedOn?: string;
  succeeds?: RawSuccession[];
  officers?: RawForm[];
  dossiers?: RawForm[];
  misuse?: AgencyMisuse;
}

export interface RawSuccession {
  agency: string;
  from: string;
  grants?: 'all' | string[];
  dossiers?: boolean;
}

export interface RawForm {
  of?: string;
  below?: boolean;
  number?: string;
}

export interface RawAgencyLimits {
  agency?: { perSecond?: number; burst?: number; perDay?: number };
  officer?: { perMinute?: number; perDay?: number };
}

export interface RawMandate {
  supplier: string;
  scopes: Scope[];
  procedures: 'all' | string[];
  validFrom: string;
  validTo: string;
}

export type RawSupplier = Pick<RawAgency, 'id' | 'name' | 'sandbox'> & { keys: 'sandbox' | AgencyKey[] };

/** Member of the dataset → rule of how it is read; a rule with `each` reads a list by a map of its own. */
export type MemberMap = Readonly<Record<string, string | { readonly each?: MemberMap }>>;

/** Datasets of a described source say how they are asked for and read. */
export interface RawSource extends Omit<Source, 'protection'>, RawProtection {
  readonly datasets: Readonly<
    Record<
      string,
      SourceDataset & {
        readonly request?: { readonly key: KeyKind; readonly headers?: object };
        readonly answer?: object;
        readonly codes?: object;
        readonly map?: MemberMap;
      }
    >
  >;
}

/** What a source's file says of how it is protected; all of it may be left out. */
export interface RawProtection {
  readonly concurrency?: { readonly atOnce: number; readonly waiting?: number };
  readonly budget?: Partial<RawRate> & { readonly eachAgency?: RawRate; readonly agencies?: Readonly<Record<string, RawRate>> };
  readonly circuit?: Partial<Protection['circuit']>;
  readonly retry?: Partial<Protection['retry']>;
  readonly maintenance?: Partial<Maintenance>;
}
export interface RawRate {
  readonly perSecond: number;
  readonly burst?: number;
}

export interface RawGateway {
  logOrigin: string;
  deadlineMs?: number;
  tokenLifetimeSeconds?: number;
  cacheBytes?: number;
  verifications?: { mismatchesADay?: number };
  batch?: { atOnce?: number; batches?: number };
  retention?: Record<string, number>;
  witnesses?: { quorum: number; everySeconds?: number; each: { key: string; address: string }[] };
  witness?: { name: string; logs: { origin: string; keys: string[] }[] };
  completion?: { forHours?: number; keepHours?: number; perAgency?: number };
  corrections?: { reviewDays?: number; keepDays?: number; openPerAgency?: number };
  citizens?: RawCitizens;
  limits?: RawAgencyLimits & { citizen?: { perMinute?: number } };
  misuse?: RawMisuse;
}

export interface RawCitizens {
  issuer: string;
  audience?: string;
  keys?: 'sandbox' | AgencyKey[];
  jwks?: string;
  algorithms?: string[];
  numberClaim?: string;
}
