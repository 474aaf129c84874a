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
  /** Words for what is rare of what is common, see `pairsOf`. */
  readonly pairs: readonly string[];
  /** Names the set of its traits. */
  readonly shape: string;
  readonly keys: readonly Buffer[];
  /** What the summary counts of it. */
  readonly count: Count | undefined;
  /** The grant that it used. */
  readonly use: Use | undefined;
  /** The entry itself, where the body is one. */
  readonly entry: AuditEntry | undefined;
}

/** That something was given, compared or reported under a grant. */
export interface Use {
  readonly agency: string;
  readonly grant: string;
  readonly actor: string | undefined;
  /** Months since the year 0, in Viet Nam. */
  readonly month: number;
  readonly time: number;
  readonly officer: string | undefined;
  /** Words for the fields that were given, compared or reported, and for the papers that were not asked for. */
  readonly given: readonly string[];
}

export interface Count {
  readonly day: number;
  readonly agency: string | undefined;
  readonly procedure: string | undefined;
  /** Words for what is counted, and how often each. */
  readonly measures: readonly (readonly [word: string, times: number])[];
}

export type KeyRole = 'subject' | 'id' | 'dossier' | 'concerned';
export type WordRole = (typeof COLUMNS)[number] | 'legalBasis' | 'source' | 'field' | 'pair' | 'tally' | 'grant' | 'paper';

const KEY_BYTES = 16;
const LONGEST_WORD = 400;
/** Kept in memory. */
const MAX_KNOWN = 10_000;
const DAY_MS = 86_400_000;
const VIETNAM_MS = 7 * 3_600_000;

/** A text with its role. One that a database would not take as a key stands there as its digest. */
export const wordOf = (role: WordRole, text: string): string =>
  `${role} ${text.length > LONGEST_WORD || text.includes('\0') ? `\u0001${hash('sha256', text)}` : text}`;

/** The text of a word, without its role. */
export const textOf = (word: string): string => word.slice(word.indexOf(' ') + 1);

export const keyOf = (role: KeyRole, text: string): Buffer => hash('sha256', `${role} ${text}`, 'buffer').subarray(0, KEY_BYTES);

const ORDINARY: readonly (string | undefined)[] = ['intent', 'outcome', 'answered', 'compared', undefined];

/**
 * Words for an agency or a procedure together with a kind or outcome that is not the ordinary one, of an entry or of what is asked for: nearly every block
 * has some refusal and some entry of the agency, but few have its refusals.
 */
export function pairsOf({
  agency,
  procedure,
  kind,
  outcome,
}: Pick<Partial<AuditEntry>, 'agency' | 'procedure' | 'kind' | 'outcome'>): string[] {
  const unusual = Object.entries({ kind, outcome }).filter(([, text]) => !ORDINARY.includes(text));
  const places = Object.entries({ agency, procedure }).filter(([, text]) => text !== undefined);
  return places.flatMap((place) => unusual.map((what) => wordOf('pair', [...place, ...what].join('\n'))));
}

/** Days since 1970 of a day YYYY-MM-DD. */
export const dayNumber = (day: string): number => Date.parse(`${day}T00:00:00Z`) / DAY_MS;
export const dayText = (day: number): string => new Date(day * DAY_MS).toISOString().slice(0, 10);
/** The day at a time as days since 1970, in Viet Nam as `dayInVietnam` has it, but for any time that a clock or an auditor may say. */
export const dayAt = (time: number): number => Math.floor((time + VIETNAM_MS) / DAY_MS);

/** Reads what bodies say. Sets of traits come again and again, so each is put together once. */
export function factsReader(): (body: string) => Facts {
  let known = new Map<string, Pick<Facts, 'traits' | 'shape'>>();
  const shaped: Shaper = (legalBasis, sources, fields) => {
    const name = JSON.stringify([legalBasis, sources, fields]);
    let set = known.get(name);
    if (set === undefined) {
      if (known.size >= MAX_KNOWN) known = new Map();
      known.set(name, (set = shapeOf(legalBasis, sources, fields)));
    }
    return set;
  };
  return (body) => {
    try {
      return ofEntry(JSON.parse(body) as AuditEntry, shaped);
    } catch {
      // A body that is no entry has no facts: no condition finds it, but whoever comes across it is told that the log is broken.
      return {
        time: null,
        columns: COLUMNS.map(() => undefined),
        pairs: [],
        ...shaped([], [], []),
        keys: [],
        count: undefined,
        use: undefined,
        entry: undefined,
      };
    }
  };
}

