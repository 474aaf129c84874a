/** The faults that the description of a SOAP service can have: how it says to ask, behind X-Road or not. */

import type { JsonObject, JsonValue } from '../src/adapter.ts';
import {
  checkCodes,
  checkMap,
  type DescriptionFault,
  HEADER,
  isObject,
  type MemberMap,
  placeholders,
  type Report,
  token,
  under,
  unknownMembers,
} from './description.ts';
import { checkAnswer, checkNamespaces } from './soap-check-answer.ts';
import { prefixesOf, type SoapDescription } from './soap-description.ts';
import { templateOf } from './soap-template.ts';
import { CLIENT_PARTS, SERVICE_PARTS } from './x-road.ts';
import { XmlFault } from './xml.ts';
import type { Prefixes } from './xml-paths.ts';
import { shapeOf } from './xml-record.ts';

/** Every fault of a source's `datasets` member; empty if the descriptions can be used. */
export function soapFaultsOf(datasets: Readonly<Record<string, JsonObject>>): DescriptionFault[] {
  const faults: DescriptionFault[] = [];
  for (const [name, dataset] of Object.entries(datasets)) {
    checkDataset(dataset, (pointer, message) => faults.push({ pointer: `/${token(name)}${pointer}`, message }));
  }
  return faults;
}

function checkDataset(dataset: JsonObject, report: Report): void {
  const { request, answer, map, codes } = dataset;
  if (isObject(request)) checkRequest(request, under(report, 'request'));
  else report('/request', 'is missing: how to ask');
  if (codes !== undefined) checkCodes(codes, report);
  const version = isObject(request) && String(request.soap) === '1.2' ? '1.2' : '1.1';
  let prefixes: Prefixes | undefined;
  if (!isObject(answer)) report('/answer', 'is missing: how to read what is answered');
  else if (checkNamespaces(answer.namespaces ?? {}, under(under(report, 'answer'), 'namespaces'))) {
    prefixes = prefixesOf(answer as unknown as SoapDescription['answer'], version);
    checkAnswer(answer, prefixes, under(report, 'answer'));
  }
  if (isObject(map)) checkPlaces(map, isObject(codes) ? codes : {}, prefixes, under(report, 'map'));
  else report('/map', 'is missing: what goes where');
}

function checkPlaces(map: JsonObject, codes: JsonObject, prefixes: Prefixes | undefined, report: Report): void {
  let whole = true;
  checkMap(map, codes, (pointer, message) => {
    whole = false;
    report(pointer, message);
  });
  // Only what is of the right form has paths to look at.
  if (whole && prefixes !== undefined) shapeOf(map as unknown as MemberMap, prefixes, report);
}

/** Set by the adapter itself: a second one would contradict it. */
const OWN_HEADERS = ['accept', 'content-type', 'soapaction'];

function checkRequest(request: JsonObject, report: Report): void {
  const { key, path, soap, action = '', headers = {}, xroad, body } = request;
  unknownMembers(request, ['key', 'path', 'soap', 'action', 'headers', 'xroad', 'body'], report);
  if (key !== 'person' && key !== 'certificate') report('/key', 'must be person or certificate');
  if (typeof path !== 'string' || !/^\/[\w\-./~%]*$/.test(path) || path.includes('..')) {
    report('/path', 'must begin with / and hold neither a query nor {key}: addresses are logged, persons are not');
  }
  if (!['1.1', '1.2'].includes(String(soap))) report('/soap', 'must be 1.1 or 1.2');
  if (typeof action !== 'string' || !/^[!#-[\]-~]*$/.test(action) || /[{}]/.test(action)) report('/action', 'must be a URI without {key}');
  if (!isObject(headers)) report('/headers', 'must be names with texts');
  else
    for (const [name, template] of Object.entries(headers)) {
      if (!HEADER.test(name)) report(`/headers/${token(name)}`, 'must have a name in small letters, digits and hyphens');
      if (OWN_HEADERS.includes(name)) report(`/headers/${name}`, 'is a header of SOAP itself');
      placeholders(template, ['{credential}'], new Set(), under(under(report, 'headers'), name));
    }
  const name = checkBody(body, under(report, 'body'));
  if (xroad === undefined) return;
  if (String(soap) !== '1.1') report('/soap', 'must be 1.1: the X-Road message protocol is a profile of it');
  if (isObject(xroad)) checkXRoad(xroad, name, under(report, 'xroad'));
  else report('/xroad', 'must have client and service');
}

function checkBody(body: JsonValue | undefined, report: Report): string | undefined {
  try {
    return templateOf(typeof body === 'string' ? body : '').name;
  } catch (error) {
    if (!(error instanceof XmlFault)) throw error;
    report('', error.message);
    return undefined;
  }
}

/** What identifiers of X-Road were never allowed to hold; version 4.0.25 of its protocol allows less, but not to who had a name before. */
const IDENTIFIER = /^[^\p{Cc}:;/\\%{}\s]+(?: [^\p{Cc}:;/\\%{}\s]+)*$/u;

function checkXRoad(xroad: JsonObject, element: string | undefined, report: Report): void {
  unknownMembers(xroad, ['client', 'service', 'userId'], report);
  const { client, service, userId } = xroad;
  checkIdentifier(client, CLIENT_PARTS, ['xRoadInstance', 'memberClass', 'memberCode'], under(report, 'client'));
  checkIdentifier(service, SERVICE_PARTS, ['xRoadInstance', 'memberClass', 'memberCode', 'serviceCode'], under(report, 'service'));
  if (userId !== undefined && (typeof userId !== 'string' || !IDENTIFIER.test(userId))) {
    report('/userId', 'must be a text of the file’s own: no person stands in a header');
  }
  const code = isObject(service) ? service.serviceCode : undefined;
  if (element !== undefined && typeof code === 'string' && code !== element) {
    report('/service/serviceCode', `must be the name of the element in the body, which is ${element}`);
  }
}

function checkIdentifier(given: JsonValue | undefined, known: readonly string[], needed: readonly string[], report: Report): void {
  const parts = isObject(given) ? given : {};
  unknownMembers(parts, known, report);
  for (const part of known) {
    const value = parts[part];
    if (value === undefined ? needed.includes(part) : typeof value !== 'string' || !IDENTIFIER.test(value)) {
      report(`/${part}`, 'must be a text of an identifier: no control characters, : ; / \\ % { }');
    }
  }
}
