/** Compiles the code lists: by name, all versions, oldest first. */
import type { Text, Validity } from '../domain.ts';
import { codeKey } from '../vietnam/codes.ts';
import type { ConfigFile } from './files.ts';
import { checkOrder, days, overlap } from './validity.ts';

/** The values that a type of `schemas/datasets/types.json`, or a choice on a form, may have. */
export interface CodeList extends Validity {
  readonly id: string;
  readonly name: Text;
  readonly confidence: string;
  /** Whether every value that can occur is in it: only then may a form refuse others. */
  readonly complete: boolean;
  readonly source: string;
  readonly items: readonly { readonly code: string; readonly label: Text; readonly aliases?: readonly string[] }[];
}

export function compileCodes(files: readonly ConfigFile[]): Map<string, CodeList[]> {
  const lists = new Map<string, CodeList[]>();
  for (const file of files) {
    const list = file.value as CodeList;
    checkOrder(file, list, '');
    const versions = lists.get(list.id) ?? [];
    for (const other of versions) {
      if (overlap(other, list)) file.fault('/validFrom', 'validity', `another version applies ${days(other)}: the two overlap`);
    }
    // A spelling that means two things would make two values one.
    const meanings = new Map<string, string>();
    const codes = new Set<string>();
    list.items.forEach(({ code, label, aliases = [] }, i) => {
      const names = [label.vi, ...aliases].map(codeKey);
      if (codes.has(code) || names.some((name) => (meanings.get(name) ?? code) !== code))
        file.fault(`/items/${i}`, 'duplicate', 'a code or a spelling stands in the list twice');
      codes.add(code);
      for (const name of names) meanings.set(name, code);
    });
    lists.set(
      list.id,
      [...versions, list].sort((a, b) => (a.validFrom < b.validFrom ? -1 : 1)),
    );
  }
  return lists;
}
