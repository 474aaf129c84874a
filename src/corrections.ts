/** Reports of wrong values, with all that belongs to them: where they are kept, who is told of them, what of them a prefill must know. */
import { join } from 'node:path';
import { type CompletionOptions, told } from './completions.ts';
import { deliverStep } from './corrections/deliver.ts';
import { type CorrectionDesk, correctionDesk, type DeskTools } from './corrections/desk.ts';
import { openPostgresTickets } from './corrections/postgres.ts';
import { type Corrected, report as reportWrong } from './corrections/report.ts';
import { openReports } from './corrections/reviews.ts';
import { openSqliteTickets } from './corrections/sqlite.ts';
import { type CorrectionRequest, namer, type Wrong } from './corrections/wrong.ts';
import type { Caller } from './domain.ts';
import type { ExchangeTools } from './exchange.ts';
import type { Report } from './later/keeper.ts';
import { run } from './later/runner.ts';
import { sealWith } from './later/sealed.ts';
import { DELIVERY_MS, type Receivers } from './receivers.ts';
import type { Reviews } from './stages/under-review.ts';

export interface CorrectionOptions
  extends Pick<CompletionOptions, 'dataDirectory' | 'databaseUrl' | 'issuer' | 'keys' | 'tokens' | 'logger'> {
  readonly receivers: Pick<Receivers, 'post'>;
  readonly drop: DeskTools['drop'];
}

export interface Corrections extends CorrectionDesk {
  report(caller: Caller, request: CorrectionRequest, gone: AbortSignal): Promise<Corrected | undefined>;
  readonly reviews: Reviews;
}

/** How often it is looked at what other gateways were told. Milliseconds. */
const REFRESH_MS = 2000;
/** What of a step is not delivering. Milliseconds. */
const SLACK_MS = 5000;

/** What is opened is put on the stack, and begun. */
export async function openCorrections(
  tools: ExchangeTools,
  { dataDirectory, databaseUrl, issuer, keys, tokens, logger, receivers, drop }: CorrectionOptions,
  opened: AsyncDisposableStack,
): Promise<Corrections> {
  const store =
    databaseUrl === undefined ? openSqliteTickets(join(dataDirectory, 'corrections.db')) : await openPostgresTickets(databaseUrl);
  opened.defer(() => store.close());
  const report: Report = (what, error, about) => logger.warn({ correction: about?.id, agency: about?.agency, ...told(error) }, what);
  const nameOf = namer(keys.later);
  const open = openReports(store, nameOf, tools.clock, (error) => report('open reports cannot be read', error));
  await open.refresh();
  const all = { ...tools, store, seal: sealWith<Wrong>(keys.later, 'correction '), nameOf, open, drop };

  const looking = setInterval(() => void open.refresh(), REFRESH_MS).unref();
  opened.defer(async () => {
    clearInterval(looking);
    await open.refresh();
  });
  const sign = (typ: string, claims: Record<string, unknown>): Promise<string> => tokens.sign(typ, claims);
  const step = deliverStep({ ...all, random: Math.random, report, issuer, sign, post: receivers.post });
  opened.defer(run({ store, step, what: 'delivering reports', clock: tools.clock, report, leaseMs: DELIVERY_MS + SLACK_MS }));
  return {
    ...correctionDesk(all),
    report: (caller, request, gone) => reportWrong(caller, request, all, gone),
    reviews: open,
  };
}
