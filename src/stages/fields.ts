/** One field of the form from the answers: filled, in conflict, or why not. Pure. */
import { isDeepStrictEqual } from 'node:util';
import type { JsonValue } from '../adapter.ts';
import {
  type Conflict,
  type Field,
  type FieldResult,
  inForce,
  type Outcome,
  type PlannedLookUp,
  type Resolved,
  type Stale,
} from '../domain.ts';
import { compareDates } from '../vietnam/dates.ts';
import { compareNames } from '../vietnam/names.ts';
import { isAway } from './pending.ts';
import { valuesAt } from './values.ts';

/** What a source claims the value to be. */
interface Claim {
  /** Place among the field's bindings: 0 is the one that prevails. */
  readonly rank: number;
  readonly source: string;
  readonly dataset: string;
  readonly value: JsonValue;
  readonly outcome: Extract<Outcome, { kind: 'found' }>;
}

export interface AssembledField {
  readonly result: FieldResult;
  readonly value?: JsonValue;
  readonly conflict?: Conflict;
}

/** A register that says `unknown` says nothing: above all not that a person is unmarried. */
const isStated = (value: JsonValue): boolean => value !== 'unknown';

/** Types whose value is a list: for any other, several values are never chosen between. */
const LISTS = new Set(['personList', 'textList']);

/** An answer past its age fills a gap with what it says: it neither confirms nor contradicts another of today, and what it lacks may be there by now. */
export function assembleField(
  field: Field,
  lookUps: readonly PlannedLookUp[],
  { outcomes }: Pick<Resolved, 'outcomes'>,
  today: string,
): AssembledField {
  if (!field.from.some(({ lookUp }) => isStale(outcomes.get(lookUp)))) return fill(field, lookUps, outcomes, today);
  const newer = fill(field, lookUps, new Map([...outcomes].map(([index, outcome]) => [index, withoutStale(outcome)])), today);
  if (newer.result.status !== 'unavailable') return newer;
  const older = fill(field, lookUps, outcomes, today);
  return older.result.freshness === 'stale' ? older : newer;
}

const isStale = (outcome: Outcome | undefined): boolean => outcome?.kind === 'found' && outcome.stale !== undefined;

const withoutStale = (outcome: Outcome): Outcome =>
  outcome.kind === 'found' && outcome.stale !== undefined
    ? { kind: 'unavailable', reason: outcome.stale.because, ...waitOf(outcome.stale) }
    : outcome;

function fill(field: Field, lookUps: readonly PlannedLookUp[], outcomes: Resolved['outcomes'], today: string): AssembledField {
  if (field.from.length === 0) {
    const declared = field.type === 'declared' || field.type === 'signature';
    return { result: { status: 'ask', reason: declared ? 'declarant-only' : 'no-source' } };
  }
  const claims: Claim[] = [];
  const silent: { source: string; outcome: Outcome }[] = [];
  for (const [rank, binding] of field.from.entries()) {
    const planned = lookUps[binding.lookUp];
    const outcome = outcomes.get(binding.lookUp);
    if (planned === undefined || outcome === undefined) continue;
    if (outcome.kind !== 'found') {
      silent.push({ source: planned.source, outcome });
      continue;
    }
    const values =
      binding.values.map((pointer) => valuesAt(outcome.record, pointer).filter(isStated)).find((found) => found.length > 0) ?? [];
    const [value, ...others] = values;
    const several = others.some((other) => !isDeepStrictEqual(other, value));
    if (several && !LISTS.has(field.type)) return { result: { status: 'ask', reason: 'several-values' } };
    if (value === undefined) silent.push({ source: planned.source, outcome });
    else claims.push({ rank, source: planned.source, dataset: planned.dataset, value, outcome });
  }
  const [first, ...others] = claims;
  if (first === undefined) return { result: why(silent.map(({ outcome }) => outcome)) };
  return decide(field, first, others, silent, today);
}

