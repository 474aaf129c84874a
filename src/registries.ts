/** The registries, each with its checks and its protection around it and the cache before it. */
import type { FastifyBaseLogger } from 'fastify';
import type { AdapterFactory, SourceError } from './adapter.ts';
import { openCache } from './cache/open.ts';
import { longestKept } from './cache/ring.ts';
import type { Catalogue } from './catalogue/load.ts';
import type { GatewayOptions } from './environment.ts';
import type { GatewayKeys } from './keys.ts';
import type { Share } from './misuse/bucket.ts';
import { plugSources } from './plug.ts';
import { whereItArose } from './problems.ts';
import { type Around, around } from './stages/around/around.ts';
import type { Changed } from './stages/around/circuit.ts';
import { askSource } from './stages/ask.ts';
import type { ResolveTools } from './stages/resolve.ts';
import { UnderWay } from './stages/under-way.ts';

/** What resolving takes, and what stands around each source. */
export type Registries = ResolveTools & { readonly around: ReadonlyMap<string, Around> };

/** What is opened is put on the stack. */
export async function openRegistries(
  { environment, sandbox, logger, clock = Date.now, random = Math.random }: GatewayOptions,
  { sources, schemas, gateway }: Catalogue,
  keys: GatewayKeys,
  adapters: Readonly<Record<string, AdapterFactory>>,
  share: Share | undefined,
  opened: AsyncDisposableStack,
): Promise<Registries> {
  const plugged = plugSources(sources, adapters, { sandbox, secret: environment.secret });
  for (const { adapter } of plugged.values()) opened.defer(() => adapter.close());
  const { cache, close } = openCache({
    limitBytes: gateway.cacheBytes,
    redisUrl: environment.redisUrl,
    redisCa: environment.redisCa,
    keys: keys.cache,
    keptSeconds: longestKept(sources),
    clock,
    report: (state) => logger.warn({ redis: state }, 'shared cache'),
  });
  opened.defer(close);
  const validators = new Map([...schemas.datasets].map(([name, { validate }]) => [name, validate]));
  const report = (source: string, dataset: string, failure: SourceError): void =>
    logger.warn({ source, dataset, reason: failure.reason, cause: whereItArose(failure.cause) }, 'registry failed');
  const surrounded = new Map(
    [...plugged].map(([id, { source }]) => [id, around(source, { clock, random, changed: told(logger, id), share })]),
  );
  const underWay = new UnderWay();
  opened.defer(() => underWay.over());
  const asks = new Map(
    [...plugged].map(([id, { source, adapter }]) => {
      const tools = { validators, cache, clock, around: surrounded.get(id) as Around, report };
      return [id, underWay.watch(askSource(source, adapter, tools))];
    }),
  );
  return { cache, sources, asks, around: surrounded, clock, random };
}

/** One line when a registry is left alone and one when it is asked again, not one for each who would have asked. */
const told =
  (logger: FastifyBaseLogger, source: string): Changed =>
  (state, seconds) =>
    state === 'open' ? logger.warn({ source, seconds }, 'registry left alone') : logger.info({ source }, 'registry asked again');
