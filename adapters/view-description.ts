/** The language in which a source's file describes a database view, and the faults that such a description can have. */

import type { JsonObject, JsonValue, KeyKind } from '../src/adapter.ts';
import {
  checkCodes,
  checkDated,
  checkMap,
  type Description,
  type DescriptionFault,
  isObject,
  type MemberMap,
  type Pointer,
  type Report,
  token,
  under,
  unknownMembers,
} from './description.ts';
import type { DateForm } from './reading.ts';

/** Pointers begin with a column; further ones lead into the JSON that it holds. */
export interface ViewDescription {
  readonly request: {
    readonly key: KeyKind;
    /** `view` or `schema.view`. */
    readonly view: string;
    /** The column that is compared with the key. */
    readonly where: string;
    /** The columns that the rows of a list are ordered by. */
    readonly order?: readonly string[];
  };
  readonly answer: {
    readonly about: Pointer;
    readonly recordedAt?: { readonly from: Pointer; readonly date: DateForm };
    readonly cancelled?: { readonly at: Pointer; readonly equals: string | number | boolean | null };
  };
  readonly map: MemberMap;
  readonly codes?: Description['codes'];
}

/** In a rule with `each`, the place of the rows themselves: one item of the list a row. */
export const ROWS = '';

/** What a database takes without quotes. A view is made for the gateway, so names that need more are not needed. */
const NAME = /^[A-Za-z_][A-Za-z0-9_$]{0,62}$/;

/** Every fault of a source's `datasets` member; empty if the descriptions can be used. */
export function viewFaultsOf(datasets: Readonly<Record<string, JsonObject>>): DescriptionFault[] {
  const faults: DescriptionFault[] = [];
  for (const [name, dataset] of Object.entries(datasets)) {
    checkDataset(dataset, (pointer, message) => faults.push({ pointer: `/${token(name)}${pointer}`, message }));
  }
  return faults;
}

function checkDataset({ request, answer, map, codes }: JsonObject, report: Report): void {
  const lists = isObject(map) ? Object.entries(map).filter(([, rule]) => isObject(rule) && rule.from === ROWS && 'each' in rule) : [];
  if (isObject(request)) checkRequest(request, lists.length > 0, under(report, 'request'));
  else report('/request', 'is missing: which view to ask');
  if (isObject(answer)) checkAnswer(answer, under(report, 'answer'));
  else report('/answer', 'is missing: how to read what is answered');
  if (codes !== undefined) checkCodes(codes, report);
  if (!isObject(map)) {
    report('/map', 'is missing: what goes where');
    return;
  }
  checkMap(map, isObject(codes) ? codes : {}, under(report, 'map'));
  checkColumns(map, true, under(report, 'map'));
  for (const [target] of lists.slice(1)) {
    report(
      `/map/${token(target)}`,
      'is a second list of the rows: two lists side by side are JSON columns, or rows would be counted twice',
    );
  }
}

function checkRequest(request: JsonObject, listed: boolean, report: Report): void {
  const { key, view, where, order } = request;
  unknownMembers(request, ['key', 'view', 'where', 'order'], report);
  if (key !== 'person' && key !== 'certificate') report('/key', 'must be person or certificate');
  const parts = typeof view === 'string' ? view.split('.') : [];
  if (parts.length < 1 || parts.length > 2 || !parts.every(isName)) report('/view', 'must be the name of a view, or schema.view');
  if (!isName(where)) report('/where', 'must be the name of the column that the key is looked for in');
  if (order === undefined) return;
  if (!Array.isArray(order) || !order.every(isName)) report('/order', 'must list names of columns');
  else if (!listed) report('/order', 'is for a list of the rows, and the map has none');
}

function checkAnswer(answer: JsonObject, report: Report): void {
  const { about, recordedAt, cancelled } = answer;
  unknownMembers(answer, ['about', 'recordedAt', 'cancelled'], report);
  checkColumn(about, under(report, 'about'));
  if (recordedAt !== undefined) {
    if (!isObject(recordedAt)) report('/recordedAt', 'must have from and date');
    else {
      checkDated(recordedAt, under(report, 'recordedAt'));
      checkColumn(recordedAt.from, under(under(report, 'recordedAt'), 'from'));
    }
  }
  if (cancelled === undefined) return;
  if (!isObject(cancelled)) {
    report('/cancelled', 'must have at and equals');
    return;
  }
  unknownMembers(cancelled, ['at', 'equals'], under(report, 'cancelled'));
  checkColumn(cancelled.at, under(under(report, 'cancelled'), 'at'));
  const { equals } = cancelled;
  if (equals === undefined || (typeof equals === 'object' && equals !== null))
    report('/cancelled/equals', 'must be a text, a number, true, false or null');
}

/** That pointers are pointers, `checkMap` has seen to; here each must begin with a column. */
function checkColumns(map: JsonObject, top: boolean, report: Report): void {
  for (const [target, rule] of Object.entries(map)) {
    const here = under(report, target);
    if (!isObject(rule)) checkColumn(rule, here);
    else if ('value' in rule) checkColumn(rule.with, under(here, 'with'));
    else if (rule.from !== ROWS || !isObject(rule.each)) checkColumn(rule.from, under(here, 'from'));
    else if (top) checkColumns(rule.each, false, under(here, 'each'));
    else here('/from', 'is the rows within a row');
  }
}

function checkColumn(pointer: JsonValue | undefined, report: Report): void {
  if (typeof pointer !== 'string' || !isName(pointer.split('/')[1]) || !pointer.startsWith('/'))
    report('', 'must begin with the name of a column, such as /full_name');
}

const isName = (name: JsonValue | undefined): boolean => typeof name === 'string' && NAME.test(name);
