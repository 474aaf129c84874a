/** The search of the log written down plainly over a list of bodies: slow, and an oracle for one that is not. */
import type { AuditEntry } from '../../src/audit/entry.ts';
import { type Conditions, type DayTally, type Found, type LogSearch, MAX_TALLIES } from '../../src/audit/search.ts';
import { dayInVietnam } from '../../src/domain.ts';
import { plainUsers, plainUses } from './search-oracle.ts';

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

/** Searches what `bodies` gives, by index; undefined for one that was pruned. */
export function plainSearch(bodies: () => Promise<readonly (string | undefined)[]>): LogSearch {
  const all = async (): Promise<(Found & { entry: AuditEntry })[]> =>
    (await bodies()).flatMap((body, index) => (body === undefined ? [] : { index, body, entry: JSON.parse(body) as AuditEntry }));
  return {
    async search({ before = Number.POSITIVE_INFINITY, limit, ...conditions }) {
      const found = (await all()).filter(({ index, entry }) => index < before && matches(entry, conditions));
      return found
        .reverse()
        .slice(0, limit)
        .map(({ index, body }) => ({ index, body }));
    },
    async summary({ from, to, by }) {
      const rows = new Map<string, DayTally>();
      for (const { entry } of await all()) {
        const day = dayInVietnam(Date.parse(entry.time));
        if ((entry.kind !== 'outcome' && entry.kind !== 'refusal') || day < from || day > to) continue;
        const place = { day, ...Object.fromEntries(by.map((dimension) => [dimension, entry[dimension] ?? ''])) };
        const row = rows.get(JSON.stringify(place)) ?? {
          ...place,
          outcomes: {},
          sources: {},
          fields: 0,
          unfilled: {},
          conflicts: 0,
          papers: {},
        };
        const sources: Record<string, Record<string, number>> = { ...row.sources };
        for (const { source, result } of entry.sources ?? []) sources[source] = more(sources[source] ?? {}, result);
        rows.set(JSON.stringify(place), {
          ...row,
          outcomes: more(row.outcomes, entry.outcome ?? ''),
          sources,
          fields: row.fields + (entry.fields?.length ?? 0),
          unfilled: Object.values(entry.unfilled ?? {}).reduce(more, row.unfilled),
          conflicts: row.conflicts + (entry.conflicts?.length ?? 0),
          papers: Object.values(entry.papers ?? {}).reduce(more, row.papers),
        });
      }
      if (rows.size > MAX_TALLIES) throw new RangeError('too many rows');
      return [...rows.values()].sort((a, b) => (a.day < b.day ? -1 : 1));
    },
    users: async () => plainUsers(await bodies()),
    uses: async (query) => plainUses(await bodies(), query),
    expired: async (kind, before, limit) =>
      (await all())
        .filter(({ entry }) => entry.kind === kind && entry.time < before)
        .slice(0, limit)
        .map(({ index }) => index),
    forget: async () => {},
    progress: async () => ({ size: (await bodies()).length, followed: (await bodies()).length }),
    close: async () => {},
  };
}

const more = (counts: Readonly<Record<string, number>>, name: string): Record<string, number> => ({
  ...counts,
  [name]: (counts[name] ?? 0) + 1,
});