function decide(
  field: Field,
  first: Claim,
  others: readonly Claim[],
  silent: readonly { source: string; outcome: Outcome }[],
  today: string,
): AssembledField {
  const differences: Conflict['difference'][] = [];
  const confirming: Claim[] = [];
  for (const claim of others) {
    const found = difference(field, first.value, claim.value, today);
    if (found !== undefined) differences.push(found);
    else if (claim.source !== first.source) confirming.push(claim);
  }
  const unconfirmed = silent.filter(({ outcome }) => isAway(outcome)).map(({ source }) => source);
  const { recordedAt, observedAt, freshness, stale } = first.outcome;
  const result: FieldResult = {
    status: 'filled',
    source: first.source,
    dataset: first.dataset,
    ...(recordedAt === null ? {} : { recordedAt }),
    observedAt,
    ...(stale === undefined ? { freshness } : { freshness: 'stale', staleBecause: stale.because, ...waitOf(stale) }),
    editable: field.editable,
    ...(confirming.length > 0 ? { confirmedBy: [...new Set(confirming.map((claim) => claim.source))] } : {}),
    ...(unconfirmed.length > 0 ? { unconfirmed: [...new Set(unconfirmed)] } : {}),
  };
  const value = cut(field, first.value);
  const [worst] = differences.sort((a, b) => RANK[a] - RANK[b]);
  if (worst === undefined) return { result, value };
  const rule = first.rank === 0 && field.prevails !== undefined && inForce(field.prevails, today) ? field.prevails : undefined;
  const conflict: Conflict = {
    field: field.at,
    difference: worst,
    values: [first, ...others].map((claim) => ({ source: claim.source, value: cut(field, claim.value) })),
    ...(rule === undefined ? {} : { rule: rule.rule ?? rule.ref, legalBasis: rule.citation, chosen: first.source }),
  };
  if (rule === undefined) return { result: { status: 'conflict', reason: 'no-register-prevails' }, conflict };
  return { result: { ...result, status: 'conflict' }, value, conflict };
}

const RANK = { different: 0, diacritics: 1, 'old-unit': 2, 'suspect-default': 3 } as const;

/** How two values differ in meaning, or undefined where they say the same. */
function difference({ type, compare }: Field, a: JsonValue, b: JsonValue, today: string): Conflict['difference'] | undefined {
  if (isDeepStrictEqual(a, b)) return undefined;
  if (compare !== undefined) return compare(a, b, today);
  if (type === 'personName' && typeof a === 'string' && typeof b === 'string') {
    const compared = compareNames(a, b);
    return compared === 'same' || compared === 'tone-placement' ? undefined : compared;
  }
  if (type === 'date' && typeof a === 'string' && typeof b === 'string') {
    const compared = compareDates(a, b);
    return compared === 'same' || compared === 'compatible' ? undefined : compared;
  }
  return 'different';
}

/** A form that needs a year gets a year. */
function cut(field: Field, value: JsonValue): JsonValue {
  if (field.precision === undefined || typeof value !== 'string') return value;
  return value.slice(0, { year: 4, month: 7, day: 10 }[field.precision]);
}

const waitOf = (why: Outcome | Stale): { retryAfterSeconds?: number } =>
  'retryAfterSeconds' in why ? { retryAfterSeconds: why.retryAfterSeconds } : {};

/** Why no source gave a value: what could still change comes before what is certain. */
function why(outcomes: readonly Outcome[]): FieldResult {
  const unavailable = outcomes.find((outcome) => outcome.kind === 'unavailable');
  if (unavailable !== undefined) {
    return { status: 'unavailable', reason: unavailable.reason, ...waitOf(unavailable) };
  }
  const keyless = outcomes.find((outcome) => outcome.kind === 'no-key' && outcome.reason === 'unavailable');
  if (keyless !== undefined) return { status: 'unavailable', reason: 'key-unavailable', ...waitOf(keyless) };
  const reasons = outcomes.flatMap((outcome) => (outcome.kind === 'no-key' ? [outcome.reason] : []));
  if (reasons.includes('several-values')) return { status: 'ask', reason: 'several-values' };
  if (reasons.includes('role-not-given')) return { status: 'ask', reason: 'role-not-given' };
  if (reasons.includes('not-confirmed')) return { status: 'not-found', reason: 'not-confirmed' };
  if (outcomes.some((outcome) => outcome.kind === 'absent' && outcome.why === 'cancelled'))
    return { status: 'not-found', reason: 'number-cancelled' };
  return { status: 'not-found', reason: outcomes.some((outcome) => outcome.kind === 'found') ? 'not-recorded' : 'no-record' };
}
