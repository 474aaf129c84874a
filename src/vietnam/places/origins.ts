/** What a unit of the list since 1 July 2025 was made of. Pure. */
import { LAST_DAY, type Tables, type Takes } from './tables.ts';
import { districtOf, oldCommune, provinceOf, type Unit } from './unit.ts';

/** An old unit, or land that belonged to none, and how much of it. */
export type Origin = { readonly takes: Takes } & ({ readonly unit: Unit } | { readonly area: string });

export function originsOf(tables: Tables, code: string): Origin[] {
  const { newCommunes, oldCommunes, newProvinces, districts, areas } = tables;
  if (code.length === 2) {
    return (newProvinces.get(code)?.from ?? []).flatMap((from) => {
      const unit = provinceOf(tables, from, LAST_DAY);
      return unit === undefined ? [] : { takes: 'whole' as const, unit };
    });
  }
  const communes = (newCommunes.get(code)?.from ?? []).flatMap(({ code: from, takes }) => {
    const commune = oldCommunes.get(from);
    return commune === undefined ? [] : { takes, unit: oldCommune(tables, commune) };
  });
  const zones = [...districts.values()].filter(({ became }) => became === code);
  const land = areas.filter(({ became }) => became === code);
  return [
    ...communes,
    ...zones.map((district) => ({ takes: 'whole' as const, unit: districtOf(tables, district) })),
    ...land.map(({ name }) => ({ takes: 'whole' as const, area: name })),
  ];
}
