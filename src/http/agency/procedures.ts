/** What can be asked: every procedure with a form or with a row in an annex, searched, and one by its code. */
import type { FastifyInstance } from 'fastify';
import { agencyShownTo } from '../../access/mandates.ts';
import type { Catalogue } from '../../catalogue/load.ts';
import { type Caller, type Clock, dayInVietnam, inForce, type Procedure, type Scope } from '../../domain.ts';
import { Problem } from '../../problems.ts';
import { successorOf } from '../../stages/version.ts';
import { callerOf, operation, type RouteAuthentication } from '../operation.ts';
import { describeLaw, type Here } from './legal-view.ts';
import { PROCEDURE_QUERY, type ProcedureQuery, readQuery } from './procedure-query.ts';
import { procedureIndex } from './procedure-search.ts';
import { describeProcedure, grantsOf, summarise } from './procedure-view.ts';

export interface ProcedureTools {
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  readonly authentication: (scope?: Scope) => RouteAuthentication;
}

export function procedureRoutes(server: FastifyInstance, { catalogue, clock, authentication }: ProcedureTools): void {
  const search = procedureIndex(catalogue);
  const here = (caller: Caller): Here => {
    const today = dayInVietnam(clock());
    return { catalogue, agency: agencyShownTo(caller, today), today };
  };
  const current = (code: string, today: string): Procedure | undefined =>
    catalogue.procedures.get(code)?.find((version) => inForce(version, today));

  server.get<{ Querystring: ProcedureQuery }>('/v1/procedures', {
    ...authentication(),
    schema: operation({
      summary: 'What can be asked',
      description:
        'By code, or by words of the name with or without diacritics: the best first, exact spelling before any other. Without `search` in the order of their codes. Every condition that is given must hold.',
      tag: 'Agencies',
      scope: 'any',
      querystring: PROCEDURE_QUERY,
      reply: 'Procedures',
      refusals: [400, 401],
    }),
    handler: async (request) => {
      const { conditions, limit, offset, text } = readQuery(request.query);
      const place = here(callerOf(request));
      const found = search(text)
        .flatMap((code) => current(code, place.today) ?? [])
        .map((procedure) => summarise(procedure, place))
        .filter((summary) => conditions.every((holds) => holds(summary)));
      const next = offset + limit < found.length ? { next: offset + limit } : {};
      return { procedures: found.slice(offset, offset + limit), total: found.length, ...next };
    },
  });

  server.get<{ Params: { code: string } }>('/v1/procedures/:code', {
    ...authentication(),
    schema: operation({
      summary: 'One procedure: form, papers, registries, legal basis, and what this caller is granted',
      description:
        'Where only an annex of a resolution is known of it, it has no form and no fields. `law` holds every record of the annexes on it: which paper may not be asked for, which database replaces it, and whether this gateway can fetch that today for this agency.',
      tag: 'Agencies',
      scope: 'any',
      params: { code: { type: 'string', description: 'National code of the procedure.', examples: ['1.004222'] } },
      reply: 'Procedure',
      refusals: [401, 404],
    }),
    handler: async (request) => {
      const { code } = request.params;
      const place = here(callerOf(request));
      const procedure = current(code, place.today);
      if (procedure === undefined) throw new Problem('unknown-procedure', hintOf(code, catalogue));
      return { ...describeProcedure(procedure, grantsOf(place, code), catalogue), law: describeLaw(procedure, place) };
    },
  });
}

/** A spreadsheet drops zeros at the end of a code and may write its point as a comma. Which procedure is meant is said, and never assumed. */
function hintOf(code: string, { procedures, successors }: Catalogue): { detail?: string } {
  if (!/^[1-3][.,][0-9]{1,6}$/.test(code)) return {};
  if (successors.has(code)) return successorOf(code, successors);
  const meant = code.replace(',', '.').padEnd(8, '0');
  return meant !== code && procedures.has(meant) ? { detail: `a code has a point and six digits after it; there is ${meant}` } : {};
}
