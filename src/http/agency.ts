/** For agency back-ends and their developers: prefills, procedures, sources. */
import type { FastifyPluginAsync } from 'fastify';
import type { Catalogue } from '../catalogue/load.ts';
import {
  type Caller,
  type Clock,
  dayInVietnam,
  type Grant,
  inForce,
  type PrefillRequest,
  type Procedure,
  type Provision,
  type Scope,
} from '../domain.ts';
import { Problem } from '../problems.ts';
import type { Admission } from './admission.ts';
import { type BatchTools, batchRoute } from './agency/batch.ts';
import { type CompletionTools, completionRoute } from './agency/completions.ts';
import { type CorrectionTools, correctionRoutes } from './agency/corrections.ts';
import { type Exchange, spliced } from './agency/prefilled.ts';
import { type SourceTools, sourceRoute } from './agency/sources.ts';
import { type VerificationRoute, verificationRoute } from './agency/verifications.ts';
import { goneSignal } from './deadline.ts';
import { callerOf, operation, type RouteAuthentication } from './operation.ts';

export interface AgencyTools extends SourceTools, VerificationRoute, CompletionTools, CorrectionTools, BatchTools {
  readonly catalogue: Catalogue;
  readonly admission: Admission;
  readonly clock: Clock;
  readonly authentication: (scope?: Scope) => RouteAuthentication;
  readonly exchange: Exchange;
}

export const agencyRoutes = (tools: AgencyTools): FastifyPluginAsync => {
  const { catalogue, clock, authentication, exchange, admission } = tools;
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

    server.get('/v1/procedures', {
      ...authentication(),
      schema: operation({ summary: 'What can be asked', tag: 'Agencies', scope: 'any', reply: 'Procedures', refusals: [401] }),
      handler: async (request) => {
        const today = dayInVietnam(clock());
        const inForceToday = [...catalogue.procedures.values()].flatMap((versions) => versions.find((one) => inForce(one, today)) ?? []);
        const procedures = inForceToday
          .sort((a, b) => (a.code < b.code ? -1 : 1))
          .map(({ code, name, validFrom, validTo }) => ({
            code,
            name,
            validFrom,
            validTo,
            granted: grantOf(callerOf(request), code, today) !== undefined,
          }));
        return { procedures };
      },
    });

    server.get<{ Params: { code: string } }>('/v1/procedures/:code', {
      ...authentication(),
      schema: operation({
        summary: 'One procedure: form, papers, registries, legal basis, and what this caller is granted',
        tag: 'Agencies',
        scope: 'any',
        params: { code: { type: 'string', description: 'National code of the procedure.', examples: ['1.004222'] } },
        reply: 'Procedure',
        refusals: [401, 404],
      }),
      handler: async (request) => {
        const today = dayInVietnam(clock());
        const procedure = catalogue.procedures.get(request.params.code)?.find((one) => inForce(one, today));
        if (procedure === undefined) throw new Problem('unknown-procedure');
        return describe(procedure, grantOf(callerOf(request), procedure.code, today));
      },
    });

    verificationRoute(server, tools);
    correctionRoutes(server, tools);
    sourceRoute(server, tools);
    await server.register((own) => batchRoute(own, tools));
  };
};

const grantOf = (caller: Caller, procedure: string, today: string): Grant | undefined =>
  caller.agency.grants.find((grant) => grant.procedure === procedure && inForce(grant, today));

const cite = ({ ref, citation, validFrom, validTo }: Provision): object => ({ ref, citation, validFrom, validTo });

function describe(procedure: Procedure, grant: Grant | undefined): object {
  const { code, name, sector, agency, form, validFrom, validTo, legalBasis, factSources, roles, lookUps, fields, components } = procedure;
  return {
    code,
    name,
    sector,
    agency,
    form,
    validFrom,
    validTo,
    legalBasis: legalBasis.map(cite),
    factSources,
    roles: [...roles.values()].map((role) => ({
      role: role.name,
      name: role.label,
      kind: role.kind,
      given: role.name === 'subject' ? 'required' : role.given,
    })),
    fields: fields.map(({ at, name: label, type, required, editable, from, prevails, note }) => ({
      at,
      name: label,
      type,
      required,
      editable,
      from: from.flatMap(({ lookUp }) => lookUps[lookUp] ?? []).map(({ source, dataset, role }) => ({ source, dataset, role })),
      prevails: prevails?.citation,
      granted: grant !== undefined && (grant.fields === 'all' || grant.fields.has(at)),
      note,
    })),
    components: components.map(({ id, name: label, condition, confidence, kept, replacedBy, note }) => ({
      id,
      name: label,
      condition,
      confidence,
      kept,
      replacedUnder: replacedBy.map(({ provision }) => provision.citation),
      granted: grant !== undefined && (grant.components === 'all' || grant.components.has(id)),
      note,
    })),
    grant: grant && { id: grant.id, validFrom: grant.validFrom, validTo: grant.validTo, legalBasis: grant.legalBasis.map(cite) },
  };
}
