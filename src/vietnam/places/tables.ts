/** The tables of places as they are held: provinces, districts and communes of the two lists, and what each became. */

/** The first day of the list in force; the day before is the last of the one that it replaced. */
export const FIRST_DAY = '2025-07-01';
export const LAST_DAY = '2025-06-30';

export const COMMUNE_TYPES = ['xa', 'phuong', 'thi-tran', 'dac-khu'] as const;
export type CommuneType = (typeof COMMUNE_TYPES)[number];
export const PROVINCE_TYPES = ['province', 'city'] as const;
export type ProvinceType = (typeof PROVINCE_TYPES)[number];

/**
 * How much of an old unit went to a new one: all of it (`whole`; `unchanged`, `renamed` and `retyped` where nothing was added), a `part` of
 * unsaid share, an `area` of land, some `residents`, or land with `all-residents`.
 */
export const TAKES = ['whole', 'part', 'area', 'residents', 'all-residents', 'unchanged', 'renamed', 'retyped'] as const;
export type Takes = (typeof TAKES)[number];

/** A unit that became another kind later. */
export interface Retyped<Type> {
  readonly on: string;
  readonly to: Type;
  readonly act: string;
}

export interface NewProvince {
  readonly code: string;
  readonly type: ProvinceType;
  readonly name: string;
  readonly english: string;
  /** Number of the resolution that rearranged its communes. */
  readonly resolution: string;
  readonly changes: Retyped<ProvinceType>[];
  /** Codes of the provinces that it was made of. */
  readonly from: string[];
}

export interface OldProvince {
  readonly code: string;
  readonly type: ProvinceType;
  readonly name: string;
  readonly english: string;
  readonly became: string;
}

export interface District {
  readonly code: string;
  readonly province: string;
  readonly name: string;
  /** The special zone that a district without communes became. */
  readonly became: string | undefined;
  /** Codes of its communes. */
  readonly communes: string[];
}

export interface OldCommune {
  readonly code: string;
  /** Absent for the few of which only the province is known. */
  readonly district: string | undefined;
  readonly province: string;
  readonly type: CommuneType;
  readonly name: string;
  readonly became: readonly { readonly code: string; readonly takes: Takes }[];
  /** Of a unit that was split: where all its residents went, and whether the table says so itself. */
  readonly residents: { readonly code: string; readonly said: boolean } | undefined;
  /** False where one public list alone knows it. */
  readonly verified: boolean;
}

export interface NewCommune {
  readonly code: string;
  readonly province: string;
  readonly type: CommuneType;
  readonly name: string;
  readonly otherNames: readonly string[];
  readonly changes: Retyped<CommuneType>[];
  readonly from: { readonly code: string; readonly takes: Takes }[];
}

/** By code. */
export interface Tables {
  /** The first day that codes are known for. */
  readonly begins: string;
  readonly acts: { readonly provinces: string; readonly communes: string };
  readonly newProvinces: ReadonlyMap<string, NewProvince>;
  readonly oldProvinces: ReadonlyMap<string, OldProvince>;
  readonly districts: ReadonlyMap<string, District>;
  readonly newCommunes: ReadonlyMap<string, NewCommune>;
  readonly oldCommunes: ReadonlyMap<string, OldCommune>;
  /** Second code of the new list → its first. */
  readonly aliases: ReadonlyMap<string, string>;
  /** Land of a district that belonged to no commune. */
  readonly areas: readonly { readonly name: string; readonly district: string; readonly became: string }[];
}
