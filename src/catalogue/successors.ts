/** Agencies in the place of others: after a merger the successor inherits what its file says, as the other's file wrote it. */
import type { Agency, Grant, NumberForm, Validity } from '../domain.ts';
import type { ConfigFile } from './files.ts';
import { anyNumberOf } from './forms.ts';
import type { RawAgency, RawSuccession } from './raw.ts';
import type { Broken } from './surroundings.ts';
import { days, overlap } from './validity.ts';

type Deciding = Validity & Pick<Grant, 'procedure' | 'purpose'>;

/** Two grants that would both decide one request. */
export const clash = (a: Deciding, b: Deciding): boolean => a.procedure === b.procedure && a.purpose === b.purpose && overlap(a, b);

/** The same agencies, each with what it inherits. A grant keeps the name that it has where it was written: `X01.0/residence`. */
export function withInheritance(files: readonly ConfigFile[], agencies: ReadonlyMap<string, Agency>, broken: Broken): Map<string, Agency> {
  const fileOf = new Map(files.map((file) => [(file.value as RawAgency).id, file]));
  const made = new Map<string, Agency>();
  const heir = (agency: Agency, path: readonly string[]): Agency => {
    const known = made.get(agency.id);
    if (known !== undefined) return known;
    const file = fileOf.get(agency.id) as ConfigFile;
    let whole = agency;
    for (const [i, succession] of ((file.value as RawAgency).succeeds ?? []).entries()) {
      const at = `/succeeds/${i}`;
      const other = agencies.get(succession.agency);
      if (other === undefined) {
        if (!broken('agencies', succession.agency))
          file.fault(`${at}/agency`, 'unknown-reference', `there is no agency ${succession.agency}`);
      } else if ([...path, agency.id].includes(other.id)) {
        file.fault(`${at}/agency`, 'cycle', `${other.id} would succeed itself`);
      } else {
        checkDays(file, at, succession, agency, other);
        whole = inherit(file, at, succession, whole, heir(other, [...path, agency.id]));
      }
    }
    made.set(agency.id, whole);
    return whole;
  };
  for (const agency of agencies.values()) heir(agency, []);
  return made;
}

/** Nobody acts in the place of an agency that is still there. */
function checkDays(file: ConfigFile, at: string, { from }: RawSuccession, agency: Agency, { id, endedOn }: Agency): void {
  if (endedOn === undefined) file.fault(`${at}/agency`, 'validity', `${id} has not ended: its file says no endedOn`);
  else if (endedOn >= from) file.fault(`${at}/from`, 'validity', `${id} is there until ${endedOn}`);
  if (agency.endedOn !== undefined && agency.endedOn < from)
    file.fault(`${at}/from`, 'validity', `is after ${agency.endedOn}, its own last day`);
}

function inherit(
  file: ConfigFile,
  at: string,
  { grants: named = [], dossiers, from }: RawSuccession,
  agency: Agency,
  other: Agency,
): Agency {
  const grants = [...agency.grants];
  const known = other.grants.map((grant) => grant.id);
  if (named !== 'all') {
    for (const [i, id] of named.entries())
      if (!known.includes(id)) file.fault(`${at}/grants/${i}`, 'unknown-reference', `${other.id} has no grant ${id}`);
  }
  for (const grant of other.grants) {
    const place = named === 'all' ? -1 : named.indexOf(grant.id);
    if (named !== 'all' && place < 0) continue;
    const where = place < 0 ? `${at}/grants` : `${at}/grants/${place}`;
    if (grant.validTo !== undefined && grant.validTo < from) {
      if (place >= 0) file.fault(where, 'validity', `${grant.id} holds ${days(grant)}: nothing of it is left`);
      continue;
    }
    const id = grant.id.includes('/') ? grant.id : `${other.id}/${grant.id}`;
    const inherited = { ...grant, id, validFrom: grant.validFrom < from ? from : grant.validFrom };
    const double = grants.find((one) => clash(one, inherited));
    if (double !== undefined)
      file.fault(where, 'validity', `${id} overlaps the grant ${double.id}, of the same purpose, which holds ${days(double)}`);
    grants.push(inherited);
  }
  return { ...agency, grants, ...(dossiers === true ? { dossiers: [...dossiersOf(agency), ...since(from, dossiersOf(other))] } : {}) };
}

const dossiersOf = ({ id, dossiers }: Agency): readonly NumberForm[] => dossiers ?? [anyNumberOf(id)];

const since = (day: string, forms: readonly NumberForm[]): NumberForm[] =>
  forms.map((form) => ({ ...form, from: form.from !== undefined && form.from > day ? form.from : day }));
