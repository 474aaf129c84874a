/** Data for crime prevention only (Decree 58/2026/NĐ-CP, annex V, list 3): violations, licence points, drug addiction, criminal record, judgments. It cannot be configured. */
import type { DatasetSchema } from './schemas.ts';

/** Names under which such data would appear, in English and Vietnamese, compared without case, hyphens and diacritics. In the code, so that no file can take it out. */
const NAMES = [
  'criminal',
  'conviction',
  'sentence',
  'offence',
  'offense',
  'violation',
  'licencepoint',
  'licensepoint',
  'demeritpoint',
  'drugaddict',
  'drugrehab',
  'wantedPerson',
  'policerecord',
  'anTich',
  'tienAn',
  'tienSu',
  'toiPham',
  'viPham',
  'lyLichTuPhap',
  'diemGiayPhep',
  'maTuy',
  'nghienMaTuy',
  'truyNa',
  'banAn',
  'judgment',
  'judgement',
  'prison',
  'arrest',
  'phatTu',
  'chapHanhAn',
].map(plain);

/** The keywords of JSON Schema whose members are named by the schema's author. */
const NAMED = new Set(['properties', 'patternProperties', '$defs']);

/** What a fault says of it. */
export const CRIME_PREVENTION_ONLY = 'data for crime prevention only (Decree 58/2026/NĐ-CP, annex V, list 3) cannot be configured';

/** Whether a name of a dataset, field or member says that it holds such data. */
export function isCrimePreventionName(name: string): boolean {
  const compared = plain(name);
  return NAMES.some((forbidden) => compared.includes(forbidden));
}

/** The places in a dataset's schema that hold such data, as pointers; `''` is the dataset as a whole. */
export function crimePreventionIn(dataset: DatasetSchema): string[] {
  const found: string[] = [];
  if (/list\s*3/i.test(dataset.schema['x-legal']?.decree58AnnexV ?? '') || isCrimePreventionName(dataset.name)) found.push('');
  const visit = (node: unknown, pointer: string): void => {
    if (typeof node !== 'object' || node === null) return;
    for (const [keyword, child] of Object.entries(node)) {
      // Wherever a schema may hold members: below `oneOf`, `then` or `$defs` as well as at its top.
      if (!NAMED.has(keyword)) visit(child, keyword === 'items' ? `${pointer}/*` : pointer);
      else
        for (const [name, member] of Object.entries(child as object)) {
          if (isCrimePreventionName(name)) found.push(`${pointer}/${name}`);
          visit(member, `${pointer}/${name}`);
        }
    }
  };
  visit(dataset.schema, '');
  return found;
}

function plain(name: string): string {
  return name
    .normalize('NFD')
    .replace(/[\u0300-\u036f]/g, '')
    .replaceAll(/[đĐ]/g, 'd')
    .replaceAll(/[^A-Za-z0-9]/g, '')
    .toLowerCase();
}
