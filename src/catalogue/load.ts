/** From the files of `config/` to a checked, compiled catalogue, or to the list of everything that is wrong with them. */
import { hash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Agency, CitizenIssuer, CoverageScope, Procedure, Provision, Source, Supplier } from '../domain.ts';
import type { Places } from '../vietnam/places/places.ts';
import { compileAgencies } from './agencies.ts';
import { compileCitizens } from './citizens.ts';
import { type CodeList, compileCodes } from './codes.ts';
import { configSchemas } from './config-schemas.ts';
import { compileCoverage } from './coverage.ts';
import { compileEvidence } from './evidence.ts';
import { ConfigurationError, type Fault } from './faults.ts';
import { type ConfigFile, readFiles } from './files.ts';
import type { Kind } from './folders.ts';
import { CRIME_PREVENTION_ONLY, crimePreventionIn } from './forbidden.ts';
import { checkSpokenFor, compileIssuers, type TokenIssuer } from './issuers.ts';
import { compileLegal } from './legal.ts';
import { compileTable, type LegalRow } from './legal-table.ts';
import { type CatalogueLimits, compileLimits } from './limits.ts';
import { meanings } from './meaning.ts';
import { checkOffHours, type MisuseRules, misuseRules } from './misuse.ts';
import { compilePlaces } from './places.ts';
import { compileProcedure } from './procedure.ts';
import { checkAgencies } from './protection.ts';
import type { RawGateway, RawProcedure } from './raw.ts';
import { loadSchemas, type Schemas } from './schemas.ts';
import { type AdapterFacts, compileSources } from './sources.ts';
import { compileSuppliers } from './suppliers.ts';
import type { Broken, Surroundings } from './surroundings.ts';
import { addTableProcedures } from './table-procedures.ts';
import { checkOrder, days, overlap } from './validity.ts';
import { compileWitnesses, type OwnWitness, type WitnessPolicy } from './witnesses.ts';

export interface GatewaySettings {
  readonly logOrigin: string;
  readonly deadlineMs: number;
  readonly tokenLifetimeSeconds: number;
  readonly cacheBytes: number;
  /** Wrong claims about one person that an agency has in a day. */
  readonly mismatchesADay: number;
  /** Lines of one batch that are worked on at once, and batches at once in this process. */
  readonly batch: { readonly atOnce: number; readonly batches: number };
  /** Kind of entry → days its body is kept; what is not named is kept for ever. */
  readonly retention: Readonly<Record<string, number>>;
  /** Who cosigns the heads of this log; undefined where nobody does. */
  readonly witnesses: WitnessPolicy | undefined;
  /** What this gateway is as a witness for other logs; undefined where it is none. */
  readonly witness: OwnWitness | undefined;
  /** Hours for which a prefill is tried to be completed, and for which what came of it is kept. */
  readonly completion: { readonly forHours: number; readonly keepHours: number; readonly perAgency: number };
  /** Days for which a reported value counts as under review, and for which what became of the report is kept; reports that an agency may have open. */
  readonly corrections: { readonly reviewDays: number; readonly keepDays: number; readonly openPerAgency: number };
  /** How often agencies, their officials and citizens may ask. */
  readonly limits: CatalogueLimits;
  /** Absent where no citizen's token is taken. */
  readonly citizens?: CitizenIssuer;
  /** What honest work does not look like. */
  readonly misuse: MisuseRules;
}

export interface Catalogue {
  readonly gateway: GatewaySettings;
  readonly agencies: ReadonlyMap<string, Agency>;
  readonly suppliers: ReadonlyMap<string, Supplier>;
  /** Who else issues tokens to agencies, by `iss`. */
  readonly issuers: ReadonlyMap<string, TokenIssuer>;
  /** All versions of each procedure, oldest first; those too of which only an annex is known, and which have no form. */
  readonly procedures: ReadonlyMap<string, readonly Procedure[]>;
  /** A code that was replaced → the code of the procedure that took its place. */
  readonly successors: ReadonlyMap<string, string>;
  readonly sources: ReadonlyMap<string, Source>;
  /** By the name that the other files cite them by. */
  readonly provisions: ReadonlyMap<string, Provision>;
  /** Every record of the annexes, suspect ones too, by the code of its procedure. */
  readonly rows: ReadonlyMap<string, readonly LegalRow[]>;
  /** What the owners of databases publish of them, by database. */
  readonly coverage: ReadonlyMap<string, readonly CoverageScope[]>;
  /** By name, all versions of each, oldest first. */
  readonly codes: ReadonlyMap<string, readonly CodeList[]>;
  readonly places: Places;
  readonly schemas: Schemas;
  /** Base64url SHA-256 over the names and bytes of all files: it stands in every audit entry. */
  readonly digest: string;
}

