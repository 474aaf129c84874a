/** Any registry that answers JSON over HTTP, as its file in `config/sources/` describes it: no code for an ordinary source. */

import {
  type Adapter,
  type AdapterSettings,
  type Answer,
  type JsonObject,
  type JsonValue,
  type KeyKind,
  SourceError,
} from '../src/adapter.ts';
import { type Condition, type Description, faultsOf, type MemberMap, type Pointer, type Rule } from './description.ts';
import { connect, type Reply } from './http.ts';
import { coded, date, type Given, list, malformed, number, text, time } from './reading.ts';

/** Throws an `Error` that lists every fault of the description. */
export function jsonHttp(settings: AdapterSettings): Adapter {
  const faults = faultsOf(settings.datasets);
  if (faults.length > 0) throw new Error(faults.map(({ pointer, message }) => `${pointer} ${message}`).join('\n'));

  // `faultsOf` has just vouched for the shape.
  const descriptions = new Map(Object.entries(settings.datasets as unknown as Record<string, Description>));
  const datasets: Record<string, KeyKind> = {};
  for (const [name, { request }] of descriptions) datasets[name] = request.key;

  const connection = connect(settings.address);
  const lookUp: Adapter['lookUp'] = async ({ dataset, key }, signal) => {
    const description = descriptions.get(dataset);
    if (description === undefined) throw new SourceError('error', 'the source does not serve the dataset');
    const { request, answer } = description;
    const fill = (template: string) => template.replaceAll('{key}', () => key);
    const reply = await connection.ask(
      {
        method: request.method,
        path: request.path,
        headers: headersOf(request.headers ?? {}, (template) => fill(template).replaceAll('{credential}', () => settings.credential ?? '')),
        ...(request.body === undefined ? {} : { body: bodyOf(request.body, fill) }),
        answers: statusesOf(answer),
      },
      signal,
    );
    return answerOf(description, reply);
  };
  return { datasets, lookUp, close: connection.close };
}

function headersOf(templates: Readonly<Record<string, string>>, fill: (template: string) => string): Record<string, string> {
  return Object.fromEntries(Object.entries(templates).map(([name, template]) => [name, fill(template)]));
}

/** Filled in as values, not as text of the body: a key cannot add members to the question. */
function bodyOf(template: JsonValue, fill: (template: string) => string): JsonValue {
  if (typeof template === 'string') return fill(template);
  if (Array.isArray(template)) return template.map((item) => bodyOf(item, fill));
  if (typeof template !== 'object' || template === null) return template;
  return Object.fromEntries(Object.entries(template).map(([name, value]) => [name, bodyOf(value, fill)]));
}

const conditionsOf = (answer: Description['answer']): Condition[] =>
  [...answer.notFound, answer.cancelled, answer.found].filter((one) => one !== undefined);

const statusesOf = (answer: Description['answer']): number[] =>
  conditionsOf(answer).flatMap(({ status }) => (status === undefined ? [] : [status]));

function answerOf({ answer, map, codes }: Description, reply: Reply): Answer {
  if (answer.cancelled && holds(answer.cancelled, reply)) return { found: false, why: 'cancelled' };
  if (answer.notFound.some((condition) => holds(condition, reply))) return { found: false };
  const success = answer.found ?? { status: 200 };
  if (!holds(success, reply)) throw new SourceError('error', 'the answer says neither that there is a record nor that there is none');

  const about = text(at(reply.body, answer.about), answer.about);
  if (about === undefined) throw malformed(answer.about, 'is missing');
  const source = at(reply.body, answer.record);
  if (typeof source !== 'object' || source === null) throw malformed(answer.record || 'the answer', 'is not an object');
  const { recordedAt } = answer;
  return {
    found: true,
    about,
    record: recordOf(map, source, codes ?? {}),
    recordedAt: recordedAt === undefined ? null : time(recordedAt.date, at(reply.body, recordedAt.from), recordedAt.from),
  };
}

const holds = ({ status, at: pointer, equals }: Condition, reply: Reply): boolean =>
  (status === undefined || status === reply.status) && (pointer === undefined || at(reply.body, pointer) === equals);

function recordOf(map: MemberMap, source: JsonValue, codes: NonNullable<Description['codes']>): JsonObject {
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

function at(value: Given, pointer: Pointer): Given {
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
