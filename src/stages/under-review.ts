/** Values that an agency reported wrong and that nobody has answered for yet: they are given, and never without saying so. */
import type { RecordName } from '../cache/records.ts';
import type { Field, Plan, Pointer, Resolved } from '../domain.ts';
import type { AssembledField } from './fields.ts';
import { successorOf } from './resolve.ts';

/** What of a record is reported wrong, and since when (RFC 3339). */
export interface Reported {
  readonly values: readonly Pointer[];
  readonly since: string;
}

/** Reports that wait for an answer. */
export interface Reviews {
  /** MUST cost next to nothing where nothing of the kind is reported: it is asked for every record of every prefill. */
  of(name: RecordName): readonly Reported[];
}

/** Since when one of the values of a look-up's record is under review; undefined where none is. */
export type Since = (lookUp: number, values: readonly Pointer[]) => string | undefined;

export function sinceOf({ procedure }: Plan, { outcomes, keys }: Resolved, reviews: Reviews | undefined): Since {
  if (reviews === undefined) return () => undefined;
  const known = new Map<number, readonly Reported[]>();
  const reported = (index: number): readonly Reported[] => {
    const planned = procedure.lookUps[index];
    const role = planned?.role ?? '';
    const key = keys.get(successorOf(role)) ?? keys.get(role);
    if (planned === undefined || key === undefined || outcomes.get(index)?.kind !== 'found') return [];
    const { source, dataset } = planned;
    return reviews.of({ source, dataset, kind: procedure.roles.get(role)?.kind ?? 'person', key });
  };
  return (index, values) => {
    let found = known.get(index);
    if (found === undefined) known.set(index, (found = reported(index)));
    const concerning = found.filter((one) => one.values.some((value) => values.some((other) => overlap(value, other))));
    return concerning.map(({ since }) => since).sort()[0];
  };
}

/** A report of an address is one of its street too, and the other way about. */
const overlap = (a: Pointer, b: Pointer): boolean => a.every((member, depth) => depth >= b.length || member === b[depth]);

/**
 * The value stays: an agency must not be able to keep a person's data from every other by reporting it. That its register, or one that confirms it, is
 * said to be wrong is told beside it.
 */
export function underReview(assembled: AssembledField, field: Field, since: Since): AssembledField {
  const { result } = assembled;
  if (result.source === undefined) return assembled;
  const [first] = field.from.flatMap(({ lookUp, values }) => since(lookUp, values) ?? []).sort();
  if (first === undefined) return assembled;
  const status = result.status === 'filled' ? 'under-review' : result.status;
  return { ...assembled, result: { ...result, status, underReviewSince: first } };
}
