/** A procedure as developers see it: in short, and whole. */
import { purposeName } from '../../catalogue/purposes.ts';
import { type Grant, inForce, type OfficialText, type Procedure, type Provision } from '../../domain.ts';
import { grantsHeld } from '../../stages/grant.ts';
import { fetchableOf, type Here } from './legal-view.ts';

export interface Summary {
  readonly code: string;
  readonly name: OfficialText;
  readonly sector?: OfficialText | undefined;
  readonly validFrom: string;
  readonly validTo?: string | undefined;
  readonly withForm: boolean;
  /** Databases that the annexes name for its papers. */
  readonly databases: readonly string[];
  /** Records of the annexes that are believed, and how many of their papers' data can be fetched today here. */
  readonly papers: number;
  readonly fetchable: number;
  readonly granted: boolean;
}

export function summarise(procedure: Procedure, here: Here): Summary {
  const { code, name, sector, form } = procedure;
  const rows = (here.catalogue.rows.get(code) ?? []).filter(({ suspect }) => suspect === undefined);
  return {
    code,
    name,
    sector,
    ...validityOf(procedure),
    withForm: form !== undefined,
    databases: [...new Set(rows.flatMap(({ databases }) => databases))],
    papers: rows.length,
    fetchable: rows.filter((row) => fetchableOf(row, procedure, here).fetchable).length,
    granted: grantsOf(here, code).length > 0,
  };
}

/** The caller's grants in force today: one for each purpose. */
export const grantsOf = ({ agency, today }: Here, procedure: string): readonly Grant[] =>
  grantsHeld(agency, procedure, today).filter((grant) => inForce(grant, today));

/** Of a procedure without a form only the days of its rows are known. */
function validityOf({ form, validFrom, validTo, legalBasis }: Procedure): { validFrom: string; validTo?: string | undefined } {
  if (form !== undefined) return { validFrom, validTo };
  const ends = legalBasis.map((provision) => provision.validTo);
  return {
    validFrom: legalBasis.map((provision) => provision.validFrom).sort()[0] ?? validFrom,
    validTo: ends.includes(undefined) ? undefined : ends.sort().at(-1),
  };
}

export const cite = ({ ref, citation, validFrom, validTo }: Provision): object => ({ ref, citation, validFrom, validTo });

type Purposes = Parameters<typeof purposeName>[0];

export const describeGrant = ({ id, purpose, validFrom, validTo, legalBasis }: Grant, purposes: Purposes): object => ({
  id,
  purpose: { code: purpose, name: purposeName(purposes, purpose) },
  validFrom,
  validTo,
  legalBasis: legalBasis.map(cite),
});

export function describeProcedure(procedure: Procedure, grants: readonly Grant[], purposes: Purposes): object {
  const { code, name, sector, agency, form, legalBasis, factSources, roles, lookUps, fields, components } = procedure;
  return {
    code,
    name,
    sector,
    agency,
    form,
    ...validityOf(procedure),
    legalBasis: legalBasis.map(cite),
    factSources,
    roles: [...roles.values()].map((role) => ({
      role: role.name,
      name: role.label,
      kind: role.kind,
      given: role.name === 'subject' ? 'required' : role.given,
    })),
    fields: fields.map(({ at, name: label, type, required, editable, from, prevails, note }) => ({
      at,
      name: label,
      type,
      required,
      editable,
      from: from.flatMap(({ lookUp }) => lookUps[lookUp] ?? []).map(({ source, dataset, role }) => ({ source, dataset, role })),
      prevails: prevails?.citation,
      granted: grants.some((grant) => grant.fields === 'all' || grant.fields.has(at)),
      note,
    })),
    components: components.map(({ id, name: label, condition, confidence, kept, replacedBy, note }) => ({
      id,
      name: label,
      condition,
      confidence,
      kept,
      replacedUnder: replacedBy.map(({ provision }) => provision.citation),
      granted: grants.some((grant) => grant.components === 'all' || grant.components.has(id)),
      note,
    })),
    grants: grants.map((grant) => describeGrant(grant, purposes)),
  };
}
