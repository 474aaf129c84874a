/** Follows a cancelled number to the one that took its place, so that the reply is about the same person under the number of today. */
import type { Authorised, Plan, Procedure, Resolved, Source } from '../domain.ts';
import { type Open, type ResolveTools, resolve, successorOf } from './resolve.ts';

/** How often a number may have been replaced. */
const MOST = 3;

/** The database that numbers are set and cancelled in; no other may say which number took another's place. */
const NUMBERS = 'npd';

/**
 * As `resolve`, and again about the successor wherever the population database says that a number was replaced: what does not depend on
 * the number is not asked again, and the successor is on record before it is asked about. A chain that leads back, or to somebody else of
 * the dossier, is not followed: the number is then cancelled and no more.
 */
export async function resolveAndFollow(
  authorised: Authorised,
  plan: Plan,
  open: Open,
  tools: ResolveTools,
  signal: AbortSignal,
): Promise<Resolved> {
  let resolved = await resolve(authorised, plan, open, tools, signal);
  const { subject, related = {} } = authorised.request;
  const successors = new Map<string, string>();
  const replaced = new Map<string, string>();
  /** Successor → the number whose place it took: one person may have two roles, and two people never one number. */
  const takes = new Map<string, string | undefined>();
  for (let hop = 0; hop < MOST && !signal.aborted; hop++) {
    const named = new Set([subject, ...Object.values(related), ...resolved.keys.values(), ...takes.keys()]);
    const followed = new Set<string>();
    for (const { role, successor, source } of cancelledIn(plan, resolved, tools.sources)) {
      const number = resolved.keys.get(role);
      if (takes.has(successor) ? takes.get(successor) !== number : named.has(successor)) continue;
      takes.set(successor, number);
      successors.set(role, successor);
      replaced.set(role, source);
      followed.add(role);
    }
    if (followed.size === 0) break;
    const affected = dependents(plan.procedure, followed);
    const outcomes = new Map([...resolved.outcomes].filter(([index]) => !affected.has(plan.procedure.lookUps[index]?.role ?? '')));
    const known = [...resolved.keys.keys()].filter((role) => !affected.has(role));
    resolved = await resolve(authorised, plan, open, tools, signal, { successors, outcomes, known });
  }
  for (const { role } of cancelledIn(plan, resolved, tools.sources)) replaced.delete(role);
  const keys = new Map([...resolved.keys, ...[...successors].map(([role, number]) => [successorOf(role), number] as const)]);
  return Object.assign(resolved, { keys, replaced });
}

function cancelledIn(plan: Plan, { outcomes }: Resolved, sources: ReadonlyMap<string, Source>) {
  return [...outcomes].flatMap(([index, outcome]) => {
    const planned = plan.procedure.lookUps[index];
    if (planned === undefined || outcome.kind !== 'absent' || outcome.successor === undefined) return [];
    const { role, source } = planned;
    return sources.get(source)?.database === NUMBERS ? { role, source, successor: outcome.successor } : [];
  });
}

/** The roles, and those whose key is found in, or confirmed by, what is known of them. */
function dependents({ roles, lookUps }: Procedure, found: Set<string>): ReadonlySet<string> {
  for (let size = 0; size < found.size; ) {
    size = found.size;
    for (const { name, from, confirm } of roles.values()) {
      if (from.some(({ lookUp }) => found.has(lookUps[lookUp]?.role ?? '')) || (confirm && found.has(confirm.is))) found.add(name);
    }
  }
  return found;
}
