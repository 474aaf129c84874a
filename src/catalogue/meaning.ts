/** How values of a type compare by meaning, where one thing can be written in more than one way: addresses in time, and codes with their aliases. */
import { type Field, inForce } from '../domain.ts';
import { codeOf } from '../vietnam/codes.ts';
import { compareAddresses } from '../vietnam/places/address.ts';
import type { Places } from '../vietnam/places/places.ts';
import type { CodeList } from './codes.ts';

/** The comparison for a type; undefined for a type whose values are compared as they stand. */
export type Meanings = (type: string) => Field['compare'];

export function meanings(places: Places | undefined, codes: ReadonlyMap<string, readonly CodeList[]>): Meanings {
  return (type) => {
    if (type === 'address') {
      if (places === undefined) return undefined;
      return (a, b, today) => {
        const compared = compareAddresses(places, a, b, today);
        return compared === 'same' ? undefined : compared;
      };
    }
    const versions = codes.get(type);
    if (versions === undefined) return undefined;
    return (a, b, today) => {
      const list = versions.find((version) => inForce(version, today));
      const [x, y] = [a, b].map((value) => (list && typeof value === 'string' ? (codeOf(list, value) ?? value) : value));
      return x === y ? undefined : 'different';
    };
  };
}
