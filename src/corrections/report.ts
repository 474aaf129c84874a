/** An agency says that a register has a value wrong: authorised as a prefill is, on record, and then kept for the register's owner. */
import { actorIn } from '../access/mandates.ts';
import type { RecordName } from '../cache/records.ts';
import type { Authorised, Binding, Caller, Outcome, PlannedLookUp, Receipt } from '../domain.ts';
import { type ExchangeTools, refusedOnRecord, resolveInTime } from '../exchange.ts';
import { Problem } from '../problems.ts';
import { authorise } from '../stages/authorise.ts';
import { planFields } from '../stages/plan.ts';
import { ExchangeRecord } from '../stages/record.ts';
import { repeatedOf } from './record.ts';
import type { OpenReports } from './reviews.ts';
import type { Ticket, TicketStore } from './store.ts';
import { type CorrectionRequest, type CorrectionView, ownerOf, type TicketSeal, viewOf, type Wrong } from './wrong.ts';

export interface ReportTools extends ExchangeTools {
  readonly store: TicketStore;
  readonly seal: TicketSeal;
  readonly nameOf: (name: RecordName) => string;
  readonly open: OpenReports;
}

export interface Corrected {
  /** Canonical JSON. */
  readonly correction: string;
  readonly receipt: Receipt;
}

const DAY_MS = 86_400_000;

/** Undefined where the caller has gone away before anything was reported. Throws a `Problem`, on record as every refusal about a person is. */
export function report(caller: Caller, body: CorrectionRequest, tools: ReportTools, gone: AbortSignal): Promise<Corrected | undefined> {
  const { field, source, claim, evidence, reason, ...request } = body;
  const { store, seal, nameOf, catalogue, clock } = tools;
  const record = new ExchangeRecord(tools, caller, request, { body });
  return refusedOnRecord(record, async () => {
    tools.admit(caller, request);
    const authorised = authorise(caller, request, tools);
    const { index, binding, lookUp } = boundField(authorised, field, source);
    const role = authorised.procedure.roles.get(lookUp.role);
    const given = lookUp.role === 'subject' ? request.subject : request.related?.[lookUp.role];
    // A key that the caller gives needs no look-up, unless a record has to confirm whose it is. One found on the way is found as a prefill finds it.
    const known = given !== undefined && role?.confirm === undefined;
    const planned = planFields(authorised, known ? [] : [index]);
    const resolved = await resolveInTime(record, authorised, planned, tools, gone);
    if (gone.aborted) {
      await record.abandon(authorised, planned, resolved);
      return undefined;
    }
    const outcome = resolved.outcomes.get(binding.lookUp);
    const key = given ?? resolved.keys.get(lookUp.role);
    if (key === undefined || (role?.confirm !== undefined && outcome?.kind !== 'found')) throw unknownRecord(outcome);

    const kind = role?.kind ?? 'person';
    const about = {
      agency: caller.agency.id,
      record: nameOf({ source: lookUp.source, dataset: lookUp.dataset, kind, key }),
      values: binding.values.map((value) => `/${value.join('/')}`).join(' '),
    };
    const { reviewDays, openPerAgency } = catalogue.gateway.corrections;
    const created = clock();
    const ends = created + reviewDays * DAY_MS;
    const due = ownerOf(tools, lookUp.source)?.deliveries === undefined ? ends : created;
    const base = {
      ...about,
      id: record.id,
      source: lookUp.source,
      dataset: lookUp.dataset,
      state: 'reported',
      created,
      due,
      ends,
    } as const;
    const told = { officer: request.officer, procedure: request.procedure, dossier: request.dossier, field };
    const use = { source: lookUp.source, dataset: lookUp.dataset, role: lookUp.role, result: 'reported-wrong' };
    const release = async (view: CorrectionView): Promise<Corrected> => {
      const reply = { ...view, salt: record.salt, issuedAt: new Date(clock()).toISOString() };
      const members = { fields: [field], sources: [use], outcome: 'reported' };
      const { text, receipt } = await record.release(authorised, planned, resolved, reply, members);
      return { correction: text, receipt };
    };

    const sameAgain = async (): Promise<Corrected | undefined> => {
      const first = await inStore(() => store.same(about));
      if (first === undefined) return undefined;
      const wrong = opened(seal, first);
      // For which dossier somebody else reported it is not a supplier's to know.
      return release(viewOf(first, reportedBy(caller, wrong) ? wrong : { ...wrong, ...told }, tools));
    };
    const again = await sameAgain();
    if (again !== undefined) return again;
    if ((await inStore(() => store.openOf(about.agency))) >= openPerAgency) throw new Problem('too-many-corrections');
    // On record before the register's owner can see it.
    const released = await release(viewOf(base, told, tools));
    const wrong: Wrong = {
      ...told,
      client: caller.client,
      ...actorIn(caller),
      entry: repeatedOf(released.receipt),
      tries: 0,
      report: { kind, key, evidence, ...(claim === undefined ? {} : { claim }), ...(reason === undefined ? {} : { reason }) },
    };
    const kept = await inStore(() => store.add({ ...base, sealed: seal.seal(base, wrong) }));
    await tools.open.refresh();
    // Another request of the agency was quicker: there is one report, and that is what both are told.
    return kept ? released : ((await sameAgain()) ?? released);
  });
}

/** What the field is bound to in the register that is meant; the first, where the register has it in several records. */
function boundField(
  { procedure, grant }: Authorised,
  at: string,
  source: string | undefined,
): { readonly index: number; readonly binding: Binding; readonly lookUp: PlannedLookUp } {
  const index = procedure.fields.findIndex((one) => one.at === at);
  const field = procedure.fields[index];
  if (field === undefined) throw new Problem('unknown-field', { errors: [{ pointer: '/field', detail: 'is no field of this form' }] });
  if (grant.fields !== 'all' && !grant.fields.has(at)) throw new Problem('field-not-granted');
  const bound = field.from.flatMap((binding) => {
    const lookUp = procedure.lookUps[binding.lookUp];
    return lookUp === undefined ? [] : [{ index, binding, lookUp }];
  });
  const sources = [...new Set(bound.map(({ lookUp }) => lookUp.source))];
  if (sources.length === 0) throw new Problem('invalid-request', { errors: [{ pointer: '/field', detail: 'is filled from no register' }] });
  const [meant] = bound.filter(({ lookUp }) => lookUp.source === (source ?? (sources.length === 1 ? sources[0] : undefined)));
  if (meant === undefined)
    throw new Problem('invalid-request', { errors: [{ pointer: '/source', detail: `must be one of ${sources.join(', ')}` }] });
  return meant;
}

function unknownRecord(outcome: Outcome | undefined): Problem {
  if (outcome === undefined || !('reason' in outcome)) return new Problem('record-unknown', { detail: 'no-record' });
  const { reason, retryAfterSeconds } = outcome;
  return new Problem('record-unknown', { detail: reason, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) });
}

/** A supplier's are those that it reported itself, and the agency's all of them. */
export const reportedBy = ({ actor }: Caller, wrong: Wrong): boolean => actor === undefined || wrong.actor === actor;

/** Throws a `Problem` for what was not sealed with this key: another gateway of the same database may have another. */
export function opened(seal: TicketSeal, ticket: Ticket): Wrong {
  try {
    return seal.open<Wrong>(ticket);
  } catch (cause) {
    throw new Problem('correction-unavailable', { cause });
  }
}

export async function inStore<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new Problem('correction-unavailable', { retryAfterSeconds: 2, cause });
  }
}
