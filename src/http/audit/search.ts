/** `POST /v1/audit/search`: who read what, a page at a time. */
import type { FastifyInstance } from 'fastify';
import type { AuditorTools } from '../auditor.ts';
import { callerOf, operation } from '../operation.ts';
import { readerOf } from '../reading.ts';
import { auditorsQuery, type ConditionsBody } from './conditions.ts';

export function searchRoute(server: FastifyInstance, { search, pseudonyms, authentication, onRecord }: AuditorTools): void {
  server.post<{ Body: ConditionsBody & { readonly limit?: number } }>('/v1/audit/search', {
    ...authentication('audit'),
    schema: operation({
      summary: 'Who read what',
      description:
        'By person, request, agency, supplier, officer, procedure, dossier, legal basis, registry, field, kind, outcome and time; newest first. The search and its reason are put on record first.',
      tag: 'Auditors',
      scope: 'audit',
      body: 'AuditSearch',
      reply: 'AuditPage',
      refusals: [400, 401, 403, 503],
    }),
    handler: async (request, reply) => {
      const { limit = 50, ...body } = request.body;
      const { query, recorded } = auditorsQuery(body, pseudonyms);
      await onRecord(callerOf(request), { ...readerOf(request, body), query: recorded });
      const found = await search.search({ ...query, limit: limit + 1 });
      const shown = found.slice(0, limit);
      // An entry is sent as the bytes that the tree holds.
      const entries = shown.map(({ index, body: entry }) => `{"index":${index},"entry":${entry}}`).join(',');
      const next = found.length > limit ? `,"next":"${shown.at(-1)?.index}"` : '';
      return reply.type('application/json').send(`{"entries":[${entries}]${next}}`);
    },
  });
}
