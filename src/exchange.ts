/** One request, from caller to reply: the way of a request as code. */
import type { AuditLog } from './audit/log.ts';
import type { Catalogue } from './catalogue/load.ts';
import type { Authorised, Caller, Clock, Plan, PrefillRequest, Receipt } from './domain.ts';
import { Problem } from './problems.ts';
import { assemble } from './stages/assemble.ts';
import { authorise } from './stages/authorise.ts';
import { plan } from './stages/plan.ts';
import { ExchangeRecord, type RecordTools } from './stages/record.ts';
import { type ResolveTools, resolve } from './stages/resolve.ts';

export interface ExchangeTools extends ResolveTools, RecordTools {
  readonly catalogue: Catalogue;
  readonly log: AuditLog;
  readonly clock: Clock;
}

/** Milliseconds of the deadline kept for writing the outcome. */
const CLOSING_MS = 200;

/**
 * Fills the form and judges the dossier. `gone` aborts when the caller has gone away; then undefined is returned and nothing left.
 * Throws a `Problem`; one that is about a person is on record before it is thrown.
 */
export async function exchange(
  caller: Caller,
  request: PrefillRequest,
  tools: ExchangeTools,
  gone: AbortSignal,
): Promise<{ prefill: string; receipt: Receipt } | undefined> {
  const record = new ExchangeRecord(tools, caller, request);
  const [authorised, planned] = await allow(record, caller, request, tools);
  const open = () => record.open(authorised, planned);
  const resolved = await withDeadline(tools.catalogue.gateway.deadlineMs - CLOSING_MS, gone, (signal) =>
    resolve(authorised, planned, open, tools, signal),
  );
  if (gone.aborted) {
    await record.abandon(authorised, planned, resolved);
    return undefined;
  }
  const prefill = assemble(record.id, record.salt, authorised, planned, resolved, { sources: tools.catalogue.sources, now: tools.clock() });
  return record.close(authorised, planned, resolved, prefill);
}

/** Runs under a signal that aborts when the time is over or the caller has gone; neither timer nor listener outlives the work. */
async function withDeadline<T>(milliseconds: number, gone: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const timer = setTimeout(abort, milliseconds);
  gone.addEventListener('abort', abort, { once: true });
  if (gone.aborted) abort();
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    gone.removeEventListener('abort', abort);
  }
}

async function allow(record: ExchangeRecord, caller: Caller, request: PrefillRequest, tools: ExchangeTools): Promise<[Authorised, Plan]> {
  try {
    const authorised = authorise(caller, request, tools.catalogue, tools.clock);
    return [authorised, plan(authorised)];
  } catch (error) {
    if (error instanceof Problem) await record.refuse(error.code);
    throw error;
  }
}
