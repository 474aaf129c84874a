/** Caller and request to the grant that allows it: nothing is allowed that no file grants, today. */
import type { Catalogue } from '../catalogue/load.ts';
import { type Authorised, type Caller, type Clock, dayInVietnam, inForce, type PrefillRequest, type Procedure } from '../domain.ts';
import { Problem } from '../problems.ts';
import type { Standing } from './authenticate.ts';
import { versionOn, versionsOf } from './version.ts';

export interface AuthoriseTools {
  readonly catalogue: Catalogue;
  readonly standing: Standing;
  readonly clock: Clock;
}

/** Throws a `Problem` where the catalogue, the grant or the roles do not allow the request. */
export function authorise(caller: Caller, request: PrefillRequest, { catalogue, standing, clock }: AuthoriseTools): Authorised {
  const today = dayInVietnam(clock());
  const versions = versionsOf(catalogue, request.procedure);
  const grants = caller.agency.grants.filter((grant) => grant.procedure === request.procedure);
  if (grants.length === 0) throw new Problem('procedure-not-granted');
  const grant = grants.find((one) => inForce(one, today));
  if (grant === undefined) throw new Problem('grant-not-in-force');
  const procedure = versionOn(versions, today);
  checkOfficer(request, caller);
  standing.checkOfficer(caller.agency.id, request.officer);
  if (request.completion === 'deliver' && caller.agency.deliveries === undefined) throw new Problem('no-delivery-address');
  checkRoles(request, procedure);
  return { caller, request, procedure, grant, today } as Authorised;
}

/**
 * The official acts in the agency that calls, or in a unit below it: what another agency's people did is not for this one to say. Where the token
 * says who acts, nobody else does.
 */
function checkOfficer({ officer }: PrefillRequest, { agency, officer: vouchedFor = officer }: Caller): void {
  if (officer !== vouchedFor)
    throw new Problem('invalid-request', { errors: [{ pointer: '/officer', detail: 'must be the official whom the token names' }] });
  if (officer.startsWith(`${agency.id}-`) || officer.startsWith(`${agency.id}.`)) return;
  throw new Problem('invalid-request', { errors: [{ pointer: '/officer', detail: 'must be of the calling agency' }] });
}

function checkRoles(request: PrefillRequest, procedure: Procedure): void {
  const given = Object.keys(request.related ?? {});
  const takes = [...procedure.roles.values()].filter((role) => role.name !== 'subject' && role.given !== 'never');
  // The name that the caller wrote is not repeated: it could hold anything.
  if (given.some((name) => !takes.some((role) => role.name === name))) {
    throw new Problem('unknown-role', {
      errors: [{ pointer: '/related', detail: `may name ${takes.map((role) => role.name).join(', ') || 'nobody'}` }],
    });
  }
  const same = takes.filter((role) =>
    role.not.some(
      (other) =>
        request.related?.[role.name] === (other === 'subject' ? request.subject : request.related?.[other]) && given.includes(role.name),
    ),
  );
  if (same.length > 0) {
    throw new Problem('invalid-request', {
      errors: same.map((role) => ({ pointer: `/related/${role.name}`, detail: `must be somebody else than ${role.not.join(', ')}` })),
    });
  }
  const missing = takes.filter((role) => role.given === 'required' && !given.includes(role.name));
  if (missing.length > 0) {
    throw new Problem('role-missing', { errors: missing.map((role) => ({ pointer: `/related/${role.name}`, detail: role.label.en })) });
  }
  const wrong = takes.filter(
    (role) => role.kind === 'person' && given.includes(role.name) && !/^[0-9]{12}$/.test(request.related?.[role.name] ?? ''),
  );
  if (wrong.length > 0) {
    throw new Problem('invalid-request', {
      errors: wrong.map((role) => ({ pointer: `/related/${role.name}`, detail: 'must be 12 digits' })),
    });
  }
}
