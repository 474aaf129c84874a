/** What the owners of databases publish of them (Resolution 66.7/2025/NQ-CP, article 6(1)): which data is there for which province, since when. */
import { type CoverageScope, inForce } from '../domain.ts';
import type { ConfigFile } from './files.ts';
import { CRIME_PREVENTION_ONLY, isCrimePreventionName } from './forbidden.ts';
import type { RawCoverage } from './raw.ts';
import type { Schemas } from './schemas.ts';
import type { Broken } from './surroundings.ts';
import { checkOrder } from './validity.ts';

export type CoverageHere = 'covered' | 'not-covered' | 'unknown';

/** By database. */
export function compileCoverage(
  files: readonly ConfigFile[],
  schemas: Schemas,
  broken: Broken,
  { sandbox }: { readonly sandbox: boolean },
): Map<string, readonly CoverageScope[]> {
  const coverage = new Map<string, readonly CoverageScope[]>();
  for (const file of files) {
    const raw = file.value as RawCoverage;
    if (coverage.has(raw.database)) file.fault('/database', 'duplicate', `there are two files of the coverage of ${raw.database}`);
    if (isCrimePreventionName(raw.database)) file.fault('/database', 'crime-prevention-only', CRIME_PREVENTION_ONLY);
    if (!sandbox && raw.sandbox) file.fault('/sandbox', 'sandbox-in-production', 'no owner published this: it was made up for the sandbox');
    const scopes = raw.scopes.map((scope, i): CoverageScope => {
      checkOrder(file, scope, `/scopes/${i}`);
      for (const [j, dataset] of scope.datasets === 'all' ? [] : scope.datasets.entries()) {
        if (!schemas.datasets.has(dataset) && !broken('datasets'))
          file.fault(`/scopes/${i}/datasets/${j}`, 'unknown-reference', `there is no dataset ${dataset}`);
      }
      return {
        datasets: scope.datasets === 'all' ? 'all' : new Set(scope.datasets),
        localities: scope.localities === 'all' ? 'all' : new Set(scope.localities),
        validFrom: scope.validFrom,
        ...(scope.validTo === undefined ? {} : { validTo: scope.validTo }),
      };
    });
    coverage.set(raw.database, scopes);
  }
  return coverage;
}

/** Whether the data is there for a province on a day. `unknown` where nothing was published, or where it depends on a province that is not said. Pure. */
export function coverageHere(
  coverage: readonly CoverageScope[] | undefined,
  dataset: string,
  locality: string | undefined,
  day: string,
): CoverageHere {
  if (coverage === undefined) return 'unknown';
  const today = coverage.filter((scope) => (scope.datasets === 'all' || scope.datasets.has(dataset)) && inForce(scope, day));
  if (today.some(({ localities }) => localities === 'all' || (locality !== undefined && localities.has(locality)))) return 'covered';
  return locality === undefined && today.length > 0 ? 'unknown' : 'not-covered';
}
