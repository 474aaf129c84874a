/** Reads a table that stands as JSON with one record a line: as fast as JSON, and as easy to compare as lines are. */
import type { Content } from './content.ts';
import { problem } from './faults.ts';

/** Whatever is no line of its own is a problem: the same table has the same bytes, and no member that stands twice is lost in silence. */
export function readRecordLines(text: string): Content {
  const lines = text.split('\n');
  const starts = lines.flatMap((line, i) => (line.startsWith('{"') ? i + 1 : []));
  const lineOf = (pointer: string): number | undefined => starts[Number(/^\/records\/([0-9]+)/.exec(pointer)?.[1] ?? Number.NaN)];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const broken = starts.find((line) => !isJson(withoutComma(lines[line - 1])));
    // Not the parser's message, which quotes the file.
    return { value: null, problems: [problem(broken, '', 'unreadable', 'is not JSON here')], lineOf };
  }
  const { records } = (value ?? {}) as { records?: unknown };
  const listed: readonly unknown[] = Array.isArray(records) ? records : [];
  const odd = listed.findIndex((record, i) => JSON.stringify(record) !== withoutComma(lines[(starts[i] ?? 0) - 1]));
  const why = 'is not one record on a line of its own, without spaces between its members and without a member twice';
  return { value, problems: odd < 0 ? [] : [problem(lineOf(`/records/${odd}`), `/records/${odd}`, 'schema', why)], lineOf };
}

const withoutComma = (line: string | undefined): string => (line ?? '').replace(/,\r?$|\r$/, '');

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
