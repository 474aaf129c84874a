/** Grant and request to what may leave, what is judged, and the look-ups that takes. Pure. */
import { coverageHere } from '../catalogue/coverage.ts';
import { type Grant, inForce, type Plan, type PrefillRequest, type Procedure } from '../domain.ts';
import { Problem } from '../problems.ts';
import type { Ruled } from './authorise.ts';

/** The plan for a whole form does not depend on the request, so it is made once for each grant and day. */
const whole = new WeakMap<Procedure, WeakMap<Grant, { today: string; plan: Plan }>>();

/** Throws a `Problem` for a field that the form has not. Asking for fewer fields narrows what leaves, never what the papers are judged by. */
export function plan(ruled: Ruled & { readonly request: Pick<PrefillRequest, 'fields'> }): Plan {
  const { request, procedure } = ruled;
  if (request.fields === undefined) return wholePlan(ruled);
  const listed = request.fields.map((pointer) => procedure.fields.findIndex((field) => field.at === pointer));
  const unknown = listed.flatMap((index, i) => (index < 0 ? [{ pointer: `/fields/${i}`, detail: 'is no field of this form' }] : []));
  if (unknown.length > 0) throw new Problem('unknown-field', { errors: unknown });
  const inOrder = [...new Set(listed)].sort((a, b) => a - b);
  return build(ruled, inOrder);
}

function wholePlan(ruled: Ruled): Plan {
  const { procedure, grant, today } = ruled;
  const plans = whole.get(procedure) ?? new WeakMap<Grant, { today: string; plan: Plan }>();
  whole.set(procedure, plans);
  let made = plans.get(grant);
  if (made?.today !== today) {
    made = { today, plan: build(ruled, [...procedure.fields.keys()]) };
    plans.set(grant, made);
  }
  return made.plan;
}

/** The plan for some fields alone: nobody is asked for the sake of a paper. */
export function planFields(ruled: Ruled, fields: readonly number[]): Plan {
  const inOrder = [...new Set(fields)].sort((a, b) => a - b);
  return build(ruled, inOrder, false);
}

function build({ caller, procedure, grant, today }: Ruled, listed: readonly number[], judging = true): Plan {
  const disclosed = new Set(listed.filter((index) => grant.fields === 'all' || grant.fields.has(procedure.fields[index]?.at ?? '')));
  const judged = new Set(
    [...procedure.components.keys()].filter(
      (index) => judging && (grant.components === 'all' || grant.components.has(procedure.components[index]?.id ?? '')),
    ),
  );
  const uncovered = new Set(
    [...procedure.lookUps.entries()].flatMap(([index, { coverage, dataset }]) =>
      coverageHere(coverage, dataset, caller.agency.locality, today) === 'not-covered' ? index : [],
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
      // Nobody is asked for the sake of a provision that is not in force.
      if (!inForce(evidence.provision, today)) continue;
      evidence.fields.forEach(needField);
      for (const check of evidence.records) if (!uncovered.has(check.lookUp)) need(check.lookUp);
    }
  }
  const lookUps = [...needed].sort((a, b) => (procedure.lookUps[a]?.stage ?? 0) - (procedure.lookUps[b]?.stage ?? 0));
  return { procedure, listed, disclosed, judged, lookUps, uncovered } as unknown as Plan;
}
