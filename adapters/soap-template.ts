/** The element that a question consists of, as the source's file writes it: a template with `{key}` in the text of its elements. */

import { type Element, readXml, XmlFault } from './xml.ts';
import { escaped } from './xml-text.ts';

export interface Template {
  /** The element around it all, as the service calls it. */
  readonly name: string;
  /** The element about one key, which stays text whatever it is. Throws `XmlFault` where XML cannot write it. */
  fill(key: string): string;
}

const KEY = '{key}';

/** Throws `XmlFault`. */
export function templateOf(text: string): Template {
  const template = text.trim();
  if (template.startsWith('<?')) throw new XmlFault('begins with a declaration: it stands within the envelope, which has one');
  // Nothing is escaped in a section: a key could end it.
  if (template.includes('<![CDATA[')) throw new XmlFault('has a CDATA section, in which nothing can be filled in safely');
  const root = readXml(template);
  const pieces = template.split(KEY);
  const { keys, others } = placeholdersIn(root);
  if (others.length > 0) throw new XmlFault(`may hold ${KEY}, not ${others.join(', ')}`);
  if (keys === 0) throw new XmlFault(`says nowhere whom it asks about: ${KEY} must stand in the text of an element`);
  if (keys !== pieces.length - 1) throw new XmlFault(`may hold ${KEY} in the text of elements only`);
  return { name: root.name, fill: (key) => pieces.join(escaped(key)) };
}

function placeholdersIn(element: Element): { keys: number; others: string[] } {
  const found = [...element.text.matchAll(/\{[^{}]*\}/g)].map(([placeholder]) => placeholder);
  const inner = element.elements.map(placeholdersIn);
  return {
    keys: found.filter((placeholder) => placeholder === KEY).length + inner.reduce((sum, { keys }) => sum + keys, 0),
    others: [...found.filter((placeholder) => placeholder !== KEY), ...inner.flatMap(({ others }) => others)],
  };
}
