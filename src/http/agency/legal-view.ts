/** What the annexes say of a procedure's papers, and whether this gateway can fetch the data here today. */
import { coverageHere } from '../../catalogue/coverage.ts';
import type { LegalRow } from '../../catalogue/legal-table.ts';
import type { Catalogue } from '../../catalogue/load.ts';
import { lackOf } from '../../catalogue/table-procedures.ts';
import { type Agency, type Evidence, inForce, type Procedure } from '../../domain.ts';

/** For whom, and on which day in Viet Nam. */
export interface Here {
  readonly catalogue: Catalogue;
  readonly agency: Agency;
  readonly today: string;
}

export interface Fetchable {
  readonly fetchable: boolean;
  /** Why not, as the reason of a verdict; or `cut`, where nothing is asked for, and `suspect`, where the record is not believed. */
  readonly reason?: string;
}

/** Every record on the procedure, suspect ones too. */
export function describeLaw(procedure: Procedure, here: Here): object[] {
  return (here.catalogue.rows.get(procedure.code) ?? []).map((row) => ({
    ref: row.ref,
    citation: row.citation,
    effect: row.effect,
    name: row.name,
    document: row.document,
    types: row.types,
    database: row.database,
    databases: row.databases.map((database) => describeDatabase(database, here)),
    owner: row.owner,
    instrument: row.instrument,
    provision: row.provision,
    sector: row.sector,
    validFrom: row.validFrom,
    validTo: row.validTo,
    confidence: row.confidence,
    codeRaw: row.codeRaw,
    codeNormalised: row.codeRaw !== undefined,
    suspect: row.suspect,
    ...fetchableOf(row, procedure, here),
  }));
}

/** By the evidence that the procedure's papers have under the row. */
export function fetchableOf(row: LegalRow, procedure: Procedure, { catalogue, agency, today }: Here): Fetchable {
  const not = (reason: string): Fetchable => ({ fetchable: false, reason });
  if (row.suspect !== undefined) return not('suspect');
  if (!inForce(row, today)) return not('legal-basis-not-in-force');
  if (row.effect === 'cut') return not('cut');
  const evidence = procedure.components
    .flatMap(({ replacedBy }) => replacedBy)
    .filter(({ provision, settled }) => provision.ref === row.ref && settled === undefined);
  if (evidence.length === 0) return not(lackOf(row, catalogue.sources));
  const there = (lookUp: number): boolean => {
    const { coverage, dataset } = procedure.lookUps[lookUp] ?? {};
    return coverageHere(coverage, dataset ?? '', agency.locality, today) !== 'not-covered';
  };
  return evidence.some((one) => isThere(one, procedure, there)) ? { fetchable: true } : not('not-covered');
}

/** All of its fields, and one of its records. */
const isThere = ({ fields, records }: Evidence, procedure: Procedure, there: (lookUp: number) => boolean): boolean =>
  fields.every((index) => procedure.fields[index]?.from.some(({ lookUp }) => there(lookUp))) &&
  (records.length === 0 || records.some(({ lookUp }) => there(lookUp)));

function describeDatabase(database: string, { catalogue, agency, today }: Here): object {
  const sources = [...catalogue.sources.values()].filter((source) => source.database === database);
  const datasets = [...new Set(sources.flatMap((source) => Object.keys(source.datasets)))];
  const scopes = catalogue.coverage.get(database);
  return {
    database,
    sources: sources.map(({ id }) => id),
    datasets: datasets.map((dataset) => ({ dataset, coverage: coverageHere(scopes, dataset, agency.locality, today) })),
  };
}
