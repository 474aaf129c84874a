/** The one grant that decides a request: of the agency, for the procedure, for the purpose, on the day. */
import type { Agency, Grant } from '../domain.ts';
import { inForce } from '../domain.ts';
import { Problem } from '../problems.ts';

/** Whether the agency's last day is over. What was allowed to it is then its successor's, where that one's file says so. */
export const isOver = ({ endedOn }: Pick<Agency, 'endedOn'>, today: string): boolean => endedOn !== undefined && endedOn < today;

/** The grants of the agency for a procedure, in force or not. */
export const grantsHeld = (agency: Agency, procedure: string, today: string): readonly Grant[] =>
  isOver(agency, today) ? [] : agency.grants.filter((grant) => grant.procedure === procedure);

/** Throws a `Problem` where there is none, or where several would decide. A purpose has to be said only where that is in doubt. */
export function grantFor(agency: Agency, procedure: string, purpose: string | undefined, today: string): Grant {
  const held = grantsHeld(agency, procedure, today);
  if (held.length === 0) throw new Problem('procedure-not-granted');
  const meant = held.filter((grant) => purpose === undefined || grant.purpose === purpose);
  if (meant.length === 0) throw new Problem('purpose-not-granted');
  const [grant, ...others] = meant.filter((one) => inForce(one, today));
  if (grant === undefined) throw new Problem('grant-not-in-force');
  if (others.length === 0) return grant;
  const purposes = [grant, ...others].map((one) => one.purpose).join(', ');
  throw new Problem('purpose-needed', { errors: [{ pointer: '/purpose', detail: `must be one of ${purposes}` }] });
}
