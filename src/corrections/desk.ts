/** What agency and owner do with a report once it is there: look at it, answer it, withdraw it. */
import { randomUUID } from 'node:crypto';
import { actorIn } from '../access/mandates.ts';
import type { RecordName } from '../cache/records.ts';
import type { Caller } from '../domain.ts';
import { Problem } from '../problems.ts';
import { checkStanding } from '../stages/authenticate.ts';
import { onRecord } from './record.ts';
import { inStore, opened, type ReportTools, reportedBy } from './report.ts';
import type { Ticket, TicketState } from './store.ts';
import { type CorrectionAnswer, type CorrectionView, ownerOf, toldView, viewOf, type Wrong } from './wrong.ts';

export interface DeskTools extends ReportTools {
  /** Forgets a record that was corrected, in every cache. */
  readonly drop: (names: readonly RecordName[]) => Promise<unknown>;
}

export interface CorrectionDesk {
  /** For its agency, and for whoever owns the register: with whose record it is, and on record before. Throws a `Problem`. */
  show(caller: Caller, id: string): Promise<object>;
  /** Those of a register that the caller owns, the oldest first; of nobody in particular. Throws a `Problem`. */
  list(caller: Caller, source: string, state: TicketState): Promise<CorrectionView[]>;
  answer(caller: Caller, id: string, answer: CorrectionAnswer): Promise<CorrectionView>;
  withdraw(caller: Caller, id: string): Promise<CorrectionView>;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const MOST = 200;
const DAY_MS = 86_400_000;

export function correctionDesk(tools: DeskTools): CorrectionDesk {
  const { store, seal, catalogue, clock } = tools;

  const reported = ({ agency, scopes }: Caller, ticket: Ticket): boolean => ticket.agency === agency.id && scopes.has('correct');
  const owned = ({ agency, scopes }: Caller, ticket: Ticket): boolean => agency.owns.has(ticket.source) && scopes.has('changes');

  /** To a stranger it is as though there were none. */
  const find = async (caller: Caller, id: string, mayBe: (caller: Caller, ticket: Ticket) => boolean): Promise<Ticket> => {
    checkStanding(tools.standing, caller, caller.officer);
    const ticket = UUID.test(id) ? await inStore(() => store.get(id)) : undefined;
    if (ticket === undefined || !mayBe(caller, ticket)) throw new Problem('unknown-correction');
    return ticket;
  };

  const openedFor = (caller: Caller, ticket: Ticket): Wrong => {
    const wrong = opened(seal, ticket);
    if (!reportedBy(caller, wrong)) throw new Problem('unknown-correction');
    return wrong;
  };

  /** What nobody needs any more is not kept: whose record it was, and what was said of it. */
  const close = async (
    caller: Caller,
    ticket: Ticket,
    state: 'answered' | 'withdrawn',
    { report, ...wrong }: Wrong,
    outcome: string,
    done: (() => Promise<unknown>) | undefined,
  ): Promise<CorrectionView> => {
    const own = {
      id: randomUUID(),
      completes: ticket.id,
      kind: 'outcome',
      agency: caller.agency.id,
      client: caller.client,
      ...actorIn(caller),
      outcome,
    } as const;
    await onRecord(tools, wrong.entry, own);
    await done?.();
    const hears = state === 'answered' ? catalogue.agencies.get(ticket.agency) : ownerOf(tools, ticket.source);
    const closed: Ticket = {
      ...ticket,
      state,
      due: hears?.deliveries === undefined ? undefined : clock(),
      ends: clock() + catalogue.gateway.corrections.keepDays * DAY_MS,
      sealed: seal.seal(ticket, { ...wrong, tries: 0 }),
    };
    if (!(await inStore(() => store.change(closed, ticket.state)))) throw new Problem('correction-closed');
    await tools.open.refresh();
    return viewOf(closed, wrong, tools);
  };

  return {
    async show(caller, id) {
      const ticket = await find(caller, id, (one, found) => reported(one, found) || owned(one, found));
      const wrong = openedFor(caller, ticket);
      const view = viewOf(ticket, wrong, tools);
      if (!owned(caller, ticket) || wrong.report === undefined) return view;
      await onRecord(tools, wrong.entry, { kind: 'delivery', agency: caller.agency.id, client: caller.client, outcome: 'fetched' });
      return toldView(view, ticket, wrong);
    },
    async list(caller, source, state) {
      checkStanding(tools.standing, caller, caller.officer);
      if (!caller.agency.owns.has(source)) throw new Problem('unknown-source');
      return (await inStore(() => store.list(source, state, MOST))).map((ticket) => viewOf(ticket, opened(seal, ticket), tools));
    },
    async answer(caller, id, { outcome, note }) {
      const ticket = await find(caller, id, owned);
      const wrong = opened(seal, ticket);
      if (wrong.answer?.outcome === outcome && wrong.answer.note === note) return viewOf(ticket, wrong, tools);
      const { report } = wrong;
      if (report === undefined) throw new Problem('correction-closed');
      const answer = { outcome, ...(note === undefined ? {} : { note }), at: new Date(clock()).toISOString() };
      const { source, dataset } = ticket;
      const forget = () => tools.drop([{ source, dataset, kind: report.kind, key: report.key }]);
      return close(caller, ticket, 'answered', { ...wrong, answer }, outcome, outcome === 'corrected' ? forget : undefined);
    },
    async withdraw(caller, id) {
      const ticket = await find(caller, id, reported);
      const wrong = openedFor(caller, ticket);
      if (ticket.state === 'withdrawn') return viewOf(ticket, wrong, tools);
      if (wrong.report === undefined) throw new Problem('correction-closed');
      return close(caller, ticket, 'withdrawn', wrong, 'withdrawn', undefined);
    },
  };
}
