/** Who asks, and what they may: agencies, their grants and keys, suppliers that act for them, citizens. */
import type { Brand, Provision, Text, Validity } from './basics.ts';
import type { SourceTls } from './source.ts';

/** What a token may be used for. */
export const SCOPES = ['prefill', 'verify', 'audit', 'changes', 'correct', 'operate'] as const;

export type Scope = (typeof SCOPES)[number];

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
