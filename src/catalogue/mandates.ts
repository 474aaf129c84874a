/** Compiles what agencies let suppliers do for them: never what the agency may not do itself. */
import type { Agency, Mandate, Supplier } from '../domain.ts';
import type { ConfigFile } from './files.ts';
import type { RawAgency } from './raw.ts';
import type { Surroundings } from './surroundings.ts';
import { checkOrder, days, overlap } from './validity.ts';

export function compileMandates(
  file: ConfigFile,
  agency: RawAgency,
  suppliers: ReadonlyMap<string, Supplier>,
  { broken }: Surroundings,
): Mandate[] {
  const mandates: Mandate[] = [];
  (agency.suppliers ?? []).forEach(({ supplier, scopes, procedures, validFrom, validTo }, i) => {
    const at = `/suppliers/${i}`;
    const validity = { validFrom, validTo };
    checkOrder(file, validity, at);
    if (!suppliers.has(supplier) && !broken('suppliers', supplier))
      file.fault(`${at}/supplier`, 'unknown-reference', `there is no supplier ${supplier}`);
    scopes.forEach((scope, j) => {
      if (!agency.scopes.includes(scope))
        file.fault(`${at}/scopes/${j}`, 'unknown-reference', `the agency itself has not the scope ${scope}`);
    });
    // Which of two holds on a day would be for nobody to say.
    for (const other of mandates) {
      if (other.supplier === supplier && overlap(other, validity))
        file.fault(at, 'validity', `overlaps what ${supplier} may do ${days(other)}`);
    }
    mandates.push({ supplier, scopes: new Set(scopes), procedures: procedures === 'all' ? 'all' : new Set(procedures), ...validity });
  });
  return mandates;
}

/** What an agency inherits it may let others do too. */
export function checkMandated(file: ConfigFile, { suppliers = [] }: RawAgency, { grants }: Agency): void {
  const granted = new Set(grants.map(({ procedure }) => procedure));
  for (const [i, { procedures }] of suppliers.entries()) {
    for (const [j, procedure] of procedures === 'all' ? [] : procedures.entries()) {
      if (!granted.has(procedure))
        file.fault(`/suppliers/${i}/procedures/${j}`, 'unknown-reference', `the agency itself has no grant for ${procedure}`);
    }
  }
}
