/** Completing prefills later, with all that belongs to it: where it is kept, who works it off, whom it is delivered to. */
import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import type { Tokens } from './access/tokens.ts';
import { SourceError } from './adapter.ts';
import { complete, type ExchangeTools } from './exchange.ts';
import type { GatewayKeys } from './keys.ts';
import { eventOf } from './later/event.ts';
import { type Completions, completions, type Report } from './later/keeper.ts';
import { openPostgresLater } from './later/postgres.ts';
import { run } from './later/runner.ts';
import { sealWith } from './later/sealed.ts';
import { openSqliteLater } from './later/sqlite.ts';
import type { LaterStore } from './later/store.ts';
import { step } from './later/work.ts';
import { Problem, whereItArose } from './problems.ts';
import { DELIVERY_MS, type Receivers } from './receivers.ts';
import type { Around } from './stages/around/around.ts';

export interface CompletionOptions {
  readonly dataDirectory: string;
  /** PostgreSQL, where not the data directory has what is kept. */
  readonly databaseUrl: string | undefined;
  readonly issuer: string;
  readonly keys: GatewayKeys;
  readonly tokens: Tokens;
  readonly around: ReadonlyMap<string, Around>;
  readonly receivers: Pick<Receivers, 'post'>;
  readonly logger: FastifyBaseLogger;
}

/** What of a step is neither asking nor delivering. Milliseconds. */
const SLACK_MS = 10_000;

/** What is opened is put on the stack, and begun. */
export async function openCompletions(
  tools: ExchangeTools,
  options: CompletionOptions,
  opened: AsyncDisposableStack,
): Promise<Completions & Pick<LaterStore, 'counts'>> {
  const { dataDirectory, databaseUrl, issuer, keys, tokens, around, receivers, logger } = options;
  const { catalogue, clock } = tools;
  const store = databaseUrl === undefined ? openSqliteLater(join(dataDirectory, 'later.db')) : await openPostgresLater(databaseUrl);
  opened.defer(() => store.close());
  const report: Report = (what, error, about) => logger.warn({ completion: about?.id, agency: about?.agency, ...told(error) }, what);
  const keeping = { ...tools, store, seal: sealWith(keys.later), random: Math.random, report };
  const working = step({
    ...keeping,
    attempt: (caller, request, completes, waited, gone) => complete(caller, request, completes, waited, tools, gone),
    wait: (source, agency) => around.get(source)?.state(agency).retryAfterSeconds ?? 0,
    event: eventOf(issuer, (typ, claims) => tokens.sign(typ, claims)),
    post: receivers.post,
  });
  const leaseMs = catalogue.gateway.deadlineMs + DELIVERY_MS + SLACK_MS;
  opened.defer(run({ store, step: working, what: 'completing prefills', clock, report, leaseMs }));
  return { ...completions(keeping), counts: () => store.counts() };
}

/** What the process log may hold of an error: of a receiver that it did not take a delivery and why, of a problem its code. */
export function told(error: unknown): object {
  if (error instanceof SourceError) return { reason: error.reason, ...('status' in error ? { status: error.status } : {}) };
  if (error instanceof Problem) return { code: error.code, cause: whereItArose(error.options.cause) };
  return { cause: whereItArose(error) };
}
