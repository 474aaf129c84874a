/** Directories to write to, which go when the test's process does. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const made: string[] = [];
process.once('exit', () => made.forEach((directory) => void rmSync(directory, { recursive: true, force: true })));

export function temporaryDirectory(): string {
  made.push(mkdtempSync(join(tmpdir(), 'oncegate-test-')));
  return made.at(-1) as string;
}
