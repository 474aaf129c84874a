/** Compiles the legal table: every provision under the name that other files cite it by. */
import type { Provision } from '../domain.ts';
import type { ConfigFile } from './files.ts';
import type { RawLegal } from './raw.ts';
import { checkOrder } from './validity.ts';

export function compileLegal(files: readonly ConfigFile[]): Map<string, Provision> {
  const provisions = new Map<string, Provision>();
  for (const file of files) {
    const raw = file.value as RawLegal;
    checkOrder(file, raw, '');
    raw.provisions.forEach((provision, i) => {
      const ref = `${raw.id}#${provision.id}`;
      if (provisions.has(ref)) file.fault(`/provisions/${i}/id`, 'duplicate', `${ref} is described twice`);
      provisions.set(ref, {
        ref,
        citation: `${raw.cite}, ${provision.cite}`,
        databases: provision.databases ?? [],
        procedures: provision.procedures ?? [],
        ...(provision.rule === undefined ? {} : { rule: provision.rule }),
        validFrom: raw.validFrom,
        ...(raw.validTo === undefined ? {} : { validTo: raw.validTo }),
      });
    });
  }
  return provisions;
}
