/** Places by name within a province, for a person to choose from: marks are no hindrance to finding, and never make two units one. Pure. */
import { compareNames, type NameComparison } from '../names.ts';
import type { Places } from './places.ts';
import type { Unit } from './unit.ts';

export interface Found {
  readonly unit: Unit;
  /** How near: `diacritics` is another name. */
  readonly match: Exclude<NameComparison, 'different'>;
}

const NEAR = ['same', 'tone-placement', 'diacritics', 'different'] as const;
const nearer = (a: NameComparison, b: NameComparison): NameComparison => (NEAR.indexOf(a) < NEAR.indexOf(b) ? a : b);

/** The communes of a province on a day that are called so, with or without their kind; the nearest first. */
export function findPlaces(places: Places, name: string, province: string, on: string): Found[] {
  const found: Found[] = [];
  for (const { unit, names } of places.communes(province, on)) {
    const match = [unit.name.vi, ...names].map((one) => compareNames(one, name)).reduce(nearer);
    if (match !== 'different') found.push({ unit, match });
  }
  return found.sort((a, b) => NEAR.indexOf(a.match) - NEAR.indexOf(b.match));
}
