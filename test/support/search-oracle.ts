/** What the search must say, written down plainly: a filter over all entries, and counts of all entries. */
import type { AuditEntry, SourceUse } from '../../src/audit/entry.ts';
import type { Conditions, DayTally, Found, GrantUse, SearchQuery, SummaryQuery, UsesQuery } from '../../src/audit/search.ts';
import { dayInVietnam } from '../../src/domain.ts';

type Bodies = readonly (string | undefined)[];

function matches(entry: AuditEntry, { pseudonyms, legalBasis, source, field, concerns, from, to, ...equal }: Conditions): boolean {
  return (
    (pseudonyms === undefined || Object.values(entry.subjects ?? {}).some((one) => pseudonyms.includes(one))) &&
    (legalBasis === undefined || entry.legalBasis?.includes(legalBasis) === true) &&
    (source === undefined || entry.sources?.some((use) => use.source === source) === true) &&
    (field === undefined || entry.fields?.includes(field) === true) &&
    (concerns === undefined || [entry.shutOut?.whose, entry.shutOut?.value].includes(concerns)) &&
    (from === undefined || entry.time >= from) &&
    (to === undefined || entry.time < to) &&
    Object.entries(equal).every(([name, value]) => value === undefined || entry[name as keyof typeof equal] === value)
  );
}

const parsed = new Map<string, AuditEntry>();
const parse = (body: string): AuditEntry => {
  const entry = parsed.get(body) ?? (JSON.parse(body) as AuditEntry);
  parsed.set(body, entry);
  return entry;
};

const entriesOf = (bodies: Bodies): (Found & { entry: AuditEntry })[] =>
  bodies.flatMap((body, index) => (body === undefined ? [] : { index, body, entry: parse(body) }));

export const plainSearch = (bodies: Bodies, { before = Number.POSITIVE_INFINITY, limit, ...conditions }: SearchQuery): Found[] =>
  entriesOf(bodies)
    .filter(({ index, entry }) => index < before && matches(entry, conditions))
    .reverse()
    .slice(0, limit)
    .map(({ index, body }) => ({ index, body }));

export function plainSummary(bodies: Bodies, { from, to, by }: SummaryQuery): DayTally[] {
  const rows = new Map<string, DayTally>();
  for (const { entry } of entriesOf(bodies)) {
    const day = dayInVietnam(Date.parse(entry.time));
    if (!['outcome', 'refusal'].includes(entry.kind) || day < from || day > to) continue;
    const place = { day, ...Object.fromEntries(by.flatMap((name) => (entry[name] === undefined ? [] : [[name, entry[name]]]))) };
    const name = [day, ...['agency', 'procedure'].map((part) => (part in place ? entry[part as 'agency'] : ''))].join(' ');
    const row = rows.get(name) ?? { ...place, outcomes: {}, sources: {}, fields: 0, unfilled: {}, conflicts: 0, papers: {} };
    const uses = entry.kind === 'outcome' ? (entry.sources ?? []).filter(({ result }) => result !== 'to-ask') : [];
    rows.set(name, {
      ...row,
      outcomes: entry.outcome === undefined ? row.outcomes : more(row.outcomes, entry.outcome),
      sources: looked(row.sources, uses),
      fields: row.fields + (entry.kind === 'outcome' && entry.outcome === 'answered' ? (entry.fields?.length ?? 0) : 0),
      unfilled: Object.values(entry.unfilled ?? {}).reduce(more, row.unfilled),
      conflicts: row.conflicts + (entry.conflicts?.length ?? 0),
      papers: Object.values(entry.papers ?? {}).reduce(more, row.papers),
    });
  }
  return [...rows].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, row]) => row);
}

/** One more of a name, though the name be `__proto__`. */
const more = (counts: Readonly<Record<string, number>>, name: string): Record<string, number> => ({
  ...counts,
  [name]: (Object.hasOwn(counts, name) ? (counts[name] ?? 0) : 0) + 1,
});

function looked(sources: DayTally['sources'], uses: readonly SourceUse[]): DayTally['sources'] {
  const counted = new Map(Object.entries(sources));
  for (const { source, result } of uses) counted.set(source, more(counted.get(source) ?? {}, result));
  return Object.fromEntries(counted);
}

/** Outcomes with which something was given, compared or reported. */
const USED = ['answered', 'compared', 'mismatch', 'reported'];

const usesIn = (bodies: Bodies): AuditEntry[] =>
  entriesOf(bodies).flatMap(({ entry }) =>
    entry.kind === 'outcome' && entry.grant !== undefined && USED.includes(entry.outcome ?? '') ? entry : [],
  );

export const plainUsers = (bodies: Bodies): string[] => [...new Set(usesIn(bodies).map(({ agency }) => agency))].sort();

export function plainUses(bodies: Bodies, { from, to, agencies }: UsesQuery): GrantUse[] {
  const monthOf = ({ time }: AuditEntry): string => dayInVietnam(Date.parse(time)).slice(0, 7);
  const used = usesIn(bodies).filter((entry) => agencies.includes(entry.agency) && from <= monthOf(entry) && monthOf(entry) <= to);
  const names = new Set(used.map(({ agency, procedure = '', grant = '' }) => [agency, procedure, grant].join('\n')));
  return [...names].sort().map((name) => {
    const [agency = '', procedure = '', grant = ''] = name.split('\n');
    const own = used.filter((one) => one.agency === agency && (one.procedure ?? '') === procedure && one.grant === grant);
    const distinct = (texts: readonly (string | undefined)[]): string[] =>
      [...new Set(texts)].flatMap((text) => (text === undefined ? [] : text)).sort();
    const times = (of: readonly AuditEntry[]) => ({
      uses: of.length,
      lastUsed:
        of
          .map(({ time }) => time)
          .sort()
          .at(-1) ?? '',
    });
    return {
      agency,
      procedure,
      grant,
      ...times(own),
      officers: distinct(own.map(({ officer }) => officer)).length,
      fields: distinct(own.flatMap(({ fields, compared = {} }) => fields ?? Object.keys(compared))),
      papers: distinct(own.flatMap(({ papers = {} }) => Object.entries(papers).flatMap(([id, verdict]) => (verdict === 'ask' ? [] : id)))),
      suppliers: Object.fromEntries(
        distinct(own.map(({ actor }) => actor)).map((supplier) => [supplier, times(own.filter(({ actor }) => actor === supplier))]),
      ),
    };
  });
}
