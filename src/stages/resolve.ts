/** Plan to answers: the cache first, then every source that can be asked, at once; a value found in one is the key for the next. */
import { SourceError } from '../adapter.ts';
import type { Observed, RecordCache, RecordName } from '../cache/records.ts';
import type { Authorised, Clock, NoKey, Opened, Outcome, Plan, Resolved, Role, Source, Stale } from '../domain.ts';
import type { Around } from './around/around.ts';
import { type Errand, partyOf } from './around/party.ts';
import { NotAsked } from './around/question.ts';
import type { Ask } from './ask.ts';
import { orAborted } from './deadline.ts';
import { type Ages, agesOf, mayStandIn, nearsItsEnd, standingOf } from './freshness.ts';
import { isAway } from './pending.ts';
import { valuesAt } from './values.ts';

export interface ResolveTools {
  readonly cache: RecordCache;
  readonly sources: ReadonlyMap<string, Source>;
  readonly asks: ReadonlyMap<string, Ask>;
  readonly around: ReadonlyMap<string, Pick<Around, 'idle'>>;
  readonly clock: Clock;
  /** What is asked in another way than by a caller who waits takes turns of its own. */
  readonly errand?: Errand;
  /** Sources without which nobody else is asked: where one of them is still away, the person is not read elsewhere for nothing. */
  readonly first?: ReadonlySet<string>;
  /** Numbers in [0, 1). */
  readonly random: () => number;
}

/**
 * `open` is called before the first source is asked, again before one is asked about a person found on the way, and not at all where
 * the cache, or an answer under way, knows everything. When `signal` aborts, whatever has not answered is `unavailable`. Rejects only
 * where `open` does.
 */
export async function resolve(
  authorised: Authorised,
  plan: Plan,
  open: Open,
  tools: ResolveTools,
  signal: AbortSignal,
  before?: Before,
): Promise<Resolved> {
  const resolution = new Resolution(authorised, plan, open, tools, signal, before?.successors);
  if (before !== undefined) await resolution.resume(before);
  if (tools.first !== undefined && (await resolution.lacks(tools.first))) return resolution.resolved();
  await Promise.all(plan.lookUps.map((index) => resolution.outcome(index)));
  return resolution.resolved();
}

type Key = { readonly value: string; readonly stale?: Stale | undefined } | { readonly reason: NoKey; readonly retryAfterSeconds?: number };
/** What was found out before, where a role turned out to have another number: `src/stages/succeed.ts`. */
export interface Before {
  /** Role → the number that took the place of its own. */
  readonly successors: ReadonlyMap<string, string>;
  /** What does not depend on those roles: it holds, and is not asked again. */
  readonly outcomes: ReadonlyMap<number, Outcome>;
  /** Roles whose key does not depend on them either. */
  readonly known: readonly string[];
}

/** Under which the number that took the place of a role's own goes on record. */
export const successorOf = (role: string): string => `${role}Successor`;

class Resolution {
  readonly #authorised: Authorised;
  readonly #plan: Plan;
  readonly #open: Open;
  readonly #tools: ResolveTools;
  readonly #signal: AbortSignal;
  readonly #successors: ReadonlyMap<string, string>;
  readonly #outcomes = new Map<number, Promise<Outcome>>();
  readonly #settled = new Map<number, Outcome>();
  readonly #keys = new Map<string, Promise<Key>>();
  readonly #known = new Map<string, string>();
  readonly #stale = new Set<string>();
  /** The intents of this request, by the role found on the way that each names; '' names those whom the caller gave. */
  readonly #openings = new Map<string, Promise<Opened>>();

  constructor(
    authorised: Authorised,
    plan: Plan,
    open: Open,
    tools: ResolveTools,
    signal: AbortSignal,
    successors: Before['successors'] = new Map(),
  ) {
    this.#authorised = authorised;
    this.#plan = plan;
    this.#open = open;
    this.#tools = tools;
    this.#signal = signal;
    this.#successors = successors;
  }

