/** `GET /v1/alerts`: where the gateway saw what honest work does not look like, for those who operate it. */
import type { FastifyPluginAsync } from 'fastify';
import type { AuditEntry } from '../../audit/entry.ts';
import type { Found, LogSearch } from '../../audit/search.ts';
import type { Scope } from '../../domain.ts';
import { callerOf, operation, type RouteAuthentication } from '../operation.ts';
import { type OnRecord, READER_HEADERS, readerOf } from '../reading.ts';

export interface AlertTools {
  readonly search: LogSearch;
  readonly onRecord: OnRecord;
  readonly authentication: (scope: Scope) => RouteAuthentication;
}

const QUERY = {
  type: 'object',
  additionalProperties: false,
  properties: {
    limit: { type: 'string', pattern: '^([1-9][0-9]?|[1-4][0-9]{2}|500)$', description: 'How many at most, to 500. 50 unless said.' },
    cursor: { type: 'string', pattern: '^(0|[1-9][0-9]{0,14})$', description: '`next` of the page before.' },
  },
};

export const alertRoutes =
  ({ search, onRecord, authentication }: AlertTools): FastifyPluginAsync =>
  async (server) => {
    server.get<{ Querystring: { readonly limit?: string; readonly cursor?: string } }>('/v1/alerts', {
      ...authentication('operate'),
      schema: operation({
        summary: 'Where misuse is suspected',
        description:
          'What honest work does not look like, newest first; persons by pseudonym alone. That it was looked at is put on record first.',
        tag: 'Operators',
        scope: 'operate',
        querystring: QUERY,
        headers: READER_HEADERS,
        reply: 'Alerts',
        refusals: [400, 401, 403, 503],
      }),
      handler: async (request) => {
        const { limit = '50', cursor } = request.query;
        await onRecord(callerOf(request), { ...readerOf(request), query: { view: 'alerts' } });
        const before = cursor === undefined ? {} : { before: Number(cursor) };
        const found = await search.search({ kind: 'alert', ...before, limit: Number(limit) + 1 });
        const shown = found.slice(0, Number(limit));
        return { alerts: shown.map(alertOf), ...(found.length > shown.length ? { next: String(shown.at(-1)?.index) } : {}) };
      },
    });
  };

function alertOf({ index, body }: Found): Record<string, unknown> {
  const { id, time, outcome, agency, officer, procedure, dossier, subjects, alert } = JSON.parse(body) as AuditEntry;
  return { index, id, time, rule: outcome, ...alert, agency, officer, procedure, dossier, subject: subjects?.subject };
}
