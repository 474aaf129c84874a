/** What auditors and citizens ask, made of entries that are there. */
import type { AuditEntry } from '../src/audit/entry.ts';
import type { LogSearch } from '../src/audit/search.ts';
import type { LogReader } from '../src/audit/store.ts';
import { dayInVietnam } from '../src/domain.ts';
import { chance } from '../test/support/chance.ts';
import { FIRST_DAY } from './log-entries.ts';

export interface Sample {
  readonly index: number;
  readonly entry: AuditEntry;
  /** Another one. */
  readonly other: AuditEntry;
}

const SAMPLES = 600;
const PAGE = 50;
const DAY_MS = 86_400_000;

/** Entries from everywhere in the log. */
export async function sampled(log: LogReader, count: number): Promise<(n: number) => Sample> {
  const random = chance(7);
  const entries: { index: number; entry: AuditEntry }[] = [];
  while (entries.length < SAMPLES) {
    const index = random(count);
    const [body] = await log.read(index, index + 1);
    const entry = JSON.parse(body ?? '') as AuditEntry;
    entries.push({ index, entry });
  }
  const at = (n: number) => entries[n % SAMPLES] as { index: number; entry: AuditEntry };
  return (n) => ({ ...at(n), other: at(n + 1).entry });
}

const dayOf = (time: string, days = 1): { from: string; to: string } => {
  const from = Math.floor(Date.parse(time) / DAY_MS) * DAY_MS;
  return { from: new Date(from).toISOString(), to: new Date(from + days * DAY_MS).toISOString() };
};
const early = (n: number): string => new Date(FIRST_DAY + (n % 20) * DAY_MS).toISOString();
const vietnamDay = (time: string, days = 0): string => dayInVietnam(Date.parse(time) + days * DAY_MS);

type Ask = (desk: LogSearch, sample: Sample) => Promise<readonly unknown[]>;
const search =
  (conditions: (sample: Sample) => Parameters<LogSearch['search']>[0] extends infer Query ? Omit<Query, 'limit'> : never): Ask =>
  (desk, sample) =>
    desk.search({ ...conditions(sample), limit: PAGE });

const pseudonymsOf = ({ subjects = {} }: AuditEntry): string[] => Object.values(subjects).slice(0, 1);

export const QUESTIONS: Readonly<Record<string, Ask>> = {
  'a person': search(({ entry }) => ({ pseudonyms: pseudonymsOf(entry) })),
  'a person, under two keys, within 90 days': search(({ entry, other }) => ({
    pseudonyms: [...pseudonymsOf(entry), ...pseudonymsOf(other)],
    ...dayOf(entry.time, 90),
  })),
  'an agency on a day': search(({ entry }) => ({ agency: entry.agency, ...dayOf(entry.time) })),
  'an agency on a day of the first twenty': search(({ index, entry }) => ({ agency: entry.agency, ...dayOf(early(index)) })),
  'a dossier': search(({ entry }) => ({ dossier: entry.dossier ?? '' })),
  'a request': search(({ entry }) => ({ id: entry.id })),
  'an officer': search(({ entry }) => ({ officer: entry.officer ?? '' })),
  'an officer on a day': search(({ entry }) => ({ officer: entry.officer ?? '', ...dayOf(entry.time) })),
  'an agency': search(({ entry }) => ({ agency: entry.agency })),
  'a procedure': search(({ entry }) => ({ procedure: entry.procedure ?? '' })),
  'refusals of an agency': search(({ entry }) => ({ agency: entry.agency, kind: 'refusal' })),
  'a rare outcome in a month': search(({ entry }) => ({ outcome: 'subject-malformed', ...dayOf(entry.time, 30) })),
  'a field in a month': search(({ entry }) => ({ field: entry.fields?.at(-1) ?? '/common/field0', ...dayOf(entry.time, 30) })),
  'a source and an agency': search(({ entry, other }) => ({ source: other.sources?.[0]?.source ?? 'land', agency: entry.agency })),
  'a law, an officer and a month': search(({ entry, other }) => ({
    legalBasis: other.legalBasis?.[0] ?? '',
    officer: entry.officer ?? '',
    ...dayOf(entry.time, 30),
  })),
  'what never happened, of two that did': search(({ entry, other }) => ({
    outcome: 'answered',
    kind: 'refusal',
    agency: entry.agency,
    field: other.fields?.[0] ?? '/common/field0',
  })),
  'whatever came last': search(() => ({})),
  'whatever came before an entry': search(({ index }) => ({ before: index })),
  'summary of a year': (desk) => desk.summary({ from: '2026-01-01', to: '2026-12-31', by: [] }),
  'summary of a month by agency': (desk, { entry }) =>
    desk.summary({ from: vietnamDay(entry.time), to: vietnamDay(entry.time, 30), by: ['agency'] }),
  'summary of a day by agency and procedure': (desk, { entry }) =>
    desk.summary({ from: vietnamDay(entry.time), to: vietnamDay(entry.time), by: ['agency', 'procedure'] }),
  'how the grants of an agency were used in a year': (desk, { entry }) =>
    desk.uses({ from: '2026-01', to: '2026-12', agencies: [entry.agency] }),
  'how those of twenty agencies were used in a year': async (desk) =>
    desk.uses({ from: '2026-01', to: '2026-12', agencies: (await desk.users()).slice(0, 20) }),
};