  async resume({ outcomes, known }: Before): Promise<void> {
    for (const [index, outcome] of outcomes) {
      this.#settled.set(index, outcome);
      this.#outcomes.set(index, Promise.resolve(outcome));
    }
    await Promise.all(known.map((role) => this.#key(role)));
  }

  resolved(): Resolved {
    // Whom the caller names only for a record to be compared with was never looked up.
    const { subject, related = {} } = this.#authorised.request;
    const keys = new Map([['subject', subject], ...Object.entries(related), ...this.#known]);
    return { outcomes: this.#settled, keys, stale: this.#stale } as unknown as Resolved;
  }

  /** Whether one of these sources is still away, with all that they need asked and nothing else. */
  async lacks(sources: ReadonlySet<string>): Promise<boolean> {
    const first = this.#plan.lookUps.filter((index) => sources.has(this.#plan.procedure.lookUps[index]?.source ?? ''));
    return (await Promise.all(first.map((index) => this.outcome(index)))).some(isAway);
  }

  outcome(index: number): Promise<Outcome> {
    let outcome = this.#outcomes.get(index);
    if (outcome === undefined) {
      outcome = this.#lookUp(index).then((settled) => {
        this.#settled.set(index, settled);
        return settled;
      });
      this.#outcomes.set(index, outcome);
    }
    return outcome;
  }

  #key(role: string): Promise<Key> {
    let key = this.#keys.get(role);
    if (key === undefined) {
      key = this.#findKey(role).then((found) => {
        if ('value' in found) this.#known.set(role, found.value);
        if ('value' in found && found.stale !== undefined) this.#stale.add(role);
        return found;
      });
      this.#keys.set(role, key);
    }
    return key;
  }

