/** Reads the lists of places from their folder: two lists of codes, and what became of the units of the first. */
import { isUtf8 } from 'node:buffer';
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Places } from '../vietnam/places/places.ts';
import { type PlacesFile, readTables, TABLES, type TableName } from '../vietnam/places/read.ts';
import type { Fault } from './faults.ts';
import type { ConfigFile } from './files.ts';

/** The last lists read. A configuration is loaded again and again where it is worked on, and its places seldom change. */
let last: { readonly of: string; readonly places: Places } | undefined;

/** `read` is told the SHA-256 of each table, for the digest; faults are added to `faults` and to `file`. Undefined where there are any. */
export function compilePlaces(
  directory: string,
  file: ConfigFile | undefined,
  faults: Fault[],
  read: (file: string, sha256: string) => void,
): Places | undefined {
  const before = faults.length;
  const tables: { table: TableName; bytes: Buffer; sha256: string }[] = [];
  for (const table of Object.keys(TABLES) as TableName[]) {
    const name = `places/${table}`;
    try {
      const bytes = readFileSync(join(directory, name));
      if (!isUtf8(bytes)) throw new Error('is not UTF-8');
      const sha256 = hash('sha256', bytes, 'hex');
      read(name, sha256);
      tables.push({ table, bytes, sha256 });
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      faults.push({ file: name, pointer: '', rule: 'unreadable', message: `cannot be read (${code ?? (error as Error).message})` });
    }
  }
  if (file === undefined || faults.length > before) return undefined;
  const of = JSON.stringify([tables.map(({ sha256 }) => sha256), file.value]);
  if (last?.of === of) return last.places;
  const texts = Object.fromEntries(tables.map(({ table, bytes }) => [table, bytes.toString()])) as Record<TableName, string>;
  const filled = readTables(texts, file.value as PlacesFile, (at, rule, message) => {
    if ('pointer' in at) file.fault(at.pointer, rule, message);
    else faults.push({ file: `places/${at.table}`, line: at.line, pointer: '', rule, message });
  });
  if (faults.length > before) return undefined;
  last = { of, places: new Places(filled) };
  return last.places;
}
