/** A token, and what it was verified to say: verifying is the largest single cost of a request, so it is remembered until it expires. */
import type { Clock } from '../domain.ts';

const REMEMBERED = 10_000;

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
