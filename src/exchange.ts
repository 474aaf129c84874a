/** One request, from caller to reply: the way of a request as code. */
import type { AuditLog } from './audit/log.ts';
import type { Authorised, Caller, Clock, Completion, Plan, Prefill, PrefillRequest, Receipt, Resolved } from './domain.ts';
import { Problem } from './problems.ts';
import { assemble } from './stages/assemble.ts';
import { checkStanding } from './stages/authenticate.ts';
import { type AuthoriseTools, authorise } from './stages/authorise.ts';
import { underDeadline } from './stages/deadline.ts';
import { awaited, pending, stillAway } from './stages/pending.ts';
import { plan } from './stages/plan.ts';
import { type Completes, ExchangeRecord, type RecordTools } from './stages/record.ts';
import type { Open, ResolveTools } from './stages/resolve.ts';
import { resolveAndFollow } from './stages/succeed.ts';
import type { Reviews } from './stages/under-review.ts';

export interface ExchangeTools extends ResolveTools, RecordTools, AuthoriseTools {
  /** Counts what a caller asks. Throws a `Problem` where their official asked too often. What the gateway asks again by itself is not counted again. */
  readonly admit: (caller: Caller, request: PrefillRequest) => void;
  readonly log: AuditLog;
  readonly clock: Clock;
  readonly reviews?: Reviews;
  /** Looks at the numbers that are asked about, once it is known that the official is the caller's; on record they are pseudonyms. */
  readonly sequence?: { see(caller: Caller, request: PrefillRequest): void };
}

/** A request that is to be completed later. Personal data. */
export interface Unfinished {
  /** Of the exchange that began it. */
  readonly id: string;
  readonly authorised: Authorised;
  /** Source that is waited for → seconds for which it wants to be left alone. Never empty. */
  readonly waits: ReadonlyMap<string, number>;
}

export interface Keeper {
  /** Resolves when it is kept so that it survives a power cut; undefined where it could not be. MUST NOT reject. */
  keep(unfinished: Unfinished): Promise<Completion | undefined>;
  /** For one whose caller got no answer. */
  drop(id: string): Promise<void>;
}

export interface Reply {
  /** Canonical JSON. */
  readonly prefill: string;
  readonly receipt: Receipt;
}

/** Milliseconds of the deadline kept for writing the outcome. */
const CLOSING_MS = 200;

/**
 * Fills the form and judges the dossier. `gone` aborts when the caller has gone away; then undefined is returned and nothing left.
 * Throws a `Problem`; one that is about a person is on record before it is thrown.
 */
export function exchange(
  caller: Caller,
  request: PrefillRequest,
  tools: ExchangeTools & { readonly keeper?: Keeper },
  gone: AbortSignal,
): Promise<Reply | undefined> {
  const record = new ExchangeRecord(tools, caller, request);
  return refusedOnRecord(record, async () => {
    tools.admit(caller, request);
    const { authorised, planned, resolved } = await answered(record, caller, request, tools, gone);
    if (gone.aborted) {
      await record.abandon(authorised, planned, resolved);
      return undefined;
    }
    const prefill = filled(record, authorised, planned, resolved, tools);
    const waits = request.completion === undefined ? undefined : awaited(planned, resolved, prefill);
    const completion = waits?.size ? await tools.keeper?.keep({ id: record.id, authorised, waits }) : undefined;
    if (completion === undefined) return record.close(authorised, planned, resolved, prefill);
    try {
      return await record.close(authorised, planned, resolved, pending(prefill, completion));
    } catch (error) {
      await tools.keeper?.drop(record.id);
      throw error;
    }
  });
}

/** The reply, or the sources that are still away (seconds for which each wants to be left alone). */
export type Attempt = { readonly reply: Reply } | { readonly waits: ReadonlyMap<string, number> };

/**
 * Asks again for what a prefill lacked: a whole exchange under the grant of this moment, and nothing leaves it that still lacks something.
 * `waited` are the sources that were away: as long as one is, nobody else is asked. Undefined where `gone` aborted.
 */
export function complete(
  caller: Caller,
  request: PrefillRequest,
  completes: Completes,
  waited: readonly string[],
  tools: ExchangeTools,
  gone: AbortSignal,
): Promise<Attempt | undefined> {
  const record = new ExchangeRecord(tools, caller, request, { completes });
  return refusedOnRecord(record, async () => {
    const asking = { ...tools, errand: 'completion' as const, first: new Set(waited) };
    const { purpose } = completes;
    const asked = purpose === undefined ? request : { ...request, purpose };
    const { authorised, planned, resolved } = await answered(record, caller, asked, asking, gone);
    if (gone.aborted) {
      await record.abandon(authorised, planned, resolved);
      return undefined;
    }
    const whole = planned.lookUps.every((index) => resolved.outcomes.has(index));
    const prefill = whole ? filled(record, authorised, planned, resolved, tools) : undefined;
    const waits = prefill === undefined ? stillAway(planned, resolved) : awaited(planned, resolved, prefill);
    if (prefill === undefined || waits.size > 0) {
      await record.abandon(authorised, planned, resolved, 'incomplete');
      return { waits };
    }
    return { reply: await record.close(authorised, planned, resolved, { ...prefill, completes: completes.id }) };
  });
}

interface Answered {
  readonly authorised: Authorised;
  readonly planned: Plan;
  readonly resolved: Resolved;
}

async function answered(
  record: ExchangeRecord,
  caller: Caller,
  request: PrefillRequest,
  tools: ExchangeTools,
  gone: AbortSignal,
): Promise<Answered> {
  const authorised = authorise(caller, request, tools);
  // What the gateway asks again by itself was looked at when it was asked.
  if (tools.errand !== 'completion') tools.sequence?.see(caller, request);
  const planned = plan(authorised);
  return { authorised, planned, resolved: await resolveInTime(record, authorised, planned, tools, gone) };
}

/** Asks whom the plan names, on record first, and leaves time to write the outcome. Throws a `Problem` where the caller was shut out meanwhile. */
export async function resolveInTime(
  record: ExchangeRecord,
  authorised: Authorised,
  planned: Plan,
  tools: ExchangeTools,
  gone: AbortSignal,
): Promise<Resolved> {
  const milliseconds = tools.catalogue.gateway.deadlineMs - CLOSING_MS;
  const open: Open = (found) => record.open(authorised, planned, found);
  const resolved = await underDeadline(milliseconds, (signal) => resolveAndFollow(authorised, planned, open, tools, signal), gone);
  checkStanding(tools.standing, authorised.caller, authorised.request.officer);
  return resolved;
}

const filled = (record: ExchangeRecord, authorised: Authorised, planned: Plan, resolved: Resolved, tools: ExchangeTools): Prefill =>
  assemble(record.id, record.salt, authorised, planned, resolved, {
    sources: tools.catalogue.sources,
    places: tools.catalogue.places,
    now: tools.clock(),
    ...(tools.reviews === undefined ? {} : { reviews: tools.reviews }),
  });

/** Whatever went wrong, that this person was asked about is on record; where the log itself failed, that is what is said. */
export async function refusedOnRecord<T>(record: ExchangeRecord, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = error instanceof Problem ? error.code : 'internal';
    const onRecord = error instanceof Problem && error.options.onRecord;
    if (code !== 'log-unavailable' && !onRecord) await record.refuse(code);
    throw error;
  }
}
