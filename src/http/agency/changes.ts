/** For owners of registries: which of their records changed, so that no gateway answers with the old ones. */
import type { FastifyInstance } from 'fastify';
import type { KeyKind } from '../../adapter.ts';
import type { Dropped } from '../../cache/cache.ts';
import type { RecordCache, RecordName } from '../../cache/records.ts';
import type { Catalogue } from '../../catalogue/load.ts';
import type { Scope, Source } from '../../domain.ts';
import { Problem, type RequestFault } from '../../problems.ts';
import { callerOf, operation, type RouteAuthentication } from '../operation.ts';

export interface ChangesTools {
  readonly catalogue: Catalogue;
  readonly authentication: (scope?: Scope) => RouteAuthentication;
  readonly drop: RecordCache['drop'];
}

/** A thousand changes of the longest names. */
const BODY_BYTES = 256 * 1024;
/** When a Redis that is away may be back. */
const AWAY_SECONDS = 10;
const MAX_FAULTS = 20;

interface ChangesRequest {
  readonly changes: readonly { readonly dataset: string; readonly kind: KeyKind; readonly key: string }[];
}

const OTHERS: Readonly<Record<Exclude<Dropped, 'refused'> | 'alone', string>> = { now: 'told', later: 'later', alone: 'none' };

export function changesRoute(server: FastifyInstance, { catalogue, authentication, drop }: ChangesTools): void {
  server.post<{ Params: { id: string } }>('/v1/sources/:id/changes', {
    ...authentication('changes'),
    bodyLimit: BODY_BYTES,
    schema: operation({
      summary: 'Tell which records of a registry changed',
      description:
        'For the owner of the registry. Copies of these records are dropped, here at once and in every other gateway within a second, and what is being asked for is not kept. Nobody is asked, and no record is read.',
      tag: 'Agencies',
      scope: 'changes',
      params: { id: { type: 'string', description: 'The registry, as `GET /v1/sources` names it.', examples: ['population'] } },
      body: 'ChangesRequest',
      reply: 'ChangesReply',
      refusals: [400, 401, 403, 404, 413, 415, 503],
    }),
    handler: async (request) => {
      const { id } = request.params;
      const source = catalogue.sources.get(id);
      // One answer for what is another's and for what is not there.
      if (source === undefined || !callerOf(request).agency.owns.has(id)) throw new Problem('unknown-source');
      const { changes } = request.body as ChangesRequest;
      const errors = changes.flatMap((change, i) => faultOf(change, source, catalogue, `/changes/${i}`) ?? []);
      if (errors.length > 0) throw new Problem('invalid-request', { errors: errors.slice(0, MAX_FAULTS) });
      const names = new Map(changes.map(({ dataset, kind, key }) => [`${dataset} ${key}`, { source: id, dataset, kind, key }]));
      const dropped = await drop([...names.values()] satisfies RecordName[]);
      request.log.info({ source: id, records: names.size, others: dropped }, 'changes told');
      if (dropped === 'refused')
        throw new Problem('overloaded', {
          retryAfterSeconds: AWAY_SECONDS,
          detail: 'the shared cache is away, and too many changes wait for it',
        });
      return { dropped: names.size, otherGateways: OTHERS[dropped] };
    },
  });
}

function faultOf(
  { dataset, kind, key }: ChangesRequest['changes'][number],
  source: Source,
  { schemas }: Catalogue,
  at: string,
): RequestFault | undefined {
  if (!Object.hasOwn(source.datasets, dataset)) return { pointer: `${at}/dataset`, detail: 'is no dataset of this registry' };
  if (schemas.datasets.get(dataset)?.key !== kind) return { pointer: `${at}/kind`, detail: 'is not what this dataset is looked up by' };
  if (kind === 'person' && !/^[0-9]{12}$/.test(key)) return { pointer: `${at}/key`, detail: 'must be twelve digits' };
  return undefined;
}
