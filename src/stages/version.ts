/** The version of a procedure that applies on a day, or why there is none. */
import type { Catalogue } from '../catalogue/load.ts';
import { inForce, type Procedure } from '../domain.ts';
import { Problem } from '../problems.ts';

/** All versions, oldest first. Throws `unknown-procedure`, which names the procedure that took its place where one did. */
export function versionsOf({ procedures, successors }: Pick<Catalogue, 'procedures' | 'successors'>, code: string): readonly Procedure[] {
  const versions = procedures.get(code);
  if (versions !== undefined) return versions;
  throw new Problem('unknown-procedure', successorOf(code, successors));
}

/** What to say of a code that was replaced. */
export function successorOf(code: string, successors: Catalogue['successors']): { detail?: string } {
  const successor = successors.get(code);
  return successor === undefined ? {} : { detail: `it was replaced by ${successor}` };
}

/** Throws `procedure-not-in-force` where none of the versions applies on that day. */
export function versionOn(versions: readonly Procedure[], day: string): Procedure {
  const version = versions.find((one) => inForce(one, day));
  if (version === undefined) throw new Problem('procedure-not-in-force');
  return version;
}
