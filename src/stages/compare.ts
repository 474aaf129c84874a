/** Claims and questions against what the registers hold: match, mismatch or unknown, and never a value. Pure. */
import type { JsonValue } from '../adapter.ts';
import type { Authorised, FieldResult, Plan, Question, Resolved, VerificationRequest } from '../domain.ts';
import { compareDates } from '../vietnam/dates.ts';
import { compareNames } from '../vietnam/names.ts';
import { type AssembledField, assembleField } from './fields.ts';

export type Result = 'match' | 'mismatch' | 'unknown';

/** What one claim or question came to, and on whose word. */
export interface Comparison
  extends Pick<FieldResult, 'source' | 'dataset' | 'recordedAt' | 'observedAt' | 'freshness' | 'staleBecause' | 'retryAfterSeconds'> {
  result: Result;
  /** How near two texts are: for names and dates, as `compareNames` and `compareDates` say. */
  level?: string;
  /** Why it is not known, or `conflict` where registers disagree and the law says which of them prevails. */
  reason?: string;
}

export interface Comparisons {
  readonly claims: Readonly<Record<string, Comparison>>;
  readonly questions: Readonly<Record<string, Comparison>>;
}

export function compare(
  { claims = {}, questions = [] }: VerificationRequest,
  { today }: Authorised,
  plan: Plan,
  resolved: Resolved,
): Comparisons {
  const { fields, lookUps, questions: known = [] } = plan.procedure;
  const field = (index: number): AssembledField => {
    const definition = fields[index];
    if (definition === undefined || !plan.disclosed.has(index)) return { result: { status: 'not-authorised' } };
    return assembleField(definition, lookUps, resolved, today);
  };
  const told: Record<string, Comparison> = {};
  for (const [at, claimed] of Object.entries(claims)) {
    const index = fields.findIndex((one) => one.at === at);
    told[at] = of(field(index), (value) => agree(fields[index]?.type ?? '', claimed, value));
  }
  const answered = questions.flatMap((id) => known.find((one) => one.id === id) ?? []);
  return {
    claims: told,
    questions: Object.fromEntries(
      answered.map((question) => [question.id, of(field(question.field), (value) => answer(question, value, today))]),
    ),
  };
}

type Compared = Pick<Comparison, 'result' | 'level' | 'reason'>;

function of({ result, value }: AssembledField, compared: (value: JsonValue) => Compared): Comparison {
  const { status, reason, source, dataset, recordedAt, observedAt, freshness, staleBecause, retryAfterSeconds } = result;
  const whose = Object.fromEntries(
    Object.entries({ source, dataset, recordedAt, observedAt, freshness, staleBecause, retryAfterSeconds }).filter(
      ([, told]) => told !== undefined,
    ),
  );
  if (value === undefined) return { result: 'unknown', reason: reason ?? status, ...whose };
  return { ...(status === 'conflict' ? { reason: 'conflict' } : {}), ...compared(value), ...whose };
}

function agree(type: string, claimed: string | number | boolean, value: JsonValue): Compared {
  if (typeof value === 'object') return { result: 'unknown', reason: 'not-comparable' };
  if (type === 'personName' && typeof claimed === 'string' && typeof value === 'string') {
    const level = compareNames(claimed, value);
    return { result: level === 'same' || level === 'tone-placement' ? 'match' : 'mismatch', level };
  }
  if (type === 'date' && typeof claimed === 'string' && typeof value === 'string') {
    return agreeDates(claimed, value);
  }
  const same =
    typeof claimed === 'string' && typeof value === 'string' ? claimed.normalize('NFC') === value.normalize('NFC') : claimed === value;
  return { result: same ? 'match' : 'mismatch' };
}

/**
 * A day is not told by its month: whoever could ask for the month alone would need forty guesses for a day, and not three hundred. The year is
 * in most people's number anyway.
 */
function agreeDates(claimed: string, value: string): Compared {
  const level = compareDates(claimed, value);
  // Right or wrong: an `unknown` for the right month alone would tell it.
  if (claimed.length === 7 && value.length === 10 && claimed.slice(0, 4) === value.slice(0, 4))
    return { result: 'unknown', reason: 'partial-date' };
  if (level === 'suspect-default' && claimed.endsWith('-01') && !claimed.endsWith('-01-01') && !value.endsWith('-01'))
    return { result: 'mismatch', level: 'different' };
  return { result: level === 'same' || level === 'compatible' ? 'match' : 'mismatch', level };
}

/** Whoever is of an age by the latest day that a partial date can mean is of that age; by the earliest only, nobody knows. */
function answer({ ageAtLeast }: Question, value: JsonValue, today: string): Compared {
  if (ageAtLeast === undefined) return { result: 'match' };
  if (typeof value !== 'string') return { result: 'unknown', reason: 'not-comparable' };
  const limit = `${String(Number(today.slice(0, 4)) - ageAtLeast).padStart(4, '0')}${today.slice(4)}`;
  const [earliest, latest] = [`${value}-01-01`.slice(0, 10), `${value}${value.length === 7 ? '-31' : '-12-31'}`.slice(0, 10)];
  if (latest <= limit) return { result: 'match' };
  return earliest > limit ? { result: 'mismatch' } : { result: 'unknown', reason: 'partial-date' };
}
