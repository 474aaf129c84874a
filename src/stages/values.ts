/** Values of a record at a pointer. Pure. */
import type { JsonObject, JsonValue } from '../adapter.ts';
import type { Pointer } from '../domain.ts';

/** Every value the pointer leads to; `*` stands for each item of a list. Empty where there is none. */
export function valuesAt(record: JsonValue | undefined, pointer: Pointer): JsonValue[] {
  let values: JsonValue[] = record === undefined || record === null ? [] : [record];
  for (const member of pointer) {
    const next: JsonValue[] = [];
    for (const value of values) {
      if (Array.isArray(value)) {
        if (member === '*') next.push(...value);
      } else if (typeof value === 'object' && value !== null && Object.hasOwn(value, member)) {
        next.push(value[member] as JsonValue);
      }
    }
    values = next;
  }
  return values;
}

/** Writes a value into a form, making the objects on the way. The catalogue saw to it that no field lies within another. */
export function put(form: JsonObject, path: Pointer, value: JsonValue): void {
  let at = form;
  for (const member of path.slice(0, -1)) at = (at[member] ??= {}) as JsonObject;
  at[path.at(-1) as string] = value;
}
