/** Paths into XML, a small part of XPath 1.0: `/p:person/p:name`, `/p:name/@lang`, `/p:phone/text()`, with the prefixes of the source's file. */

import { malformed } from './reading.ts';
import type { Element } from './xml.ts';
import { type Name, NCNAME } from './xml-names.ts';

/** Prefix → namespace. A name without a prefix is in none, as in XPath. */
export type Prefixes = Readonly<Record<string, string>>;

export type Step = { readonly kind: 'element' | 'attribute'; readonly name: Name } | { readonly kind: 'text' };

/** What is wrong with a path. */
export class PathFault extends Error {}

const STEP = new RegExp(`^(@?)(?:(${NCNAME}):)?(${NCNAME})$`, 'u');

/** The steps of a path as they are written; empty where it does not begin with a slash. */
export const written = (path: string): string[] => path.split('/').slice(1);

/** Throws `PathFault`. */
export function stepOf(step: string, prefixes: Prefixes): Step {
  if (step === 'text()') return { kind: 'text' };
  const [, at, prefix, name] = STEP.exec(step) ?? [];
  if (name === undefined) throw new PathFault(`has a step that is none: ${step || 'an empty one'}`);
  if (prefix !== undefined && !Object.hasOwn(prefixes, prefix))
    throw new PathFault(`has the prefix ${prefix}, which namespaces does not say`);
  return { kind: at === '@' ? 'attribute' : 'element', name: { namespace: prefix === undefined ? '' : (prefixes[prefix] ?? ''), name } };
}

/** The steps of a path to an element, or to a text where `text` says so. Throws `PathFault`. */
export function stepsOf(path: string, prefixes: Prefixes, leadsTo: 'element' | 'text'): Step[] {
  const steps = written(path).map((step) => stepOf(step, prefixes));
  if (steps.length === 0) throw new PathFault('must be a path such as /p:person/p:name');
  const before = leadsTo === 'text' ? steps.slice(0, -1) : steps;
  if (before.some(({ kind }) => kind !== 'element')) {
    throw new PathFault(leadsTo === 'text' ? 'may have an attribute or text() at its end only' : 'must lead to an element');
  }
  return steps;
}

export const same = (a: Name, b: Name): boolean => a.name === b.name && a.namespace === b.namespace;

const NIL: Name = { namespace: 'http://www.w3.org/2001/XMLSchema-instance', name: 'nil' };

/** Elements of a name, without those that say of themselves that they are not there. */
export const children = (element: Element, name: Name): Element[] =>
  element.elements.filter((child) => same(child, name) && !/^\s*(?:true|1)\s*$/.test(attribute(child, NIL) ?? ''));

export const attribute = (element: Element, name: Name): string | undefined => element.attributes.find((one) => same(one, name))?.value;

/** The one element of a name. Of two it is not said which is meant. */
export function child(element: Element, name: Name): Element | undefined {
  const found = children(element, name);
  if (found.length > 1) throw malformed(name.name, 'is there more than once');
  return found[0];
}

/** Without the white space around it, which is layout. */
export function textOf(element: Element): string {
  if (element.elements.length > 0) throw malformed(element.name, 'holds elements where there should be a text');
  return element.text.replace(/^[ \t\n\r]+|[ \t\n\r]+$/g, '');
}

export function elementAt(from: Element, steps: readonly Step[]): Element | undefined {
  let here: Element | undefined = from;
  for (const step of steps) here = here && step.kind === 'element' ? child(here, step.name) : undefined;
  return here;
}

export function textAt(from: Element, steps: readonly Step[]): string | undefined {
  const last = steps.at(-1);
  const here = elementAt(from, last?.kind === 'element' ? steps : steps.slice(0, -1));
  if (here === undefined || last === undefined) return undefined;
  return last.kind === 'attribute' ? attribute(here, last.name) : textOf(here);
}
