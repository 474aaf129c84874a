/** What a prefill lacks that a registry, away just now, may still say; and the prefill that says it comes later. Pure. */
import type { Completion, Outcome, Plan, Prefill, Resolved } from '../domain.ts';

/** Whether the source, or the one that would have named whom to ask it about, did not answer. */
export const isAway = (outcome: Outcome): boolean =>
  outcome.kind === 'unavailable' || (outcome.kind === 'no-key' && outcome.reason === 'unavailable');

/** Seconds for which the source wants to be left alone, where it did not answer; an older answer that stands in may lack what it has by now. */
function waitOf(outcome: Outcome): number | undefined {
  if (outcome.kind === 'unavailable') return outcome.retryAfterSeconds ?? 0;
  return outcome.kind === 'found' && outcome.stale !== undefined ? (outcome.stale.retryAfterSeconds ?? 0) : undefined;
}

/** The sources that must answer before the prefill has what it lacks, and how many seconds each wants to be left alone. Empty where it lacks nothing. */
export function awaited({ procedure }: Plan, { outcomes }: Resolved, { fields, components }: Prefill): Map<string, number> {
  const found = new Map<string, number>();
  const seek = (index: number): void => {
    const [outcome, lookUp] = [outcomes.get(index), procedure.lookUps[index]];
    if (outcome === undefined || lookUp === undefined) return;
    const wait = waitOf(outcome);
    if (wait !== undefined) found.set(lookUp.source, Math.max(found.get(lookUp.source) ?? 0, wait));
    else if (isAway(outcome)) for (const binding of procedure.roles.get(lookUp.role)?.from ?? []) seek(binding.lookUp);
  };
  const seekField = (index: number): void => {
    for (const binding of procedure.fields[index]?.from ?? []) seek(binding.lookUp);
  };
  procedure.fields.forEach(({ at }, index) => {
    if (fields[at]?.status === 'unavailable') seekField(index);
  });
  components.forEach(({ reason }, index) => {
    if (reason !== 'unavailable') return;
    for (const evidence of procedure.components[index]?.replacedBy ?? []) {
      evidence.fields.forEach(seekField);
      for (const check of evidence.records) seek(check.lookUp);
    }
  });
  return found;
}

/** Those of the sources that were asked that are still away, of a prefill that was not made because of them. */
export function stillAway({ procedure }: Plan, { outcomes }: Resolved): Map<string, number> {
  const found = new Map<string, number>();
  for (const [index, outcome] of outcomes) {
    const source = procedure.lookUps[index]?.source;
    const wait = waitOf(outcome);
    if (source === undefined || wait === undefined) continue;
    found.set(source, Math.max(found.get(source) ?? 0, wait));
  }
  return found;
}

/** The prefill as it is told where what it lacks is asked for again. */
export function pending(prefill: Prefill, completion: Completion): Prefill {
  const fields = Object.entries(prefill.fields).map(([at, result]) => [
    at,
    result.status === 'unavailable' ? { ...result, status: 'pending' as const } : result,
  ]);
  const components = prefill.components.map((paper) =>
    paper.reason === 'unavailable' ? { ...paper, verdict: 'pending' as const } : paper,
  );
  return { ...prefill, fields: Object.fromEntries(fields) as Prefill['fields'], components, completion };
}
