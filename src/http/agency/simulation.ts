/** `POST /v1/authorisations/simulate`: what a call would get and which rule decides it; for developers, and for whoever plans what ends when. */
import type { FastifyInstance } from 'fastify';
import { dayInVietnam, inForce, type Procedure, type Scope } from '../../domain.ts';
import type { AuthoriseTools } from '../../stages/authorise.ts';
import { type SimulatedField, type SimulatedPaper, type SimulationRequest, simulate } from '../../stages/simulate.ts';
import { callerOf, operation, type RouteAuthentication } from '../operation.ts';
import { problemDocument } from '../problem.ts';
import { cite, describeGrant } from './procedure-view.ts';

export interface SimulationTools {
  readonly authentication: (scope?: Scope) => RouteAuthentication;
  readonly rules: AuthoriseTools;
}

export function simulationRoute(server: FastifyInstance, { authentication, rules }: SimulationTools): void {
  server.post('/v1/authorisations/simulate', {
    ...authentication('prefill'),
    schema: operation({
      summary: 'What a call would get, and which rule decides it',
      description:
        'By the rules of a prefill, today or on another day: whether it would be let through, under which grant and law, what would become of each field and paper, and which registries would be asked at most. Takes nobody’s number, asks no registry, and leaves nothing in the log.',
      tag: 'Agencies',
      scope: 'prefill',
      body: 'SimulationRequest',
      reply: 'SimulationReply',
      refusals: [400, 401, 403, 413, 415],
    }),
    handler: async (request) => {
      const body = request.body as SimulationRequest;
      const on = body.on ?? dayInVietnam(rules.clock());
      const found = simulate(callerOf(request), body, rules, on);
      const { catalogue } = rules;
      if ('refusal' in found) {
        const { refusal, held, procedure } = found;
        const said = { refusal: problemDocument(refusal), held: held.map((grant) => describeGrant(grant, catalogue)) };
        return { simulation: { on, allowed: false, ...said, procedure: procedure && versionOf(procedure) } };
      }
      const { procedure, grant, fields, components, sources } = found;
      return {
        simulation: {
          on,
          allowed: true,
          procedure: versionOf(procedure),
          grant: describeGrant(grant, catalogue),
          fields: fields.map((one) => fieldView(one, grant.id)),
          components: components.map((one) => paperView(one, grant.id, on)),
          sources,
        },
      };
    },
  });
}

const versionOf = ({ code, name, validFrom, validTo }: Procedure): object => ({ code, name, validFrom, validTo });

/** The grant decides what may be told; what is not asked for, or what nobody holds, needs none. */
const DECIDED_BY_GRANT = new Set(['granted', 'outside-grant']);

const fieldView = ({ field, would, reason, from, withoutRole }: SimulatedField, grant: string): object => ({
  at: field.at,
  name: field.name,
  would,
  reason,
  grant: DECIDED_BY_GRANT.has(reason) ? grant : undefined,
  from: from.length > 0 ? from.map(({ source, dataset, role }) => ({ source, dataset, role })) : undefined,
  withoutRole: withoutRole.length > 0 ? withoutRole : undefined,
});

const paperView = ({ component, would, reason }: SimulatedPaper, grant: string, on: string): object => ({
  id: component.id,
  name: component.name,
  would,
  reason,
  grant: DECIDED_BY_GRANT.has(reason) ? grant : undefined,
  replacedUnder:
    component.replacedBy.length > 0
      ? component.replacedBy.map(({ provision }) => ({ ...cite(provision), inForce: inForce(provision, on) }))
      : undefined,
});
