/** What one entry says of one citizen, with everything cut out that concerns anybody else. Pure. */
import { type AuditEntry, OF_REPORTS } from '../../audit/entry.ts';
import type { Catalogue } from '../../catalogue/load.ts';
import { purposeName } from '../../catalogue/purposes.ts';
import { dayInVietnam, inForce, type Procedure, type Role } from '../../domain.ts';
import { statusOf } from './status.ts';

/** A request is authorised some seconds before its entry, by the day it was then. Milliseconds. */
const BEFORE_ENTRY_MS = 60_000;

export interface Access {
  readonly view: object;
  /** Whether the entry names nobody else, so that it can be shown whole. */
  readonly alone: boolean;
}

/** `own` are the citizen's pseudonyms; `outcome` is what became of the request. */
export function accessOf(entry: AuditEntry, outcome: string, own: ReadonlySet<string>, catalogue: Catalogue): Access {
  const versions = versionsOf(entry, catalogue);
  const roles = new Roles(entry, own, versions, entry.config === catalogue.digest);
  const { fields, withheld } = fieldsOf(entry, outcome, roles, versions);
  const [procedure] = versions;
  const label = (role: string): Role['label'] | undefined => roles.definitions(role)[0]?.label;
  return {
    alone: roles.alone,
    view: {
      time: entry.time,
      agency: { id: entry.agency, name: catalogue.agencies.get(entry.agency)?.name },
      actor: entry.actor === undefined ? undefined : { id: entry.actor, name: catalogue.suppliers.get(entry.actor)?.name },
      officer: entry.officer,
      procedure: entry.procedure && { code: entry.procedure, name: procedure?.name },
      dossier: entry.dossier,
      // What the procedure does not know may be anything that an agency called somebody.
      roles: roles.persons.map((role) => ({ role: label(role) === undefined ? 'related' : role, name: label(role) })),
      purpose: entry.purpose && { code: entry.purpose, name: purposeName(catalogue, entry.purpose) },
      legalBasis: (entry.legalBasis ?? []).map((ref) => catalogue.provisions.get(ref)?.citation ?? ref),
      fields: fields.map((at) => ({ at, name: procedure?.fields.find((field) => field.at === at)?.name })),
      fieldsWithheld: withheld ? true : undefined,
      sources: (entry.sources ?? [])
        .filter(({ role }) => roles.ownerOf(role) === 'citizen')
        .map(({ source, dataset, result, freshness, staleBecause }) => ({
          id: source,
          name: catalogue.sources.get(source)?.name,
          dataset,
          result,
          freshness,
          staleBecause,
        })),
      outcome,
      status: statusOf(outcome),
    },
  };
}

/** The versions of the procedure that may have been in force when the request was allowed. */
function versionsOf({ procedure, time }: AuditEntry, catalogue: Catalogue): readonly Procedure[] {
  const at = Date.parse(time);
  const days = [dayInVietnam(at), dayInVietnam(at - BEFORE_ENTRY_MS)];
  return (catalogue.procedures.get(procedure ?? '') ?? []).filter((version) => days.some((day) => inForce(version, day)));
}

type Owner = 'citizen' | 'another' | 'unknown';

/** The roles of an entry, and whose they are. */
class Roles {
  /** In which the entry names the citizen. */
  readonly persons: readonly string[];
  readonly #entry: AuditEntry;
  readonly #versions: readonly Procedure[];
  /** Whether the configuration that decided is the one at hand: by another, bindings may have meant something else. */
  readonly #decidable: boolean;

  constructor(entry: AuditEntry, own: ReadonlySet<string>, versions: readonly Procedure[], decidable: boolean) {
    this.#entry = entry;
    this.#versions = versions;
    this.#decidable = decidable;
    this.persons = Object.entries(entry.subjects ?? {}).flatMap(([role, pseudonym]) => (own.has(pseudonym) ? role : []));
  }

  definitions(role: string): Role[] {
    return this.#versions.flatMap((version) => version.roles.get(role) ?? []);
  }

  get decidable(): boolean {
    return this.#decidable;
  }

  /** Whether every role that the entry names is the citizen's, and is one of the procedure's. */
  get alone(): boolean {
    return this.named.every((role) => this.ownerOf(role) === 'citizen' && (role === 'subject' || this.definitions(role).length > 0));
  }

  get named(): readonly string[] {
    return Object.keys(this.#entry.subjects ?? {});
  }

  ownerOf(role: string): Owner {
    if (this.persons.includes(role)) return 'citizen';
    const definitions = this.definitions(role);
    if (!this.#decidable || definitions.length === 0) return 'unknown';
    if (definitions.some(({ kind }) => kind === 'person')) return 'another';
    // A thing is whose record says so: it was read as that of the role that confirmed it, or not read at all.
    const holders = definitions.map(({ confirm }) => confirm?.is);
    if (holders.includes(undefined)) return 'unknown';
    if (!holders.every((holder) => this.persons.includes(holder as string))) return 'another';
    const results = (this.#entry.sources ?? []).filter((use) => use.role === role).map(({ result }) => result);
    return results.includes('found') && !results.includes('not-confirmed') ? 'citizen' : 'unknown';
  }
}

/** The fields that left from the citizen's own records, and whether some are kept back because that cannot be told of them. */
function fieldsOf(
  entry: AuditEntry,
  outcome: string,
  roles: Roles,
  versions: readonly Procedure[],
): { readonly fields: readonly string[]; readonly withheld: boolean } {
  // Of what was compared no value left; that it was looked at is the citizen's to know all the same.
  const left =
    outcome === 'answered' || OF_REPORTS.has(outcome)
      ? (entry.fields ?? [])
      : Object.keys(entry.compared ?? {}).filter((at) => at.startsWith('/'));
  if (left.length === 0 || roles.alone) return { fields: left, withheld: false };
  if (!roles.decidable) return { fields: [], withheld: true };
  const owners = left.map((at) => {
    const bound = versions.flatMap(({ fields, lookUps }) =>
      (fields.find((field) => field.at === at)?.from ?? []).flatMap(({ lookUp }) => lookUps[lookUp]?.role ?? []),
    );
    // Of a role that the entry does not name there was no record.
    const [owner = 'unknown', ...others] = new Set(bound.filter((role) => roles.named.includes(role)).map((role) => roles.ownerOf(role)));
    return others.length === 0 ? owner : 'unknown';
  });
  return { fields: left.filter((_, i) => owners[i] === 'citizen'), withheld: owners.includes('unknown') };
}
