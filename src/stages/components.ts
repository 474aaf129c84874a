/** The verdict on one paper of the dossier: whether data replaces it, and under which law. Pure. */
import {
  type Component,
  type ComponentResult,
  type Evidence,
  inForce,
  type Outcome,
  type Plan,
  type Provision,
  type Resolved,
  type Source,
  type Verdict,
} from '../domain.ts';
import type { AssembledField } from './fields.ts';
import type { Since } from './under-review.ts';
import { valuesAt } from './values.ts';

export interface Judging {
  readonly plan: Plan;
  readonly resolved: Pick<Resolved, 'outcomes' | 'keys' | 'stale'>;
  readonly sources: ReadonlyMap<string, Source>;
  readonly today: string;
  /** The roles whose number a register says was withdrawn: nothing that stands under it is evidence. */
  readonly cancelled: ReadonlySet<string>;
  /** The assembled field at an index of the form, whether or not its value may leave. */
  readonly field: (index: number) => AssembledField;
  readonly since: Since;
}

/** What one provision comes to: how much of its evidence is there, and why the rest is not. */
interface Found {
  readonly provision: Provision;
  readonly verdict: Verdict;
  readonly by: readonly string[];
  readonly reason?: string;
}

export function judge(component: Component, judged: boolean, judging: Judging): ComponentResult {
  const base = { id: component.id, name: component.name };
  const condition = {
    ...(component.condition ? { condition: component.condition } : {}),
    ...(component.note ? { note: component.note } : {}),
  };
  if (!judged) return { ...base, verdict: 'ask', reason: 'not-authorised', ...condition };
  if (component.kept) return { ...base, verdict: 'ask', reason: component.kept, ...condition };
  const found = component.replacedBy.map((evidence) => weigh(evidence, judging));
  const best =
    found.find((one) => one.verdict === 'cut' || one.verdict === 'replaced') ?? found.find((one) => one.verdict === 'partly') ?? found[0];
  if (best === undefined) return { ...base, verdict: 'ask', reason: 'no-database-replaces-it', ...condition };
  return {
    ...base,
    verdict: best.verdict,
    ...(best.by.length > 0 ? { by: [...best.by] } : {}),
    legalBasis: best.provision.citation,
    ...(best.reason === undefined ? {} : { reason: best.reason }),
    ...condition,
  };
}

function weigh(evidence: Evidence, judging: Judging): Found {
  const { provision } = evidence;
  if (!inForce(provision, judging.today)) return { provision, verdict: 'ask', by: [], reason: 'legal-basis-not-in-force' };
  if (evidence.settled) return { provision, by: [], ...evidence.settled };
  const parts = evidence.fields.map((index) => weighField(index, provision, judging));
  if (evidence.records.length > 0) parts.push(weighRecords(evidence, judging));
  const by = [...new Set(parts.flatMap((part) => ('by' in part ? [part.by] : [])))];
  const reasons = parts.flatMap((part) => ('reason' in part ? [part.reason] : []));
  // The law lets data replace a paper that is complete and correct: whether an older answer still is, or one that was reported wrong, an officer has to see.
  const doubt = DOUBTS.find((one) => parts.some((part) => 'by' in part && part.doubt === one));
  if (reasons.length === 0 && doubt !== undefined) return { provision, verdict: 'partly', by, reason: doubt };
  if (reasons.length === 0 && evidence.compare) return { provision, verdict: 'partly', by, reason: 'to-be-compared' };
  if (reasons.length === 0) return { provision, verdict: 'replaced', by };
  const reason = REASONS.find((one) => reasons.includes(one)) ?? reasons[0] ?? 'no-record';
  return { provision, verdict: by.length > 0 ? 'partly' : 'ask', by, reason };
}

/** What the officer should hear first, where several pieces of evidence are missing. */
const REASONS = [
  'conflict',
  'unavailable',
  'several-values',
  'role-not-given',
  'not-confirmed',
  'number-cancelled',
  'not-covered',
  'not-recorded',
  'no-record',
];

