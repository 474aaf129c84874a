/** JSON as a registry answers it: by its content type, in UTF-8, and nested no deeper than any record. */

import { type JsonValue, SourceError } from '../src/adapter.ts';

export const JSON_FORM = { type: /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i, name: 'JSON' };

export const MOST_DEPTH = 32;

const utf8 = new TextDecoder('utf-8', { fatal: true });

export function parseJson(bytes: Uint8Array): JsonValue {
  let value: JsonValue;
  try {
    value = JSON.parse(utf8.decode(bytes));
  } catch {
    // The parser's own message quotes the text.
    throw new SourceError('malformed', 'the answer is not valid JSON in UTF-8');
  }
  if (!within(value, MOST_DEPTH)) throw new SourceError('malformed', `the answer is nested more than ${MOST_DEPTH} deep`);
  return value;
}

export function within(value: JsonValue, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (depth === 0) return false;
  for (const member of Object.values(value)) if (!within(member, depth - 1)) return false;
  return true;
}
