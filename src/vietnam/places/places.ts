/** Places in time: which unit a code of a day means, and what it is on another day. A code without its day means nothing. Pure. */
import { type Origin, originsOf } from './origins.ts';
import { type Standing, standing } from './standing.ts';
import { FIRST_DAY, type Tables } from './tables.ts';
import { districtOf, newCommune, oldCommune, provinceOf, type Unit } from './unit.ts';

export interface Traced {
  readonly recorded: Unit;
  readonly standing: Standing;
}

export class Places {
  readonly #tables: Tables;

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  /** The first day that codes are known for. */
  get begins(): string {
    return this.#tables.begins;
  }

  /** The unit that a code of two, three or five digits means in the list of a day, as it was on that day. */
  unit(code: string, day: string): Unit | undefined {
    const tables = this.#tables;
    if (day < tables.begins) return undefined;
    if (code.length === 2) return provinceOf(tables, code, day);
    if (day < FIRST_DAY) {
      const district = tables.districts.get(code);
      if (district !== undefined) return districtOf(tables, district);
      const commune = tables.oldCommunes.get(code);
      return commune && oldCommune(tables, commune);
    }
    const commune = tables.newCommunes.get(tables.aliases.get(code) ?? code);
    return commune && newCommune(tables, commune, day);
  }

  /** What a code of a day means, and what that is on another day; undefined where the list of the first has no such code. */
  trace(code: string, listed: string, on: string): Traced | undefined {
    const recorded = this.unit(code, listed);
    return recorded && { recorded, standing: standing(this.#tables, recorded, listed, on) };
  }

  /** What a unit of the list since 1 July 2025 was made of; empty for any other. */
  madeOf({ code, listed }: Unit): Origin[] {
    return listed < FIRST_DAY ? [] : originsOf(this.#tables, code);
  }

  /** The communes of a province on a day, each with its names without its kind. */
  *communes(province: string, day: string): Generator<{ unit: Unit; names: readonly string[] }> {
    const tables = this.#tables;
    if (day < FIRST_DAY) {
      for (const one of tables.oldCommunes.values())
        if (one.province === province && one.verified) yield { unit: oldCommune(tables, one), names: [one.name] };
      return;
    }
    for (const one of tables.newCommunes.values())
      if (one.province === province) yield { unit: newCommune(tables, one, day), names: [one.name, ...one.otherNames] };
  }
}
