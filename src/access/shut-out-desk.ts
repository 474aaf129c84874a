/** Shuts out and lets in: on record before it takes effect, once for all gateways, and known here when it is answered. */
import { randomUUID } from 'node:crypto';
import type { AuditEntry } from '../audit/entry.ts';
import { type AuditLog, LogUnavailable } from '../audit/log.ts';
import type { Clock } from '../domain.ts';
import { Problem } from '../problems.ts';
import type { KeptOut } from './kept-out.ts';
import { concerns, type Doer, GATEWAY, holds, nameOf, type ShutOut, type ShutOutStore, type Target } from './shut-outs.ts';

export interface DeskTools {
  readonly store: ShutOutStore;
  readonly keptOut: Pick<KeptOut, 'all' | 'refresh'>;
  readonly log: Pick<AuditLog, 'append'>;
  readonly configDigest: string;
  readonly clock: Clock;
  /** Hears of each that the gateway itself shuts out, for the operator. */
  readonly told: (shutOut: ShutOut) => void;
}

export interface Wanted extends Target {
  readonly reason: string;
  readonly until?: number;
}

export interface ShutOutDesk {
  /** The same again, while it holds, is answered with the first. Throws a `Problem`. */
  shutOut(wanted: Wanted, by: Doer): Promise<ShutOut>;
  /** One that holds no more is answered as it is. Throws a `Problem`. */
  letIn(id: string, reason: string, by: Doer): Promise<ShutOut>;
  /** The newest first; without `all` those that hold. */
  list(all: boolean): ShutOut[];
  /**
   * For the gateway itself, which saw misuse: an official is slowed or stopped until then. Several gateways may see the same at once: it is one
   * shut-out and one entry. Undefined where the agency has as many as the gateway makes by itself. Throws a `Problem`.
   */
  stop(misuse: {
    readonly agency: string;
    readonly officer: string;
    readonly perMinute?: number;
    readonly until: number;
    readonly reason: string;
  }): Promise<ShutOut | undefined>;
}

/** A stolen key of an operator shuts out no more than so many a minute before somebody notices; no operator writes so fast. */
const MOST_A_MINUTE = 60;
/** Who its officials are an agency says itself: with invented ones it could otherwise fill the store. */
const MOST_OF_AN_AGENCY = 200;
const MINUTE_MS = 60_000;

export function shutOutDesk(tools: DeskTools): ShutOutDesk {
  const { store, keptOut, clock } = tools;

  const append = async (entry: AuditEntry): Promise<void> => {
    try {
      await tools.log.append(entry, { receipt: true });
    } catch (error) {
      // While the log is away no answer leaves any gateway (503), so there is nobody to keep out; and whom an operator shuts out unseen, nobody could answer for.
      if (error instanceof LogUnavailable) throw new Problem('log-unavailable', { retryAfterSeconds: 2, cause: error });
      throw error;
    }
  };
  const entryOf = ({ id, kind, whose, value, perMinute, until }: ShutOut, by: Doer, outcome: string, reason: string): AuditEntry => ({
    v: 1,
    time: new Date(clock()).toISOString(),
    kind: 'shut-out',
    id,
    agency: by.agency,
    client: by.agency,
    ...(by.officer === undefined ? {} : { officer: by.officer }),
    outcome,
    reason,
    shutOut: {
      kind,
      ...(whose === undefined ? {} : { whose }),
      ...(value === undefined ? {} : { value }),
      ...(perMinute === undefined ? {} : { perMinute }),
      ...(until === undefined ? {} : { until: new Date(until).toISOString() }),
    },
    config: tools.configDigest,
  });

  /** What `decide` gives without an entry is there already, and stays; undefined changes nothing, and is what is resolved with. */
  const change = async (
    decide: (kept: readonly ShutOut[]) => { readonly shutOut: ShutOut; readonly entry?: AuditEntry } | undefined,
  ): Promise<ShutOut | undefined> => {
    let recorded: AuditEntry | undefined;
    let refused: unknown;
    let found: ShutOut | undefined;
    try {
      await store.change(async (kept) => {
        try {
          const decided = decide(kept);
          found = decided?.shutOut;
          if (decided?.entry === undefined) return undefined;
          await append(decided.entry);
          recorded = decided.entry;
          return decided.shutOut;
        } catch (error) {
          refused = error;
          throw error;
        }
      });
    } catch (cause) {
      if (refused !== undefined) throw refused;
      // It is on record, and may not have taken effect: that goes on record too, as far as can be.
      if (recorded !== undefined) await append({ ...recorded, outcome: 'shut-out-unavailable' }).catch(() => undefined);
      throw new Problem('shut-out-unavailable', { retryAfterSeconds: 2, cause });
    }
    await keptOut.refresh();
    return found;
  };

  const make = (wanted: Wanted, by: Doer): { shutOut: ShutOut; entry: AuditEntry } => {
    const shutOut = { id: randomUUID(), ...wanted, by, from: clock() };
    return { shutOut, entry: entryOf(shutOut, by, 'shut-out', wanted.reason) };
  };

  return {
    async shutOut(wanted, by) {
      const done = await change((kept) => {
        const own = kept.filter((one) => one.by.agency !== GATEWAY);
        const same = own.find((one) => holds(one, clock()) && alike(one, wanted) && one.until === wanted.until);
        if (same !== undefined) return { shutOut: same };
        if (own.filter(({ from }) => from > clock() - MINUTE_MS).length >= MOST_A_MINUTE) return undefined;
        return make(wanted, by);
      });
      if (done === undefined) throw new Problem('too-many-shut-outs', { retryAfterSeconds: MINUTE_MS / 1000 });
      return done;
    },
    async letIn(id, reason, by) {
      const done = await change((kept) => {
        const one = kept.find((other) => other.id === id);
        if (one === undefined || !holds(one, clock())) return one && { shutOut: one };
        const shutOut = { ...one, lifted: { by, at: clock(), reason } };
        return { shutOut, entry: entryOf(shutOut, by, 'let-in', reason) };
      });
      if (done === undefined) throw new Problem('unknown-shut-out');
      return done;
    },
    list: (all) =>
      keptOut
        .all()
        .filter((one) => all || holds(one, clock()))
        .sort((a, b) => b.from - a.from || (a.id < b.id ? -1 : 1)),
    async stop({ agency, officer, ...how }) {
      const wanted: Wanted = { kind: 'officer', whose: agency, value: officer, ...how };
      const own = (one: ShutOut): boolean => one.by.agency === GATEWAY && concerns(one, agency) && holds(one, clock());
      const known = keptOut.all().find((one) => own(one) && alike(one, wanted));
      if (known !== undefined) return known;
      let made: ShutOut | undefined;
      const done = await change((kept) => {
        const mine = kept.filter(own);
        const same = mine.find((one) => alike(one, wanted));
        if (same !== undefined) return { shutOut: same };
        if (mine.length >= MOST_OF_AN_AGENCY) return undefined;
        const begun = make(wanted, { agency: GATEWAY });
        made = begun.shutOut;
        return begun;
      });
      if (made !== undefined) tools.told(made);
      return done;
    },
  };
}

const alike = (one: Target, other: Target): boolean => nameOf(one) === nameOf(other) && one.perMinute === other.perMinute;
