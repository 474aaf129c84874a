/** Token to caller. A verified token is remembered until it expires: verifying is the largest single cost of a request. */
import type { Agency, Caller, Clock, Scope } from '../domain.ts';
import { Problem } from '../problems.ts';
import type { TokenClaims } from '../tokens.ts';

const REMEMBERED = 10_000;

export interface AuthenticateTools {
  /** What a token says, or undefined where it is not to be trusted. */
  readonly verify: (token: string) => Promise<TokenClaims | undefined>;
  readonly agencies: ReadonlyMap<string, Agency>;
  readonly clock: Clock;
}

/** The returned function takes an `Authorization` header and the scope needed; it throws a `Problem` where there is no such caller. */
export function authenticator({
  verify,
  agencies,
  clock,
}: AuthenticateTools): (header: string | undefined, scope: Scope | undefined) => Promise<Caller> {
  const remembered = new Map<string, { caller: Caller; expires: number }>();
  return async (header, scope) => {
    const token = /^Bearer ([\x21-\x7e]+)$/i.exec(header ?? '')?.[1];
    if (token === undefined) throw new Problem('unauthenticated');
    const now = clock() / 1000;
    let known = remembered.get(token);
    if (known === undefined || known.expires <= now) {
      remembered.delete(token);
      const claims = await verify(token);
      const agency = claims && agencies.get(claims.agency);
      if (claims === undefined || agency === undefined) throw new Problem('unauthenticated');
      const scopes = new Set(claims.scopes.filter((one) => agency.scopes.has(one as Scope)) as Scope[]);
      known = { caller: { agency, client: claims.client, scopes } as unknown as Caller, expires: claims.expires };
      if (remembered.size >= REMEMBERED) remembered.delete(remembered.keys().next().value as string);
      remembered.set(token, known);
    }
    if (scope !== undefined && !known.caller.scopes.has(scope)) throw new Problem('insufficient-scope');
    return known.caller;
  };
}
