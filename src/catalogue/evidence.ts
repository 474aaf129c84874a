/** Compiles what today's datasets prove of an instrument's papers: kind of paper and its wording → the record that must be there. */
import { splitPointer } from '../domain.ts';
import { Bindings } from './bindings.ts';
import type { ConfigFile } from './files.ts';
import type { LegalRow } from './legal-table.ts';
import type { RawEvidence, RawRecordCheck, RawRole, RawRule } from './raw.ts';
import type { Surroundings } from './surroundings.ts';

/** How the paper of one row is proven. Every reference in it is sound. */
export interface Proof {
  readonly file: ConfigFile;
  readonly roles: Readonly<Record<string, RawRole>>;
  readonly records: readonly RawRecordCheck[];
  readonly note?: RawRule['note'];
}

/**
 * Row's name → how its paper is proven. Only wordings that somebody read and listed count: a kind of document says too little of whose
 * paper is meant. A rule for a database that no source is, or whose source lacks the dataset, proves nothing and is no fault.
 */
export function compileEvidence(
  files: readonly ConfigFile[],
  rows: ReadonlyMap<string, readonly LegalRow[]>,
  around: Surroundings,
): Map<string, Proof> {
  const proofs = new Map<string, Proof>();
  for (const file of files) {
    const { instrument, roles, rules } = file.value as RawEvidence;
    // Which rows there are is not known then, and what a rule finds or misses says nothing.
    if (around.broken('annexes')) continue;
    if (file.file !== `legal/${instrument}/evidence.yaml`)
      file.fault('/instrument', 'file-name', `the evidence of ${instrument} stands in legal/${instrument}/evidence.yaml`);
    const own = [...rows.values()]
      .flat()
      .filter((row) => row.ref.startsWith(`${instrument}#`) && row.suspect === undefined)
      .map((row): Worded => ({ ref: row.ref, databases: row.databases, kinds: kindsOf(row), wording: wording(row.document) }));
    rules.forEach((rule, i) => {
      const at = `/rules/${i}`;
      const proven = rowsOf(rule, own, instrument, file, at);
      const records = checkRecords(rule, roles, file, around, at);
      for (const { ref } of proven) {
        if (proofs.has(ref)) file.fault(at, 'duplicate', `another rule proves ${ref}`);
        if (records !== undefined) proofs.set(ref, { file, roles, records, ...(rule.note ? { note: rule.note } : {}) });
      }
    });
  }
  return proofs;
}

/** The rows whose paper is of these kinds and worded so. A wording or an exception that meets no row is misspelt. */
function rowsOf(rule: RawRule, rows: readonly Worded[], instrument: string, file: ConfigFile, at: string): Worded[] {
  const kinds = kindsOf(rule);
  const candidates = rows.filter((row) => row.databases.includes(rule.database) && row.kinds === kinds);
  const met = rule.documents.map((document, j) => {
    const words = wording(document);
    const found = candidates.filter((row) => row.wording === words);
    if (found.length === 0)
      file.fault(`${at}/documents/${j}`, 'unknown-value', `no row of these types and of ${rule.database} words its paper so`);
    return found;
  });
  const all = [...new Set(met.flat())];
  const except = (rule.except ?? []).map((ref, j) => {
    const name = `${instrument}#${ref}`;
    if (!all.some((row) => row.ref === name))
      file.fault(`${at}/except/${j}`, 'unknown-reference', `${ref} is no row that the rule would prove`);
    return name;
  });
  return all.filter(({ ref }) => !except.includes(ref));
}

/** A row with what its paper is compared by. */
type Worded = Pick<LegalRow, 'ref' | 'databases'> & { readonly kinds: string; readonly wording: string };

const kindsOf = ({ types }: { readonly types: readonly string[] }): string => [...types].sort().join(' ');

/** Case, spaces, a dash before and a stop after are no difference. */
const wording = (text: string): string =>
  text
    .normalize('NFC')
    .toLowerCase()
    .replace(/\s+/gu, ' ')
    .replace(/^[- ]+|[-;.,: ]+$/g, '');

/** The checks with their source named, or undefined where no source of the database has the dataset. Adds the faults of the rule. */
function checkRecords(
  { records, database }: RawRule,
  roles: Readonly<Record<string, RawRole>>,
  file: ConfigFile,
  around: Surroundings,
  at: string,
): RawRecordCheck[] | undefined {
  const own = new Map([...around.sources].filter(([, source]) => source.database === database));
  const bindings = new Bindings(file, { roles }, { ...around, sources: own });
  let held = true;
  const named = records.map((record, j) => {
    const source = [...own.values()].find(({ datasets }) => record.dataset in datasets)?.id;
    if (source === undefined) held = false;
    const confirm = bindings.role(record.role)?.confirm?.value;
    if (confirm !== undefined && source !== undefined && around.schemas.typeAt(record.dataset, splitPointer(confirm)) === undefined)
      file.fault(`/roles/${record.role}/confirm/value`, 'unknown-value', `a record of ${record.dataset} has no ${confirm}`);
    // A dataset that there is not is a fault all the same.
    if (source !== undefined || !around.schemas.datasets.has(record.dataset)) bindings.binding(record, `${at}/records/${j}`, undefined);
    return source === undefined ? record : { ...record, source: record.source ?? source };
  });
  return held ? named : undefined;
}
