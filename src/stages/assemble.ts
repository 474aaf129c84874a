/** Plan and answers to the reply: form, provenance, conflicts and verdicts. Pure. */
import type { JsonObject, JsonValue } from '../adapter.ts';
import type { Authorised, Conflict, Field, FieldResult, Notice, Plan, Prefill, Resolved, Source, UnusualNumber } from '../domain.ts';
import { looksLegacy } from '../vietnam/encodings.ts';
import { unusualIn } from '../vietnam/numbers.ts';
import { type AddressPlace, asOfToday, placeOf } from '../vietnam/places/address.ts';
import type { Places } from '../vietnam/places/places.ts';
import { judge } from './components.ts';
import { type AssembledField, assembleField } from './fields.ts';
import { type Reviews, sinceOf, underReview } from './under-review.ts';
import { put } from './values.ts';

export interface AssembleTools {
  readonly sources: ReadonlyMap<string, Source>;
  readonly places: Places;
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
  { sources, places, now, reviews }: AssembleTools,
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
    const { shown, ...told } = seen(definition, value, places, today);
    fields[definition.at] = { ...result, ...told };
    if (shown !== undefined) put(form, definition.path, shown);
    if (conflict !== undefined) conflicts.push(conflict);
  }
  const noticed = notices(plan, resolved, places);
  const cancelled = new Set(noticed.filter(({ code }) => code === 'number-cancelled').map(({ role }) => role));
  const told = new Set(
    [...plan.disclosed].flatMap((index) => procedure.fields[index]?.from.map(({ lookUp }) => procedure.lookUps[lookUp]?.role) ?? []),
  );
  // Without a form, a verdict is what is told of the person asked about.
  if (procedure.fields.length === 0) told.add('subject');
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

/** What the form has, and what is to be told beside it: of an address the unit as recorded and as of today, of a text that it looks misread. */
function seen({ type, asOfToday: renewed }: Field, value: JsonValue | undefined, places: Places, today: string): Seen {
  if (typeof value === 'string' && looksLegacy(value)) return { shown: value, suspect: 'legacy-encoding' };
  if (type !== 'address' || typeof value !== 'object' || value === null || Array.isArray(value)) return { shown: value };
  const place = placeOf(places, value, today);
  return { shown: renewed ? asOfToday(value, place) : value, ...(place && { place }) };
}

interface Seen {
  readonly shown: JsonValue | undefined;
  readonly suspect?: 'legacy-encoding';
  readonly place?: AddressPlace;
}

function notices(plan: Plan, { outcomes, keys, replaced }: Resolved, places: Places): Notice[] {
  const found = new Map<string, Notice>();
  for (const [role, source] of replaced) found.set(`number-replaced ${role}`, { code: 'number-replaced', role, source });
  for (const [index, outcome] of outcomes) {
    const planned = plan.procedure.lookUps[index];
    if (planned === undefined) continue;
    const note = (code: Notice['code'], reason?: UnusualNumber): void => {
      const notice = { code, role: planned.role, source: planned.source, ...(reason && { reason }) };
      if (!found.has(`${code} ${planned.role}`)) found.set(`${code} ${planned.role}`, notice);
    };
    if (outcome.kind === 'absent' && outcome.why === 'cancelled') note('number-cancelled');
    const unusual = outcome.kind === 'found' ? unusualIn(outcome.record, keys.get(planned.role), places) : undefined;
    if (unusual !== undefined) note('number-unusual', unusual);
    if (outcome.kind === 'found' && (planned.dataset === 'death' || 'dateOfDeath' in outcome.record)) note('person-deceased');
  }
  return [...found.values()];
}