export interface LoadOptions {
  readonly directory: string;
  readonly schemaDirectory: string;
  readonly adapters: ReadonlyMap<string, AdapterFacts>;
  /** Whether sandbox agencies and sources are allowed. */
  readonly sandbox: boolean;
}

/** Throws `ConfigurationError` with all faults. */
export function loadCatalogue(options: LoadOptions): Catalogue {
  const faults: Fault[] = [];
  const digested: [string, string][] = [];
  const own = join(options.directory, 'datasets');
  const schemas = loadSchemas(options.schemaDirectory, existsSync(own) ? own : undefined, faults);
  const read = (file: string, sha256: string): void => void digested.push([file, sha256]);
  const files = readFiles(options.directory, configSchemas(options.schemaDirectory), faults, read);
  for (const file of schemas.files) digested.push([`datasets/${basename(file)}`, hash('sha256', readFileSync(file), 'hex')]);
  const broken = brokenIn(files, faults);
  checkDatasets(schemas, faults);
  const valid = (kind: Kind): ConfigFile[] => files.filter((file) => file.kind === kind && file.valid);

  const provisions = compileLegal(valid('legal'));
  const rows = compileTable(valid('annex'), valid('legal'), provisions, broken);
  const sources = compileSources(valid('source'), schemas, broken, options);
  const coverage = compileCoverage(valid('coverage'), schemas, broken, options);
  const codes = compileCodes(valid('codes'));
  const places = compilePlaces(options.directory, valid('places')[0], faults, read);
  const around: Surroundings = { schemas, provisions, sources, coverage, meanings: meanings(places, codes), broken };
  const procedures = compileProcedures(valid('procedure'), around);
  const successors = compileSuccessors(valid('procedure'), procedures);
  addTableProcedures(procedures, rows, compileEvidence(valid('evidence'), rows, around), around);
  // What was replaced is no longer asked for: its successor may cite its rows.
  for (const old of successors.keys()) procedures.delete(old);
  const suppliers = compileSuppliers(valid('supplier'), options);
  const agencies = compileAgencies(valid('agency'), around, procedures, suppliers, codes, options);
  checkAgencies(valid('source'), agencies, broken);
  const [gateway] = valid('gateway');
  const raw = gateway?.value as RawGateway | undefined;
  if (!options.sandbox && raw?.logOrigin.startsWith('oncegate.example')) {
    gateway?.fault('/logOrigin', 'sandbox-in-production', 'the name of the sandbox’s log: take one of your own, it can never change');
  }
  const citizens = gateway && raw?.citizens && compileCitizens(gateway, raw.citizens, options);
  const issuers = compileIssuers(valid('issuer'), { agencies, citizens, broken, sandbox: options.sandbox });
  checkSpokenFor(valid('agency'), issuers, broken);

  const { witnesses, witness } = compileWitnesses(gateway);
  if (raw?.retention !== undefined) checkRetention(gateway, raw.retention);
  checkOffHours(gateway, raw?.misuse);
  const limits = compileLimits(gateway, valid('agency'));

  if (faults.length > 0 || places === undefined) throw new ConfigurationError(faults);
  return {
    gateway: {
      logOrigin: raw?.logOrigin ?? '',
      deadlineMs: raw?.deadlineMs ?? 3000,
      tokenLifetimeSeconds: raw?.tokenLifetimeSeconds ?? 600,
      cacheBytes: raw?.cacheBytes ?? 67_108_864,
      mismatchesADay: raw?.verifications?.mismatchesADay ?? 5,
      batch: { atOnce: 4, batches: 4, ...raw?.batch },
      retention: raw?.retention ?? {},
      witnesses,
      witness,
      completion: { forHours: 24, keepHours: 72, perAgency: 10_000, ...raw?.completion },
      corrections: { reviewDays: 10, keepDays: 90, openPerAgency: 200, ...raw?.corrections },
      limits,
      ...(citizens === undefined ? {} : { citizens }),
      misuse: misuseRules(raw?.misuse),
    },
    agencies,
    suppliers,
    issuers,
    procedures,
    successors,
    sources,
    provisions,
    rows,
    coverage,
    codes,
    places,
    schemas,
    digest: hash('sha256', JSON.stringify(digested.sort()), 'base64url'),
  };
}

