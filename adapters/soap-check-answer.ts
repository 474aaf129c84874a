/** The faults that the description of a SOAP service can have: how it says to read what is answered. */

import type { JsonObject, JsonValue } from '../src/adapter.ts';
import { isObject, type Report, under, unknownMembers } from './description.ts';
import { DATE_FORM_NAMES } from './reading.ts';
import { NCNAME } from './xml-names.ts';
import { PathFault, type Prefixes, stepsOf } from './xml-paths.ts';

/** Whether prefixes can be looked up in them. */
export function checkNamespaces(namespaces: JsonValue, report: Report): boolean {
  let good = true;
  const fault: Report = (pointer, message) => {
    good = false;
    report(pointer, message);
  };
  if (!isObject(namespaces)) fault('', 'must be prefixes with namespaces');
  for (const [prefix, uri] of Object.entries(isObject(namespaces) ? namespaces : {})) {
    const here = under(fault, prefix);
    if (!new RegExp(`^${NCNAME}$`, 'u').test(prefix) || /^xml/i.test(prefix)) here('', 'is not a prefix');
    if (prefix === 'soap') here('', 'is the prefix of the envelope itself');
    if (typeof uri !== 'string' || uri === '') here('', 'must be the namespace that the prefix stands for');
  }
  return good;
}

export function checkAnswer(answer: JsonObject, prefixes: Prefixes, report: Report): void {
  unknownMembers(answer, ['namespaces', 'found', 'notFound', 'cancelled', 'record', 'about', 'recordedAt'], report);
  checkPath(answer.record, prefixes, 'element', under(report, 'record'));
  checkPath(answer.about, prefixes, 'text', under(report, 'about'));
  const { recordedAt, notFound } = answer;
  if (recordedAt !== undefined && !isObject(recordedAt)) report('/recordedAt', 'must have from and date');
  if (isObject(recordedAt)) {
    unknownMembers(recordedAt, ['from', 'date'], under(report, 'recordedAt'));
    checkPath(recordedAt.from, prefixes, 'text', under(under(report, 'recordedAt'), 'from'));
    if (!DATE_FORM_NAMES.some((form) => form === recordedAt.date))
      report('/recordedAt/date', `must be one of ${DATE_FORM_NAMES.join(', ')}`);
  }
  if (!Array.isArray(notFound) || notFound.length === 0)
    report('/notFound', 'must list at least one way of saying that there is no record');
  else for (const [place, one] of notFound.entries()) checkCondition(one, prefixes, under(under(report, 'notFound'), String(place)));
  for (const name of ['found', 'cancelled']) {
    const one = answer[name];
    if (one !== undefined) checkCondition(one, prefixes, under(report, name));
  }
}

function checkCondition(condition: JsonValue, prefixes: Prefixes, report: Report): void {
  const given = isObject(condition) ? condition : {};
  const { fault, at, equals, absent } = given;
  unknownMembers(given, ['fault', 'at', 'equals', 'present', 'absent'], report);
  if (Object.keys(given).length === 0) report('', 'must have fault, at and equals, present or absent');
  if (fault !== undefined && (typeof fault !== 'string' || !/^[^\s:]+$/.test(fault)))
    report('/fault', 'must be a code of a fault, without a prefix');
  if ((at === undefined) !== (equals === undefined)) report('', 'must have both at and equals or neither');
  if (equals !== undefined && typeof equals !== 'string') report('/equals', 'must be a text, in quotes: XML holds nothing else');
  if (at !== undefined) checkPath(at, prefixes, 'text', under(report, 'at'));
  for (const name of ['present', 'absent']) {
    const path = given[name];
    if (path !== undefined) checkPath(path, prefixes, 'element', under(report, name));
  }
  // Nothing at all has what no answer has: a page in the wrong place would pass for an empty registry.
  if (typeof absent === 'string' && /^\/[^/]+$/.test(absent)) report('/absent', 'must be within an element of the answer');
}

function checkPath(path: JsonValue | undefined, prefixes: Prefixes, leadsTo: 'element' | 'text', report: Report): void {
  try {
    stepsOf(typeof path === 'string' ? path : '', prefixes, leadsTo);
  } catch (error) {
    if (!(error instanceof PathFault)) throw error;
    report('', error.message);
  }
}
