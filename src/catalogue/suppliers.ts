/** Compiles suppliers: who they are, and their keys. What they may do stands in the files of agencies. */
import type { Supplier } from '../domain.ts';
import { checkKeys } from './agencies.ts';
import type { ConfigFile } from './files.ts';
import type { RawSupplier } from './raw.ts';

export function compileSuppliers(files: readonly ConfigFile[], options: { readonly sandbox: boolean }): Map<string, Supplier> {
  const suppliers = new Map<string, Supplier>();
  for (const file of files) {
    const { id, name, sandbox = false, keys } = file.value as RawSupplier;
    if (suppliers.has(id)) file.fault('/id', 'duplicate', `there are two suppliers ${id}`);
    if (!options.sandbox && sandbox) file.fault('/sandbox', 'sandbox-in-production', 'a supplier of the sandbox');
    if (!sandbox && keys === 'sandbox')
      file.fault('/keys', 'sandbox-in-production', 'only a supplier of the sandbox has its keys made for it');
    if (keys !== 'sandbox') checkKeys(file, keys);
    suppliers.set(id, { id, name, sandbox, keys });
  }
  return suppliers;
}
