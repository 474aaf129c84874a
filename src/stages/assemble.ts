/** Plan and answers to the reply: form, provenance, conflicts and verdicts. Pure. */
import type { JsonObject } from '../adapter.ts';
import type { Authorised, Conflict, FieldResult, Notice, Plan, Prefill, Resolved, Source } from '../domain.ts';
import { judge } from './components.ts';
import { type AssembledField, assembleField } from './fields.ts';
import { type Reviews, sinceOf, underReview } from './under-review.ts';
import { put } from './values.ts';

export interface AssembleTools {
  readonly sources: ReadonlyMap<string, Source>;
  /** Milliseconds since the epoch at which the reply is issued. */
  readonly now: number;
  readonly reviews?: Reviews;
}

export function assemble(
  id: string,
  salt: string,
  { request, today }: Authorised,
  plan: Plan,
  resolved: Resolved,
  { sources, now, reviews }: AssembleTools,
): Prefill {
  const { procedure } = plan;
  const since = sinceOf(plan, resolved, reviews);
  const assembled = new Map<number, AssembledField>();
  const field = (index: number): AssembledField => {
    const definition = procedure.fields[index];
    if (definition === undefined) throw new Error('the plan speaks of a field that the form has not');
    let made = assembled.get(index);
    if (made === undefined)
      assembled.set(index, (made = underReview(assembleField(definition, procedure.lookUps, resolved, today), definition, since)));
    return made;
  };

  const form: JsonObject = {};
  const fields: Record<string, FieldResult> = {};
  const conflicts: Conflict[] = [];
  for (const index of plan.listed) {
    const definition = procedure.fields[index];
    if (definition === undefined) continue;
    if (!plan.disclosed.has(index)) {
      fields[definition.at] = { status: 'not-authorised' };
      continue;
    }
    const { result, value, conflict } = field(index);
    fields[definition.at] = result;
    if (value !== undefined) put(form, definition.path, value);
    if (conflict !== undefined) conflicts.push(conflict);
  }
  const noticed = notices(plan, resolved);
  const cancelled = new Set(noticed.filter(({ code }) => code === 'number-cancelled').map(({ role }) => role));
  const told = new Set(
    [...plan.disclosed].flatMap((index) => procedure.fields[index]?.from.map(({ lookUp }) => procedure.lookUps[lookUp]?.role) ?? []),
  );
  const components = procedure.components.map((component, index) =>
    judge(component, plan.judged.has(index), { plan, resolved, sources, today, cancelled, field, since }),
  );
  return {
    id,
    salt,
    procedure: procedure.code,
    dossier: request.dossier,
    issuedAt: new Date(now).toISOString(),
    form,
    fields,
    components,
    conflicts,
    // Of those about whom the caller is told anything.
    notices: noticed.filter(({ role }) => told.has(role)),
    summary: {
      fields: plan.listed.length,
      filled: Object.values(fields).filter((result) => result.status === 'filled').length,
      components: components.length,
      replaced: components.filter((component) => component.verdict === 'replaced').length,
    },
  };
}

function notices(plan: Plan, { outcomes }: Resolved): Notice[] {
  const found = new Map<string, Notice>();
  for (const [index, outcome] of outcomes) {
    const planned = plan.procedure.lookUps[index];
    if (planned === undefined) continue;
    const note = (code: Notice['code']): void => {
      if (!found.has(`${code} ${planned.role}`)) found.set(`${code} ${planned.role}`, { code, role: planned.role, source: planned.source });
    };
    if (outcome.kind === 'absent' && outcome.why === 'cancelled') note('number-cancelled');
    if (outcome.kind === 'found' && (planned.dataset === 'death' || 'dateOfDeath' in outcome.record)) note('person-deceased');
  }
  return [...found.values()];
}
