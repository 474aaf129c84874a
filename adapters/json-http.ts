/** Any registry that answers JSON over HTTP, as its file in `config/sources/` describes it: no code for an ordinary source. */

import { type Adapter, type AdapterSettings, type Answer, type JsonValue, type KeyKind, SourceError } from '../src/adapter.ts';
import { type Condition, type Description, faultsOf } from './description.ts';
import { connect, type Reply } from './http.ts';
import { at, recordOf } from './mapping.ts';
import { malformed, text, time } from './reading.ts';

/** Throws an `Error` that lists every fault of the description. */
export function jsonHttp(settings: AdapterSettings): Adapter {
  const faults = faultsOf(settings.datasets);
  if (faults.length > 0) throw new Error(faults.map(({ pointer, message }) => `${pointer} ${message}`).join('\n'));

  // `faultsOf` has just vouched for the shape.
  const descriptions = new Map(Object.entries(settings.datasets as unknown as Record<string, Description>));
  const datasets: Record<string, KeyKind> = {};
  for (const [name, { request }] of descriptions) datasets[name] = request.key;

  const connection = connect(settings.address, settings);
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
