/** Credentials to caller: an agency, with the scopes that both its token and its file give it. */

import type { Bindings, Scheme } from '../access/binding.ts';
import { mandateOn } from '../access/mandates.ts';
import type { TokenClaims } from '../access/tokens.ts';
import { type Agency, type Caller, type Clock, dayInVietnam, type Scope } from '../domain.ts';
import { Problem } from '../problems.ts';
import { isOver } from './grant.ts';
import { remembering } from './remember.ts';

/** What a request shows of who sends it. A header that stands twice is as though it were not there. */
export interface Credentials {
  readonly authorization: string | undefined;
  readonly method: string;
  /** Path without its query. */
  readonly path: string;
  /** The `DPoP` header (RFC 9449). */
  readonly proof?: string | undefined;
  /** SHA-256 of the client's certificate in base64url (RFC 8705), where the connection proved one. */
  readonly certificate?: string | undefined;
}

/** Who was shut out since: looked at for each request, so it MUST be answered from memory. */
export interface Standing {
  /** Whether the agency, its key or its token was shut out, by the operator or for misuse. */
  shutOut(caller: Caller): boolean;
  /** Throws a `Problem` where the official may not ask at the moment. */
  checkOfficer(agency: string, officer: string): void;
  /** Requests a minute that an official was slowed to; undefined where nobody slowed them. */
  pace(agency: string, officer: string): number | undefined;
}

export interface AuthenticateTools {
  /** What a token says, or undefined where it is not to be trusted. */
  readonly verify: (token: string) => Promise<TokenClaims | undefined>;
  readonly agencies: ReadonlyMap<string, Agency>;
  readonly bindings: Bindings;
  readonly standing: Standing;
  readonly clock: Clock;
}

/** A supplier that acted for an agency, and the day on which its mandate is to hold. */
export interface Acted {
  readonly actor: string;
  readonly today: string;
}

/**
 * The caller of a request that its token allowed, when the gateway comes back to it. An agency that is gone, was shut out, or may ask for no prefill
 * any more, or whose supplier may not, has no grants: what was allowed then is not allowed now.
 */
export function callerAgain(agencies: ReadonlyMap<string, Agency>, standing: Standing, id: string, client: string, acted?: Acted): Caller {
  const known = agencies.get(id);
  const nobody = { id, name: { vi: id, en: id }, sandbox: false, scopes: new Set<Scope>(), keys: [], owns: new Set<string>(), grants: [] };
  const made = (agency: Agency): Caller =>
    ({ agency, client, scopes: agency.scopes, ...(acted === undefined ? {} : { actor: acted.actor }) }) as unknown as Caller;
  const may = (agency: Agency): boolean =>
    agency.scopes.has('prefill') && (acted === undefined || mandateOn(agency, acted.actor, acted.today)?.scopes.has('prefill') === true);
  return known !== undefined && may(known) && !standing.shutOut(made(known)) ? made(known) : made(nobody);
}

/** A supplier's token says what it might do on the day it was made; it may do no more than its mandate of this day, and without one nothing. */
function actingOn(caller: Caller, today: string): Caller | undefined {
  if (caller.actor === undefined) return caller;
  const mandate = mandateOn(caller.agency, caller.actor, today);
  return mandate && { ...caller, scopes: new Set([...caller.scopes].filter((scope) => mandate.scopes.has(scope))) };
}

/**
 * Whether what the gateway does later for an agency has to wait: the agency was shut out or its official stopped, and may be let in again. What
 * waits is not lost.
 */
export function heldBack(agencies: ReadonlyMap<string, Agency>, standing: Standing, id: string, officer?: string, actor?: string): boolean {
  const agency = agencies.get(id);
  if (agency !== undefined && standing.shutOut({ agency, actor } as unknown as Caller)) return true;
  try {
    if (officer !== undefined) standing.checkOfficer(id, officer);
    return false;
  } catch (error) {
    if (error instanceof Problem) return true;
    throw error;
  }
}

/** Looks again before something leaves, or goes on: throws a `Problem` where the caller, or the official, was shut out since it was let in. */
export function checkStanding(standing: Standing, caller: Caller, officer: string | undefined): void {
  if (standing.shutOut(caller)) throw new Problem('unauthenticated');
  if (officer !== undefined) standing.checkOfficer(caller.agency.id, officer);
}

/**
 * The returned function takes what a request shows and the scope needed; it throws a `Problem` where there is no such caller. Given the same object
 * again, it asks for no second proof, and sees as ever whether the token has expired or its owner was shut out.
 */
export function authenticator({
  verify,
  agencies,
  bindings,
  standing,
  clock,
}: AuthenticateTools): (credentials: Credentials, scope: Scope | undefined) => Promise<Caller> {
  const known = remembering(async (token) => {
    const claims = await verify(token);
    const agency = claims && agencies.get(claims.agency);
    if (claims === undefined || agency === undefined) return undefined;
    const { client, token: id, key, actor, officer } = claims;
    const scopes = new Set(claims.scopes.filter((one) => agency.scopes.has(one as Scope)) as Scope[]);
    const caller = { agency, client, scopes, token: id, key, actor, officer } as unknown as Caller;
    return { caller, binding: claims.binding, expires: claims.expires };
  }, clock);
  const proven = new WeakSet<Credentials>();
  return async (credentials, scope) => {
    const [scheme, token] = tokenOf(credentials.authorization);
    if (token === undefined) throw bindings.refusal('unauthenticated');
    const found = await known(token);
    const today = dayInVietnam(clock());
    const caller = found && actingOn(found.caller, today);
    // A token that was issued before its agency's last midnight too.
    if (found === undefined || caller === undefined || isOver(caller.agency, today) || standing.shutOut(caller))
      throw bindings.refusal('unauthenticated', { error: 'invalid_token', scheme });
    if (!proven.has(credentials)) {
      await bindings.check(found.binding, { ...credentials, scheme, token });
      proven.add(credentials);
    }
    if (scope !== undefined && !caller.scopes.has(scope))
      throw bindings.refusal('insufficient-scope', { error: 'insufficient_scope', scheme });
    return caller;
  };
}

/** The scheme and the token of an `Authorization` header. */
export function tokenOf(header: string | undefined): [scheme: Scheme, token: string | undefined] {
  const [, scheme, token] = /^(Bearer|DPoP) ([\x21-\x7e]+)$/i.exec(header ?? '') ?? [];
  return [scheme?.toLowerCase() === 'dpop' ? 'dpop' : 'bearer', token];
}
