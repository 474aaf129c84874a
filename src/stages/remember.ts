/** A bearer token, and what it was verified to say: verifying is the largest single cost of a request, so it is remembered until it expires. */
import type { Clock } from '../domain.ts';
import { Problem } from '../problems.ts';

const REMEMBERED = 10_000;

/** The token of an `Authorization` header. Throws a `Problem` where there is none. */
export function bearerToken(header: string | undefined): string {
  const token = /^Bearer ([\x21-\x7e]+)$/i.exec(header ?? '')?.[1];
  if (token === undefined) throw new Problem('unauthenticated');
  return token;
}

/** The same function, which asks `verify` once for a token that it accepts. `expires` is in seconds since the epoch. */
export function remembering<Known extends { readonly expires: number }>(
  verify: (token: string) => Promise<Known | undefined>,
  clock: Clock,
): (token: string) => Promise<Known | undefined> {
  const remembered = new Map<string, Known>();
  return async (token) => {
    const known = remembered.get(token);
    if (known !== undefined && known.expires > clock() / 1000) return known;
    remembered.delete(token);
    const verified = await verify(token);
    if (verified === undefined) return undefined;
    if (remembered.size >= REMEMBERED) remembered.delete(remembered.keys().next().value as string);
    remembered.set(token, verified);
    return verified;
  };
}
