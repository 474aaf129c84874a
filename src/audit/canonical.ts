/**
 * Writes canonical JSON (RFC 8785), which the log's hashes are of. The verifier reads with an independent library: were the two ever
 * to differ, no receipt would verify.
 */

/** Members that are undefined are left out, as JSON.stringify does. Throws a `TypeError` for what JSON or RFC 8785 cannot say. */
export function canonicalJson(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return PLAIN.test(value) ? `"${value}"` : ofText(value);
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError('only finite numbers have canonical JSON');
      return JSON.stringify(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      return value === null ? 'null' : Array.isArray(value) ? ofList(value) : ofObject(value as Readonly<Record<string, unknown>>);
    default:
      throw new TypeError(`a ${typeof value} has no canonical JSON`);
  }
}

/** Text in which nothing is escaped and no pair can be halved: nearly all there is, and told sooner than it is quoted. */
const PLAIN = /^[ !#-[\]-\ud7ff\ue000-\uffff]*$/;

function ofText(text: string): string {
  // RFC 8785 §3.2.2.2: half a surrogate pair is an error; all else is written as ECMAScript writes it.
  if (!text.isWellFormed()) throw new TypeError('half a surrogate pair has no canonical JSON');
  return JSON.stringify(text);
}

function ofList(list: readonly unknown[]): string {
  let text = '[';
  for (let i = 0; i < list.length; i++) text += (i === 0 ? '' : ',') + canonicalJson(list[i]);
  return `${text}]`;
}

function ofObject(object: Readonly<Record<string, unknown>>): string {
  const names = Object.keys(object);
  // The default order of sort() is that of UTF-16 code units, as RFC 8785 §3.2.3 wants it. Most objects stand in order already.
  for (let i = 1; i < names.length; i++) {
    if ((names[i] as string) >= (names[i - 1] as string)) continue;
    names.sort();
    break;
  }
  let text = '';
  for (const name of names) {
    const value = object[name];
    if (value === undefined) continue;
    text += text === '' ? '{' : ',';
    text += quotedName(name);
    text += canonicalJson(value);
  }
  return text === '' ? '{}' : `${text}}`;
}

/** Names are few and come again in every reply, so their quoted form, colon and all, is kept; values never are. */
const quoted = new Map<string, string>();
const MAX_QUOTED = 5000;

function quotedName(name: string): string {
  let text = quoted.get(name);
  if (text === undefined) {
    text = `${canonicalJson(name)}:`;
    if (quoted.size < MAX_QUOTED) quoted.set(name, text);
  }
  return text;
}
