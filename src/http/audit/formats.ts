/** How an export is written: NDJSON, and CSV as RFC 4180 has it that no spreadsheet takes for formulas. */
import type { AuditEntry } from '../../audit/entry.ts';
import type { Found } from '../../audit/search.ts';

export interface Format {
  readonly type: string;
  readonly head: string;
  readonly line: (found: Found) => string;
  /** The last line: without it the export was cut off. */
  readonly end: (entries: number) => string;
}

type Column = (entry: AuditEntry) => string | number | undefined;

const words = (list: readonly string[] | undefined): string | undefined => list?.join(' ');
const pairs = (map: Readonly<Record<string, string | number>> | undefined): string | undefined =>
  map && words(Object.entries(map).map(([name, value]) => `${name}=${value}`));

/** `source/dataset:role=result(freshness,milliseconds)`; where it is stale, `stale:why`. */
const sources: Column = (entry) =>
  words(
    entry.sources?.map(({ source, dataset, role, result, freshness, staleBecause, milliseconds }) => {
      const more = [staleBecause === undefined ? freshness : `${freshness}:${staleBecause}`, milliseconds]
        .filter((one) => one !== undefined)
        .join(',');
      return `${source}/${dataset}:${role}=${result}${more === '' ? '' : `(${more})`}`;
    }),
  );

/** After `index`, in this order. A column is never moved or taken away: new ones are put at the end. */
const COLUMNS: Readonly<Record<string, Column>> = {
  time: (entry) => entry.time,
  kind: (entry) => entry.kind,
  id: (entry) => entry.id,
  agency: (entry) => entry.agency,
  client: (entry) => entry.client,
  officer: (entry) => entry.officer,
  procedure: (entry) => entry.procedure,
  dossier: (entry) => entry.dossier,
  grant: (entry) => entry.grant,
  legalBasis: (entry) => words(entry.legalBasis),
  subjects: (entry) => pairs(entry.subjects),
  fields: (entry) => words(entry.fields),
  unfilled: (entry) => pairs(entry.unfilled),
  conflicts: (entry) => words(entry.conflicts),
  papers: (entry) => pairs(entry.papers),
  sources,
  outcome: (entry) => entry.outcome,
  milliseconds: (entry) => entry.milliseconds,
  withheldUntil: (entry) => entry.withheldUntil,
  requestDigest: (entry) => entry.requestDigest,
  replyDigest: (entry) => entry.replyDigest,
  auditor: (entry) => entry.auditor,
  reason: (entry) => entry.reason,
  query: (entry) => pairs(entry.query),
  retention: ({ retention }) => retention && pairs({ upTo: retention.upTo, count: retention.count, ...retention.before }),
  logKey: (entry) => entry.logKey?.key,
  config: (entry) => entry.config,
  shutOut: ({ shutOut }) => shutOut && pairs({ ...shutOut }),
  actor: (entry) => entry.actor,
  purpose: (entry) => entry.purpose,
  alert: ({ alert }) => alert && pairs({ ...alert }),
};

/** What a spreadsheet takes for the beginning of a formula; an apostrophe before it makes it text. */
const FORMULA = /^(?=["'\s\p{Cf}]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n])/u;
/** The same after a separator: told to split at semicolons or tabs, a spreadsheet begins a new cell there, whatever is quoted. */
const INNER_FORMULA = /([;,|\t\r\n]["'\s\p{Cf}]*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])/gu;

export function cell(value: string | number | undefined): string {
  const text = String(value ?? '')
    .replace(FORMULA, "'")
    .replace(INNER_FORMULA, "$1'");
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const record = (cells: readonly (string | number | undefined)[]): string => `${cells.map(cell).join(',')}\r\n`;

export const FORMATS = {
  ndjson: {
    type: 'application/x-ndjson',
    head: '',
    line: ({ index, body }) => `{"index":${index},"entry":${body}}\n`,
    end: (entries) => `{"end":true,"entries":${entries}}\n`,
  },
  csv: {
    type: 'text/csv',
    head: record(['index', ...Object.keys(COLUMNS)]),
    line({ index, body }) {
      const entry = JSON.parse(body) as AuditEntry;
      return record([index, ...Object.values(COLUMNS).map((column) => column(entry))]);
    },
    end: (entries) =>
      record([
        'end',
        entries,
        ...Object.keys(COLUMNS)
          .slice(1)
          .map(() => undefined),
      ]),
  },
} as const satisfies Record<string, Format>;
