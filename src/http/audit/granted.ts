/** What an agency and its suppliers were granted, beside how it was used: what of it nobody needed. Pure. */
import type { GrantUse, TimesUsed } from '../../audit/search.ts';
import type { Catalogue } from '../../catalogue/load.ts';
import type { Agency, Grant, Mandate, Procedure, Validity } from '../../domain.ts';

/** Months YYYY-MM, both inclusive. */
export interface Period {
  readonly from: string;
  readonly to: string;
}

const held = ({ validFrom, validTo = '9999-12' }: Validity, { from, to }: Period): boolean =>
  validFrom.slice(0, 7) <= to && from <= validTo.slice(0, 7);

/** `uses` are those of the agency. */
export function grantsOf(id: string, uses: readonly GrantUse[], period: Period, catalogue: Catalogue): object[] {
  const agency = catalogue.agencies.get(id);
  const useOf = (grant: Grant): GrantUse | undefined => uses.find((use) => use.grant === grant.id && use.procedure === grant.procedure);
  const granted = (agency?.grants ?? []).filter((grant) => held(grant, period) || useOf(grant) !== undefined);
  const gone = uses.filter((use) => !granted.some((grant) => useOf(grant) === use));
  return [
    ...granted.map((grant) => {
      const use = useOf(grant);
      const versions = (catalogue.procedures.get(grant.procedure) ?? []).filter(
        (version) => version.validFrom <= (grant.validTo ?? '9999'),
      );
      return {
        agency: id,
        name: agency?.name,
        grant: grant.id,
        procedure: grant.procedure,
        standing: 'granted',
        validFrom: grant.validFrom,
        validTo: grant.validTo,
        ...counted(use),
        officers: use?.officers ?? 0,
        neverGiven: use && { fields: fieldsNever(grant, versions, use), papers: papersNever(grant, versions, use) },
      };
    }),
    ...gone.map((use) => ({
      agency: id,
      name: agency?.name,
      grant: use.grant,
      procedure: use.procedure,
      standing: 'gone',
      ...counted(use),
      officers: use.officers,
    })),
  ];
}

/** What the form leaves to the applicant is in no register, and can be given under no grant. */
function fieldsNever({ fields: granted }: Grant, versions: readonly Procedure[], { fields: given }: GrantUse): string[] {
  const could = versions.flatMap(({ fields }) => fields.filter(({ from }) => from.length > 0).map(({ at }) => at));
  return [...new Set(could)].filter((at) => (granted === 'all' || granted.has(at)) && !given.includes(at));
}

function papersNever({ components: granted }: Grant, versions: readonly Procedure[], { papers: replaced }: GrantUse): string[] {
  const could = versions.flatMap(({ components }) =>
    components.filter(({ replacedBy }) => replacedBy.some(({ settled }) => settled?.verdict !== 'ask')).map(({ id }) => id),
  );
  return [...new Set(could)].filter((id) => (granted === 'all' || granted.has(id)) && !replaced.includes(id));
}

/** One row a supplier, whatever the number of its mandates. */
export function suppliersOf(id: string, uses: readonly GrantUse[], period: Period, catalogue: Catalogue): object[] {
  const agency = catalogue.agencies.get(id);
  const mandates = (agency?.suppliers ?? []).filter((mandate) => held(mandate, period));
  const suppliers = new Set([...mandates.map(({ supplier }) => supplier), ...uses.flatMap((use) => Object.keys(use.suppliers))]);
  return [...suppliers].sort().map((supplier) => {
    const own = mandates.filter((mandate) => mandate.supplier === supplier);
    const acted = uses.filter((use) => Object.hasOwn(use.suppliers, supplier));
    const sum = summed(acted.map((use) => use.suppliers[supplier] as TimesUsed));
    const used = new Set(acted.map(({ procedure }) => procedure));
    return {
      agency: id,
      supplier,
      name: catalogue.suppliers.get(supplier)?.name,
      standing: own.length > 0 ? 'granted' : 'gone',
      mandates: own.map(({ scopes, validFrom, validTo }) => ({ scopes: [...scopes], validFrom, validTo })),
      ...counted(sum),
      proceduresNeverUsed: sum && [...new Set(own.flatMap((mandate) => proceduresOf(mandate, agency)))].filter((code) => !used.has(code)),
    };
  });
}

const proceduresOf = ({ procedures }: Mandate, agency: Agency | undefined): string[] =>
  procedures === 'all' ? (agency?.grants ?? []).map(({ procedure }) => procedure) : [...procedures];

const counted = (used: TimesUsed | undefined): object => ({ uses: used?.uses ?? 0, lastUsed: used?.lastUsed });

function summed(all: readonly TimesUsed[]): TimesUsed | undefined {
  const lastUsed = all
    .map((one) => one.lastUsed)
    .sort()
    .at(-1);
  return lastUsed === undefined ? undefined : { uses: all.reduce((sum, { uses }) => sum + uses, 0), lastUsed };
}
