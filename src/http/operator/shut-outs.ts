/** `/v1/shut-outs`: for the operator, whom nobody serves any more from the next second on, and who is let in again. */
import type { FastifyPluginAsync } from 'fastify';
import { namesOf } from '../../access/kept-out.ts';
import type { Acting, ShutOutDesk } from '../../access/shut-out-desk.ts';
import { holds, type ShutOut } from '../../access/shut-outs.ts';
import type { Caller, Clock, Scope } from '../../domain.ts';
import { Problem } from '../../problems.ts';
import { checkStanding, type Standing } from '../../stages/authenticate.ts';
import { callerOf, operation, type RouteAuthentication } from '../operation.ts';
import { putOnRecord, type ReadingTools } from '../reading.ts';
import { checkSigned, type Known, type ShutOutBody, wantedOf } from './wanted.ts';

export interface ShutOutRoutesTools extends ReadingTools {
  readonly desk: ShutOutDesk;
  readonly known: Known;
  readonly standing: Standing;
  readonly clock: Clock;
  readonly authentication: (scope: Scope) => RouteAuthentication;
}

const MOST = 1000;
const PARAMS = {
  id: { type: 'string', description: '`id` of the shut-out.', examples: ['3f0b6c1e-9d7a-4c52-8a35-6b1f0e2d4c79'] },
};
const QUERY = {
  type: 'object',
  additionalProperties: false,
  properties: { all: { enum: ['true', 'false'], description: '`true`: those that are over and those that were lifted too.' } },
};

export const shutOutRoutes =
  (tools: ShutOutRoutesTools): FastifyPluginAsync =>
  async (server) => {
    const { desk, known, standing, clock, authentication } = tools;
    const show = (shutOut: ShutOut): object => viewOf(shutOut, clock());
    /** An official who is stopped shuts nobody out, and lets nobody in. */
    const checkDoer = async (caller: Caller, officer: string): Promise<void> => {
      try {
        checkStanding(standing, caller, officer);
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        await putOnRecord(tools, { kind: 'refusal', agency: caller.agency.id, client: caller.client, officer, outcome: error.code });
        throw error;
      }
    };

    server.post<{ Body: ShutOutBody }>('/v1/shut-outs', {
      ...authentication('operate'),
      schema: operation({
        summary: 'Keep somebody out',
        description:
          'An agency, a supplier, a key of theirs, a token or an official; an official may be slowed instead. On record first, and within a second it holds at every gateway. The same again, while it holds, is answered with the first. Nobody shuts out the agency or the key it calls with.',
        tag: 'Operators',
        scope: 'operate',
        body: 'ShutOutRequest',
        reply: 'ShutOutReply',
        refusals: [400, 401, 403, 413, 415, 429, 503],
      }),
      handler: async (request) => {
        const caller = callerOf(request);
        const wanted = wantedOf(request.body, caller, known, clock());
        const { officer } = request.body;
        await checkDoer(caller, officer);
        return { shutOut: show(await desk.shutOut(wanted, acting(caller, officer))) };
      },
    });

    server.get<{ Querystring: { all?: 'true' | 'false' } }>('/v1/shut-outs', {
      ...authentication('operate'),
      schema: operation({
        summary: 'Who is kept out',
        description: `The newest first, at most ${MOST}.`,
        tag: 'Operators',
        scope: 'operate',
        querystring: QUERY,
        reply: 'ShutOuts',
        refusals: [400, 401, 403],
      }),
      handler: async (request) => ({
        shutOuts: desk
          .list(request.query.all === 'true')
          .slice(0, MOST)
          .map(show),
      }),
    });

    server.post<{ Params: { id: string }; Body: Pick<ShutOutBody, 'reason' | 'officer'> }>('/v1/shut-outs/:id/lift', {
      ...authentication('operate'),
      schema: operation({
        summary: 'Let somebody in again',
        description: 'On record first. One that is over or was lifted already is answered as it is. Another that keeps out the same stays.',
        tag: 'Operators',
        scope: 'operate',
        params: PARAMS,
        body: 'ShutOutLift',
        reply: 'ShutOutLifted',
        refusals: [400, 401, 403, 404, 413, 415, 503],
      }),
      handler: async (request) => {
        const caller = callerOf(request);
        const { reason, officer } = request.body;
        checkSigned(request.body, caller);
        await checkDoer(caller, officer);
        return { shutOut: show(await desk.letIn(request.params.id, reason, acting(caller, officer))) };
      },
    });
  };

const acting = (caller: Caller, officer: string): Acting => ({
  agency: caller.agency.id,
  client: caller.client,
  officer,
  names: namesOf(caller),
});

const time = (at: number): string => new Date(at).toISOString();

function viewOf(shutOut: ShutOut, now: number): object {
  const { from, until, lifted, ...rest } = shutOut;
  return {
    ...rest,
    from: time(from),
    ...(until === undefined ? {} : { until: time(until) }),
    holds: holds(shutOut, now),
    ...(lifted === undefined ? {} : { lifted: { ...lifted, at: time(lifted.at) } }),
  };
}
