/** Who is kept out, in memory: it is asked for every request, so nobody waits for a database. */
import { Problem } from '../problems.ts';
import { type Changed, concerns, holds, nameOf, type ShutOut, type ShutOutStore } from './shut-outs.ts';

/** What of a caller can be shut out. */
export interface Shown {
  readonly agency: { readonly id: string };
  readonly key?: string | undefined;
  readonly token?: string | undefined;
  /** The supplier that acts for the agency. */
  readonly actor?: string | undefined;
}

/** Whoever is shut out under one of these is kept out. A supplier's key is looked for as the supplier's. */
export function namesOf({ agency, key, token, actor }: Shown): string[] {
  const names = [nameOf({ kind: 'agency', whose: agency.id })];
  if (token !== undefined) names.push(nameOf({ kind: 'token', value: token }));
  if (actor !== undefined) names.push(nameOf({ kind: 'supplier', whose: actor }));
  if (key !== undefined) {
    names.push(nameOf({ kind: 'key', whose: agency.id, value: key }));
    if (actor !== undefined) names.push(nameOf({ kind: 'key', whose: actor, value: key }));
  }
  return names;
}

/** Is what `Standing` of the stages asks for. */
export interface KeptOut {
  shutOut(caller: Shown): boolean;
  checkOfficer(agency: string, officer: string): void;
  pace(agency: string, officer: string): number | undefined;
  /** All that are known, those that are over too, in the order in which they changed. */
  all(): ShutOut[];
  /** Whether the store could be read when it was last looked at. */
  readable(): boolean;
  /** Looks whether they are others by now, here or by another gateway. Does not reject: what was known stands, and `trouble` hears of it. */
  refresh(): Promise<void>;
}

/** Rejects where the store cannot be read: who would let anybody in then? `trouble` hears once of each time that it cannot be, however long it lasts. */
export async function openKeptOut(
  store: Pick<ShutOutStore, 'since'>,
  clock: () => number,
  trouble: (error: unknown) => void,
): Promise<KeptOut> {
  const known = new Map<string, ShutOut>();
  /** Those that were not lifted. Whether they are over is looked at each time: time passes without a change. */
  let named = new Map<string, ShutOut[]>();
  let seen = 0;
  let last: Promise<void> = Promise.resolve();
  let readable = true;

  const take = (changes: readonly Changed[]): void => {
    for (const { change, shutOut } of changes) {
      // Behind those that changed before it.
      known.delete(shutOut.id);
      known.set(shutOut.id, shutOut);
      seen = change;
    }
    const standing = [...known.values()].filter(({ lifted }) => lifted === undefined);
    named = Map.groupBy(standing, nameOf);
  };
  const look = async (): Promise<void> => {
    const changes = await store.since(seen);
    if (changes.length > 0) take(changes);
  };
  const holding = (name: string): ShutOut[] => {
    const now = clock();
    return named.get(name)?.filter((one) => holds(one, now)) ?? [];
  };
  const officers = (agency: string, officer: string): ShutOut[] =>
    named.size === 0 ? [] : holding(nameOf({ kind: 'officer', value: officer })).filter((one) => concerns(one, agency));

  await look();
  return {
    shutOut: (caller) => named.size > 0 && namesOf(caller).some((name) => holding(name).length > 0),
    checkOfficer(agency, officer) {
      if (officers(agency, officer).some(({ perMinute }) => perMinute === undefined)) throw new Problem('officer-stopped');
    },
    pace(agency, officer) {
      const paces = officers(agency, officer).flatMap(({ perMinute }) => perMinute ?? []);
      return paces.length === 0 ? undefined : Math.min(...paces);
    },
    all: () => [...known.values()],
    readable: () => readable,
    // One after the other: what was read later is not overwritten by what was read before.
    refresh() {
      last = last.then(look).then(
        () => {
          readable = true;
        },
        (error: unknown) => {
          if (readable) trouble(error);
          readable = false;
        },
      );
      return last;
    },
  };
}
