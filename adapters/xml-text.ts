/** Text in XML: the characters there are, what stands for those that cannot stand for themselves, and how a text is written. */

/** Why it is not read. Quotes nothing of it. */
export class XmlFault extends Error {}

export const NO_CHARACTER = /[^\t\n\r -\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u;

const REFERENCE = /&(?:(lt|gt|amp|quot|apos)|#0*(\d{1,7})|#x0*([\dA-Fa-f]{1,6}));/y;
const NAMED: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

/** The five entities that need no document type, and references by number. Throws `XmlFault` at the first that is neither. */
export function decoded(text: string): string {
  let meant = '';
  let from = 0;
  for (let at = text.indexOf('&'); at !== -1; at = text.indexOf('&', from)) {
    REFERENCE.lastIndex = at;
    const found = REFERENCE.exec(text);
    if (found === null) throw new XmlFault('refers to what is not known');
    meant += text.slice(from, at) + character(found);
    from = REFERENCE.lastIndex;
  }
  return meant + text.slice(from);
}

function character([, name, decimal, hexadecimal]: RegExpExecArray): string {
  if (name !== undefined) return NAMED[name] ?? '';
  const code = decimal === undefined ? Number.parseInt(hexadecimal ?? '', 16) : Number(decimal);
  if (code > 0x10_ff_ff || NO_CHARACTER.test(String.fromCodePoint(code))) throw new XmlFault('refers to what is no character');
  return String.fromCodePoint(code);
}

/** Text as it may stand in an element. Throws `XmlFault` where XML has no way to write it. */
export function escaped(text: string): string {
  if (NO_CHARACTER.test(text)) throw new XmlFault('has a character that XML does not have');
  return text.replace(/[&<>"'\r]/g, (found) => `&#${found.charCodeAt(0)};`);
}
