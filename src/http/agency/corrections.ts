/** Wrong values: an agency reports one, the register's owner answers, and both see how it stands. */
import type { FastifyInstance } from 'fastify';
import type { CorrectionDesk } from '../../corrections/desk.ts';
import type { Corrected } from '../../corrections/report.ts';
import type { TicketState } from '../../corrections/store.ts';
import type { CorrectionAnswer, CorrectionRequest } from '../../corrections/wrong.ts';
import type { Caller, Scope } from '../../domain.ts';
import { goneSignal } from '../deadline.ts';
import { callerOf, operation, type RouteAuthentication } from '../operation.ts';

export interface CorrectionTools {
  readonly authentication: (scope?: Scope) => RouteAuthentication;
  readonly corrections: CorrectionDesk & {
    report(caller: Caller, request: CorrectionRequest, gone: AbortSignal): Promise<Corrected | undefined>;
  };
}

const PARAMS = {
  id: { type: 'string', description: '`correction.id` of the report.', examples: ['3f0b6c1e-9d7a-4c52-8a35-6b1f0e2d4c79'] },
};
const QUERY = {
  type: 'object',
  additionalProperties: false,
  required: ['source'],
  properties: {
    source: {
      type: 'string',
      pattern: '^[a-z][a-z0-9-]*$',
      maxLength: 60,
      description: 'A register of the caller.',
      examples: ['population'],
    },
    state: {
      enum: ['reported', 'unanswered', 'answered', 'withdrawn'],
      description: 'How they stand; `reported` unless said.',
    },
  },
};

export function correctionRoutes(server: FastifyInstance, { authentication, corrections }: CorrectionTools): void {
  server.post('/v1/corrections', {
    ...authentication('correct'),
    schema: operation({
      summary: 'Report that a register has a value wrong',
      description:
        'Under the grant for prefills that holds the field. The report goes to the owner of the register; until it is answered, for some days at most, every answer that rests on the value says `under-review`. A second report of the agency about the same value of the same record is answered with the first. `owner` is `none` where nobody answers for the register here: then write to its owner.',
      tag: 'Agencies',
      scope: 'correct',
      body: 'CorrectionRequest',
      reply: 'CorrectionReply',
      refusals: [400, 401, 403, 404, 413, 415, 422, 429, 503],
    }),
    handler: async (request, reply) => {
      const done = await corrections.report(callerOf(request), request.body as CorrectionRequest, goneSignal(reply));
      if (done === undefined) return reply.hijack();
      return reply.type('application/json').send(`{"correction":${done.correction},"receipt":${JSON.stringify(done.receipt)}}`);
    },
  });

  server.get<{ Querystring: { source: string; state?: TicketState } }>('/v1/corrections', {
    ...authentication('changes'),
    schema: operation({
      summary: 'The reports about a register',
      description: 'For its owner: at most 200, the oldest first, of nobody in particular.',
      tag: 'Agencies',
      scope: 'changes',
      querystring: QUERY,
      reply: 'Corrections',
      refusals: [400, 401, 403, 404, 503],
    }),
    handler: async (request) => {
      const { source, state = 'reported' } = request.query;
      return { corrections: await corrections.list(callerOf(request), source, state) };
    },
  });

  server.get<{ Params: { id: string } }>('/v1/corrections/:id', {
    ...authentication(),
    schema: operation({
      summary: 'How a report stands',
      description:
        'For the agency that made it (scope `correct`): nothing of a person. For the owner of the register (scope `changes`), while it is not closed: with the record that it is about and what was said of it; each time on record.',
      tag: 'Agencies',
      scope: 'any',
      params: PARAMS,
      reply: 'CorrectionShown',
      refusals: [401, 404, 503],
    }),
    handler: async (request) => ({ correction: await corrections.show(callerOf(request), request.params.id) }),
  });

  server.post<{ Params: { id: string } }>('/v1/corrections/:id/answer', {
    ...authentication('changes'),
    schema: operation({
      summary: 'Answer a report',
      description:
        'For the owner of the register, also when its time is over. The value is not under review any more, and the agency hears of it. Answer `corrected` once the register gives the new value. The same answer again changes nothing.',
      tag: 'Agencies',
      scope: 'changes',
      params: PARAMS,
      body: 'CorrectionAnswer',
      reply: 'CorrectionAnswered',
      refusals: [400, 401, 403, 404, 409, 413, 415, 503],
    }),
    handler: async (request) => ({
      correction: await corrections.answer(callerOf(request), request.params.id, request.body as CorrectionAnswer),
    }),
  });

  server.post<{ Params: { id: string } }>('/v1/corrections/:id/withdraw', {
    ...authentication('correct'),
    schema: operation({
      summary: 'Withdraw a report',
      description: 'For the agency that made it, as long as it is not answered.',
      tag: 'Agencies',
      scope: 'correct',
      params: PARAMS,
      reply: 'CorrectionWithdrawn',
      refusals: [401, 403, 404, 409, 503],
    }),
    handler: async (request) => ({ correction: await corrections.withdraw(callerOf(request), request.params.id) }),
  });
}
