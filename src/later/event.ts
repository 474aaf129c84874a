/** A completed prefill as a security event token (RFC 8417): signed, and the same however often it is delivered. */
import type { Reply } from '../exchange.ts';
import type { Task } from './store.ts';

/** The member of `events`. */
export const COMPLETED = 'urn:oncegate:event:prefill-completed';

export type EventOf = (task: Task, reply: Reply) => Promise<string>;

/** `sign` makes a JWT of a type and claims. */
export const eventOf =
  (issuer: string, sign: (typ: string, claims: Record<string, unknown>) => Promise<string>): EventOf =>
  ({ id, agency }, { prefill, receipt }) => {
    const content = JSON.parse(prefill) as { id: string; issuedAt: string };
    return sign('secevent+jwt', {
      iss: issuer,
      aud: agency,
      iat: Math.floor(Date.parse(content.issuedAt) / 1000),
      // Of the exchange that completed it: whoever has seen it has this event.
      jti: content.id,
      // Of the exchange that it completes: what the receiver knows it by.
      txn: id,
      events: { [COMPLETED]: { prefill: content, receipt } },
    });
  };
