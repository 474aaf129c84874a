/** The language in which a source's file describes an ordinary JSON registry, and the faults that a description can have. */

import type { JsonObject, JsonValue, KeyKind } from '../src/adapter.ts';
import { DATE_FORM_NAMES, type DateForm } from './reading.ts';

/** A place in an answer: a JSON Pointer (RFC 6901). */
export type Pointer = string;

export interface Description {
  readonly request: {
    readonly key: KeyKind;
    readonly method: 'GET' | 'POST';
    readonly path: string;
    /** Templates with `{key}` and `{credential}`. */
    readonly headers?: Readonly<Record<string, string>>;
    /** A template with `{key}` in its texts. */
    readonly body?: JsonValue;
  };
  readonly answer: {
    readonly found?: Condition;
    readonly notFound: readonly Condition[];
    readonly cancelled?: Condition;
    readonly record: Pointer;
    readonly about: Pointer;
    readonly recordedAt?: { readonly from: Pointer; readonly date: DateForm };
  };
  readonly map: MemberMap;
  readonly codes?: Readonly<Record<string, Readonly<Record<string, string | number | boolean>>>>;
}

/** Holds when everything it names does. */
export interface Condition {
  readonly status?: number;
  readonly at?: Pointer;
  readonly equals?: string | number | boolean | null;
}

/** Place in the canonical record → where its value comes from, below the answer's record. */
export type MemberMap = Readonly<Record<Pointer, Rule>>;

export type Rule =
  | Pointer
  | { readonly from: Pointer; readonly date: DateForm }
  | { readonly from: Pointer; readonly codes: string }
  | { readonly from: Pointer; readonly as: 'text' | 'number' }
  | { readonly from: Pointer; readonly each: MemberMap }
  | { readonly value: string; readonly with: Pointer };

export interface DescriptionFault {
  /** Where in the source's `datasets` member: a JSON Pointer. */
  readonly pointer: string;
  readonly message: string;
}

/** Every fault of a source's `datasets` member; empty if the descriptions can be used. */
export function faultsOf(datasets: Readonly<Record<string, JsonObject>>): DescriptionFault[] {
  const faults: DescriptionFault[] = [];
  for (const [name, dataset] of Object.entries(datasets)) {
    checkDataset(dataset, (pointer, message) => faults.push({ pointer: `/${token(name)}${pointer}`, message }));
  }
  return faults;
}

export type Report = (pointer: string, message: string) => void;

const POINTER = /^(?:\/(?:[^~/]|~[01])*)*$/;
export const HEADER = /^[a-z0-9-]+$/;
const PLACEHOLDER = /\{[^{}]*\}/g;

/** The same report for a part of what is reported on. */
export const under =
  (report: Report, member: string): Report =>
  (pointer, message) =>
    report(`/${token(member)}${pointer}`, message);

export const token = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');

export const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function checkDataset(dataset: JsonObject, report: Report): void {
  const { request, answer, map, codes } = dataset;
  if (isObject(request)) checkRequest(request, (pointer, message) => report(`/request${pointer}`, message));
  else report('/request', 'is missing: how to ask');
  if (isObject(answer)) checkAnswer(answer, (pointer, message) => report(`/answer${pointer}`, message));
  else report('/answer', 'is missing: how to read what is answered');
  if (codes !== undefined) checkCodes(codes, report);
  if (isObject(map)) checkMap(map, isObject(codes) ? codes : {}, (pointer, message) => report(`/map${pointer}`, message));
  else report('/map', 'is missing: what goes where');
}

function checkRequest(request: JsonObject, report: Report): void {
  const { key, method, path, headers = {}, body } = request;
  unknownMembers(request, ['key', 'method', 'path', 'headers', 'body'], report);
  if (key !== 'person' && key !== 'certificate') report('/key', 'must be person or certificate');
  if (method !== 'GET' && method !== 'POST') report('/method', 'must be GET or POST');
  if (method === 'GET' && body !== undefined) report('/body', 'must be absent: a GET has no body');
  if (typeof path !== 'string' || !/^\/[\w\-./~%]*$/.test(path) || path.includes('..')) {
    report('/path', 'must begin with / and hold neither a query nor {key}: addresses are logged, persons are not');
  }
  const used = new Set<string>();
  if (!isObject(headers)) report('/headers', 'must be names with texts');
  else
    for (const [name, template] of Object.entries(headers)) {
      if (!HEADER.test(name)) report(`/headers/${token(name)}`, 'must have a name in small letters, digits and hyphens');
      placeholders(template, ['{key}', '{credential}'], used, (pointer, message) => report(`/headers/${token(name)}${pointer}`, message));
    }
  if (body !== undefined) placeholders(body, ['{key}'], used, (pointer, message) => report(`/body${pointer}`, message));
  if (!used.has('{key}')) report('', 'says nowhere whom it asks about: {key} must stand in the body or a header');
}

export function placeholders(template: JsonValue, allowed: readonly string[], used: Set<string>, report: Report): void {
  if (typeof template === 'string') {
    for (const [found] of template.matchAll(PLACEHOLDER)) {
      used.add(found);
      if (!allowed.includes(found)) report('', `may hold ${allowed.join(' and ')}, not ${found}`);
    }
  } else if (typeof template === 'object' && template !== null) {
    for (const [name, value] of Object.entries(template)) {
      placeholders(value, allowed, used, (pointer, message) => report(`/${token(name)}${pointer}`, message));
    }
  }
}

