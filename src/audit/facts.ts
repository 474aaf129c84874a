/** What of an entry is searched by, and what of it is counted. */
import { hash } from 'node:crypto';
import type { AuditEntry } from './entry.ts';
import { COLUMNS } from './search-tables.ts';

export interface Facts {
  /** Milliseconds since 1970, null where the entry has no time that can be read. */
  readonly time: number | null;
  /** Words in the order of COLUMNS. */
  readonly columns: readonly (string | undefined)[];
  /** Words for its legal bases, sources and fields, each once, in order. */
  readonly traits: readonly string[];
  /** Names the set of its traits. */
  readonly shape: string;
  readonly keys: readonly Buffer[];
  /** What the summary counts of it. */
  readonly count: Count | undefined;
}

export interface Count {
  readonly day: number;
  readonly agency: string | undefined;
  readonly procedure: string | undefined;
  readonly outcome: string | undefined;
  readonly sources: readonly (readonly [source: string, result: string])[];
  readonly fields: number;
  readonly papers: readonly string[];
}

export type WordRole = (typeof COLUMNS)[number] | 'legalBasis' | 'source' | 'field';
export type KeyRole = 'subject' | 'id' | 'dossier';

const KEY_BYTES = 16;
const LONGEST_WORD = 400;
const DAY_MS = 86_400_000;
const VIETNAM_MS = 7 * 3_600_000;

/** A text with its role. One that a database would not take as a key stands there as its digest. */
export const wordOf = (role: WordRole, text: string): string =>
  `${role} ${text.length > LONGEST_WORD || text.includes('\0') ? `\u0001${hash('sha256', text)}` : text}`;

/** The text of a word, without its role. */
export const textOf = (word: string): string => word.slice(word.indexOf(' ') + 1);

export const keyOf = (role: KeyRole, text: string): Buffer => hash('sha256', `${role} ${text}`, 'buffer').subarray(0, KEY_BYTES);

const shapeOf = (traits: readonly string[]): string => hash('sha256', traits.join('\n'), 'base64url');

/** Days since 1970 of a day YYYY-MM-DD. */
export const dayNumber = (day: string): number => Date.parse(`${day}T00:00:00Z`) / DAY_MS;
export const dayText = (day: number): string => new Date(day * DAY_MS).toISOString().slice(0, 10);
/** The day at a time as days since 1970, in Viet Nam as `dayInVietnam` has it, but for any time that a clock or an auditor may say. */
export const dayAt = (time: number): number => Math.floor((time + VIETNAM_MS) / DAY_MS);

/** A body that is no entry has no facts: no condition finds it, but whoever comes across it is told that the log is broken. */
export function factsOf(body: string): Facts {
  try {
    return ofEntry(JSON.parse(body) as AuditEntry);
  } catch {
    return { time: null, columns: COLUMNS.map(() => undefined), traits: [], shape: shapeOf([]), keys: [], count: undefined };
  }
}

function ofEntry(entry: AuditEntry): Facts {
  const { legalBasis = [], sources = [], fields = [], subjects = {}, id, dossier } = entry;
  const time = Date.parse(entry.time);
  const traits = new Set<string>();
  for (const text of legalBasis) traits.add(wordOf('legalBasis', text));
  for (const { source } of sources) traits.add(wordOf('source', source));
  for (const text of fields) traits.add(wordOf('field', text));
  const sorted = [...traits].sort();
  const keys = [keyOf('id', id)];
  if (dossier !== undefined) keys.push(keyOf('dossier', dossier));
  for (const pseudonym of new Set(Object.values(subjects))) keys.push(keyOf('subject', pseudonym));
  return {
    time: Number.isNaN(time) ? null : time,
    columns: COLUMNS.map((column) => (entry[column] === undefined ? undefined : wordOf(column, entry[column]))),
    traits: sorted,
    shape: shapeOf(sorted),
    keys,
    count: Number.isNaN(time) ? undefined : countOf(entry, dayAt(time)),
  };
}

function countOf({ kind, agency, procedure, outcome, sources = [], fields = [], papers = {} }: AuditEntry, day: number): Count | undefined {
  if (kind !== 'outcome' && kind !== 'refusal') return undefined;
  return {
    day,
    agency: wordOf('agency', agency),
    procedure: procedure === undefined ? undefined : wordOf('procedure', procedure),
    outcome,
    sources: kind === 'outcome' ? sources.filter(({ result }) => result !== 'to-ask').map(({ source, result }) => [source, result]) : [],
    fields: kind === 'outcome' && outcome === 'answered' ? fields.length : 0,
    papers: Object.values(papers),
  };
}
