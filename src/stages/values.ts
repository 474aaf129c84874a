/** Values of a record at a pointer. Pure. */
import type { JsonObject, JsonValue } from '../adapter.ts';
import type { Pointer } from '../domain.ts';

/** Every value the pointer leads to; `*` stands for each item of a list. Empty where there is none. */
export function valuesAt(record: JsonValue | undefined, pointer: Pointer): JsonValue[] {
  let value = record;
  for (const [depth, member] of pointer.entries()) {
    if (typeof value !== 'object' || value === null) return [];
    if (member === '*') return Array.isArray(value) ? value.flatMap((item) => valuesAt(item, pointer.slice(depth + 1))) : [];
    if (Array.isArray(value) || !Object.hasOwn(value, member)) return [];
    value = value[member];
  }
  return value === undefined || value === null ? [] : [value];
}

/** Writes a value into a form, making the objects on the way. The catalogue saw to it that no field lies within another. */
export function put(form: JsonObject, path: Pointer, value: JsonValue): void {
  let at = form;
  for (const member of path.slice(0, -1)) {
    // Only what was put there: every object inherits a `constructor`.
    if (!Object.hasOwn(at, member)) at[member] = {};
    at = at[member] as JsonObject;
  }
  at[path.at(-1) as string] = value;
}
