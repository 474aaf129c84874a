/** For agency back-ends and their developers: prefills, procedures, sources. */
import type { FastifyPluginAsync } from 'fastify';
import type { Catalogue } from '../catalogue/load.ts';
import type { Clock, PrefillRequest, Scope } from '../domain.ts';
import type { Admission } from './admission.ts';
import { type BatchTools, batchRoute } from './agency/batch.ts';
import { type ChangesTools, changesRoute } from './agency/changes.ts';
import { type CompletionTools, completionRoute } from './agency/completions.ts';
import { type CorrectionTools, correctionRoutes } from './agency/corrections.ts';
import { formRoute } from './agency/forms.ts';
import { placeRoutes } from './agency/places.ts';
import { type Exchange, spliced } from './agency/prefilled.ts';
import { procedureRoutes } from './agency/procedures.ts';
import { type SimulationTools, simulationRoute } from './agency/simulation.ts';
import { type SourceTools, sourceRoute } from './agency/sources.ts';
import { type VerificationRoute, verificationRoute } from './agency/verifications.ts';
import { goneSignal } from './deadline.ts';
import { callerOf, operation, type RouteAuthentication } from './operation.ts';

export interface AgencyTools
  extends SimulationTools,
    SourceTools,
    VerificationRoute,
    CompletionTools,
    CorrectionTools,
    BatchTools,
    ChangesTools {
  readonly catalogue: Catalogue;
  readonly admission: Admission;
  readonly clock: Clock;
  readonly authentication: (scope?: Scope) => RouteAuthentication;
  readonly exchange: Exchange;
}

export const agencyRoutes = (tools: AgencyTools): FastifyPluginAsync => {
  const { authentication, exchange, admission } = tools;
  return async (server) => {
    server.post('/v1/prefills', {
      // Once it is known who asks, and before the body is read: a refusal is to cost as little as it can.
      onRequest: [authentication('prefill').onRequest, async () => admission.admit()],
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
        admission.admit();
        admission.enter();
        try {
          const done = await exchange(callerOf(request), request.body as PrefillRequest, goneSignal(reply));
          if (done === undefined) return reply.hijack();
          return reply.type('application/json').send(`{${spliced(done)}}`);
        } finally {
          admission.leave();
        }
      },
    });

    completionRoute(server, tools);
    verificationRoute(server, tools);
    correctionRoutes(server, tools);
    simulationRoute(server, tools);
    procedureRoutes(server, tools);
    formRoute(server, tools);
    sourceRoute(server, tools);
    await server.register((own) => batchRoute(own, tools));
    placeRoutes(server, tools);
    changesRoute(server, tools);
  };
};