const DOUBTS = ['under-review', 'stale'] as const;
type Part = { readonly by: string; readonly doubt: (typeof DOUBTS)[number] | undefined } | { readonly reason: string };

function weighField(index: number, provision: Provision, { plan, field, sources, cancelled }: Judging): Part {
  const { result } = field(index);
  if (result.status === 'conflict') return { reason: 'conflict' };
  if (result.status === 'unavailable') return { reason: 'unavailable' };
  if (result.status !== 'filled' && result.status !== 'under-review') return { reason: result.reason ?? 'no-record' };
  // One register's word does not count while another that holds the same, and may prevail, is silent.
  if (result.unconfirmed !== undefined) return { reason: 'unavailable' };
  const bound = (plan.procedure.fields[index]?.from ?? []).map((binding) => binding.lookUp);
  const lookUps = bound.flatMap((lookUp) => plan.procedure.lookUps[lookUp] ?? []);
  if (lookUps.some((planned) => cancelled.has(planned.role))) return { reason: 'number-cancelled' };
  const holders = [result.source, ...(result.confirmedBy ?? [])];
  const named = holders.find((source) => provision.databases.includes(sources.get(source ?? '')?.database ?? ''));
  if (named === undefined) return { reason: 'no-record' };
  const uncovered = [...plan.uncovered].some((lookUp) => plan.procedure.lookUps[lookUp]?.source === named && bound.includes(lookUp));
  if (uncovered) return { reason: 'not-covered' };
  // A value that does not leave is named by where it was checked.
  const dataset = lookUps.find((planned) => planned.source === named)?.dataset;
  const by = plan.disclosed.has(index) ? (plan.procedure.fields[index]?.at ?? '') : `${named}/${dataset}`;
  return { by, doubt: result.status === 'under-review' ? result.status : result.freshness === 'stale' ? 'stale' : undefined };
}

/** One of the records is enough, and one that nothing speaks against better than one that is past its age or under review. */
function weighRecords(evidence: Evidence, { plan, resolved, cancelled, since }: Judging): Part {
  const reasons: string[] = [];
  let doubtful: Part | undefined;
  for (const check of evidence.records) {
    if (plan.uncovered.has(check.lookUp)) {
      reasons.push('not-covered');
      continue;
    }
    const planned = plan.procedure.lookUps[check.lookUp];
    const outcome = resolved.outcomes.get(check.lookUp);
    if (planned === undefined || outcome === undefined) continue;
    if (outcome.kind !== 'found' || cancelled.has(planned.role)) {
      reasons.push(outcome.kind === 'found' ? 'number-cancelled' : reasonOf(outcome));
      continue;
    }
    const values = valuesAt(outcome.record, check.value);
    const wanted = check.is === undefined ? check.equals : resolved.keys.get(check.is);
    const met = check.is === undefined && check.equals === undefined ? values.length > 0 : wanted !== undefined && values.includes(wanted);
    const stale = outcome.stale !== undefined || (check.is !== undefined && resolved.stale.has(check.is));
    const doubt = stale ? 'stale' : since(check.lookUp, [check.value]) === undefined ? undefined : 'under-review';
    if (met && doubt === undefined) return { by: `${planned.source}/${planned.dataset}`, doubt };
    if (met) doubtful ??= { by: `${planned.source}/${planned.dataset}`, doubt };
    else if (stale) reasons.push('unavailable');
    else reasons.push(check.is !== undefined && wanted === undefined ? 'role-not-given' : 'not-recorded');
  }
  return doubtful ?? { reason: REASONS.find((one) => reasons.includes(one)) ?? 'no-record' };
}

function reasonOf(outcome: Exclude<Outcome, { kind: 'found' }>): string {
  if (outcome.kind === 'unavailable') return 'unavailable';
  if (outcome.kind === 'absent') return outcome.why === 'cancelled' ? 'number-cancelled' : 'no-record';
  return outcome.reason === 'not-found' ? 'no-record' : outcome.reason;
}
