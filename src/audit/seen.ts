/** What a verifier remembers of a log between two visits, in a file of its own: kept beside the log, it would be rolled back with it. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Seen } from './whole.ts';

/** A bare checkpoint that somebody kept is understood too. Throws an Error where the file is neither. */
export function readSeen(file: string): Seen | undefined {
  if (!existsSync(file)) return undefined;
  const text = readFileSync(file, 'utf8');
  if (!text.startsWith('{')) return { checkpoint: text, blocks: Buffer.alloc(0) };
  const { checkpoint, blocks } = JSON.parse(text) as Record<string, unknown>;
  if (typeof checkpoint !== 'string' || typeof blocks !== 'string') throw new Error(`${file} is not what a verification left`);
  return { checkpoint, blocks: Buffer.from(blocks, 'base64') };
}

/** A bare checkpoint stays as it is: somebody else keeps it. */
export function keepSeen(file: string, { checkpoint, blocks }: Seen): void {
  if (existsSync(file) && !readFileSync(file, 'utf8').startsWith('{')) return;
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(`${file}.new`, `${JSON.stringify({ checkpoint, blocks: blocks.toString('base64') })}\n`, { mode: 0o600, flush: true });
  renameSync(`${file}.new`, file);
}
