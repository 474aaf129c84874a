/** Addresses of registers in time: the unit as recorded and as of a day, and whether two of them say the same place. Pure. */
import type { JsonObject, JsonValue } from '../../adapter.ts';
import { nameKey } from '../names.ts';
import type { Places } from './places.ts';
import type { Standing } from './standing.ts';
import type { Unit } from './unit.ts';

/**
 * Why the unit of an address is not known: `no-code`; `impossible-date` of the code list: before there were codes, or in the future;
 * `unknown-code` in the list of that date; `other-province` than the one that the list puts the commune in.
 */
export type AddressFlag = 'no-code' | 'impossible-date' | 'unknown-code' | 'other-province';

/** The unit of an address; `today` as of the day of the reply. */
export type AddressPlace = { readonly recorded: Unit; readonly today: Standing } | { readonly flag: AddressFlag };

/** Undefined for an address abroad. */
export function placeOf(places: Places, address: JsonObject, today: string): AddressPlace | undefined {
  const { country, communeCode, provinceCode, codeListDate: listed } = address;
  if (country !== undefined && country !== 'VNM') return undefined;
  const code = communeCode ?? provinceCode;
  if (typeof code !== 'string' || typeof listed !== 'string') return { flag: 'no-code' };
  if (listed < places.begins || listed > today) return { flag: 'impossible-date' };
  const traced = places.trace(code, listed, today);
  if (traced === undefined) return { flag: 'unknown-code' };
  const province = traced.recorded.province?.code ?? traced.recorded.code;
  // The date is the likelier mistake: the code then means a unit of the other list.
  if (provinceCode !== undefined && provinceCode !== province) return { flag: 'other-province' };
  return { recorded: traced.recorded, today: traced.standing };
}

/** `old-unit`: one is recorded under a unit that was split, and may be the other's. */
export type AddressComparison = 'same' | 'old-unit' | 'different';

/** Two addresses are the same where their units are, as of a day, and what is said of the place within them. */
export function compareAddresses(places: Places, a: JsonValue, b: JsonValue, today: string): AddressComparison {
  if (!isObject(a) || !isObject(b)) return 'different';
  const [x, y] = [placeOf(places, a, today), placeOf(places, b, today)];
  if (x === undefined || y === undefined || 'flag' in x || 'flag' in y) return 'different';
  const [here, there] = [within(a, x.recorded), within(b, y.recorded)];
  if (here === undefined || there === undefined || nameKey(here) !== nameKey(there)) return 'different';
  // Two units of one day are two places, though they are one by now: each had a first hamlet.
  if (x.recorded.listed === y.recorded.listed) return x.recorded.code === y.recorded.code ? 'same' : 'different';
  const [one, other] = [codesOf(x.today), codesOf(y.today)];
  if (sure(x.today) && sure(y.today)) return one[0] === other[0] ? 'same' : 'different';
  return one.some((code) => other.includes(code)) ? 'old-unit' : 'different';
}

/**
 * Whether an address lies in a unit, as of a day: a commune, or a province with all its communes. Undefined where nobody can tell: one of the
 * two has no code of its day, or was split.
 */
export function liesIn(
  places: Places,
  address: JsonObject,
  unit: { readonly code: string; readonly listed: string },
  today: string,
): boolean | undefined {
  const place = placeOf(places, address, today);
  const asked = unit.listed <= today ? places.trace(unit.code, unit.listed, today)?.standing : undefined;
  if (asked === undefined || place === undefined || 'flag' in place) return undefined;
  const whole = unit.code.length === 2;
  const [here, there] = [codesOf(place.today, whole), codesOf(asked, whole)];
  if (!here.some((code) => there.includes(code))) return false;
  return here.length === 1 && there.length === 1 && (whole || (sure(place.today) && sure(asked))) ? true : undefined;
}

/** The address under the unit of today, for a form that asks for it; as recorded where that is not certain. */
export function asOfToday(address: JsonObject, place: AddressPlace | undefined): JsonObject {
  if (place === undefined || 'flag' in place || place.today.unit === undefined || !sure(place.today)) return address;
  const { unit, on } = place.today;
  const detail = within(address, place.recorded);
  if (detail === undefined) return address;
  const province = unit.province ?? unit;
  const names = unit.province === undefined ? [unit.name.vi] : [unit.name.vi, unit.province.name.vi];
  return {
    ...(typeof address.country === 'string' ? { country: address.country } : {}),
    text: [...(detail === '' ? [] : [detail]), ...names].join(', '),
    provinceCode: province.code,
    ...(unit.province === undefined ? {} : { communeCode: unit.code }),
    codeListDate: on,
    ...(detail === '' ? {} : { detail }),
  };
}

const sure = ({ certainty }: Standing): boolean => certainty === 'certain' || certainty === 'residents';

/** The codes that it may have, of itself or of its province. */
const codesOf = ({ unit, candidates = [] }: Standing, province = false): string[] => [
  ...new Set((unit === undefined ? candidates : [unit]).map((one) => (province ? (one.province?.code ?? one.code) : one.code))),
];

/** What is said of the place within its unit: '' where the text begins with the unit, undefined where nobody can tell. */
function within({ detail, text }: JsonObject, { name }: Unit): string | undefined {
  if (typeof detail === 'string') return detail;
  const [first = ''] = String(text).split(',');
  const names = [name.vi, name.vi.replace(/^(Xã|Phường|Thị trấn|Đặc khu|Tỉnh|Thành phố) /, '')];
  return names.some((one) => nameKey(one) === nameKey(first)) ? '' : undefined;
}

const isObject = (value: JsonValue): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);
