/** From the files of `config/` to a checked, compiled catalogue, or to the list of everything that is wrong with them. */
import { hash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { JsonObject } from '../adapter.ts';
import type { Agency, Grant, Procedure, Provision, Source, Validity } from '../domain.ts';
import { ConfigurationError, type Fault } from './faults.ts';
import { type ConfigFile, type Kind, readFiles } from './files.ts';
import { crimePreventionIn } from './forbidden.ts';
import { type Broken, compileProcedure, covers, days, overlap, type Surroundings } from './procedure.ts';
import type { RawAgency, RawGateway, RawLegal, RawProcedure, RawSource } from './raw.ts';
import { loadSchemas, type Schemas } from './schemas.ts';

export interface GatewaySettings {
  readonly logOrigin: string;
  readonly deadlineMs: number;
  readonly tokenLifetimeSeconds: number;
  readonly cacheBytes: number;
}

export interface Catalogue {
  readonly gateway: GatewaySettings;
  readonly agencies: ReadonlyMap<string, Agency>;
  /** All versions of each procedure, oldest first. */
  readonly procedures: ReadonlyMap<string, readonly Procedure[]>;
  readonly sources: ReadonlyMap<string, Source>;
  readonly schemas: Schemas;
  /** Base64url SHA-256 over the names and bytes of all files: it stands in every audit entry. */
  readonly digest: string;
}

/** What the catalogue must know of an adapter without making it. */
export interface AdapterFacts {
  /** The datasets it can answer, or `described`: whatever the source's file describes. */
  readonly datasets: readonly string[] | 'described';
  /** What is wrong with such a description, with pointers into `datasets`. */
  faultsOf?(datasets: Readonly<Record<string, JsonObject>>): readonly { readonly pointer: string; readonly message: string }[];
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
  const files = readFiles(options.directory, schemas, faults, (file, bytes) => digested.push([file, hash('sha256', bytes, 'hex')]));
  for (const file of schemas.files) digested.push([`datasets/${basename(file)}`, hash('sha256', readFileSync(file), 'hex')]);
  const broken = brokenIn(files, faults);
  checkDatasets(schemas, faults);
  const valid = (kind: Kind): ConfigFile[] => files.filter((file) => file.kind === kind && file.valid);

  const provisions = compileLegal(valid('legal'));
  const sources = compileSources(valid('source'), schemas, broken, options);
  const around: Surroundings = { schemas, provisions, sources, broken };
  const procedures = compileProcedures(valid('procedure'), around);
  const agencies = compileAgencies(valid('agency'), around, procedures, options);
  const raw = valid('gateway')[0]?.value as RawGateway | undefined;

  if (faults.length > 0) throw new ConfigurationError(faults);
  return {
    gateway: {
      logOrigin: raw?.logOrigin ?? '',
      deadlineMs: raw?.deadlineMs ?? 3000,
      tokenLifetimeSeconds: raw?.tokenLifetimeSeconds ?? 600,
      cacheBytes: raw?.cacheBytes ?? 67_108_864,
    },
    agencies,
    procedures,
    sources,
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
  return (folder, name) =>
    names.has(folder) || (name === undefined ? broken.some((file) => file.startsWith(`${folder}/`)) : names.has(`${folder}/${name}`));
}

function checkDatasets(schemas: Schemas, faults: Fault[]): void {
  for (const dataset of schemas.datasets.values()) {
    for (const pointer of crimePreventionIn(dataset)) {
      const message = 'data for crime prevention only (Decree 58/2026/NĐ-CP, annex V, list 3) cannot be configured';
      faults.push({ file: `datasets/${dataset.name}.json`, pointer, rule: 'crime-prevention-only', message });
    }
  }
}

function compileLegal(files: readonly ConfigFile[]): Map<string, Provision> {
  const provisions = new Map<string, Provision>();
  for (const file of files) {
    const raw = file.value as RawLegal;
    checkOrder(file, raw, '');
    raw.provisions.forEach((provision, i) => {
      const ref = `${raw.id}#${provision.id}`;
      if (provisions.has(ref)) file.fault(`/provisions/${i}/id`, 'duplicate', `${ref} is described twice`);
      provisions.set(ref, {
        ref,
        citation: `${raw.cite}, ${provision.cite}`,
        databases: provision.databases ?? [],
        procedures: provision.procedures ?? [],
        ...(provision.rule === undefined ? {} : { rule: provision.rule }),
        validFrom: raw.validFrom,
        ...(raw.validTo === undefined ? {} : { validTo: raw.validTo }),
      });
    });
  }
  return provisions;
}

function compileSources(files: readonly ConfigFile[], schemas: Schemas, broken: Broken, options: LoadOptions): Map<string, Source> {
  const sources = new Map<string, Source>();
  for (const file of files) {
    const raw = file.value as RawSource;
    const adapter = options.adapters.get(raw.adapter);
    if (sources.has(raw.id)) file.fault('/id', 'duplicate', `there are two sources ${raw.id}`);
    if (adapter === undefined)
      file.fault('/adapter', 'adapter', `there is no adapter ${raw.adapter}: ${[...options.adapters.keys()].join(', ')}`);
    for (const [dataset, { request }] of Object.entries(raw.datasets)) {
      const key = schemas.datasets.get(dataset)?.key;
      if (key === undefined && !broken('datasets'))
        file.fault(`/datasets/${dataset}`, 'unknown-reference', `there is no dataset ${dataset}`);
      if (key !== undefined && request !== undefined && request.key !== key)
        file.fault(`/datasets/${dataset}/request/key`, 'key-mismatch', `${dataset} is looked up by a ${key}, not by a ${request.key}`);
      if (Array.isArray(adapter?.datasets) && !adapter.datasets.includes(dataset)) {
        file.fault(`/datasets/${dataset}`, 'adapter', `the adapter ${raw.adapter} does not answer ${dataset}`);
      }
    }
    for (const { pointer, message } of adapter?.faultsOf?.(raw.datasets as unknown as Record<string, JsonObject>) ?? []) {
      file.fault(`/datasets${pointer}`, 'adapter', message);
    }
    if (!options.sandbox && raw.address.startsWith('sandbox:'))
      file.fault('/address', 'sandbox-in-production', 'a registry of the sandbox');
    if (!options.sandbox && raw.credential?.startsWith('sandbox:'))
      file.fault('/credential', 'sandbox-in-production', 'a secret of the sandbox');
    sources.set(raw.id, raw);
  }
  return sources;
}

function compileProcedures(files: readonly ConfigFile[], around: Surroundings): Map<string, Procedure[]> {
  const procedures = new Map<string, Procedure[]>();
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

function compileAgencies(
  files: readonly ConfigFile[],
  around: Surroundings,
  procedures: ReadonlyMap<string, readonly Procedure[]>,
  options: LoadOptions,
): Map<string, Agency> {
  const agencies = new Map<string, Agency>();
  for (const file of files) {
    const raw = file.value as RawAgency;
    if (agencies.has(raw.id)) file.fault('/id', 'duplicate', `there are two agencies ${raw.id}`);
    if (!options.sandbox && raw.sandbox) file.fault('/sandbox', 'sandbox-in-production', 'an agency of the sandbox');
    if (!raw.sandbox && raw.keys === 'sandbox')
      file.fault('/keys', 'sandbox-in-production', 'only an agency of the sandbox has its keys made for it');
    if (raw.keys !== 'sandbox') checkKeys(file, raw.keys);
    agencies.set(raw.id, {
      id: raw.id,
      name: raw.name,
      sandbox: raw.sandbox ?? false,
      scopes: new Set(raw.scopes),
      keys: raw.keys,
      grants: compileGrants(file, raw, around, procedures),
    });
  }
  return agencies;
}

function checkKeys(file: ConfigFile, keys: Exclude<RawAgency['keys'], 'sandbox'>): void {
  keys.forEach((key, i) => {
    if (keys.findIndex((other) => other.kid === key.kid) !== i)
      file.fault(`/keys/${i}/kid`, 'duplicate', `two keys have the identifier ${key.kid}`);
    checkOrder(file, { validFrom: '0000', ...key }, `/keys/${i}`);
    const fits =
      key.crv === 'Ed25519' ? key.kty === 'OKP' && key.alg === 'EdDSA' : key.kty === 'EC' && key.alg === 'ES256' && key.y !== undefined;
    if (!fits)
      file.fault(`/keys/${i}`, 'type-mismatch', `kty, crv and alg do not belong together: OKP, Ed25519, EdDSA or EC, P-256, ES256`);
  });
}

function compileGrants(
  file: ConfigFile,
  agency: RawAgency,
  around: Surroundings,
  procedures: ReadonlyMap<string, readonly Procedure[]>,
): Grant[] {
  const grants: Grant[] = [];
  (agency.grants ?? []).forEach((raw, i) => {
    const at = `/grants/${i}`;
    checkOrder(file, raw, at);
    const versions = procedures.get(raw.procedure) ?? [];
    if (versions.length === 0 && !around.broken('procedures', raw.procedure))
      file.fault(`${at}/procedure`, 'unknown-reference', `there is no procedure ${raw.procedure}`);
    if (versions.length > 0 && !versions.some((version) => overlap(version, raw))) {
      file.fault(at, 'validity', `no version of ${raw.procedure} applies while the grant holds`);
    }
    const missing = (wanted: 'all' | string[], has: (version: Procedure, item: string) => boolean): [number, string][] =>
      wanted === 'all' || versions.length === 0 || around.broken('procedures', raw.procedure)
        ? []
        : [...wanted.entries()].filter(([, item]) => !versions.some((version) => has(version, item)));
    for (const [j, pointer] of missing(raw.fields, (version, item) => version.fields.some((field) => field.at === item))) {
      file.fault(`${at}/fields/${j}`, 'unknown-reference', `the form of ${raw.procedure} has no field ${pointer}`);
    }
    for (const [j, id] of missing(raw.components, (version, item) => version.components.some((component) => component.id === item))) {
      file.fault(`${at}/components/${j}`, 'unknown-reference', `${raw.procedure} has no paper ${id}`);
    }
    for (const other of grants) {
      if (other.id === raw.id) file.fault(`${at}/id`, 'duplicate', `two grants are called ${raw.id}`);
      if (other.procedure === raw.procedure && overlap(other, raw))
        file.fault(at, 'validity', `overlaps the grant ${other.id}, which holds ${days(other)}`);
    }
    grants.push({
      id: raw.id,
      procedure: raw.procedure,
      fields: raw.fields === 'all' ? 'all' : new Set(raw.fields),
      components: raw.components === 'all' ? 'all' : new Set(raw.components),
      legalBasis: raw.legalBasis.flatMap((ref, j) => legalBasisOf(file, around, raw, ref, `${at}/legalBasis/${j}`)),
      validFrom: raw.validFrom,
      validTo: raw.validTo,
    });
  });
  return grants;
}

function legalBasisOf(file: ConfigFile, around: Surroundings, grant: Validity, ref: string, at: string): Provision[] {
  const provision = around.provisions.get(ref);
  if (provision === undefined) {
    if (!around.broken('legal', ref.split('#')[0])) file.fault(at, 'unknown-reference', `there is no provision ${ref} in legal/`);
    return [];
  }
  if (!covers(provision, grant)) file.fault(at, 'validity', `${ref} is in force ${days(provision)}, the grant holds ${days(grant)}`);
  return [provision];
}

function checkOrder(file: ConfigFile, validity: Validity, at: string): void {
  if (validity.validTo !== undefined && validity.validTo < validity.validFrom)
    file.fault(`${at}/validTo`, 'validity', 'ends before it begins');
}
