/** Token to citizen: a person, by the number that the issuer of citizens' tokens vouches for. */
import type { Bindings } from '../access/binding.ts';
import type { CitizenClaims } from '../access/citizens.ts';
import type { Citizen, Clock } from '../domain.ts';
import { type Credentials, tokenOf } from './authenticate.ts';
import { remembering } from './remember.ts';

export interface AuthenticateCitizenTools {
  /** What a token says, or undefined where it is not to be trusted. */
  readonly verify: (token: string) => Promise<CitizenClaims | undefined>;
  /** Whether citizens' tokens are bound is their issuer's choice, so these must not demand it; one that is bound is of use with its key alone. */
  readonly bindings: Bindings;
  readonly clock: Clock;
}

/** The returned function takes what a request shows; it throws a `Problem` where there is no such citizen. */
export function citizenAuthenticator({
  verify,
  bindings,
  clock,
}: AuthenticateCitizenTools): (credentials: Credentials) => Promise<Citizen> {
  const known = remembering(verify, clock);
  return async (credentials) => {
    const [scheme, token] = tokenOf(credentials.authorization);
    if (token === undefined) throw bindings.refusal('unauthenticated');
    const claims = await known(token);
    if (claims === undefined) throw bindings.refusal('unauthenticated', { error: 'invalid_token', scheme });
    await bindings.check(claims.binding, { ...credentials, scheme, token });
    if (!claims.scopes.includes('citizen')) throw bindings.refusal('insufficient-scope', { error: 'insufficient_scope', scheme });
    return { issuer: claims.issuer, number: claims.number } as Citizen;
  };
}
