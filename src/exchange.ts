/** One request, from caller to reply: the way of a request as code. */
import type { AuditLog } from './audit/log.ts';
import type { Catalogue } from './catalogue/load.ts';
import type { Caller, Clock, PrefillRequest, Receipt } from './domain.ts';
import { Problem } from './problems.ts';
import { assemble } from './stages/assemble.ts';
import { authorise } from './stages/authorise.ts';
import { underDeadline } from './stages/deadline.ts';
import { plan } from './stages/plan.ts';
import { ExchangeRecord, type RecordTools } from './stages/record.ts';
import type { Open, ResolveTools } from './stages/resolve.ts';
import { resolveAndFollow } from './stages/succeed.ts';

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
  try {
    const authorised = authorise(caller, request, tools.catalogue, tools.clock);
    const planned = plan(authorised);
    const milliseconds = tools.catalogue.gateway.deadlineMs - CLOSING_MS;
    const open: Open = (found) => record.open(authorised, planned, found);
    const resolved = await underDeadline(milliseconds, (signal) => resolveAndFollow(authorised, planned, open, tools, signal), gone);
    if (gone.aborted) {
      await record.abandon(authorised, planned, resolved);
      return undefined;
    }
    const prefill = assemble(record.id, record.salt, authorised, planned, resolved, {
      sources: tools.catalogue.sources,
      places: tools.catalogue.places,
      now: tools.clock(),
    });
    return await record.close(authorised, planned, resolved, prefill);
  } catch (error) {
    // Whatever went wrong, that this person was asked about is on record; where the log itself failed, that is what is said.
    const code = error instanceof Problem ? error.code : 'internal';
    if (code !== 'log-unavailable') await record.refuse(code);
    throw error;
  }
}
