/** XML as SOAP allows it (XML 1.0 with namespaces, no document type, no processing instructions), read strictly and within limits. */

import { ALWAYS, declare, type Name, named, QNAME, type Scope } from './xml-names.ts';
import { decoded, NO_CHARACTER, XmlFault } from './xml-text.ts';

export { XmlFault } from './xml-text.ts';

export interface Element extends Name {
  readonly attributes: readonly (Name & { readonly value: string })[];
  readonly elements: readonly Element[];
  /** The character data that stands directly in it. */
  readonly text: string;
}

/** Deeper and more than any record; together with the length of an answer this bounds time and memory. */
const MOST_DEPTH = 32;
const MOST_NODES = 50_000;

const SPACE = '[ \\t\\n]';
const TAG = new RegExp(`<(${QNAME})`, 'uy');
const ATTRIBUTE = new RegExp(`${SPACE}+(${QNAME})${SPACE}*=${SPACE}*(?:"([^<"]*)"|'([^<']*)')`, 'uy');
const TAG_ENDS = new RegExp(`${SPACE}*(/?)>`, 'y');
const END_TAG = new RegExp(`</(${QNAME})${SPACE}*>`, 'uy');
const DECLARATION =
  /^<\?xml[ \t\n]+version[ \t\n]*=[ \t\n]*(["'])1\.0\1(?:[ \t\n]+encoding[ \t\n]*=[ \t\n]*(["'])[Uu][Tt][Ff]-8\2)?(?:[ \t\n]+standalone[ \t\n]*=[ \t\n]*(["'])(?:yes|no)\3)?[ \t\n]*\?>/;

interface Open {
  readonly tag: string;
  readonly scope: Scope;
  readonly element: Name & { attributes: (Name & { value: string })[]; elements: Element[]; text: string };
}

/** The root element. Throws `XmlFault`. */
export function readXml(written: string): Element {
  const text = written.replace(/\r\n?/g, '\n');
  if (NO_CHARACTER.test(text)) throw new XmlFault('has a character that XML does not have');
  return new Reader(text).read();
}

class Reader {
  readonly #text: string;
  readonly #open: Open[] = [];
  #at = 0;
  #nodes = 0;
  #root: Element | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  read(): Element {
    this.#at = DECLARATION.exec(this.#text)?.[0].length ?? 0;
    while (this.#at < this.#text.length) this.#next();
    if (this.#root === undefined || this.#open.length > 0) throw new XmlFault('ends before its last element does');
    return this.#root;
  }

  #next(): void {
    const text = this.#text;
    const second = text.charAt(this.#at + 1);
    if (text[this.#at] !== '<') this.#characters();
    else if (second === '/') this.#end();
    else if (second === '?') throw new XmlFault('has a processing instruction, or a declaration that is not of XML 1.0 in UTF-8');
    else if (second !== '!') this.#start();
    else if (text.startsWith('<!--', this.#at)) this.#comment();
    else if (text.startsWith('<![CDATA[', this.#at)) this.#cdata();
    else throw new XmlFault('has a document type or another declaration');
  }

  #characters(): void {
    const next = this.#text.indexOf('<', this.#at);
    const end = next === -1 ? this.#text.length : next;
    const found = this.#text.slice(this.#at, end);
    if (found.includes(']]>')) throw new XmlFault('has the end of a section that never began');
    this.#add(found, decoded(found));
    this.#at = end;
  }

  #comment(): void {
    const end = this.#text.indexOf('--', this.#at + 4);
    if (end === -1 || this.#text[end + 2] !== '>') throw new XmlFault('has a comment that does not end');
    this.#at = end + 3;
  }

  #cdata(): void {
    const end = this.#text.indexOf(']]>', this.#at);
    if (end === -1 || this.#open.length === 0) throw new XmlFault('has a section that does not end, or stands in no element');
    this.#add('', this.#text.slice(this.#at + '<![CDATA['.length, end));
    this.#at = end + 3;
  }

  #add(written: string, meant: string): void {
    const open = this.#open.at(-1);
    if (open !== undefined) open.element.text += meant;
    else if (/[^ \t\n]/.test(written)) throw new XmlFault('has text outside of its elements');
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found !== null) this.#at = pattern.lastIndex;
    return found;
  }

  #start(): void {
    const tag = this.#match(TAG)?.[1];
    if (tag === undefined || this.#root !== undefined) throw new XmlFault('has a tag that cannot be read, or a second root');
    const given: [name: string, value: string][] = [];
    const declared = new Map<string, string>();
    for (let found = this.#match(ATTRIBUTE); found !== null; found = this.#match(ATTRIBUTE)) {
      this.#count();
      const name = found[1] ?? '';
      const value = decoded((found[2] ?? found[3] ?? '').replace(/[\t\n]/g, ' '));
      if (name !== 'xmlns' && !name.startsWith('xmlns:')) given.push([name, value]);
      else declare(declared, name.slice('xmlns:'.length), value);
    }
    const ends = this.#match(TAG_ENDS);
    if (ends === null) throw new XmlFault('has a tag that cannot be read');
    this.#count();
    if (this.#open.length === MOST_DEPTH) throw new XmlFault(`is nested more than ${MOST_DEPTH} deep`);

    const around = this.#open.at(-1)?.scope ?? ALWAYS;
    const scope = declared.size === 0 ? around : { declared, around };
    const attributes = given.map(([name, value]) => ({ ...(name.includes(':') ? named(name, scope) : { namespace: '', name }), value }));
    if (new Set(attributes.map(({ namespace, name }) => `${namespace} ${name}`)).size < attributes.length)
      throw new XmlFault('has an attribute twice');
    this.#open.push({ tag, scope, element: { ...named(tag, scope), attributes, elements: [], text: '' } });
    if (ends[1] === '/') this.#close();
  }

  #count(): void {
    this.#nodes += 1;
    if (this.#nodes > MOST_NODES) throw new XmlFault(`has more than ${MOST_NODES} elements and attributes`);
  }

  #end(): void {
    const tag = this.#match(END_TAG)?.[1];
    if (tag === undefined || this.#open.at(-1)?.tag !== tag) throw new XmlFault('ends an element that is not the open one');
    this.#close();
  }

  #close(): void {
    const element = this.#open.pop()?.element;
    const parent = this.#open.at(-1)?.element;
    if (element === undefined) return;
    if (parent === undefined) this.#root = element;
    else parent.elements.push(element);
  }
}
