/** JSON as RFC 8259 and I-JSON (RFC 7493) mean it: UTF-8, no member twice, no surprise members, bounded depth. */

export class NotStrictJson extends Error {}

const MAX_DEPTH = 32;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Throws `NotStrictJson` with a text that repeats nothing of the input. */
export function parseStrictJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw new NotStrictJson('it is not UTF-8');
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new NotStrictJson('it is not JSON');
  }
  checkMembers(text);
  return value;
}

/** Walks over text that JSON.parse took, so its form is sound: only names and nesting are left to look at. */
function checkMembers(text: string): void {
  const open: (Set<string> | undefined)[] = [];
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '{' || char === '[') {
      if (open.length >= MAX_DEPTH) throw new NotStrictJson(`it is nested more than ${MAX_DEPTH} deep`);
      open.push(char === '{' ? new Set() : undefined);
    } else if (char === '}' || char === ']') {
      open.pop();
    } else if (char === '"') {
      const start = i;
      for (i++; text[i] !== '"'; i++) if (text[i] === '\\') i++;
      const raw = text.slice(start, i + 1);
      const string = raw.includes('\\') ? (JSON.parse(raw) as string) : raw.slice(1, -1);
      if (!string.isWellFormed()) throw new NotStrictJson('a string holds half a surrogate pair');
      if (!isName(text, i + 1)) continue;
      const names = open.at(-1);
      if (string === '__proto__') throw new NotStrictJson('a member may not be called __proto__');
      if (names?.has(string)) throw new NotStrictJson('a member stands twice');
      names?.add(string);
    }
  }
}

function isName(text: string, from: number): boolean {
  let i = from;
  while (text[i] === ' ' || text[i] === '\t' || text[i] === '\n' || text[i] === '\r') i++;
  return text[i] === ':';
}
