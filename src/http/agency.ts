/** For agency back-ends and their developers: prefills, procedures, sources. */
import type { FastifyPluginAsync } from 'fastify';
import type { Catalogue } from '../catalogue/load.ts';
import type { Caller, Clock, PrefillRequest, Scope } from '../domain.ts';
import { Problem } from '../problems.ts';
import type { Admission } from './admission.ts';
import { formRoute } from './agency/forms.ts';
import { procedureRoutes } from './agency/procedures.ts';
import { type SourceTools, sourceRoute } from './agency/sources.ts';
import { goneSignal } from './deadline.ts';
import { callerOf, operation, type RouteAuthentication } from './operation.ts';

export interface AgencyTools extends SourceTools {
  readonly catalogue: Catalogue;
  readonly admission: Admission;
  readonly clock: Clock;
  readonly authentication: (scope?: Scope) => RouteAuthentication;
  readonly exchange: (
    caller: Caller,
    request: PrefillRequest,
    gone: AbortSignal,
  ) => Promise<{ prefill: string; receipt: object } | undefined>;
}

export const agencyRoutes = (tools: AgencyTools): FastifyPluginAsync => {
  const { authentication, exchange, admission } = tools;
  return async (server) => {
    server.post('/v1/prefills', {
      // Once it is known who asks, and before the body is read: a refusal is to cost as little as it can.
      onRequest: [authentication('prefill').onRequest, async () => refuse(admission)],
      schema: operation({
        summary: 'Fill a form and judge a dossier',
        description:
          'One call with a procedure, a dossier and a person; one answer with the form filled, a verdict for every paper, where each value came from, and a receipt. Answers 200 even when every registry is away: the verdicts then say `ask`.',
        tag: 'Agencies',
        scope: 'prefill',
        body: 'PrefillRequest',
        reply: 'PrefillReply',
        refusals: [400, 401, 403, 404, 413, 415, 503],
      }),
      handler: async (request, reply) => {
        // Many may have come while the body did.
        refuse(admission);
        admission.enter();
        try {
          const done = await exchange(callerOf(request), request.body as PrefillRequest, goneSignal(reply));
          if (done === undefined) return reply.hijack();
          // The prefill is sent as the bytes that were hashed: canonical JSON, spliced in and not made again.
          return reply.type('application/json').send(`{"prefill":${done.prefill},"receipt":${JSON.stringify(done.receipt)}}`);
        } finally {
          admission.leave();
        }
      },
    });

    procedureRoutes(server, tools);
    formRoute(server, tools);
    sourceRoute(server, tools);
  };
};

/** Throws where a request would not be answered in time. */
function refuse(admission: Admission): void {
  const retryAfterSeconds = admission.wait();
  if (retryAfterSeconds !== undefined) throw new Problem('overloaded', { retryAfterSeconds });
}