  async #findKey(name: string): Promise<Key> {
    const given = this.#successors.get(name) ?? this.#given(name);
    if (given !== undefined) return { value: given };
    const role = this.#plan.procedure.roles.get(name);
    if (role === undefined || role.from.length === 0) return { reason: 'role-not-given' };
    let reason: NoKey = 'not-found';
    let wait: { retryAfterSeconds?: number } = {};
    let older: Key | undefined;
    for (const binding of role.from) {
      const outcome = await this.outcome(binding.lookUp);
      if (outcome.kind === 'unavailable') [reason, wait] = ['unavailable', waitOf(outcome)];
      if (outcome.kind === 'no-key' && reason === 'not-found') [reason, wait] = [outcome.reason, waitOf(outcome)];
      if (outcome.kind !== 'found') continue;
      for (const pointer of binding.values) {
        const [value, ...others] = new Set(valuesAt(outcome.record, pointer).filter((found) => typeof found === 'string'));
        if (others.length > 0) return { reason: 'several-values' };
        if (value !== undefined && outcome.stale === undefined) return { value };
        if (value !== undefined) older ??= { value, stale: outcome.stale };
      }
      // What an answer past its age does not say, the register may well say by now.
      if (outcome.stale !== undefined) [reason, wait] = ['unavailable', waitOf(outcome.stale)];
    }
    return older ?? { reason, ...wait };
  }

  async #lookUp(index: number): Promise<Outcome> {
    const lookUp = this.#plan.procedure.lookUps[index];
    const role = this.#plan.procedure.roles.get(lookUp?.role ?? '');
    if (lookUp === undefined || role === undefined) throw new Error('the plan speaks of a look-up that the procedure has not');
    const key = await this.#key(role.name);
    if ('reason' in key) return { kind: 'no-key', ...key };
    const name = { source: lookUp.source, dataset: lookUp.dataset, kind: role.kind, key: key.value };
    const source = this.#tools.sources.get(lookUp.source);
    const limits = source?.datasets[lookUp.dataset];
    if (source === undefined || limits === undefined) throw new Error('the procedure speaks of a source that the catalogue has not');

    const ages = agesOf(limits, this.#plan.procedure, this.#authorised.request.maxAgeSeconds);
    const outcome = resting(await this.#answer(role, name, ages), key.stale);
    if (role.confirm === undefined || outcome.kind !== 'found') return outcome;
    const confirming = await this.#key(role.confirm.is);
    const known = resting(outcome, 'stale' in confirming ? confirming.stale : undefined);
    if ('value' in confirming && valuesAt(outcome.record, role.confirm.value).includes(confirming.value)) return known;
    // An older answer may say who holds it; that somebody does not, only one of today says.
    const { stale } = known.kind === 'found' ? known : {};
    return stale === undefined ? { kind: 'no-key', reason: 'not-confirmed' } : { kind: 'no-key', reason: 'unavailable', ...waitOf(stale) };
  }

  /** What the cache has, where it is fresh enough; otherwise what the source says, and where it cannot, what the cache has after all. */
  async #answer(role: Role, name: RecordName, ages: Ages): Promise<Outcome> {
    const { cache, clock } = this.#tools;
    const began = cache.moment();
    const cached = ages.stale > 0 ? await cache.get(name) : undefined;
    if (cached !== undefined && standingOf(cached, ages, clock()) === 'fresh') {
      this.#refreshAhead(role, name, cached, ages);
      return toOutcome(cached, 'cached');
    }
    const outcome = await this.#ask(role, name);
    if (cached === undefined || outcome.kind !== 'unavailable' || !mayStandIn(outcome.reason)) return outcome;
    // While the registry was asked in vain it may have told that just this record changed.
    if (cache.changedSince(began, name)) return outcome;
    const older = toOutcome(cached, 'cached');
    if (older.kind !== 'found' || standingOf(cached, ages, clock()) === 'none') return outcome;
    const { kind: _, reason, ...told } = outcome;
    return { ...older, freshness: 'stale', stale: { because: reason, ...waitOf(told) }, ...tookOf(told) };
  }

  /**
   * Nobody waits for what comes of it, and it is not tried where it could be in anybody's way. Where the registry is idle the intent is
   * appended before this returns, so before the outcome of the request: behind it, it would look as though another request had begun.
   */
  #refreshAhead(role: Role, name: RecordName, cached: Observed, ages: Ages): void {
    const { asks, around, clock, random } = this.#tools;
    const agency = this.#authorised.caller.agency.id;
    if (!nearsItsEnd(cached, ages, clock(), random) || this.#signal.aborted || !around.get(name.source)?.idle(agency)) return;
    const onRecord = (): Promise<Opened> => this.#onRecord(role, name.key);
    // What failed at the source was reported, and where the log failed the request hears of it when it comes to its outcome.
    asks
      .get(name.source)?.(name, onRecord, agency, true)
      .catch(() => undefined);
  }

  #onRecord(role: Role, key: string): Promise<Opened> {
    const succeeds = this.#successors.has(role.name);
    const given = !succeeds && (role.kind !== 'person' || this.#given(role.name) !== undefined);
    const name = succeeds ? successorOf(role.name) : given ? '' : role.name;
    let opening = this.#openings.get(name);
    if (opening === undefined) this.#openings.set(name, (opening = this.#open(given ? undefined : new Map([[name, key]]))));
    return opening;
  }

  #given(role: string): string | undefined {
    const { subject, related = {} } = this.#authorised.request;
    if (role === 'subject') return subject;
    return Object.hasOwn(related, role) ? related[role] : undefined;
  }

  /** The answer is kept even when this request no longer waits for it: the next one will be glad of it. */
  async #ask(role: Role, name: RecordName): Promise<Outcome> {
    const ask = this.#tools.asks.get(name.source);
    if (ask === undefined) throw new Error('the catalogue speaks of a source that is not plugged in');
    if (this.#signal.aborted) return { kind: 'unavailable', reason: 'timeout' };
    const { clock } = this.#tools;
    let from = clock();
    const open = async (): Promise<Opened> => {
      const opened = await this.#onRecord(role, name.key);
      from = clock();
      return opened;
    };
    const timed = (outcome: Outcome): Outcome => ({ ...outcome, milliseconds: clock() - from });
    const answering = ask(name, open, partyOf(this.#authorised.caller.agency.id, this.#tools.errand)).then(
      (observed) => timed(toOutcome(observed, 'live')),
      (error: unknown) => (error instanceof NotAsked ? toUnavailable(error) : timed(toUnavailable(error))),
    );
    return orAborted(answering, this.#signal, () => timed({ kind: 'unavailable', reason: 'timeout' }));
  }
}

/** Puts on record who is asked about: those the caller gave at once, whoever is found on the way before that one is asked about. */
export type Open = (found?: ReadonlyMap<string, string>) => Promise<Opened>;

function toOutcome({ answer, observedAt }: Observed, freshness: 'live' | 'cached'): Outcome {
  const at = new Date(observedAt).toISOString();
  if (answer.found) return { kind: 'found', record: answer.record, recordedAt: answer.recordedAt, observedAt: at, freshness };
  const { why, successor } = answer;
  return { kind: 'absent', ...(why && { why }), ...(successor && { successor }), observedAt: at, freshness };
}

/** The same, where the key that it was looked up by, or confirmed by, was itself found in an answer past its age. */
const resting = (outcome: Outcome, stale: Stale | undefined): Outcome =>
  outcome.kind !== 'found' || stale === undefined || outcome.stale !== undefined ? outcome : { ...outcome, stale };

function toUnavailable(error: unknown): Outcome {
  if (!(error instanceof SourceError || error instanceof NotAsked)) throw error;
  return { kind: 'unavailable', reason: error.reason, ...waitOf(error) };
}

const tookOf = ({ milliseconds }: { readonly milliseconds?: number }): { milliseconds?: number } =>
  milliseconds === undefined ? {} : { milliseconds };

const waitOf = ({ retryAfterSeconds }: { readonly retryAfterSeconds?: number | undefined }): { retryAfterSeconds?: number } =>
  retryAfterSeconds === undefined ? {} : { retryAfterSeconds };
