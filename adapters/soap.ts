/** Any registry that answers SOAP 1.1 or 1.2, behind X-Road or not, as its file in `config/sources/` describes it. */

import { randomUUID } from 'node:crypto';
import { type Adapter, type AdapterSettings, type Answer, type KeyKind, SourceError } from '../src/adapter.ts';
import { connect } from './http.ts';
import { recordOf } from './mapping.ts';
import { malformed, text, time } from './reading.ts';
import { soapFaultsOf } from './soap-check.ts';
import { prefixesOf, type SoapCondition, type SoapDescription, versionOf } from './soap-description.ts';
import { contentHeaders, envelope, type Message, readMessage, SOAP_FORM } from './soap-envelope.ts';
import { faultFailure } from './soap-fault.ts';
import { templateOf } from './soap-template.ts';
import { StatusFailure, type WireReply } from './wire.ts';
import { checkHeaders, hasHeaders, writeHeaders } from './x-road.ts';
import { XmlFault } from './xml.ts';
import { elementAt, type Step, stepsOf, textAt } from './xml-paths.ts';
import { shapeOf, treeOf } from './xml-record.ts';

/** Throws an `Error` that lists every fault of the description. */
export function soap(settings: AdapterSettings): Adapter {
  const faults = soapFaultsOf(settings.datasets);
  if (faults.length > 0) throw new Error(faults.map(({ pointer, message }) => `${pointer} ${message}`).join('\n'));

  const services = new Map<string, Service>();
  const datasets: Record<string, KeyKind> = {};
  // `soapFaultsOf` has just vouched for the shape.
  for (const [name, description] of Object.entries(settings.datasets as unknown as Record<string, SoapDescription>)) {
    services.set(name, serviceOf(description, settings.credential));
    datasets[name] = description.request.key;
  }

  const connection = connect(settings);
  const lookUp: Adapter['lookUp'] = async ({ dataset, key }, signal) => {
    const service = services.get(dataset);
    if (service === undefined) throw new SourceError('error', 'the source does not serve the dataset');
    const id = randomUUID();
    const { path, headers } = service;
    const call = { method: 'POST', path, headers, body: service.question(key, id), statuses: [400, 500], form: SOAP_FORM } as const;
    return service.answer(await connection.send(call, signal), id);
  };
  return { datasets, lookUp, close: connection.close };
}

/** One described service: what is sent to it, and what its answer means. */
interface Service {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  question(key: string, id: string): string;
  answer(reply: WireReply, id: string): Answer;
}

function serviceOf({ request, answer, map, codes = {} }: SoapDescription, credential = ''): Service {
  const version = versionOf(request.soap);
  const { path, xroad, action = '' } = request;
  const template = templateOf(request.body);
  const given = Object.entries(request.headers ?? {}).map(([name, text]) => [name, text.replaceAll('{credential}', () => credential)]);
  const prefixes = prefixesOf(answer, version);
  const [record, about] = [stepsOf(answer.record, prefixes, 'element'), stepsOf(answer.about, prefixes, 'text')];
  const recordedAt = answer.recordedAt && { ...answer.recordedAt, steps: stepsOf(answer.recordedAt.from, prefixes, 'text') };
  const shape = shapeOf(map, prefixes, () => undefined);
  const [cancelled, found] = [answer.cancelled, answer.found ?? { present: answer.record }].map((one) => one && holder(one, prefixes));
  const notFound = answer.notFound.map((one) => holder(one, prefixes));

  return {
    path,
    headers: { ...Object.fromEntries(given), ...contentHeaders(version, action) },
    question: (key, id) => envelope(version, xroad === undefined ? '' : writeHeaders(xroad, id), filled(template.fill, key)),
    answer: ({ status, bytes, type, retryAfter }, id) => {
      const message = readMessage(bytes, type, version);
      const { header, body, faultCodes } = message;
      if (status !== 200 && faultCodes === undefined) throw new StatusFailure(status, retryAfter);
      // A fault may come without the headers: a security server says with it that there was no exchange at all.
      if (xroad !== undefined && (faultCodes === undefined || hasHeaders(header))) checkHeaders(header, xroad, id);
      if (cancelled?.(message)) return { found: false, why: 'cancelled' };
      if (notFound.some((holds) => holds(message))) return { found: false };
      if (faultCodes !== undefined) throw faultFailure(faultCodes, retryAfter);
      if (found?.(message) !== true)
        throw new SourceError('error', 'the answer says neither that there is a record nor that there is none');

      const whom = text(textAt(body, about), answer.about);
      if (whom === undefined) throw malformed(answer.about, 'is missing');
      const source = elementAt(body, record);
      if (source === undefined) throw malformed(answer.record, 'is missing');
      return {
        found: true,
        about: whom,
        record: recordOf(map, treeOf(source, shape), codes),
        recordedAt: recordedAt === undefined ? null : time(recordedAt.date, textAt(body, recordedAt.steps), recordedAt.from),
      };
    },
  };
}

function filled(fill: (key: string) => string, key: string): string {
  try {
    return fill(key);
  } catch (error) {
    if (!(error instanceof XmlFault)) throw error;
    throw new SourceError('error', 'the question cannot be put into XML');
  }
}

function holder(
  { fault, at, equals, present, absent }: SoapCondition,
  prefixes: Parameters<typeof stepsOf>[1],
): (message: Message) => boolean {
  const element = (path: string | undefined): Step[] | undefined => (path === undefined ? undefined : stepsOf(path, prefixes, 'element'));
  const [there, gone] = [element(present), element(absent)];
  const value = at === undefined ? undefined : stepsOf(at, prefixes, 'text');
  return ({ body, faultCodes }) =>
    (fault === undefined || faultCodes?.includes(fault) === true) &&
    (value === undefined || textAt(body, value) === equals) &&
    (there === undefined || elementAt(body, there) !== undefined) &&
    // An answer of another kind does not have it either.
    (gone === undefined || (elementAt(body, gone.slice(0, -1)) !== undefined && elementAt(body, gone) === undefined));
}