/**
 * What has faults of its own: files that could not be read or used, by folder and name without version and ending, and missing folders.
 * To be called before anything else adds faults.
 */
function brokenIn(files: readonly ConfigFile[], faults: readonly Fault[]): Broken {
  const sound = new Set(files.filter(({ valid }) => valid).map(({ file }) => file));
  const broken = faults.map(({ file }) => file).filter((file) => !sound.has(file) && /^[^.]+$|\.(ya?ml|json)$/.test(file));
  const names = new Set(broken.map((file) => file.replace(/(@[0-9-]+)?\.(ya?ml|json)$/, '')));
  // Without one of its annexes, or without itself, nobody knows which rows an instrument has.
  const folderOf = (file: string): string => file.slice(0, file.lastIndexOf('/'));
  for (const file of broken) {
    if (/\/annex-[^/]+$/.test(file)) names.add(folderOf(file)).add('annexes');
    if (/^legal(\/[^/.]+)?$/.test(file)) names.add('annexes');
  }
  if (files.some(({ kind, file }) => kind === 'annex' && names.has(folderOf(file)))) names.add('annexes');
  return (folder, name) =>
    names.has(folder) || (name === undefined ? broken.some((file) => file.startsWith(`${folder}/`)) : names.has(`${folder}/${name}`));
}

/** An intent whose outcome is forgotten before it would look to the citizen as though it had come to none. */
function checkRetention(
  gateway: ConfigFile | undefined,
  { intent = Number.POSITIVE_INFINITY, ...retention }: Record<string, number>,
): void {
  for (const kind of ['outcome', 'refusal']) {
    if ((retention[kind] ?? intent) < intent)
      gateway?.fault(`/retention/${kind}`, 'validity', 'is kept for a shorter time than the intents that came to it');
  }
}

function checkDatasets(schemas: Schemas, faults: Fault[]): void {
  for (const dataset of schemas.datasets.values()) {
    for (const pointer of crimePreventionIn(dataset)) {
      faults.push({ file: `datasets/${dataset.name}.json`, pointer, rule: 'crime-prevention-only', message: CRIME_PREVENTION_ONLY });
    }
  }
}

function compileProcedures(files: readonly ConfigFile[], around: Surroundings): Map<string, readonly Procedure[]> {
  const procedures = new Map<string, readonly Procedure[]>();
  for (const file of files) {
    const procedure = compileProcedure(file, around);
    checkOrder(file, file.value as RawProcedure, '');
    const versions = procedures.get(procedure.code) ?? [];
    for (const other of versions) {
      if (overlap(other, procedure)) file.fault('/validFrom', 'validity', `another version applies ${days(other)}: the two overlap`);
    }
    procedures.set(
      procedure.code,
      [...versions, procedure].sort((a, b) => (a.validFrom < b.validFrom ? -1 : 1)),
    );
  }
  return procedures;
}

function compileSuccessors(files: readonly ConfigFile[], procedures: ReadonlyMap<string, unknown>): Map<string, string> {
  const successors = new Map<string, string>();
  for (const file of files) {
    const { code, replaces = [] } = file.value as RawProcedure;
    for (const [i, old] of replaces.entries()) {
      const other = successors.get(old) ?? code;
      if (procedures.has(old)) file.fault(`/replaces/${i}`, 'duplicate', `${old} is a procedure of the catalogue`);
      else if (other === code) successors.set(old, code);
      else file.fault(`/replaces/${i}`, 'duplicate', `${old} was replaced by ${other} already`);
    }
  }
  return successors;
}
