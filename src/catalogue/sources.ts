/** Compiles sources: the adapter that each names, and the datasets that it holds. */
import type { JsonObject } from '../adapter.ts';
import { type Source, splitPointer } from '../domain.ts';
import { checkConnection } from './connections.ts';
import type { ConfigFile } from './files.ts';
import { CRIME_PREVENTION_ONLY, isCrimePreventionName } from './forbidden.ts';
import { compileProtection } from './protection.ts';
import type { MemberMap, RawSource } from './raw.ts';
import type { Schemas } from './schemas.ts';
import type { Broken } from './surroundings.ts';

/** What the catalogue must know of an adapter without making it. */
export interface AdapterFacts {
  /** The datasets it can answer, or `described`: whatever the source's file describes. */
  readonly datasets: readonly string[] | 'described';
  /** What is wrong with such a description, with pointers into `datasets`. */
  faultsOf?(datasets: Readonly<Record<string, JsonObject>>): readonly { readonly pointer: string; readonly message: string }[];
  /** What is wrong with an address, without telling it; absent where it is one of HTTP. */
  addressFault?(address: URL, tls: { readonly serverName?: string } | undefined): string | undefined;
}

/** Whether sandbox sources are allowed, and the adapters there are. */
export interface SourceOptions {
  readonly adapters: ReadonlyMap<string, AdapterFacts>;
  readonly sandbox: boolean;
}

export function compileSources(
  files: readonly ConfigFile[],
  schemas: Schemas,
  broken: Broken,
  options: SourceOptions,
): Map<string, Source> {
  const sources = new Map<string, Source>();
  for (const file of files) {
    const raw = file.value as RawSource;
    const adapter = options.adapters.get(raw.adapter);
    if (sources.has(raw.id)) file.fault('/id', 'duplicate', `there are two sources ${raw.id}`);
    if (adapter === undefined)
      file.fault('/adapter', 'adapter', `there is no adapter ${raw.adapter}: ${[...options.adapters.keys()].join(', ')}`);
    for (const [dataset, { request, staleSeconds = 0 }] of Object.entries(raw.datasets)) {
      if (staleSeconds > 0 && schemas.neverStale(dataset, []))
        file.fault(`/datasets/${dataset}/staleSeconds`, 'stale', `what a ${dataset} says must be of today: nobody may use it past its age`);
      const key = schemas.datasets.get(dataset)?.key;
      if (key === undefined && !broken('datasets'))
        file.fault(`/datasets/${dataset}`, 'unknown-reference', `there is no dataset ${dataset}`);
      if (key !== undefined && request !== undefined && request.key !== key)
        file.fault(`/datasets/${dataset}/request/key`, 'key-mismatch', `${dataset} is looked up by a ${key}, not by a ${request.key}`);
      if (Array.isArray(adapter?.datasets) && !adapter.datasets.includes(dataset)) {
        file.fault(`/datasets/${dataset}`, 'adapter', `the adapter ${raw.adapter} does not answer ${dataset}`);
      }
    }
    if (isCrimePreventionName(raw.database)) file.fault('/database', 'crime-prevention-only', CRIME_PREVENTION_ONLY);
    checkMaps(file, raw, schemas);
    for (const { pointer, message } of adapter?.faultsOf?.(raw.datasets as unknown as Record<string, JsonObject>) ?? []) {
      file.fault(`/datasets${pointer}`, 'adapter', message);
    }
    checkConnection(file, raw, adapter, options);
    sources.set(raw.id, { ...raw, protection: compileProtection(file, raw) });
  }
  return sources;
}

/** A described source fills members that its dataset has, and all that the dataset demands: a misspelt one would be silent for ever. */
function checkMaps(file: ConfigFile, source: RawSource, schemas: Schemas): void {
  for (const [dataset, { request, answer, map, codes }] of Object.entries(source.datasets)) {
    const known = schemas.datasets.get(dataset);
    if (map === undefined || known === undefined) continue;
    const at = `/datasets/${dataset}/map`;
    for (const [place, text] of texts({ request, answer, map, codes })) {
      if (isCrimePreventionName(text)) file.fault(`/datasets/${dataset}${place}`, 'crime-prevention-only', CRIME_PREVENTION_ONLY);
    }
    const mapped = mappedMembers(map);
    for (const pointer of mapped) {
      const place = `${at}/${pointer.replaceAll('~', '~0').replaceAll('/', '~1')}`;
      if (schemas.typeAt(dataset, splitPointer(pointer)) === undefined)
        file.fault(place, 'unknown-value', `a record of ${dataset} has no ${pointer}`);
    }
    for (const member of known.schema.required ?? []) {
      if (!mapped.some((pointer) => pointer === `/${member}` || pointer.startsWith(`/${member}/`))) {
        file.fault(at, 'unknown-value', `a record of ${dataset} must have /${member}, and nothing fills it`);
      }
    }
  }
}

/** Every text in a description, names of members too, with where it stands. */
function texts(value: unknown, place = ''): [place: string, text: string][] {
  if (typeof value === 'string') return [[place, value]];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => {
    const at = `${place}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    return [[at, name], ...texts(inner, at)] as [string, string][];
  });
}

/** The members of the record that a map fills, lists taken apart: `/holders/*` + `/fullName`. */
export function mappedMembers(map: MemberMap, above = ''): string[] {
  return Object.entries(map).flatMap(([pointer, rule]) => {
    const each = typeof rule === 'object' ? rule.each : undefined;
    return each === undefined ? [above + pointer] : [above + pointer, ...mappedMembers(each, `${above}${pointer}/*`)];
  });
}
