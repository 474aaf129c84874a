/** What an auditor searches by, from the body of a request to the query of the search and to what goes on record of it. */
import type { AuditEntry } from '../../audit/entry.ts';
import type { Conditions, SearchQuery } from '../../audit/search.ts';

/** A body that `schemas/api/audit-conditions.json` accepted. */
export interface ConditionsBody extends Omit<Conditions, 'pseudonyms'> {
  readonly reason: string;
  readonly auditor?: string;
  readonly subject?: string;
  readonly cursor?: string;
}

export interface AuditorsQuery {
  readonly query: Omit<SearchQuery, 'limit'>;
  /** The same for the log: of a person only the pseudonym. */
  readonly recorded: NonNullable<AuditEntry['query']>;
}

/** `pseudonymsOf` gives those under the newest key first. */
export function auditorsQuery(
  { reason: _reason, auditor: _auditor, subject, cursor, from, to, ...conditions }: ConditionsBody,
  pseudonymsOf: (number: string) => string[],
): AuditorsQuery {
  const pseudonyms = subject === undefined ? undefined : pseudonymsOf(subject);
  const before = cursor === undefined ? {} : { before: Number(cursor) };
  return {
    query: {
      ...conditions,
      ...(pseudonyms === undefined ? {} : { pseudonyms }),
      ...(from === undefined ? {} : { from: asLogged(from) }),
      ...(to === undefined ? {} : { to: asLogged(to) }),
      ...before,
    },
    recorded: {
      ...conditions,
      ...(pseudonyms?.[0] === undefined ? {} : { subject: pseudonyms[0] }),
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      ...before,
    },
  };
}

/** A time as the log writes it, since times are compared as texts; a leap second, which clocks here do not know, is the millisecond before its end. */
export const asLogged = (time: string): string => new Date(time.replace(/:60(\.\d+)?Z$/, ':59.999Z')).toISOString();
