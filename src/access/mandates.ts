/** What a supplier may do for an agency on a day: what the agency's file says, and nothing where it says nothing. */
import { type Agency, type Caller, inForce, type Mandate } from '../domain.ts';

/** Undefined where the supplier may do nothing for the agency on that day. */
export const mandateOn = ({ suppliers = [] }: Agency, supplier: string, today: string): Mandate | undefined =>
  suppliers.find((one) => one.supplier === supplier && inForce(one, today));

/** The member of an entry, or of what is kept, that names the supplier who acted; none where the agency did itself. */
export const actorIn = ({ actor }: Pick<Caller, 'actor'>): Pick<Caller, 'actor'> => (actor === undefined ? {} : { actor });

/** Whether whoever calls may act in a procedure: the agency itself in every one, its supplier in those that it was let. */
export function actsIn({ agency, actor }: Caller, procedure: string, today: string): boolean {
  if (actor === undefined) return true;
  const procedures = mandateOn(agency, actor, today)?.procedures;
  return procedures === 'all' || procedures?.has(procedure) === true;
}

/** The agency with those grants alone that its caller may act under: what a supplier is shown of it. */
export const agencyShownTo = (caller: Caller, today: string): Agency =>
  caller.actor === undefined
    ? caller.agency
    : { ...caller.agency, grants: caller.agency.grants.filter(({ procedure }) => actsIn(caller, procedure, today)) };
