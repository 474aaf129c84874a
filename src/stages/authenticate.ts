/** Token to caller: an agency, with the scopes that both its token and its file give it. */
import type { Agency, Caller, Clock, Scope } from '../domain.ts';
import { Problem } from '../problems.ts';
import type { TokenClaims } from '../tokens.ts';
import { bearerToken, remembering } from './remember.ts';

export interface AuthenticateTools {
  /** What a token says, or undefined where it is not to be trusted. */
  readonly verify: (token: string) => Promise<TokenClaims | undefined>;
  readonly agencies: ReadonlyMap<string, Agency>;
  readonly clock: Clock;
}

/**
 * The caller of a request that its token allowed, when the gateway comes back to it. An agency that is gone, or may ask for no prefill any more, has no
 * grants: what was allowed then is not allowed now.
 */
export function callerAgain(agencies: ReadonlyMap<string, Agency>, id: string, client: string): Caller {
  const known = agencies.get(id);
  const nobody = { id, name: { vi: id, en: id }, sandbox: false, scopes: new Set<Scope>(), keys: [], owns: new Set<string>(), grants: [] };
  const agency: Agency = known?.scopes.has('prefill') ? known : nobody;
  return { agency, client, scopes: agency.scopes } as unknown as Caller;
}

/** The returned function takes an `Authorization` header and the scope needed; it throws a `Problem` where there is no such caller. */
export function authenticator({
  verify,
  agencies,
  clock,
}: AuthenticateTools): (header: string | undefined, scope: Scope | undefined) => Promise<Caller> {
  const known = remembering(async (token) => {
    const claims = await verify(token);
    const agency = claims && agencies.get(claims.agency);
    if (claims === undefined || agency === undefined) return undefined;
    const scopes = new Set(claims.scopes.filter((one) => agency.scopes.has(one as Scope)) as Scope[]);
    return { caller: { agency, client: claims.client, scopes } as unknown as Caller, expires: claims.expires };
  }, clock);
  return async (header, scope) => {
    const found = await known(bearerToken(header));
    if (found === undefined) throw new Problem('unauthenticated');
    if (scope !== undefined && !found.caller.scopes.has(scope)) throw new Problem('insufficient-scope');
    return found.caller;
  };
}
