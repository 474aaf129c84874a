/** Claims and questions against what the registers hold: match, mismatch or unknown, and never a value. Pure. */
import type { JsonObject, JsonValue } from '../adapter.ts';
import type { Authorised, Field, FieldResult, Plan, Question, Resolved, VerificationRequest } from '../domain.ts';
import { compareDates } from '../vietnam/dates.ts';
import { compareNames } from '../vietnam/names.ts';
import { liesIn } from '../vietnam/places/address.ts';
import type { Places } from '../vietnam/places/places.ts';
import { type AssembledField, assembleField } from './fields.ts';
import { type Reviews, sinceOf, underReview } from './under-review.ts';

export type Result = 'match' | 'mismatch' | 'unknown';

/** What one claim or question came to, and on whose word. */
export interface Comparison
  extends Pick<FieldResult, 'source' | 'dataset' | 'recordedAt' | 'observedAt' | 'freshness' | 'staleBecause' | 'retryAfterSeconds'> {
  result: Result;
  /** How near two texts are: for names and dates, as `compareNames` and `compareDates` say. */
  level?: string;
  /** Why it is not known, `conflict` where registers disagree and the law says which of them prevails, or `under-review` where the value was reported wrong. */
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
  places: Places,
  reviews?: Reviews,
): Comparisons {
  const since = sinceOf(plan, resolved, reviews);
  const { fields, lookUps, questions: known = [] } = plan.procedure;
  const field = (index: number): AssembledField => {
    const definition = fields[index];
    if (definition === undefined || !plan.disclosed.has(index)) return { result: { status: 'not-authorised' } };
    return underReview(assembleField(definition, lookUps, resolved, today), definition, since);
  };
  const told: Record<string, Comparison> = {};
  for (const [at, claimed] of Object.entries(claims)) {
    const index = fields.findIndex((one) => one.at === at);
    told[at] = of(field(index), (value) => agree(fields[index], claimed, value, today, places));
  }
  const answered = questions.flatMap((id) => known.find((one) => one.id === id) ?? []);
  return {
    claims: told,
    questions: Object.fromEntries(
      answered.map((question) => [question.id, of(field(question.field), (value) => answer(question, value, today))]),
    ),
  };
}

/** A commune or a province by its code, with the day of the list that has it. */
const UNIT = /^(?<code>[0-9]{2}(?:[0-9]{3})?)@(?<listed>[0-9]{4}-[0-9]{2}-[0-9]{2})$/;

type Compared = Pick<Comparison, 'result' | 'level' | 'reason'>;

function of({ result, value }: AssembledField, compared: (value: JsonValue) => Compared): Comparison {
  const { status, reason, source, dataset, recordedAt, observedAt, freshness, staleBecause, retryAfterSeconds } = result;
  const whose = Object.fromEntries(
    Object.entries({ source, dataset, recordedAt, observedAt, freshness, staleBecause, retryAfterSeconds }).filter(
      ([, told]) => told !== undefined,
    ),
  );
  if (value === undefined) return { result: 'unknown', reason: reason ?? status, ...whose };
  return { ...(status === 'conflict' || status === 'under-review' ? { reason: status } : {}), ...compared(value), ...whose };
}

function agree(field: Field | undefined, claimed: string | number | boolean, value: JsonValue, today: string, places: Places): Compared {
  const { type, compare: differ } = field ?? {};
  const unit = typeof claimed === 'string' ? UNIT.exec(claimed)?.groups : undefined;
  if (type === 'address' && isObject(value) && unit !== undefined) {
    const lies = liesIn(places, value, { code: unit.code ?? '', listed: unit.listed ?? '' }, today);
    return lies === undefined ? { result: 'unknown', reason: 'place-not-certain' } : { result: lies ? 'match' : 'mismatch' };
  }
  if (typeof value === 'object') return { result: 'unknown', reason: 'not-comparable' };
  if (type === 'personName' && typeof claimed === 'string' && typeof value === 'string') {
    const level = compareNames(claimed, value);
    return { result: level === 'same' || level === 'tone-placement' ? 'match' : 'mismatch', level };
  }
  if (type === 'date' && typeof claimed === 'string' && typeof value === 'string') {
    return agreeDates(claimed, value);
  }
  // A code may be claimed by one of its names.
  if (differ !== undefined) return { result: differ(claimed, value, today) === undefined ? 'match' : 'mismatch' };
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

const isObject = (value: JsonValue): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);
