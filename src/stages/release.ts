/** A prefill that was completed later leaves: allowed again at that moment, and on record before it does. */
import { actorIn } from '../access/mandates.ts';
import type { AuditEntry } from '../audit/entry.ts';
import { LogUnavailable } from '../audit/log.ts';
import type { Caller, Prefill, PrefillRequest, Receipt } from '../domain.ts';
import { Problem } from '../problems.ts';
import { type AuthoriseTools, authorise } from './authorise.ts';
import { plan } from './plan.ts';
import type { RecordTools } from './record.ts';

/** Throws a `Problem` where the caller may not have all that the reply tells of a person any more: grants change while it waits. */
export function allowAgain(
  caller: Caller,
  { request, purpose }: { readonly request: PrefillRequest; readonly purpose?: string },
  prefill: string,
  tools: AuthoriseTools,
): void {
  const asked = purpose === undefined ? request : { ...request, purpose };
  const { disclosed, judged, procedure } = plan(authorise(caller, asked, tools));
  const allowed = new Set([...disclosed].map((index) => procedure.fields[index]?.at));
  const papers = new Set([...judged].map((index) => procedure.components[index]?.id));
  const { fields, components } = JSON.parse(prefill) as Prefill;
  // Registers that disagree are no source, and yet what each says is told.
  const less = Object.entries(fields).some(([at, { status }]) => status !== 'ask' && status !== 'not-authorised' && !allowed.has(at));
  const fewer = components.some(({ id, reason }) => reason !== 'not-authorised' && !papers.has(id));
  if (less || fewer) throw new Problem('grant-not-in-force');
}

/** What the outcome of the reply said of whose it is, and what the entries of its release repeat. */
const REPEATED: ReadonlySet<string> = new Set<keyof AuditEntry>([
  'v',
  'id',
  'completes',
  'agency',
  'officer',
  'procedure',
  'dossier',
  'grant',
  'purpose',
  'legalBasis',
  'subjects',
  'fields',
  'withheldUntil',
  'replyDigest',
]);

/**
 * Resolves when it is on record that the reply is handed out, or that it is refused though it is there. Rejects with `log-unavailable`, and then it may
 * not be.
 */
export async function releaseOnRecord(
  { log, configDigest, clock }: Pick<RecordTools, 'log' | 'configDigest' | 'clock'>,
  { entry }: Receipt,
  who: Pick<Caller, 'client' | 'actor'>,
  outcome: 'sent' | 'fetched' | 'completion-refused',
): Promise<void> {
  const repeated = Object.fromEntries(Object.entries(entry).filter(([member]) => REPEATED.has(member))) as unknown as AuditEntry;
  const own = { time: new Date(clock()).toISOString(), kind: 'delivery', client: who.client, outcome, config: configDigest } as const;
  try {
    await log.append({ ...repeated, ...own, ...actorIn(who) }, { receipt: true });
  } catch (error) {
    if (error instanceof LogUnavailable) throw new Problem('log-unavailable', { retryAfterSeconds: 2, cause: error });
    throw error;
  }
}
