/** Caller and request to the grant that allows it: nothing is allowed that no file grants, today. */
import { actsIn } from '../access/mandates.ts';
import type { Catalogue } from '../catalogue/load.ts';
import { type Authorised, type Caller, type Clock, dayInVietnam, type PrefillRequest, type Procedure, type Role } from '../domain.ts';
import { Problem } from '../problems.ts';
import type { Standing } from './authenticate.ts';
import { grantFor } from './grant.ts';
import { checkNumbers } from './numbers.ts';
import { versionOn, versionsOf } from './version.ts';

export interface AuthoriseTools {
  readonly catalogue: Catalogue;
  readonly standing: Standing;
  readonly clock: Clock;
}

/** What is asked, as far as it decides whether it may be. */
export interface Asked {
  readonly procedure: string;
  readonly purpose?: string | undefined;
  readonly officer?: string | undefined;
  readonly dossier?: string | undefined;
  readonly completion?: PrefillRequest['completion'];
  /** The roles that are named beside the subject, and the numbers of the persons in them; none where only the rule is asked for. */
  readonly roles: readonly string[];
  readonly persons: readonly string[];
}

/** What decides a request, whoever it is about. */
export type Ruled = Pick<Authorised, 'caller' | 'procedure' | 'grant' | 'today'>;

/** Throws a `Problem` where the catalogue, the grant or the roles do not allow the request. */
export function authorise(caller: Caller, request: PrefillRequest, tools: AuthoriseTools): Authorised {
  const { subject, related = {} } = request;
  const asked = { ...request, roles: Object.keys(related), persons: [subject, ...Object.values(related)] };
  const ruled = rule(caller, asked, tools, dayInVietnam(tools.clock()));
  checkKeys(request, takenBy(ruled.procedure));
  return { ...ruled, request } as Authorised;
}

/** The rule alone, on any day: it needs nobody's number. Throws a `Problem` as `authorise` does. */
export function rule(caller: Caller, asked: Asked, { catalogue, standing }: Omit<AuthoriseTools, 'clock'>, today: string): Ruled {
  const { agency } = caller;
  const versions = versionsOf(catalogue, asked.procedure);
  if (!actsIn(caller, asked.procedure, today)) throw new Problem('supplier-not-allowed');
  const grant = grantFor(agency, asked.procedure, asked.purpose, today);
  const procedure = versionOn(versions, today);
  checkNumbers(asked, agency, today);
  // Where the token says who acts, nobody else does.
  if (asked.officer !== undefined && asked.officer !== (caller.officer ?? asked.officer))
    throw new Problem('invalid-request', { errors: [{ pointer: '/officer', detail: 'must be the official whom the token names' }] });
  const officer = asked.officer ?? caller.officer;
  if (officer !== undefined) standing.checkOfficer(agency.id, officer);
  if (asked.completion === 'deliver' && agency.deliveries === undefined) throw new Problem('no-delivery-address');
  checkRoles(asked.roles, takenBy(procedure));
  return { caller, procedure, grant, today };
}

const takenBy = ({ roles }: Procedure): Role[] => [...roles.values()].filter((role) => role.name !== 'subject' && role.given !== 'never');

function checkRoles(given: readonly string[], takes: readonly Role[]): void {
  // The name that the caller wrote is not repeated: it could hold anything.
  if (given.some((name) => !takes.some((role) => role.name === name))) {
    throw new Problem('unknown-role', {
      errors: [{ pointer: '/related', detail: `may name ${takes.map((role) => role.name).join(', ') || 'nobody'}` }],
    });
  }
  const missing = takes.filter((role) => role.given === 'required' && !given.includes(role.name));
  if (missing.length > 0) {
    throw new Problem('role-missing', { errors: missing.map((role) => ({ pointer: `/related/${role.name}`, detail: role.label.en })) });
  }
}

function checkKeys({ subject, related = {} }: PrefillRequest, takes: readonly Role[]): void {
  const given = takes.filter((role) => Object.hasOwn(related, role.name));
  const same = given.filter((role) => role.not.some((other) => related[role.name] === (other === 'subject' ? subject : related[other])));
  if (same.length > 0) {
    throw new Problem('invalid-request', {
      errors: same.map((role) => ({ pointer: `/related/${role.name}`, detail: `must be somebody else than ${role.not.join(', ')}` })),
    });
  }
  const wrong = given.filter((role) => role.kind === 'person' && !/^[0-9]{12}$/.test(related[role.name] ?? ''));
  if (wrong.length > 0) {
    throw new Problem('invalid-request', {
      errors: wrong.map((role) => ({ pointer: `/related/${role.name}`, detail: 'must be 12 digits' })),
    });
  }
}
