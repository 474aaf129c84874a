/** Plan to answers: the cache first, then every source that can be asked, at once; a value found in one is the key for the next. */
import { SourceError } from '../adapter.ts';
import { SKEW_MS } from '../cache/cache.ts';
import type { Observed, RecordCache, RecordName } from '../cache/records.ts';
import type { Authorised, Clock, NoKey, Opened, Outcome, Plan, Resolved, Role, Source } from '../domain.ts';
import { NotAsked } from './around/question.ts';
import type { Ask } from './ask.ts';
import { orAborted } from './deadline.ts';
import { valuesAt } from './values.ts';

export interface ResolveTools {
  readonly cache: RecordCache;
  readonly sources: ReadonlyMap<string, Source>;
  readonly asks: ReadonlyMap<string, Ask>;
  readonly clock: Clock;
}

/**
 * `open` is called before the first source is asked, again before one is asked about a person found on the way, and not at all where
 * the cache, or an answer under way, knows everything. When `signal` aborts, whatever has not answered is `unavailable`. Rejects only
 * where `open` does.
 */
export async function resolve(authorised: Authorised, plan: Plan, open: Open, tools: ResolveTools, signal: AbortSignal): Promise<Resolved> {
  const resolution = new Resolution(authorised, plan, open, tools, signal);
  await Promise.all(plan.lookUps.map((index) => resolution.outcome(index)));
  return resolution.resolved();
}

type Key = { readonly value: string } | { readonly reason: NoKey; readonly retryAfterSeconds?: number };

class Resolution {
  readonly #authorised: Authorised;
  readonly #plan: Plan;
  readonly #open: Open;
  readonly #tools: ResolveTools;
  readonly #signal: AbortSignal;
  readonly #outcomes = new Map<number, Promise<Outcome>>();
  readonly #settled = new Map<number, Outcome>();
  readonly #keys = new Map<string, Promise<Key>>();
  readonly #known = new Map<string, string>();
  /** The intents of this request, by the role found on the way that each names; '' names those whom the caller gave. */
  readonly #openings = new Map<string, Promise<Opened>>();

  constructor(authorised: Authorised, plan: Plan, open: Open, tools: ResolveTools, signal: AbortSignal) {
    this.#authorised = authorised;
    this.#plan = plan;
    this.#open = open;
    this.#tools = tools;
    this.#signal = signal;
  }

  resolved(): Resolved {
    return { outcomes: this.#settled, keys: this.#known } as unknown as Resolved;
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
        return found;
      });
      this.#keys.set(role, key);
    }
    return key;
  }

  async #findKey(name: string): Promise<Key> {
    const given = this.#given(name);
    if (given !== undefined) return { value: given };
    const role = this.#plan.procedure.roles.get(name);
    if (role === undefined || role.from.length === 0) return { reason: 'role-not-given' };
    let reason: NoKey = 'not-found';
    let wait: { retryAfterSeconds?: number } = {};
    for (const binding of role.from) {
      const outcome = await this.outcome(binding.lookUp);
      if (outcome.kind === 'unavailable') [reason, wait] = ['unavailable', waitOf(outcome)];
      if (outcome.kind === 'no-key' && reason === 'not-found') [reason, wait] = [outcome.reason, waitOf(outcome)];
      if (outcome.kind !== 'found') continue;
      for (const pointer of binding.values) {
        const [value, ...others] = new Set(valuesAt(outcome.record, pointer).filter((found) => typeof found === 'string'));
        if (others.length > 0) return { reason: 'several-values' };
        if (value !== undefined) return { value };
      }
    }
    return { reason, ...wait };
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

    const maxAge = Math.min(
      limits.maxAgeSeconds,
      this.#plan.procedure.maxAgeSeconds ?? Number.POSITIVE_INFINITY,
      this.#authorised.request.maxAgeSeconds ?? Number.POSITIVE_INFINITY,
    );
    const cached = maxAge > 0 ? await this.#tools.cache.get(name) : undefined;
    const age = cached === undefined ? Number.POSITIVE_INFINITY : this.#tools.clock() - cached.observedAt;
    const limit = 1000 * Math.min(maxAge, cached?.answer.found === false ? limits.absentMaxAgeSeconds : maxAge);
    // An observation from the future is of a clock that was set back: its age is not known.
    const fresh = cached !== undefined && age < limit && age >= -SKEW_MS;
    const outcome = fresh ? toOutcome(cached, 'cached') : await this.#ask(role, name);
    if (role.confirm === undefined || outcome.kind !== 'found') return outcome;
    const confirming = await this.#key(role.confirm.is);
    const confirmed = 'value' in confirming && valuesAt(outcome.record, role.confirm.value).includes(confirming.value);
    return confirmed ? outcome : { kind: 'no-key', reason: 'not-confirmed' };
  }

  #onRecord(role: Role, key: string): Promise<Opened> {
    const given = role.kind !== 'person' || this.#given(role.name) !== undefined;
    const name = given ? '' : role.name;
    let opening = this.#openings.get(name);
    if (opening === undefined) this.#openings.set(name, (opening = this.#open(given ? undefined : new Map([[role.name, key]]))));
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
    const answering = ask(name, open, this.#authorised.caller.agency.id).then(
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
  return { kind: 'absent', ...(answer.why ? { why: answer.why } : {}), observedAt: at, freshness };
}

function toUnavailable(error: unknown): Outcome {
  if (!(error instanceof SourceError || error instanceof NotAsked)) throw error;
  return { kind: 'unavailable', reason: error.reason, ...waitOf(error) };
}

const waitOf = ({ retryAfterSeconds }: { readonly retryAfterSeconds?: number | undefined }): { retryAfterSeconds?: number } =>
  retryAfterSeconds === undefined ? {} : { retryAfterSeconds };
