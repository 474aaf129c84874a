/** `GET /v1/audit/grants`: what was granted and how it was used, so that what nobody needs can be taken back. */
import type { FastifyInstance } from 'fastify';
import { Problem } from '../../problems.ts';
import type { AuditorTools } from '../auditor.ts';
import { callerOf, operation } from '../operation.ts';
import { READER_HEADERS, REASON_IN_QUERY, readerOf } from '../reading.ts';
import { grantsOf, suppliersOf } from './granted.ts';

/** Agencies of one page: a page is bounded however many there are. */
const AGENCIES = 20;
const MAX_MONTHS = 60;

const month = (description: string, example: string): object => ({
  type: 'string',
  pattern: '^[0-9]{4}-(0[1-9]|1[0-2])$',
  description,
  examples: [example],
});
const agency = (description: string): object => ({
  type: 'string',
  pattern: '^[A-Y][0-9]{2}(\\.[0-9A-Z]{1,8})*$',
  maxLength: 35,
  description,
});

const QUERY = {
  type: 'object',
  additionalProperties: false,
  required: ['from', 'to'],
  properties: {
    from: month('First month, in Viet Nam.', '2026-11'),
    to: month(`Last month, in Viet Nam; at most ${MAX_MONTHS} months from the first.`, '2026-11'),
    agency: agency('Of one agency alone.'),
    cursor: agency('`next` of the page before.'),
    reason: REASON_IN_QUERY,
  },
};

interface Asked {
  readonly from: string;
  readonly to: string;
  readonly agency?: string;
  readonly cursor?: string;
  readonly reason?: string;
}

export function grantsRoute(server: FastifyInstance, { search, catalogue, authentication, onRecord }: AuditorTools): void {
  server.get<{ Querystring: Asked }>('/v1/audit/grants', {
    ...authentication('audit'),
    schema: operation({
      summary: 'What was granted and never used',
      description: `Each grant of the catalogue that held at some time in these months, ${AGENCIES} agencies a page: how often it was used, when last, by how many officers, and which of its fields and papers nobody was ever given. What suppliers may do for agencies, the same. What the catalogue no longer has and the log shows is \`gone\`. That it was read is put on record first.`,
      tag: 'Auditors',
      scope: 'audit',
      querystring: QUERY,
      headers: READER_HEADERS,
      reply: 'AuditGrants',
      refusals: [400, 401, 403, 503],
    }),
    handler: async (request) => {
      const { reason, ...query } = request.query;
      const { from, to, agency: only, cursor = '' } = query;
      if (to < from || monthsBetween(from, to) >= MAX_MONTHS)
        throw new Problem('invalid-request', {
          errors: [{ pointer: '/to', detail: `must be one of the ${MAX_MONTHS} months from /from on` }],
        });
      const reader = readerOf(request, reason === undefined ? {} : { reason });
      await onRecord(callerOf(request), { ...reader, query: { view: 'grants', ...query } });
      const known = only === undefined ? [...catalogue.agencies.keys(), ...(await search.users())] : [only];
      const rest = [...new Set(known)].filter((id) => id > cursor).sort();
      const agencies = rest.slice(0, AGENCIES);
      const uses = await search.uses({ from, to, agencies });
      const period = { from, to };
      return {
        ...period,
        grants: agencies.flatMap((id) => grantsOf(id, usedBy(uses, id), period, catalogue)),
        suppliers: agencies.flatMap((id) => suppliersOf(id, usedBy(uses, id), period, catalogue)),
        ...(rest.length > AGENCIES ? { next: agencies.at(-1) } : {}),
      };
    },
  });
}

const usedBy = <T extends { readonly agency: string }>(uses: readonly T[], id: string): T[] => uses.filter(({ agency: one }) => one === id);

const monthsBetween = (from: string, to: string): number =>
  (Number(to.slice(0, 4)) - Number(from.slice(0, 4))) * 12 + Number(to.slice(5)) - Number(from.slice(5));
