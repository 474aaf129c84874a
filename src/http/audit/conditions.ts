/** What an auditor searches by, from the body of a request to the query of the search and to what goes on record of it. */
import type { AuditEntry } from '../../audit/entry.ts';
import type { Conditions, SearchQuery } from '../../audit/search.ts';
import type { Pseudonyms } from '../../pseudonyms.ts';

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

export function auditorsQuery(
  { reason: _reason, auditor: _auditor, subject, cursor, from, to, ...conditions }: ConditionsBody,
  pseudonyms: Pseudonyms,
): AuditorsQuery {
  const before = cursor === undefined ? {} : { before: Number(cursor) };
  return {
    query: {
      ...conditions,
      ...(subject === undefined ? {} : { pseudonyms: pseudonyms.all('person', subject) }),
      ...(from === undefined ? {} : { from: asLogged(from) }),
      ...(to === undefined ? {} : { to: asLogged(to) }),
      ...before,
    },
    recorded: {
      ...conditions,
      ...(subject === undefined ? {} : { subject: pseudonyms.of('person', subject) }),
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      ...before,
    },
  };
}

/** A time as the log writes it, since times are compared as texts; a leap second, which clocks here do not know, is the millisecond before its end. */
export const asLogged = (time: string): string => new Date(time.replace(/:60(\.\d+)?Z$/, ':59.999Z')).toISOString();
