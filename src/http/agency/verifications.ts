/** `POST /v1/verifications`: whether what an agency has agrees with the registers, without a value leaving. */
import type { FastifyInstance } from 'fastify';
import type { Caller, Receipt, Scope, VerificationRequest } from '../../domain.ts';
import type { Admission } from '../admission.ts';
import { goneSignal } from '../deadline.ts';
import { callerOf, operation, type RouteAuthentication } from '../operation.ts';

export interface VerificationRoute {
  readonly admission: Admission;
  readonly authentication: (scope?: Scope) => RouteAuthentication;
  readonly verification: (
    caller: Caller,
    request: VerificationRequest,
    gone: AbortSignal,
  ) => Promise<{ verification: string; receipt: Receipt } | undefined>;
}

export function verificationRoute(server: FastifyInstance, { admission, authentication, verification }: VerificationRoute): void {
  server.post('/v1/verifications', {
    onRequest: [authentication('verify').onRequest, async () => admission.admit()],
    schema: operation({
      summary: 'Compare claims with the registers',
      description:
        'For whoever has a value already, or needs only a yes or no: `match`, `mismatch` or `unknown` for every claim, with the level at which names and dates agree. No value leaves. After several wrong claims about a person within a day nothing more is compared for the agency.',
      tag: 'Agencies',
      scope: 'verify',
      body: 'VerificationRequest',
      reply: 'VerificationReply',
      refusals: [400, 401, 403, 404, 413, 415, 429, 503],
    }),
    handler: async (request, reply) => {
      admission.admit();
      admission.enter();
      try {
        const done = await verification(callerOf(request), request.body as VerificationRequest, goneSignal(reply));
        if (done === undefined) return reply.hijack();
        return reply.type('application/json').send(`{"verification":${done.verification},"receipt":${JSON.stringify(done.receipt)}}`);
      } finally {
        admission.leave();
      }
    },
  });
}
