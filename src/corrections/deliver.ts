/** One step for one report: its owner is told of it, its agency of what came of it, and what nobody answers comes to its end. */

import { SourceError } from '../adapter.ts';
import type { Catalogue } from '../catalogue/load.ts';
import { type Clock, dayInVietnam } from '../domain.ts';
import type { Report as Tell } from '../later/keeper.ts';
import { later } from '../later/pauses.ts';
import { heldBack, type Standing } from '../stages/authenticate.ts';
import { isOver } from '../stages/grant.ts';
import type { RecordTools } from '../stages/record.ts';
import { onRecord } from './record.ts';
import type { Ticket } from './store.ts';
import { ownerOf, type TicketSeal, toldView, viewOf, type Wrong } from './wrong.ts';

/** Members of `events`. */
export const REPORTED = 'urn:oncegate:event:correction-reported';
export const CLOSED = 'urn:oncegate:event:correction-closed';

export interface DeliverTools extends Pick<RecordTools, 'log' | 'configDigest'> {
  readonly catalogue: Catalogue;
  readonly standing: Standing;
  readonly seal: TicketSeal;
  readonly clock: Clock;
  readonly random: () => number;
  readonly report: Tell;
  readonly issuer: string;
  /** Makes a JWT of a type and claims. */
  readonly sign: (typ: string, claims: Record<string, unknown>) => Promise<string>;
  /** Brings an event to an agency. Resolves when it was acknowledged. */
  readonly post: (agency: string, event: string, signal: AbortSignal) => Promise<void>;
}

const DAY_MS = 86_400_000;
/** What this gateway's key does not open is left to one whose key does. */
const UNOPENED_SECONDS = 600;
/** How soon it is looked whether somebody who was shut out was let in. */
const HELD_SECONDS = 10;

export function deliverStep(tools: DeliverTools): (ticket: Ticket, stop: AbortSignal) => Promise<Ticket> {
  const { catalogue, seal, clock, random, report } = tools;

  /** Who is to hear of it as it is now; an open report is heard of by its owner alone. */
  const hearer = ({ state, source, agency }: Ticket): string | undefined => {
    const heard = state === 'reported' || state === 'withdrawn' ? ownerOf(tools, source) : catalogue.agencies.get(agency);
    // Whoever ended is told nothing any more, least of all of a person.
    const gone = heard === undefined || isOver(heard, dayInVietnam(clock()));
    return gone || heard.deliveries === undefined ? undefined : heard.id;
  };
  /** Nothing more to do in this state. */
  const rest = (ticket: Ticket): Ticket => ({ ...ticket, due: ticket.state === 'reported' ? ticket.ends : undefined });

  const over = (ticket: Ticket): Ticket => {
    if (ticket.state !== 'reported') {
      report('what came of a report was not taken by its receiver in its time', undefined, ticket);
      return { ...ticket, due: undefined };
    }
    const ends = clock() + catalogue.gateway.corrections.keepDays * DAY_MS;
    const unanswered = { ...ticket, state: 'unanswered', due: undefined, ends } as const;
    return { ...unanswered, due: hearer(unanswered) === undefined ? undefined : clock() };
  };

  const deliver = async (ticket: Ticket, wrong: Wrong, to: string, stop: AbortSignal): Promise<void> => {
    const { id, state, created } = ticket;
    const view = viewOf(ticket, wrong, tools);
    // What came of it is of nobody in particular; whose record it is leaves on record alone.
    if (state === 'reported') await onRecord(tools, wrong.entry, { kind: 'delivery', agency: to, client: to, outcome: 'sent' });
    const at = wrong.answer === undefined ? created : Date.parse(wrong.answer.at);
    const event = await tools.sign('secevent+jwt', {
      iss: tools.issuer,
      aud: to,
      iat: Math.floor(at / 1000),
      // The same however often it is delivered.
      jti: `${id}.${state}`,
      txn: id,
      events: { [state === 'reported' ? REPORTED : CLOSED]: { correction: state === 'reported' ? toldView(view, ticket, wrong) : view } },
    });
    await tools.post(to, event, stop);
  };

  return async (ticket, stop) => {
    if (clock() >= ticket.ends) return over(ticket);
    const to = hearer(ticket);
    if (to === undefined) return rest(ticket);
    if (heldBack(catalogue.agencies, tools.standing, to))
      return { ...ticket, due: Math.min(ticket.ends, later(clock(), 0, HELD_SECONDS, random)) };
    let wrong: Wrong;
    try {
      wrong = seal.open<Wrong>(ticket);
    } catch (error) {
      report('a report was not sealed with this key: gateways of one database need the same keys.json', error, ticket);
      return { ...ticket, due: Math.min(ticket.ends, later(clock(), 0, UNOPENED_SECONDS, random)) };
    }
    try {
      await deliver(ticket, wrong, to, stop);
      return rest(ticket);
    } catch (error) {
      // What this process was told to leave, the next one does.
      if (stop.aborted) return ticket;
      report('a report of a wrong value, or what came of it, could not be delivered', error, ticket);
      const seconds = error instanceof SourceError ? (error.retryAfterSeconds ?? 0) : 0;
      const due = Math.min(ticket.ends, later(clock(), wrong.tries, seconds, random));
      return { ...ticket, due, sealed: seal.seal(ticket, { ...wrong, tries: wrong.tries + 1 }) };
    }
  };
}