function checkAnswer(answer: JsonObject, report: Report): void {
  unknownMembers(answer, ['found', 'notFound', 'cancelled', 'record', 'about', 'recordedAt'], report);
  for (const name of ['record', 'about']) checkPointer(answer[name], (pointer, message) => report(`/${name}${pointer}`, message));
  const { recordedAt, notFound } = answer;
  if (recordedAt !== undefined) {
    if (!isObject(recordedAt)) report('/recordedAt', 'must have from and date');
    else checkDated(recordedAt, (pointer, message) => report(`/recordedAt${pointer}`, message));
  }
  if (!Array.isArray(notFound) || notFound.length === 0)
    report('/notFound', 'must list at least one way of saying that there is no record');
  else
    for (const [place, one] of notFound.entries())
      checkCondition(one, (pointer, message) => report(`/notFound/${place}${pointer}`, message));
  for (const name of ['found', 'cancelled']) {
    const one = answer[name];
    if (one !== undefined) checkCondition(one, (pointer, message) => report(`/${name}${pointer}`, message));
  }
}

function checkCondition(condition: JsonValue, report: Report): void {
  const { status, at, equals } = isObject(condition) ? condition : {};
  if (isObject(condition)) unknownMembers(condition, ['status', 'at', 'equals'], report);
  if (status !== undefined && (typeof status !== 'number' || !Number.isInteger(status) || status < 200 || status > 499)) {
    report('/status', 'must be a status from 200 to 499');
  }
  if ((at === undefined) !== (equals === undefined)) report('', 'must have both at and equals or neither');
  if (status === undefined && at === undefined) report('', 'must have a status, or at and equals, or both');
  if (at !== undefined) checkPointer(at, (pointer, message) => report(`/at${pointer}`, message));
  if (typeof equals === 'object' && equals !== null) report('/equals', 'must be a text, a number, true, false or null');
}

export function checkCodes(codes: JsonValue, report: Report): void {
  if (!isObject(codes)) report('/codes', 'must be named lists');
  for (const [name, table] of Object.entries(isObject(codes) ? codes : {})) {
    const good = isObject(table) && Object.values(table).every((value) => ['string', 'number', 'boolean'].includes(typeof value));
    if (!good) report(`/codes/${token(name)}`, 'must map each code of the registry to one of the dataset');
  }
}

export function checkMap(map: JsonObject, codes: JsonObject, report: Report): void {
  if (Object.keys(map).length === 0) report('', 'is empty');
  for (const [target, rule] of Object.entries(map)) {
    const here: Report = (pointer, message) => report(`/${token(target)}${pointer}`, message);
    if (target === '' || !POINTER.test(target)) here('', 'must name its place in the record by a pointer such as /mother/fullName');
    if (target.split('/').includes('__proto__')) here('', 'is not a name for a member');
    if (Object.keys(map).some((other) => other.startsWith(`${target}/`))) here('', 'has both a value and members');
    checkRule(rule, codes, here);
  }
}

function checkRule(rule: JsonValue, codes: JsonObject, report: Report): void {
  if (!isObject(rule)) checkPointer(rule, report);
  else if ('value' in rule) checkFixed(rule, report);
  else if ('date' in rule) checkDated(rule, report);
  else checkConverted(rule, codes, report);
}

function checkFixed(rule: JsonObject, report: Report): void {
  unknownMembers(rule, ['value', 'with'], report);
  if (typeof rule.value !== 'string') report('/value', 'must be a text');
  checkPointer(rule.with, (pointer, message) => report(`/with${pointer}`, message));
}

function checkConverted(rule: JsonObject, codes: JsonObject, report: Report): void {
  unknownMembers(rule, ['from', 'codes', 'as', 'each'], report);
  checkPointer(rule.from, (pointer, message) => report(`/from${pointer}`, message));
  if (['codes', 'as', 'each'].filter((way) => way in rule).length !== 1) {
    report('', 'must have exactly one of date, codes, as and each beside from');
  }
  if ('codes' in rule && !(typeof rule.codes === 'string' && Object.hasOwn(codes, rule.codes))) {
    report('/codes', 'must name a list of this dataset’s codes');
  }
  if ('as' in rule && rule.as !== 'text' && rule.as !== 'number') report('/as', 'must be text or number');
  if (isObject(rule.each)) checkMap(rule.each, codes, (pointer, message) => report(`/each${pointer}`, message));
  else if ('each' in rule) report('/each', 'must be a map for the members of the list');
}

export function checkDated(rule: JsonObject, report: Report): void {
  unknownMembers(rule, ['from', 'date'], report);
  checkPointer(rule.from, (pointer, message) => report(`/from${pointer}`, message));
  if (!DATE_FORM_NAMES.some((form) => form === rule.date)) report('/date', `must be one of ${DATE_FORM_NAMES.join(', ')}`);
}

function checkPointer(value: JsonValue | undefined, report: Report): void {
  if (typeof value !== 'string' || !POINTER.test(value)) report('', 'must be a pointer into the answer such as /mother/number');
}

export function unknownMembers(given: JsonObject, known: readonly string[], report: Report): void {
  for (const name of Object.keys(given)) if (!known.includes(name)) report(`/${token(name)}`, 'is not known here');
}
