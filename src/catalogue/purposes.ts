/** What data may be used for: the codes that a grant may say, and what people call them. */
import type { Text, Validity } from '../domain.ts';
import type { CodeList } from './codes.ts';
import type { ConfigFile } from './files.ts';
import type { Broken } from './surroundings.ts';
import { days, overlap } from './validity.ts';

type Codes = ReadonlyMap<string, readonly CodeList[]>;

/** Adds a fault for a purpose that no list has while the grant holds. */
export function checkPurpose(
  file: ConfigFile,
  { codes, broken }: { readonly codes: Codes; readonly broken: Broken },
  grant: Validity & { readonly purpose: string },
  at: string,
): void {
  if (broken('codes', 'purpose')) return;
  const lists = codes.get('purpose') ?? [];
  const known = lists.filter((list) => overlap(list, grant)).flatMap(({ items }) => items.map(({ code }) => code));
  if (!known.includes(grant.purpose))
    file.fault(
      `${at}/purpose`,
      'unknown-value',
      `no purpose of codes/purpose.yaml, ${days(grant)}: ${known.join(', ') || 'there is none'}`,
    );
}

/** What people call it: the newest name. */
export const purposeName = ({ codes }: { readonly codes: Codes }, purpose: string): Text | undefined =>
  codes
    .get('purpose')
    ?.flatMap(({ items }) => items)
    .findLast(({ code }) => code === purpose)?.label;
