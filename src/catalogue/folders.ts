/** Which files a configuration directory holds, and what kind each is by where it stands. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Fault } from './faults.ts';

/** The kinds of files that have a directory, and which; an operator may do without those of `OPTIONAL`. */
const FOLDERS = {
  agency: 'agencies',
  supplier: 'suppliers',
  issuer: 'issuers',
  procedure: 'procedures',
  source: 'sources',
  legal: 'legal',
  coverage: 'coverage',
  codes: 'codes',
} as const;
const OPTIONAL: readonly string[] = ['coverage', 'suppliers', 'issuers'];

/** `gateway` is the single file at the top, `places` the one beside the tables of places. */
export const SINGLE = { gateway: 'gateway.yaml', places: 'places/places.yaml' } as const;

/** `annex` and `evidence` stand in a directory named after their instrument. */
export type Kind = keyof typeof FOLDERS | keyof typeof SINGLE | 'annex' | 'evidence';

export interface FoundFile {
  readonly kind: Kind;
  /** Path within the configuration. */
  readonly file: string;
}

/** Adds a fault for each directory that is missing, and for each file that is none of the configuration's. */
export function listFiles(directory: string, faults: Fault[]): FoundFile[] {
  const found: FoundFile[] = (Object.keys(SINGLE) as (keyof typeof SINGLE)[]).map((kind) => ({ kind, file: SINGLE[kind] }));
  for (const [kind, folder] of Object.entries(FOLDERS) as [keyof typeof FOLDERS, string][]) {
    if (OPTIONAL.includes(folder) && !existsSync(join(directory, folder))) continue;
    for (const name of namesIn(directory, folder, faults)) {
      const file = `${folder}/${name}`;
      if (/\.ya?ml$/.test(name)) found.push({ kind, file });
      else if (kind === 'legal' && isDirectory(join(directory, file))) found.push(...besideInstrument(directory, file, faults));
      else faults.push({ file, pointer: '', rule: 'file-name', message: 'not a .yaml file' });
    }
  }
  return found;
}

/** What stands in `legal/<instrument>/`: its annexes, and what today's datasets prove of them. */
function besideInstrument(directory: string, folder: string, faults: Fault[]): FoundFile[] {
  return namesIn(directory, folder, faults).flatMap((name): FoundFile[] => {
    const file = `${folder}/${name}`;
    if (/^annex-[a-z0-9-]+\.json$/.test(name)) return [{ kind: 'annex', file }];
    if (name === 'evidence.yaml') return [{ kind: 'evidence', file }];
    faults.push({ file, pointer: '', rule: 'file-name', message: 'is neither annex-….json nor evidence.yaml' });
    return [];
  });
}

/** Those that begin with a point are an editor's or a container's. */
function namesIn(directory: string, folder: string, faults: Fault[]): string[] {
  try {
    return readdirSync(join(directory, folder))
      .filter((name) => !name.startsWith('.'))
      .sort();
  } catch {
    faults.push({ file: folder, pointer: '', rule: 'unreadable', message: 'the directory is missing or cannot be read' });
    return [];
  }
}

/** Through a link too, as containers mount them. */
function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
