/** Names in XML: how they are written, and which namespace a prefix stands for at some place (Namespaces in XML 1.0). */

import { XmlFault } from './xml-text.ts';

/** `namespace` is empty for a name in none. */
export interface Name {
  readonly namespace: string;
  readonly name: string;
}

const START = [
  'A-Z_a-z\\u{C0}-\\u{D6}\\u{D8}-\\u{F6}\\u{F8}-\\u{2FF}\\u{370}-\\u{37D}\\u{37F}-\\u{1FFF}\\u{200C}-\\u{200D}\\u{2070}-\\u{218F}',
  '\\u{2C00}-\\u{2FEF}\\u{3001}-\\u{D7FF}\\u{F900}-\\u{FDCF}\\u{FDF0}-\\u{FFFD}\\u{10000}-\\u{EFFFF}',
].join('');
/** A name without a colon, as a regular expression with the flag `u`. */
export const NCNAME = `[${START}][${START}\\-.0-9\\u{B7}\\u{300}-\\u{36F}\\u{203F}-\\u{2040}]*`;
export const QNAME = `(?:${NCNAME}:)?${NCNAME}`;

const XML = 'http://www.w3.org/XML/1998/namespace';
const XMLNS = 'http://www.w3.org/2000/xmlns/';

/** Declared prefixes, looked up from the inside out: nothing is copied, so many declarations cost no more than their text. */
export interface Scope {
  readonly declared: ReadonlyMap<string, string>;
  readonly around: Scope | undefined;
}

export const ALWAYS: Scope = {
  declared: new Map([
    ['xml', XML],
    ['', ''],
  ]),
  around: undefined,
};

/** Adds a declaration of an element. Throws `XmlFault` where there can be none such. */
export function declare(declared: Map<string, string>, prefix: string, uri: string): void {
  const reserved = prefix === 'xmlns' || uri === XMLNS || (prefix === 'xml') !== (uri === XML);
  if (reserved || (prefix !== '' && uri === '')) throw new XmlFault('declares a namespace that cannot be declared');
  if (declared.has(prefix)) throw new XmlFault('has an attribute twice');
  declared.set(prefix, uri);
}

/** What a name means within a scope. Throws `XmlFault` where nothing declares its prefix. */
export function named(qualified: string, inner: Scope): Name {
  const colon = qualified.indexOf(':');
  const prefix = colon === -1 ? '' : qualified.slice(0, colon);
  for (let scope: Scope | undefined = inner; scope !== undefined; scope = scope.around) {
    const namespace = scope.declared.get(prefix);
    if (namespace !== undefined) return { namespace, name: qualified.slice(colon + 1) };
  }
  throw new XmlFault('has a prefix that nothing declares');
}
