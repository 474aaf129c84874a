/** From an XML record to the tree that `mapping.ts` reads: of the places that the source's file names and of no others, in the form that its rules expect. */

import type { JsonObject, JsonValue } from '../src/adapter.ts';
import type { MemberMap, Rule } from './description.ts';
import type { Element } from './xml.ts';
import type { Name } from './xml-names.ts';
import { attribute, child, children, PathFault, type Prefixes, type Step, stepOf, textOf, written } from './xml-paths.ts';

/**
 * What is read at each step. The rules decide it and not the answer: a list of one is a list, an attribute that a registry
 * adds changes nothing, and text stays text.
 */
export type Shape = Map<string, Part>;
type Part =
  | { readonly step: Step; readonly use: 'text' }
  | { readonly step: Extract<Step, { name: object }>; readonly use: 'element' | 'list'; readonly within: Shape };

/** Throws nothing: what is wrong with a path is told with the pointer of its rule in the map. */
export function shapeOf(
  map: MemberMap,
  prefixes: Prefixes,
  report: (pointer: string, message: string) => void,
  shape: Shape = new Map(),
): Shape {
  for (const [target, rule] of Object.entries(map)) {
    const at = `/${target.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    const { path, member, each } = placeOf(rule);
    try {
      const items = enter(shape, path, prefixes, each === undefined ? 'text' : 'list');
      if (each !== undefined) shapeOf(each, prefixes, (pointer, message) => report(`${at}/each${pointer}`, message), items);
    } catch (error) {
      if (!(error instanceof PathFault)) throw error;
      report(`${at}${member}`, error.message);
    }
  }
  return shape;
}

function placeOf(rule: Rule): { path: string; member: string; each?: MemberMap } {
  if (typeof rule === 'string') return { path: rule, member: '' };
  if ('with' in rule) return { path: rule.with, member: '/with' };
  return { path: rule.from, member: '/from', ...('each' in rule ? { each: rule.each } : {}) };
}

/** What is read within the place that a path leads to. */
function enter(shape: Shape, path: string, prefixes: Prefixes, use: 'text' | 'list'): Shape {
  const steps = written(path);
  const last = steps.pop();
  if (last === undefined) throw new PathFault('must be a path such as /p:name');
  let here = shape;
  for (const text of steps) here = partAt(here, text, stepOf(text, prefixes), 'element');
  return partAt(here, last, stepOf(last, prefixes), use);
}

/** Made where there is none. */
function partAt(shape: Shape, text: string, step: Step, use: Part['use']): Shape {
  const found = shape.get(text);
  if (found !== undefined && found.use !== use) {
    throw new PathFault('is read in two ways; the text of an element that has parts too is at /text()');
  }
  const within = (found !== undefined && found.use !== 'text' && found.within) || new Map();
  if (use === 'text') shape.set(text, { step, use });
  else if (step.kind === 'element') shape.set(text, { step, use, within });
  else throw new PathFault('may have an attribute or text() at its end only');
  return within;
}

/** Only what the shape names. An element that says that it is nil is absent. */
export function treeOf(element: Element, shape: Shape, inner = false): JsonObject {
  const members: [string, JsonValue][] = [];
  for (const [text, part] of shape) {
    const value = part.use === 'text' ? plain(element, part.step) : nested(element, part.step.name, part, inner);
    if (value !== undefined) members.push([text, value]);
  }
  return Object.fromEntries(members);
}

function plain(element: Element, step: Step): string | undefined {
  if (step.kind === 'text') return textOf({ ...element, elements: [] });
  if (step.kind === 'attribute') return attribute(element, step.name);
  const found = child(element, step.name);
  return found && textOf(found);
}

function nested(element: Element, name: Name, part: Exclude<Part, { use: 'text' }>, inner: boolean): JsonValue | undefined {
  if (part.use === 'element') {
    const found = child(element, name);
    return found && treeOf(found, part.within, true);
  }
  const items = children(element, name).map((item) => treeOf(item, part.within));
  // An element around the list is there to say that there is a list, even of nothing; repeated members of a record say nothing by not being there.
  return items.length === 0 && !inner ? undefined : items;
}
