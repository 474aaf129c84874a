/** The forms of an agency's officials' and dossiers' numbers, as its file writes them. */
import type { Agency, NumberForm } from '../domain.ts';
import type { ConfigFile } from './files.ts';
import type { RawAgency, RawForm } from './raw.ts';

/** Any number of the agency itself or of a unit below it: what holds where its file says nothing. */
export const anyNumberOf = (agency: string): NumberForm => ({ of: agency, below: true });

/**
 * A number is compared with its form character by character, and not by a regular expression of the file's: nothing that anybody writes there can take
 * longer than the number is long. An official is of the agency whatever its file says; whose the dossiers are that it handles, its file says.
 */
export function compileForms(file: ConfigFile, { id, officers, dossiers }: RawAgency): Pick<Agency, 'officers' | 'dossiers'> {
  officers?.forEach(({ of = id }, i) => {
    if (of !== id && !of.startsWith(`${id}.`))
      file.fault(`/officers/${i}/of`, 'unknown-value', `an official is of ${id} or of a unit below it`);
  });
  const compiled = (forms: readonly RawForm[]): NumberForm[] => forms.map((form) => ({ ...anyNumberOf(id), ...form }));
  return {
    ...(officers === undefined ? {} : { officers: compiled(officers) }),
    ...(dossiers === undefined ? {} : { dossiers: compiled(dossiers) }),
  };
}
