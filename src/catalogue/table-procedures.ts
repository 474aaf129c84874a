/** Makes procedures of which only an annex is known: no form, one paper a record, and the rest of the gateway does not know the difference. */
import {
  type Component,
  type Evidence,
  type Procedure,
  type Provision,
  type RecordCheck,
  type Role,
  type Source,
  splitPointer,
} from '../domain.ts';
import { Bindings } from './bindings.ts';
import type { Proof } from './evidence.ts';
import type { ConfigFile } from './files.ts';
import { isCrimePreventionName } from './forbidden.ts';
import type { LegalRow } from './legal-table.ts';
import type { RawRole } from './raw.ts';
import type { Surroundings } from './surroundings.ts';

/** An annex does not say since when a procedure exists: it is never the procedure that is out of force, but its rows. */
const ALWAYS = '0001-01-01';

/** Whose papers they are, where no evidence names another. */
const SUBJECT: RawRole = { kind: 'person', name: { vi: 'Người có giấy tờ trong hồ sơ', en: 'Person whose papers the dossier holds' } };

/** Adds every procedure that has rows and no file of its own. */
export function addTableProcedures(
  procedures: Map<string, readonly Procedure[]>,
  rows: ReadonlyMap<string, readonly LegalRow[]>,
  proofs: ReadonlyMap<string, Proof>,
  around: Surroundings,
): void {
  for (const [code, all] of rows) {
    const own = all.filter(({ suspect }) => suspect === undefined);
    if (!procedures.has(code) && own.length > 0) procedures.set(code, [compile(code, own, proofs, around)]);
  }
}

function compile(code: string, rows: readonly LegalRow[], proofs: ReadonlyMap<string, Proof>, around: Surroundings): Procedure {
  const proven = rows.flatMap(({ ref }) => proofs.get(ref) ?? []);
  const known: Record<string, RawRole> = Object.assign({ subject: SUBJECT }, ...proven.map(({ roles }) => roles));
  const used = new Set(['subject', ...proven.flatMap(({ records }) => records.map(({ role }) => role))]);
  const roles = Object.fromEntries(Object.entries(known).filter(([name]) => used.has(name)));
  const bindings = proven[0] && new Bindings(silent(proven[0].file), { roles }, around);
  const components = rows.map((row) => componentOf(row, proofs.get(row.ref), bindings, around));
  const [first] = rows;
  return {
    code,
    validFrom: ALWAYS,
    name: { vi: first?.name ?? '' },
    ...(first === undefined ? {} : { sector: { vi: first.sector } }),
    legalBasis: rows.map(({ ref }) => around.provisions.get(ref)).filter((provision): provision is Provision => provision !== undefined),
    factSources: [...new Set(rows.map(({ source }) => source))],
    roles: new Map(Object.entries(roles).map(([name, raw]) => [name, roleOf(name, raw)])),
    lookUps: bindings?.planned() ?? [],
    fields: [],
    components,
  };
}

/** The rules of evidence were checked once; what they say of each row is not said again. */
const silent = (file: ConfigFile): ConfigFile => ({ ...file, fault: () => {} });

function componentOf(row: LegalRow, proof: Proof | undefined, bindings: Bindings | undefined, around: Surroundings): Component {
  const provision = around.provisions.get(row.ref);
  const settled = settledOf(row, proof, around);
  const records = settled === undefined ? (proof?.records ?? []) : [];
  const evidence = provision && {
    provision,
    fields: [],
    records: records.map((check, i): RecordCheck => {
      const { lookUp, values } = bindings?.binding(check, `/${i}`, undefined) ?? { lookUp: -1, values: [] };
      const { is, equals } = check;
      return { lookUp, value: values[0] ?? [], ...(is === undefined ? {} : { is }), ...(equals === undefined ? {} : { equals }) };
    }),
    compare: false,
    ...(settled === undefined ? {} : { settled }),
  };
  return {
    id: row.ref.toLowerCase().replaceAll(/[#.]/g, '-'),
    name: { vi: row.document, en: kindsOf(row) },
    confidence: row.confidence,
    replacedBy: evidence === undefined ? [] : [evidence],
    ...(proof?.note && settled === undefined ? { note: proof.note } : {}),
  };
}

/** The annex has no translation; the kinds of documents are said in English. */
function kindsOf({ types }: LegalRow): string {
  const text = types.map((type) => type.replaceAll('_', ' ')).join('; ') || 'other paper';
  return text[0]?.toUpperCase() + text.slice(1);
}

function settledOf(row: LegalRow, proof: Proof | undefined, around: Surroundings): Evidence['settled'] {
  if (row.effect === 'cut') return { verdict: 'cut' };
  return proof === undefined ? { verdict: 'ask', reason: lackOf(row, around.sources) } : undefined;
}

function roleOf(name: string, { name: label, kind, given = 'never', confirm, not = [] }: RawRole): Role {
  return {
    name,
    label,
    kind,
    given,
    from: [],
    not,
    ...(confirm === undefined ? {} : { confirm: { value: splitPointer(confirm.value), is: confirm.is } }),
  };
}

/** Why the gateway can prove nothing under a row, as a reason of a verdict. */
export function lackOf(
  { databases }: LegalRow,
  sources: ReadonlyMap<string, Source>,
): 'crime-prevention-only' | 'no-source' | 'no-binding' {
  if (databases.some(isCrimePreventionName)) return 'crime-prevention-only';
  return [...sources.values()].some(({ database }) => databases.includes(database)) ? 'no-binding' : 'no-source';
}
