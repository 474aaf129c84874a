/** Reads the files of a configuration directory, validates each by its schema, and remembers where every value stands. */
import { readFileSync, type Stats, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { LineCounter, parseDocument } from 'yaml';
import type { Fault, Rule } from './faults.ts';
import { type Kind, listFiles, SINGLE } from './folders.ts';
import { readRecordLines } from './record-lines.ts';
import type { Schemas } from './schemas.ts';

const MAX_FILE_BYTES = 4 * 1024 * 1024;
const PRIVATE_KEY = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----|["'\s{,]["']?d["']?\s*:\s*["']?[A-Za-z0-9_-]{40,}/;

export interface ConfigFile {
  readonly kind: Kind;
  readonly file: string;
  /** The parsed file; only where `valid` does it fit its schema. */
  readonly value: unknown;
  readonly valid: boolean;
  /** Adds a fault of this file at a pointer of it. */
  fault(pointer: string, rule: Rule, message: string): void;
}

/** Reads every file of the directory. Faults are added to `faults`; `read` is told the bytes of each file, for the digest. */
export function readFiles(directory: string, schemas: Schemas, faults: Fault[], read: (file: string, bytes: Buffer) => void): ConfigFile[] {
  const files: ConfigFile[] = [];
  for (const { kind, file } of listFiles(directory, faults)) {
    try {
      const { size } = plainFile(join(directory, file));
      if (size > MAX_FILE_BYTES) throw new Error(`larger than ${MAX_FILE_BYTES} bytes`);
      const bytes = readFileSync(join(directory, file));
      read(file, bytes);
      files.push(parseFile(kind, file, bytes, schemas, faults));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      const message =
        code === undefined
          ? (error as Error).message
          : code === 'ERR_ENCODING_INVALID_ENCODED_DATA'
            ? 'is not UTF-8'
            : `cannot be read (${code})`;
      faults.push({ file, pointer: '', rule: 'unreadable', message });
    }
  }
  return files;
}

/** A link is followed, since that is how containers mount files; what is no file in the end could be read without end. */
function plainFile(path: string): Stats {
  const stats = statSync(path);
  if (!stats.isFile()) throw new Error('is not a file');
  return stats;
}

function parseFile(kind: Kind, file: string, bytes: Buffer, schemas: Schemas, faults: Fault[]): ConfigFile {
  const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  if (kind === 'annex') return parseRecords(file, text, schemas, faults);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, strict: true, prettyErrors: false });
  let valid = true;
  const fault = (pointer: string, rule: Rule, message: string, offset?: number): void => {
    const at = offset ?? offsetOf(document, pointer);
    faults.push({ file, ...(at === undefined ? {} : { line: lines.linePos(at).line }), pointer, rule, message });
  };
  // Said alone and without the text: a fault is printed and logged, and any other of this file could repeat the key.
  if (PRIVATE_KEY.test(text)) {
    fault('', 'private-key', 'the file seems to hold a private key; only public keys belong here', text.search(PRIVATE_KEY));
    return { kind, file, value: null, valid: false, fault };
  }
  for (const error of document.errors) {
    valid = false;
    // Not the parser's message, which quotes the file: what a link leads to may be no configuration at all.
    fault('', 'yaml', `is not YAML here (${error.code.toLowerCase().replaceAll('_', ' ')})`, error.pos[0]);
  }
  let value: unknown = null;
  if (valid) {
    try {
      value = document.toJS({ maxAliasCount: 100 });
    } catch {
      valid = false;
      fault('', 'yaml', 'refers to its own parts too often');
    }
  }
  if (valid) {
    for (const problem of schemas.faultsOf(kind, value)) {
      valid = false;
      fault(problem.pointer, 'schema', problem.message);
    }
  }
  const expected = kind in SINGLE || kind === 'evidence' ? undefined : expectedName(kind, value);
  if (valid && expected !== undefined && !expected.test(basename(file))) {
    fault('', 'file-name', `the file's name should begin with what it describes: ${expected.source}`);
  }
  return { kind, file, value, valid, fault };
}

function parseRecords(file: string, text: string, schemas: Schemas, faults: Fault[]): ConfigFile {
  const before = faults.length;
  const { value, fault } = readRecordLines(file, text, faults);
  if (value !== null) for (const { pointer, message } of schemas.faultsOf('annex', value)) fault(pointer, 'schema', message);
  return { kind: 'annex', file, value, valid: faults.length === before, fault };
}

/** A file is named after what it describes, so that people find it; versions of a procedure add their date. */
function expectedName(kind: Kind, value: unknown): RegExp {
  const member = kind === 'procedure' ? 'code' : kind === 'coverage' ? 'database' : 'id';
  const name = String((value as Record<string, unknown>)?.[member]).replaceAll('.', '\\.');
  return new RegExp(`^${name}(@[0-9-]+)?\\.ya?ml$`);
}

function offsetOf(document: ReturnType<typeof parseDocument>, pointer: string): number | undefined {
  const path =
    pointer === ''
      ? []
      : pointer
          .slice(1)
          .split('/')
          .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  for (let length = path.length; length >= 0; length--) {
    const node = length === 0 ? document.contents : document.getIn(path.slice(0, length).map(indexOrName), true);
    const range = (node as { range?: [number, number, number] } | null)?.range;
    if (range) return range[0];
  }
  return undefined;
}

const indexOrName = (part: string): string | number => (/^[0-9]+$/.test(part) ? Number(part) : part);
