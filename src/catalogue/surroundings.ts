/** What a file of the configuration may refer to. */
import type { CoverageScope, Provision, Source } from '../domain.ts';
import type { Meanings } from './meaning.ts';
import type { Schemas } from './schemas.ts';

/**
 * Whether a file of the folder, or any file of it where no name is given, has faults of its own: a reference to what stands in it is no
 * second fault.
 */
export type Broken = (
  folder: 'legal' | 'procedures' | 'sources' | 'datasets' | 'agencies' | 'suppliers' | 'issuers' | 'annexes' | 'codes',
  name?: string,
) => boolean;

/** What a procedure may refer to. */
export interface Surroundings {
  readonly schemas: Schemas;
  readonly provisions: ReadonlyMap<string, Provision>;
  readonly sources: ReadonlyMap<string, Source>;
  /** By database; of what is not in it, its owner published nothing. */
  readonly coverage: ReadonlyMap<string, readonly CoverageScope[]>;
  readonly meanings: Meanings;
  readonly broken: Broken;
}
