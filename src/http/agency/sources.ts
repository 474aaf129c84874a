/** The registries as developers and their owners may see them: how each stands just now, and its limits. No address, no secret. */
import type { FastifyInstance } from 'fastify';
import { coverageHere } from '../../catalogue/coverage.ts';
import type { Catalogue } from '../../catalogue/load.ts';
import { type Agency, type Clock, type CoverageScope, dayInVietnam, type Scope, type Source } from '../../domain.ts';
import type { Around } from '../../stages/around/around.ts';
import { callerOf, operation, type RouteAuthentication } from '../operation.ts';

export interface SourceTools {
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  readonly authentication: (scope?: Scope) => RouteAuthentication;
  /** By source. */
  readonly around: ReadonlyMap<string, Around>;
}

export function sourceRoute(server: FastifyInstance, { catalogue, clock, authentication, around }: SourceTools): void {
  server.get('/v1/sources', {
    ...authentication(),
    schema: operation({
      summary: 'The registries: how each stands, its limits, its maintenance',
      description: 'As this gateway sees them: where there are several, each has seen other requests. Cheap to ask, and asks no registry.',
      tag: 'Agencies',
      scope: 'any',
      reply: 'Sources',
      refusals: [401],
    }),
    handler: async (request) => {
      const place = { agency: callerOf(request).agency, today: dayInVietnam(clock()) };
      const { sources, coverage } = catalogue;
      return {
        sources: [...sources.values()].map((source) => describe(source, around.get(source.id), coverage.get(source.database), place)),
      };
    },
  });
}

function describe(
  { id, name, owner, database, legalBasis, timeoutMs, datasets }: Source,
  around: Around | undefined,
  coverage: readonly CoverageScope[] | undefined,
  { agency, today }: { readonly agency: Agency; readonly today: string },
): object {
  return {
    id,
    name,
    owner,
    database,
    legalBasis,
    ...(around && standing(around, agency.id)),
    timeoutMs,
    datasets: Object.entries(datasets).map(([dataset, { maxAgeSeconds, absentMaxAgeSeconds, staleSeconds = 0 }]) => ({
      dataset,
      maxAgeSeconds,
      absentMaxAgeSeconds: Math.min(maxAgeSeconds, absentMaxAgeSeconds),
      staleSeconds,
      coverage: coverageHere(coverage, dataset, agency.locality, today),
    })),
  };
}

/** Members that are undefined are not in the JSON. */
function standing(around: Around, agency: string): object {
  const { state, since, retryAfterSeconds, atOnce, waiting, recent, budget, nextMaintenance } = around.state(agency);
  const { seconds, asked, failed, retried, p50, p95, reasons } = recent;
  return {
    state,
    since: time(since),
    retryAfterSeconds,
    atOnce,
    waiting,
    recent: {
      seconds,
      asked,
      failed,
      failureRate: asked === 0 ? undefined : round(failed / asked),
      retried,
      p50Ms: p50,
      p95Ms: p95,
      reasons,
    },
    budget: budget.all && { ...budget.all, used: round(budget.all.used) },
    ownBudget: budget.own && { ...budget.own, used: round(budget.own.used) },
    nextMaintenance: nextMaintenance && { from: time(nextMaintenance.from), to: time(nextMaintenance.to) },
  };
}

const time = (milliseconds: number): string => new Date(milliseconds).toISOString();
const round = (share: number): number => Math.round(share * 1000) / 1000;
