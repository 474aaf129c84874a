/** `GET /v1/prefills/{id}`: what became of a prefill that was to be completed later. */
import type { FastifyInstance } from 'fastify';
import type { Caller, Scope } from '../../domain.ts';
import type { Completions } from '../../later/keeper.ts';
import { callerOf, operation, type RouteAuthentication } from '../operation.ts';

export interface CompletionTools {
  readonly authentication: (scope?: Scope) => RouteAuthentication;
  readonly completions: { fetch(caller: Caller, id: string): ReturnType<Completions['fetch']> };
}

export function completionRoute(server: FastifyInstance, { authentication, completions }: CompletionTools): void {
  server.get<{ Params: { id: string } }>('/v1/prefills/:id', {
    ...authentication('prefill'),
    schema: operation({
      summary: 'A prefill that was completed later',
      description:
        'The whole prefill, of one moment, once the registries that were away have answered; for the agency that asked alone. Each time it is fetched is on record.',
      tag: 'Agencies',
      scope: 'prefill',
      params: {
        id: {
          type: 'string',
          description: '`prefill.id` of the reply that says `completion`.',
          examples: ['3f0b6c1e-9d7a-4c52-8a35-6b1f0e2d4c79'],
        },
      },
      reply: 'CompletedReply',
      accepted: { description: 'Not yet: `Retry-After` says when it is next tried.', schema: 'CompletionPending' },
      refusals: [401, 403, 404, 410, 503],
    }),
    handler: async (request, reply) => {
      const found = await completions.fetch(callerOf(request), request.params.id);
      if ('prefill' in found)
        return reply.type('application/json').send(`{"prefill":${found.prefill},"receipt":${JSON.stringify(found.receipt)}}`);
      const { retryAfterSeconds, ...state } = found;
      return reply
        .code(202)
        .header('retry-after', retryAfterSeconds)
        .send({ state: 'pending', ...state });
    },
  });
}
