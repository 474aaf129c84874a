/** Reads a table that stands as JSON with one record a line: as fast as JSON, and as easy to compare as lines are. */
import type { Fault, Rule } from './faults.ts';

export interface RecordLines {
  /** The parsed file; null where it is no JSON. */
  readonly value: unknown;
  fault(pointer: string, rule: Rule, message: string): void;
}

/** Adds a fault for every record that is not its line: the same table has the same bytes, and no member that stands twice is lost in silence. */
export function readRecordLines(file: string, text: string, faults: Fault[]): RecordLines {
  const lines = text.split('\n');
  const starts = lines.flatMap((line, i) => (line.startsWith('{"') ? i + 1 : []));
  const lineAt = (pointer: string): number | undefined => starts[Number(/^\/records\/([0-9]+)/.exec(pointer)?.[1] ?? Number.NaN)];
  const fault = (pointer: string, rule: Rule, message: string, line = lineAt(pointer)): void => {
    faults.push({ file, ...(line === undefined ? {} : { line }), pointer, rule, message });
  };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const broken = starts.find((line) => !isJson(withoutComma(lines[line - 1])));
    // Not the parser's message, which quotes the file.
    fault('', 'unreadable', 'is not JSON here', broken);
    return { value: null, fault };
  }
  const { records } = (value ?? {}) as { records?: unknown };
  for (const [i, record] of Array.isArray(records) ? records.entries() : []) {
    if (JSON.stringify(record) !== withoutComma(lines[(starts[i] ?? 0) - 1])) {
      fault(
        `/records/${i}`,
        'schema',
        'is not one record on a line of its own, without spaces between its members and without a member twice',
      );
      // The lines after it are no longer those of their records.
      break;
    }
  }
  return { value, fault };
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
