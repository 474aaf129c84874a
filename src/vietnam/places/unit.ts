/** A unit as it is shown: its code with a day on which the code is its own, its kind and its names, its district and province then. */
import type { Text } from '../../domain.ts';
import {
  type CommuneType,
  type District,
  FIRST_DAY,
  LAST_DAY,
  type NewCommune,
  type NewProvince,
  type OldCommune,
  type ProvinceType,
  type Retyped,
  type Tables,
} from './tables.ts';

export interface Unit {
  readonly code: string;
  /** A day on which the code means this unit. */
  readonly listed: string;
  readonly type: CommuneType | ProvinceType | 'district';
  readonly name: Text;
  /** Until 30 June 2025. */
  readonly district?: { readonly code: string; readonly name: Text };
  readonly province?: { readonly code: string; readonly name: Text };
}

const KINDS = {
  xa: ['Xã', 'Commune'],
  phuong: ['Phường', 'Ward'],
  'thi-tran': ['Thị trấn', 'Township'],
  'dac-khu': ['Đặc khu', 'Special Zone'],
  province: ['Tỉnh', 'Province'],
  city: ['Thành phố', 'City'],
} as const;
const DISTRICTS = { Quận: 'District', Huyện: 'District', 'Thị xã': 'Town', 'Thành phố': 'City' } as const;

/** The letters that English texts of the State use: without marks, and đ as d. */
const plain = (name: string): string =>
  name
    .normalize('NFD')
    .replace(/[\u0300-\u036f]/g, '')
    .replaceAll('đ', 'd')
    .replaceAll('Đ', 'D')
    .replaceAll('’', "'");

/** Units with a number for a name are called by their kind first. */
const inEnglish = (name: string, kind: string): string => (/^[0-9]/.test(name) ? `${kind} ${name}` : `${name} ${kind}`);

function nameOf(type: keyof typeof KINDS, name: string, english = plain(name)): Text {
  const [vi, en] = KINDS[type];
  return { vi: `${vi} ${name}`, en: inEnglish(english, en) };
}

/** What kind a unit of the new list was of on a day. */
const typeOn = <Type>({ type, changes }: { readonly type: Type; readonly changes: readonly Retyped<Type>[] }, day: string): Type =>
  changes.findLast(({ on }) => on <= day)?.to ?? type;

export function provinceOf(tables: Tables, code: string, day: string): Unit | undefined {
  const province = day < FIRST_DAY ? tables.oldProvinces.get(code) : tables.newProvinces.get(code);
  if (province === undefined) return undefined;
  const type = 'changes' in province ? typeOn(province as NewProvince, day) : province.type;
  return { code, listed: day < FIRST_DAY ? LAST_DAY : FIRST_DAY, type, name: nameOf(type, province.name, province.english) };
}

const within = (unit: Unit | undefined): Pick<Unit, 'province'> =>
  unit === undefined ? {} : { province: { code: unit.code, name: unit.name } };

export function districtOf(tables: Tables, { code, province, name }: District): Unit {
  return { code, listed: LAST_DAY, type: 'district', name: districtName(name), ...within(provinceOf(tables, province, LAST_DAY)) };
}

function districtName(name: string): Text {
  const kind = (Object.keys(DISTRICTS) as (keyof typeof DISTRICTS)[]).find((one) => name.startsWith(`${one} `));
  return { vi: name, en: kind === undefined ? plain(name) : inEnglish(plain(name.slice(kind.length + 1)), DISTRICTS[kind]) };
}

export function oldCommune(tables: Tables, { code, type, name, district, province }: OldCommune): Unit {
  const above = tables.districts.get(district ?? '');
  return {
    code,
    listed: LAST_DAY,
    type,
    name: nameOf(type, name),
    ...(above === undefined ? {} : { district: { code: above.code, name: districtName(above.name) } }),
    ...within(provinceOf(tables, province, LAST_DAY)),
  };
}

/** A unit of the new list as it was on a day. */
export function newCommune(tables: Tables, unit: NewCommune, day: string): Unit {
  const type = typeOn(unit, day);
  return { code: unit.code, listed: FIRST_DAY, type, name: nameOf(type, unit.name), ...within(provinceOf(tables, unit.province, day)) };
}