type Shaper = (legalBasis: readonly string[], sources: readonly string[], fields: readonly string[]) => Pick<Facts, 'traits' | 'shape'>;

const shapeOf: Shaper = (legalBasis, sources, fields) => {
  const words = (role: WordRole, texts: readonly string[]): string[] => texts.map((text) => wordOf(role, text));
  const traits = [...new Set([...words('legalBasis', legalBasis), ...words('source', sources), ...words('field', fields)])].sort();
  return { traits, shape: hash('sha256', traits.join('\n'), 'base64url') };
};

function ofEntry(entry: AuditEntry, shaped: Shaper): Facts {
  const { legalBasis = [], sources = [], compared = {}, fields = Object.keys(compared), subjects = {}, id, dossier, shutOut } = entry;
  const time = Date.parse(entry.time);
  const keys = [keyOf('id', id)];
  if (dossier !== undefined) keys.push(keyOf('dossier', dossier));
  for (const pseudonym of new Set(Object.values(subjects))) keys.push(keyOf('subject', pseudonym));
  for (const one of [shutOut?.whose, shutOut?.value]) if (one !== undefined) keys.push(keyOf('concerned', one));
  return {
    time: Number.isNaN(time) ? null : time,
    columns: COLUMNS.map((column) => (entry[column] === undefined ? undefined : wordOf(column, entry[column]))),
    pairs: pairsOf(entry),
    ...shaped(
      legalBasis,
      sources.map(({ source }) => source),
      fields,
    ),
    keys,
    count: Number.isNaN(time) ? undefined : countOf(entry, dayAt(time)),
    use: Number.isNaN(time) ? undefined : useOf(entry, time),
    entry,
  };
}

/** Months since the year 0 of a month YYYY-MM. */
export const monthNumber = (month: string): number => Number(month.slice(0, -3)) * 12 + Number(month.slice(-2)) - 1;
/** Two grants of an agency may have had one name, for one procedure after the other. */
const grantWord = (procedure: string, grant: string): string => wordOf('grant', `${procedure}\n${grant}`);

const USED: readonly (string | undefined)[] = ['answered', 'compared', 'mismatch', 'reported'];

function useOf({ kind, outcome, agency, procedure = '', grant, actor, officer, ...left }: AuditEntry, time: number): Use | undefined {
  if (kind !== 'outcome' || grant === undefined || !USED.includes(outcome)) return undefined;
  const { compared = {}, fields = Object.keys(compared), papers = {} } = left;
  const replaced = Object.entries(papers).filter(([, verdict]) => verdict !== 'ask' && verdict !== 'pending');
  return {
    agency: wordOf('agency', agency),
    grant: grantWord(procedure, grant),
    actor: actor === undefined ? undefined : wordOf('actor', actor),
    month: monthNumber(dayText(dayAt(time)).slice(0, -3)),
    time,
    officer: officer === undefined ? undefined : wordOf('officer', officer),
    given: [...fields.map((at) => wordOf('field', at)), ...replaced.map(([id]) => wordOf('paper', id))],
  };
}

function countOf(entry: AuditEntry, day: number): Count | undefined {
  const { kind, agency, procedure, outcome, sources = [], fields = [], unfilled = {}, conflicts = [], papers = {} } = entry;
  if (kind !== 'outcome' && kind !== 'refusal') return undefined;
  const uses = kind === 'outcome' ? sources.filter(({ result }) => result !== 'to-ask') : [];
  const left = kind === 'outcome' && outcome === 'answered' ? fields.length : 0;
  return {
    day,
    agency: wordOf('agency', agency),
    procedure: procedure === undefined ? undefined : wordOf('procedure', procedure),
    measures: [
      ...(outcome === undefined ? [] : [[wordOf('tally', `outcomes\n${outcome}`), 1] as const]),
      ...uses.map(({ source, result }) => [wordOf('tally', `sources\n${source}\n${result}`), 1] as const),
      ...(left === 0 ? [] : [[wordOf('tally', 'fields'), left] as const]),
      ...Object.values(unfilled).map((status) => [wordOf('tally', `unfilled\n${status}`), 1] as const),
      ...(conflicts.length === 0 ? [] : [[wordOf('tally', 'conflicts'), conflicts.length] as const]),
      ...Object.values(papers).map((verdict) => [wordOf('tally', `papers\n${verdict}`), 1] as const),
    ],
  };
}
