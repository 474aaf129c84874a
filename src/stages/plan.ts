/** Grant and request to what may leave, what is judged, and the look-ups that takes. Pure. */
import type { Authorised, Grant, Plan, Procedure } from '../domain.ts';
import { Problem } from '../problems.ts';

const whole = new WeakMap<Procedure, WeakMap<Grant, Plan>>();

/** Throws a `Problem` for a field that the form has not. Asking for fewer fields narrows what leaves, never what the papers are judged by. */
export function plan({ request, procedure, grant }: Authorised): Plan {
  if (request.fields === undefined) return wholePlan(procedure, grant);
  const listed = request.fields.map((pointer) => procedure.fields.findIndex((field) => field.at === pointer));
  const unknown = listed.flatMap((index, i) => (index < 0 ? [{ pointer: `/fields/${i}`, detail: 'is no field of this form' }] : []));
  if (unknown.length > 0) throw new Problem('unknown-field', { errors: unknown });
  return build(
    procedure,
    grant,
    [...new Set(listed)].sort((a, b) => a - b),
  );
}

/** The plan for the whole form does not depend on the request, so it is made once for each grant. */
function wholePlan(procedure: Procedure, grant: Grant): Plan {
  let plans = whole.get(procedure);
  if (plans === undefined) whole.set(procedure, (plans = new WeakMap()));
  let made = plans.get(grant);
  if (made === undefined) plans.set(grant, (made = build(procedure, grant, [...procedure.fields.keys()])));
  return made;
}

function build(procedure: Procedure, grant: Grant, listed: readonly number[]): Plan {
  const disclosed = new Set(listed.filter((index) => grant.fields === 'all' || grant.fields.has(procedure.fields[index]?.at ?? '')));
  const judged = new Set(
    [...procedure.components.keys()].filter(
      (index) => grant.components === 'all' || grant.components.has(procedure.components[index]?.id ?? ''),
    ),
  );
  const needed = new Set<number>();
  const need = (lookUp: number): void => {
    if (needed.has(lookUp)) return;
    needed.add(lookUp);
    const role = procedure.roles.get(procedure.lookUps[lookUp]?.role ?? '');
    for (const binding of role?.from ?? []) need(binding.lookUp);
  };
  const needField = (index: number): void => {
    for (const binding of procedure.fields[index]?.from ?? []) need(binding.lookUp);
  };
  disclosed.forEach(needField);
  for (const index of judged) {
    for (const evidence of procedure.components[index]?.replacedBy ?? []) {
      evidence.fields.forEach(needField);
      for (const check of evidence.records) need(check.lookUp);
    }
  }
  const lookUps = [...needed].sort((a, b) => (procedure.lookUps[a]?.stage ?? 0) - (procedure.lookUps[b]?.stage ?? 0));
  return { procedure, listed, disclosed, judged, lookUps } as unknown as Plan;
}
