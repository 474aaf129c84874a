/** Reads the files of a configuration directory: what each says, and where to say what is wrong with it. */
import { hash } from 'node:crypto';
import { readFileSync, type Stats, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { CheckValue } from './config-schemas.ts';
import { type Content, Contents } from './content.ts';
import { type Fault, problem, type Rule } from './faults.ts';
import { type Kind, listFiles, SINGLE } from './folders.ts';

const MAX_FILE_BYTES = 4 * 1024 * 1024;

export interface ConfigFile {
  readonly kind: Kind;
  readonly file: string;
  /** The parsed file; only where `valid` does it fit its schema. */
  readonly value: unknown;
  readonly valid: boolean;
  /** Adds a fault of this file at a pointer of it. */
  fault(pointer: string, rule: Rule, message: string): void;
}

/** Reads every file of the directory. Faults are added to `faults`; `read` is told the SHA-256 of each file, for the digest. */
export function readFiles(
  directory: string,
  check: CheckValue,
  faults: Fault[],
  read: (file: string, sha256: string) => void,
): ConfigFile[] {
  const files: ConfigFile[] = [];
  const contents = new Contents(check);
  for (const { kind, file } of listFiles(directory, faults)) {
    try {
      const { size } = plainFile(join(directory, file));
      if (size > MAX_FILE_BYTES) throw new Error(`larger than ${MAX_FILE_BYTES} bytes`);
      const bytes = readFileSync(join(directory, file));
      const sha256 = hash('sha256', bytes, 'hex');
      read(file, sha256);
      files.push(described(kind, file, contents.of(kind, bytes, sha256), faults));
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
  contents.done();
  return files;
}

/** A link is followed, since that is how containers mount files; what is no file in the end could be read without end. */
function plainFile(path: string): Stats {
  const stats = statSync(path);
  if (!stats.isFile()) throw new Error('is not a file');
  return stats;
}

function described(kind: Kind, file: string, { value, problems, lineOf }: Content, faults: Fault[]): ConfigFile {
  const fault = (pointer: string, rule: Rule, message: string): void => {
    faults.push({ file, ...problem(lineOf(pointer), pointer, rule, message) });
  };
  for (const one of problems) faults.push({ file, ...one });
  const valid = problems.length === 0;
  const expected = kind in SINGLE || kind === 'annex' || kind === 'evidence' ? undefined : expectedName(kind, value);
  if (valid && expected !== undefined && !expected.test(basename(file))) {
    fault('', 'file-name', `the file's name should begin with what it describes: ${expected.source}`);
  }
  return { kind, file, value, valid, fault };
}

/** A file is named after what it describes, so that people find it; versions of a procedure add their date. */
function expectedName(kind: Kind, value: unknown): RegExp {
  const member = kind === 'procedure' ? 'code' : kind === 'coverage' ? 'database' : 'id';
  const name = String((value as Record<string, unknown>)?.[member]).replaceAll('.', '\\.');
  return new RegExp(`^${name}(@[0-9-]+)?\\.ya?ml$`);
}
