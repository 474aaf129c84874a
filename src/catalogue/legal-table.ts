/** Compiles the annexes of an instrument: which paper of which procedure data replaces, record by record. */
import type { Provision, Validity } from '../domain.ts';
import type { ConfigFile } from './files.ts';
import type { Effect, RawAnnex, RawLegal, RawRecord } from './raw.ts';
import type { Broken } from './surroundings.ts';

/** One record of an annex. The texts are as the annex words them, in Vietnamese. */
export interface LegalRow extends Omit<RawRecord, 'confidence'>, Validity {
  /** Such as `nq-66-7-2025#I.735`: the name by which files cite it. */
  readonly ref: string;
  /** Such as `NQ 66.7/2025/NQ-CP, annex I, row 735`. */
  readonly citation: string;
  readonly effect: Effect;
  readonly confidence: string;
  /** Where the text was read. */
  readonly source: string;
  /** Why it is not believed; then no provision is made of it and nothing cites it. */
  readonly suspect?: string;
}

/** The records by the code of their procedure, in the order of the annexes. Each that is not suspect is added to `provisions`. */
export function compileTable(
  files: readonly ConfigFile[],
  instruments: readonly ConfigFile[],
  provisions: Map<string, Provision>,
  broken: Broken,
): Map<string, LegalRow[]> {
  const rows = new Map<string, LegalRow[]>();
  const seen = new Set<string>();
  for (const file of files) {
    const annex = file.value as RawAnnex;
    const instrument = instruments.map(({ value }) => value as RawLegal).find(({ id }) => id === annex.instrument);
    if (!file.file.startsWith(`legal/${annex.instrument}/`))
      file.fault('/instrument', 'file-name', `an annex of ${annex.instrument} stands in legal/${annex.instrument}/`);
    if (instrument === undefined) {
      if (!broken('legal', annex.instrument))
        file.fault('/instrument', 'unknown-reference', `there is no instrument ${annex.instrument} in legal/`);
      continue;
    }
    annex.records.forEach((record, i) => {
      const row = compileRow(record, annex, instrument);
      checkRecord(file, record, annex, `/records/${i}`);
      if (seen.has(row.ref) || provisions.has(row.ref)) file.fault(`/records/${i}/ref`, 'duplicate', `${row.ref} is described twice`);
      seen.add(row.ref);
      if (row.suspect === undefined) provisions.set(row.ref, provisionOf(row));
      rows.set(row.code, [...(rows.get(row.code) ?? []), row]);
    });
  }
  return rows;
}

function compileRow(
  record: RawRecord,
  { annex, effect, confidence, source }: RawAnnex,
  { id, cite, validFrom, validTo }: RawLegal,
): LegalRow {
  const [, row, nth] = record.ref.split('.');
  return {
    confidence,
    ...record,
    ref: `${id}#${record.ref}`,
    citation: `${cite}, annex ${annex}, row ${row}${nth === undefined ? '' : `, record ${nth}`}`,
    effect,
    source,
    validFrom,
    ...(validTo === undefined ? {} : { validTo }),
  };
}

/** An annex counts its own rows, and what a code was made of is shown to be what it comes of. */
function checkRecord(file: ConfigFile, { ref, code, codeRaw }: RawRecord, { annex }: RawAnnex, at: string): void {
  if (!ref.startsWith(`${annex}.`)) file.fault(`${at}/ref`, 'type-mismatch', `is no row of annex ${annex}`);
  if (codeRaw !== undefined && (codeRaw === code || codeRaw.replace(',', '.').padEnd(8, '0') !== code))
    file.fault(`${at}/codeRaw`, 'type-mismatch', `does not come to ${code} by a point for its comma and zeros at its end`);
}

const provisionOf = ({ ref, citation, databases, code, validFrom, validTo }: LegalRow): Provision => ({
  ref,
  citation,
  databases,
  procedures: [code],
  validFrom,
  ...(validTo === undefined ? {} : { validTo }),
});
