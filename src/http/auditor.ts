/** For auditors: who read what. Reading the log is itself on record, before anything is shown. */
import type { FastifyPluginAsync } from 'fastify';
import type { AuditLog } from '../audit/log.ts';
import type { LogSearch, SearchQuery } from '../audit/search.ts';
import type { Clock, Scope } from '../domain.ts';
import { Problem } from '../problems.ts';
import type { Pseudonyms } from '../pseudonyms.ts';
import { callerOf, operation, type RouteAuthentication } from './operation.ts';
import { checkReason } from './reason.ts';
import { recorder } from './recorded.ts';

export interface AuditorTools {
  readonly log: AuditLog;
  readonly search: LogSearch;
  readonly pseudonyms: Pseudonyms;
  readonly configDigest: string;
  readonly clock: Clock;
  readonly authentication: (scope: Scope) => RouteAuthentication;
}

interface SearchBody extends Omit<SearchQuery, 'limit' | 'pseudonym' | 'before'> {
  readonly reason: string;
  readonly subject?: string;
  readonly cursor?: string;
  readonly limit?: number;
}

export const auditorRoutes = (tools: AuditorTools): FastifyPluginAsync => {
  const { log, search, pseudonyms, configDigest, clock, authentication } = tools;

  const onRecord = recorder({ log, configDigest, clock });

  return async (server) => {
    server.post<{ Body: SearchBody }>('/v1/audit/search', {
      ...authentication('audit'),
      schema: operation({
        summary: 'Who read what',
        description:
          'By person, agency, officer, procedure, dossier, outcome and time; newest first. The search and its reason are put on record first.',
        tag: 'Auditors',
        scope: 'audit',
        body: 'AuditSearch',
        reply: 'AuditPage',
        refusals: [400, 401, 403, 503],
      }),
      handler: async (request) => {
        const { reason, subject, cursor, limit = 50, ...conditions } = request.body;
        const subjects = subject === undefined ? {} : { subject: pseudonyms.of('person', subject) };
        await onRecord(callerOf(request), checkReason(reason, 'body'), { ...conditions, ...subjects });
        const query: SearchQuery = {
          ...conditions,
          ...(subjects.subject === undefined ? {} : { pseudonym: subjects.subject }),
          ...(cursor === undefined ? {} : { before: Number(cursor) }),
          limit: limit + 1,
        };
        const found = await search.search(query);
        const entries = found.slice(0, limit);
        return { entries, ...(found.length > limit ? { next: String(entries.at(-1)?.index) } : {}) };
      },
    });

    server.get<{ Params: { index: string } }>('/v1/audit/entries/:index', {
      ...authentication('audit'),
      schema: operation({
        summary: 'One entry with the proof that it is in the log',
        tag: 'Auditors',
        scope: 'audit',
        params: {
          index: { type: 'string', pattern: '^(0|[1-9][0-9]{0,14})$', description: 'Place of the entry in the log.', examples: ['0'] },
        },
        reply: 'Receipt',
        refusals: [400, 401, 403, 404, 503],
      }),
      handler: async (request) => {
        const index = Number(request.params.index);
        await onRecord(callerOf(request), undefined, { index });
        const receipt = await log.entry(index);
        if (receipt === undefined) throw new Problem('unknown-entry');
        return receipt;
      },
    });
  };
};
