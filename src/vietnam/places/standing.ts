/** What a unit of one day is on another: the rule, the act and the unit, or all that it may be where the code alone cannot say. Pure. */
import { originsOf } from './origins.ts';
import { FIRST_DAY, type OldCommune, type Retyped, type Tables, type Takes } from './tables.ts';
import { newCommune, provinceOf, type Unit } from './unit.ts';

export type Rule = 'unchanged' | 'renamed' | 'retyped' | 'merged' | 'split' | 'abolished';

/** What a unit is on a day. */
export interface Standing {
  readonly on: string;
  readonly rule: Rule;
  /** The first day of the change, and the act by its number where it is known. */
  readonly since?: string;
  readonly act?: string;
  /** `residents`: all of them went there, though land went elsewhere too; `inferred`: so it follows; `ambiguous`: the code cannot say. */
  readonly certainty: 'certain' | 'residents' | 'inferred' | 'ambiguous';
  /** Absent where it is ambiguous. */
  readonly unit?: Unit;
  /** All that it may be, wherever there is more than one; how much of the old unit went to each. */
  readonly candidates?: readonly (Unit & { readonly takes?: Takes })[];
  /** What became of the unit after that. */
  readonly later?: readonly { readonly rule: Rule; readonly since: string; readonly act: string }[];
  /** False where one public list alone says so. */
  readonly verified?: false;
}

export function standing(tables: Tables, unit: Unit, listed: string, on: string): Standing {
  if (listed < FIRST_DAY && on < FIRST_DAY) return { on, rule: 'unchanged', certainty: 'certain', unit };
  if (listed < FIRST_DAY) return forward(tables, unit, on);
  if (on < FIRST_DAY) return backward(tables, unit, on);
  return changed(tables, unit, listed, on);
}

/** Within the list since 1 July 2025 only the kind of a unit changed. */
function changed(tables: Tables, unit: Unit, listed: string, on: string): Standing {
  const [from, to] = listed < on ? [listed, on] : [on, listed];
  const change = changesOf(tables, unit.code).findLast((one) => from < one.on && one.on <= to);
  const now = unitOf(tables, unit.code, on);
  if (change === undefined) return { on, rule: 'unchanged', certainty: 'certain', ...now };
  return { on, rule: 'retyped', since: change.on, act: change.act, certainty: 'certain', ...now };
}

function forward(tables: Tables, unit: Unit, on: string): Standing {
  const { acts, oldProvinces, newProvinces, districts, oldCommunes } = tables;
  const province = oldProvinces.get(unit.code);
  if (unit.code.length === 2 && province !== undefined) {
    const rule = newProvinces.get(province.became)?.from.length === 1 ? 'unchanged' : 'merged';
    return become(tables, { on, rule, act: acts.provinces, certainty: 'certain' }, province.became);
  }
  const district = districts.get(unit.code);
  if (district !== undefined) {
    const act = resolution(tables, oldProvinces.get(district.province)?.became);
    if (district.became !== undefined) return become(tables, { on, rule: 'retyped', act, certainty: 'certain' }, district.became);
    const codes = new Set(district.communes.flatMap((code) => oldCommunes.get(code)?.became.map((target) => target.code) ?? []));
    const candidates = [...codes].sort().flatMap((code) => unitOf(tables, code, on).unit ?? []);
    return { on, rule: 'abolished', since: FIRST_DAY, certainty: 'ambiguous', candidates };
  }
  return communeForward(tables, oldCommunes.get(unit.code) as OldCommune, on);
}

function communeForward(tables: Tables, commune: OldCommune, on: string): Standing {
  const { became, residents, verified } = commune;
  const [first, ...others] = became;
  const act = resolution(tables, tables.newCommunes.get(first?.code ?? '')?.province);
  const doubt = verified ? {} : { verified: false as const };
  if (first !== undefined && others.length === 0) {
    return become(tables, { on, rule: ruleOf(tables, commune, first), act, certainty: 'certain', ...doubt }, first.code);
  }
  const candidates = became.flatMap(({ code, takes }) => {
    const { unit } = unitOf(tables, code, on);
    return unit === undefined ? [] : { ...unit, takes };
  });
  const split = { on, rule: 'split' as const, act, candidates };
  if (residents === undefined) return { ...split, since: FIRST_DAY, certainty: 'ambiguous' };
  return become(tables, { ...split, certainty: residents.said ? 'residents' : 'inferred' }, residents.code);
}

/** The table speaks of a whole unit that went into another; where nothing else did, it is the same unit under another kind or name. */
function ruleOf(tables: Tables, { type, name }: OldCommune, { code, takes }: OldCommune['became'][number]): Rule {
  if (takes === 'unchanged' || takes === 'renamed' || takes === 'retyped') return takes;
  const target = tables.newCommunes.get(code);
  if (target?.from.length !== 1 || takes !== 'whole') return 'merged';
  return target.name !== name ? 'renamed' : target.type !== type ? 'retyped' : 'unchanged';
}

/** The unit that another became on 1 July 2025, with what has become of it since. */
function become(tables: Tables, { rule, ...rest }: Omit<Standing, 'since' | 'unit' | 'later'>, code: string): Standing {
  const later = changesOf(tables, code)
    .filter((change) => change.on <= rest.on)
    .map((change) => ({ rule: 'retyped' as const, since: change.on, act: change.act }));
  const now = unitOf(tables, code, rest.on);
  const [only] = later;
  if (rule !== 'unchanged') return { rule, since: FIRST_DAY, ...rest, ...now, ...(only === undefined ? {} : { later }) };
  const { act: _, ...unchanged } = rest;
  return { rule, ...unchanged, ...only, ...now };
}

/** What a unit of today was before: known where it was made of one alone. */
function backward(tables: Tables, { code }: Unit, on: string): Standing {
  const origins = originsOf(tables, code);
  const [only, ...others] = origins;
  if (only !== undefined && 'unit' in only && others.length === 0) {
    const { rule, since, act } = forward(tables, only.unit, FIRST_DAY);
    return { on, rule, ...(since && { since }), ...(act && { act }), certainty: 'certain', unit: only.unit };
  }
  const act = code.length === 2 ? tables.acts.provinces : resolution(tables, tables.newCommunes.get(code)?.province);
  const candidates = origins.flatMap((origin) => ('unit' in origin ? { ...origin.unit, takes: origin.takes } : []));
  return { on, rule: 'merged', since: FIRST_DAY, act, certainty: 'ambiguous', candidates };
}

const changesOf = ({ newProvinces, newCommunes }: Tables, code: string): readonly Retyped<string>[] =>
  (newProvinces.get(code) ?? newCommunes.get(code))?.changes ?? [];

function unitOf(tables: Tables, code: string, on: string): { unit?: Unit } {
  const commune = tables.newCommunes.get(code);
  const unit = commune === undefined ? provinceOf(tables, code, on) : newCommune(tables, commune, on);
  return unit === undefined ? {} : { unit };
}

/** The act that rearranged the communes of a province, by its number. */
function resolution({ acts, newProvinces }: Tables, province: string | undefined): string {
  return acts.communes.replace('{resolution}', newProvinces.get(province ?? '')?.resolution ?? '1654–1687');
}
