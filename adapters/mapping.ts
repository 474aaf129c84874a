/** From a registry's record to the dataset's canonical one, by the rules of the source's file: member by member, nothing else comes through. */
import type { JsonObject, JsonValue } from '../src/adapter.ts';
import type { Description, MemberMap, Pointer, Rule } from './description.ts';
import { coded, date, type Given, list, number, text } from './reading.ts';

/** The record in the dataset's shape, from what the registry calls its members. Throws a `SourceError` where a value is not what the rule says. */
export function recordOf(map: MemberMap, source: JsonValue, codes: NonNullable<Description['codes']>): JsonObject {
  const made: JsonObject = {};
  for (const [target, rule] of Object.entries(map)) {
    const value = fieldOf(rule, source, codes);
    if (value !== undefined) put(made, target, value);
  }
  return made;
}

function fieldOf(rule: Rule, source: JsonValue, codes: NonNullable<Description['codes']>): Given {
  if (typeof rule === 'string') return plain(at(source, rule), rule);
  if ('value' in rule) return plain(at(source, rule.with), rule.with) === undefined ? undefined : rule.value;
  const given = at(source, rule.from);
  if ('date' in rule) return date(rule.date, given, rule.from);
  if ('codes' in rule) return coded(codes[rule.codes] ?? {}, given, rule.from);
  if ('as' in rule)
    return rule.as === 'number'
      ? number(given, rule.from)
      : text(typeof given === 'number' ? number(given, rule.from)?.toString() : given, rule.from);
  return list(given, rule.from)?.map((item) => recordOf(rule.each, item, codes));
}

/** Only single values go through as they are: a whole object might hold more than the dataset may know. */
function plain(given: Given, name: string): Given {
  if (typeof given === 'boolean') return given;
  return typeof given === 'number' ? number(given, name) : text(given, name);
}

const tokens = (pointer: Pointer): string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));

/** What stands at a pointer, or undefined. */
export function at(value: Given, pointer: Pointer): Given {
  let here = value;
  for (const name of tokens(pointer)) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, name)) return undefined;
    here = (here as JsonObject)[name];
  }
  return here;
}

function put(record: JsonObject, pointer: Pointer, value: JsonValue): void {
  const names = tokens(pointer);
  const last = names.pop() ?? '';
  let here = record;
  for (const name of names) {
    if (!Object.hasOwn(here, name)) here[name] = {};
    here = here[name] as JsonObject;
  }
  here[last] = value;
}
