/** `GET /v1/audit/summary`: how much was asked, day by day, of nobody in particular. */
import type { FastifyInstance } from 'fastify';
import { type DayTally, MAX_TALLIES, type SummaryQuery } from '../../audit/search.ts';
import { Problem } from '../../problems.ts';
import type { AuditorTools } from '../auditor.ts';
import { callerOf, operation } from '../operation.ts';
import { READER_HEADERS, REASON_IN_QUERY, readerOf } from '../reading.ts';

const MAX_DAYS = 400;
const DAY_MS = 86_400_000;

const day = (description: string, example: string): object => ({
  type: 'string',
  format: 'date',
  pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}$',
  description,
  examples: [example],
});

const QUERY = {
  type: 'object',
  additionalProperties: false,
  required: ['from', 'to'],
  properties: {
    from: day('First day, in Viet Nam.', '2026-11-22'),
    to: day(`Last day, in Viet Nam; at most ${MAX_DAYS} days from the first.`, '2026-11-23'),
    by: {
      enum: ['agency', 'procedure', 'agency,procedure', 'procedure,agency'],
      description: 'What each day is divided by: `agency`, `procedure`, or both with a comma between.',
    },
    reason: REASON_IN_QUERY,
  },
};

interface Asked {
  readonly from: string;
  readonly to: string;
  readonly by?: string;
  readonly reason?: string;
}

export function summaryRoute(server: FastifyInstance, { search, authentication, onRecord }: AuditorTools): void {
  server.get<{ Querystring: Asked }>('/v1/audit/summary', {
    ...authentication('audit'),
    schema: operation({
      summary: 'How much was asked, day by day',
      description:
        'Counts per day, and per agency or procedure: requests by outcome, look-ups by registry and result, values that left and those that did not by status, conflicts, papers by verdict. That it was read is put on record first.',
      tag: 'Auditors',
      scope: 'audit',
      querystring: QUERY,
      headers: READER_HEADERS,
      reply: 'AuditSummary',
      refusals: [400, 401, 403, 503],
    }),
    handler: async (request) => {
      const { from, to, by, reason } = request.query;
      if (to < from || (Date.parse(to) - Date.parse(from)) / DAY_MS >= MAX_DAYS)
        throw new Problem('invalid-request', { errors: [{ pointer: '/to', detail: `must be one of the ${MAX_DAYS} days from /from on` }] });
      const query = { from, to, ...(by === undefined ? {} : { by }) };
      const reader = readerOf(request, reason === undefined ? {} : { reason });
      await onRecord(callerOf(request), { ...reader, query: { view: 'summary', ...query } });
      const dimensions = (by?.split(',') ?? []) as SummaryQuery['by'];
      return { from, to, by: dimensions, tallies: await counted(() => search.summary({ from, to, by: dimensions })) };
    },
  });
}

async function counted(count: () => Promise<DayTally[]>): Promise<DayTally[]> {
  try {
    return await count();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const detail = `more than ${MAX_TALLIES.toLocaleString('en')} rows: ask for fewer days, or divide them by less`;
    throw new Problem('invalid-request', { detail, cause: error });
  }
}
