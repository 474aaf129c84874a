/** Token to citizen: a person, by the number that the issuer of citizens' tokens vouches for. */
import type { CitizenClaims } from '../access/citizens.ts';
import type { Citizen, Clock } from '../domain.ts';
import { Problem } from '../problems.ts';
import { bearerToken, remembering } from './remember.ts';

export interface AuthenticateCitizenTools {
  /** What a token says, or undefined where it is not to be trusted. */
  readonly verify: (token: string) => Promise<CitizenClaims | undefined>;
  readonly clock: Clock;
}

/** The returned function takes an `Authorization` header; it throws a `Problem` where there is no such citizen. */
export function citizenAuthenticator({ verify, clock }: AuthenticateCitizenTools): (header: string | undefined) => Promise<Citizen> {
  const known = remembering(verify, clock);
  return async (header) => {
    const claims = await known(bearerToken(header));
    if (claims === undefined) throw new Problem('unauthenticated');
    if (!claims.scopes.includes('citizen')) throw new Problem('insufficient-scope');
    return { issuer: claims.issuer, number: claims.number } as Citizen;
  };
}
