/** Files that only their owner can read, written whole or not at all. */
import { closeSync, fsyncSync, linkSync, mkdirSync, openSync, renameSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** Where the file is there already, the one that is there stays. */
export function writeSecret(path: string, text: string): void {
  const temporary = writeTemporary(path, text);
  try {
    linkSync(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    unlinkSync(temporary);
  }
}

/** The same, in place of the one that is there. */
export function replaceSecret(path: string, text: string): void {
  renameSync(writeTemporary(path, text), path);
}

function writeTemporary(path: string, text: string): string {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.new`;
  const file = openSync(temporary, 'w', 0o600);
  writeSync(file, text);
  fsyncSync(file);
  closeSync(file);
  return temporary;
}

/** As ssh has it: a file of this user that others may read is no secret. One of another user's (root's, say, that a container is given) is that user's to judge. */
export function isOpenToOthers(path: string): boolean {
  if (process.getuid === undefined) return false;
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && found.uid === process.getuid() && (found.mode & 0o077) !== 0;
}
