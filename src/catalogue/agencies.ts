/** Compiles agencies: their keys, and grants whose every reference and every day is checked. */
import { createPublicKey } from 'node:crypto';
import type { Agency, AgencyKey, Grant, Procedure, Provision, Supplier, Validity } from '../domain.ts';
import type { CodeList } from './codes.ts';
import { deliveryFault, literal } from './connections.ts';
import type { ConfigFile } from './files.ts';
import { compileForms } from './forms.ts';
import { checkMandated, compileMandates } from './mandates.ts';
import { checkAutomated } from './misuse.ts';
import { checkPurpose } from './purposes.ts';
import type { RawAgency, RawGrant } from './raw.ts';
import { clash, withInheritance } from './successors.ts';
import type { Surroundings } from './surroundings.ts';
import { checkOrder, covers, days, overlap } from './validity.ts';

export function compileAgencies(
  files: readonly ConfigFile[],
  around: Surroundings,
  procedures: ReadonlyMap<string, readonly Procedure[]>,
  suppliers: ReadonlyMap<string, Supplier>,
  codes: ReadonlyMap<string, readonly CodeList[]>,
  options: { readonly sandbox: boolean },
): Map<string, Agency> {
  const agencies = new Map<string, Agency>();
  for (const file of files) {
    const raw = file.value as RawAgency;
    if (agencies.has(raw.id)) file.fault('/id', 'duplicate', `there are two agencies ${raw.id}`);
    if (!options.sandbox && raw.sandbox) file.fault('/sandbox', 'sandbox-in-production', 'an agency of the sandbox');
    if (!raw.sandbox && raw.keys === 'sandbox')
      file.fault('/keys', 'sandbox-in-production', 'only an agency of the sandbox has its keys made for it');
    if (suppliers.has(raw.id)) file.fault('/id', 'duplicate', `a supplier is called ${raw.id} too`);
    if (Array.isArray(raw.keys)) checkKeys(file, raw.keys);
    const unfit = deliveryFault(literal(raw.deliveries?.address), raw);
    if (unfit !== undefined) file.fault('/deliveries/address', 'connection', unfit);
    checkAutomated(file, raw.id, raw.misuse);
    agencies.set(raw.id, {
      id: raw.id,
      name: raw.name,
      sandbox: raw.sandbox ?? false,
      ...(raw.locality === undefined ? {} : { locality: raw.locality }),
      scopes: new Set(raw.scopes),
      keys: raw.keys ?? [],
      ...(raw.deliveries === undefined ? {} : { deliveries: raw.deliveries }),
      grants: compileGrants(file, raw, around, procedures, codes),
      owns: compileOwned(file, raw, around),
      ...(raw.suppliers === undefined ? {} : { suppliers: compileMandates(file, raw, suppliers, around) }),
      ...(raw.endedOn === undefined ? {} : { endedOn: raw.endedOn }),
      ...compileForms(file, raw),
      ...(raw.misuse === undefined ? {} : { misuse: raw.misuse }),
    });
  }
  const whole = withInheritance(files, agencies, around.broken);
  for (const file of files) {
    const raw = file.value as RawAgency;
    const agency = whole.get(raw.id);
    if (agency !== undefined) checkMandated(file, raw, agency);
  }
  return whole;
}

/** Without the scope the agency could tell nothing, without a source the scope would be of no use: one of the two was forgotten. */
function compileOwned(file: ConfigFile, { owns = [], scopes }: RawAgency, { sources, broken }: Surroundings): Set<string> {
  owns.forEach((id, i) => {
    if (!sources.has(id) && !broken('sources', id)) file.fault(`/owns/${i}`, 'unknown-reference', `there is no source ${id}`);
  });
  if (scopes.includes('changes') !== owns.length > 0)
    file.fault('/owns', 'unknown-reference', 'the scope changes and the sources that the agency owns belong together');
  return new Set(owns);
}

/** Adds a fault for each key that is none, or stands twice; `at` is where the list stands in the file. */
export function checkKeys(file: ConfigFile, keys: readonly AgencyKey[], at = '/keys'): void {
  keys.forEach((key, i) => {
    if (keys.findIndex((other) => other.kid === key.kid) !== i)
      file.fault(`${at}/${i}/kid`, 'duplicate', `two keys have the identifier ${key.kid}`);
    checkOrder(file, { validFrom: '0000', ...key }, `${at}/${i}`);
    const fits =
      key.crv === 'Ed25519' ? key.kty === 'OKP' && key.alg === 'EdDSA' : key.kty === 'EC' && key.alg === 'ES256' && key.y !== undefined;
    if (!fits)
      file.fault(`${at}/${i}`, 'type-mismatch', `kty, crv and alg do not belong together: OKP, Ed25519, EdDSA or EC, P-256, ES256`);
    else if (!isPublicKey(key)) file.fault(`${at}/${i}`, 'type-mismatch', 'x and y are no point of the curve: is the key cut off?');
  });
}

function isPublicKey({ kty, crv, x, y }: AgencyKey): boolean {
  try {
    createPublicKey({ key: { kty, crv, x, ...(y === undefined ? {} : { y }) }, format: 'jwk' });
    return true;
  } catch {
    return false;
  }
}

function compileGrants(
  file: ConfigFile,
  agency: RawAgency,
  around: Surroundings,
  procedures: ReadonlyMap<string, readonly Procedure[]>,
  codes: ReadonlyMap<string, readonly CodeList[]>,
): Grant[] {
  const grants: Grant[] = [];
  (agency.grants ?? []).forEach((raw, i) => {
    const at = `/grants/${i}`;
    checkOrder(file, raw, at);
    checkPurpose(file, { codes, broken: around.broken }, raw, at);
    const versions = procedures.get(raw.procedure) ?? [];
    if (versions.length === 0 && !around.broken('procedures', raw.procedure) && !around.broken('annexes'))
      file.fault(`${at}/procedure`, 'unknown-reference', `there is no procedure ${raw.procedure}`);
    if (versions.length > 0 && !versions.some((version) => overlap(version, raw))) {
      file.fault(at, 'validity', `no version of ${raw.procedure} applies while the grant holds`);
    }
    const missing = (wanted: 'all' | string[], has: (version: Procedure, item: string) => boolean): [number, string][] =>
      wanted === 'all' || versions.length === 0 || around.broken('procedures', raw.procedure)
        ? []
        : [...wanted.entries()].filter(([, item]) => !versions.some((version) => has(version, item)));
    for (const [j, pointer] of missing(raw.fields, (version, item) => version.fields.some((field) => field.at === item))) {
      file.fault(`${at}/fields/${j}`, 'unknown-reference', `the form of ${raw.procedure} has no field ${pointer}`);
    }
    for (const [j, id] of missing(raw.components, (version, item) => version.components.some((component) => component.id === item))) {
      file.fault(`${at}/components/${j}`, 'unknown-reference', `${raw.procedure} has no paper ${id}`);
    }
    for (const other of grants) {
      if (other.id === raw.id) file.fault(`${at}/id`, 'duplicate', `two grants are called ${raw.id}`);
      if (clash(other, raw)) file.fault(at, 'validity', `overlaps the grant ${other.id}, of the same purpose, which holds ${days(other)}`);
    }
    grants.push({
      id: raw.id,
      procedure: raw.procedure,
      purpose: raw.purpose,
      fields: raw.fields === 'all' ? 'all' : new Set(raw.fields),
      components: raw.components === 'all' ? 'all' : new Set(raw.components),
      legalBasis: raw.legalBasis.flatMap((ref, j) => legalBasisOf(file, around, raw, ref, `${at}/legalBasis/${j}`)),
      validFrom: raw.validFrom,
      validTo: raw.validTo,
      ...disclosureOf(file, around, raw, `${at}/disclosure`),
    });
  });
  return grants;
}

/** A delay ends, and a law of its own allows it for as long as the grant holds. */
function disclosureOf(file: ConfigFile, around: Surroundings, { disclosure, ...grant }: RawGrant, at: string): Pick<Grant, 'disclosure'> {
  if (disclosure === undefined) return {};
  if (disclosure.withheldUntil < grant.validFrom)
    file.fault(`${at}/withheldUntil`, 'validity', `ends before the grant begins, which holds ${days(grant)}`);
  const [legalBasis] = legalBasisOf(file, around, grant, disclosure.legalBasis, `${at}/legalBasis`);
  return legalBasis === undefined ? {} : { disclosure: { withheldUntil: disclosure.withheldUntil, legalBasis } };
}

function legalBasisOf(file: ConfigFile, around: Surroundings, grant: Validity, ref: string, at: string): Provision[] {
  const provision = around.provisions.get(ref);
  if (provision === undefined) {
    if (!around.broken('legal', ref.split('#')[0])) file.fault(at, 'unknown-reference', `there is no provision ${ref} in legal/`);
    return [];
  }
  if (!covers(provision, grant)) file.fault(at, 'validity', `${ref} is in force ${days(provision)}, the grant holds ${days(grant)}`);
  return [provision];
}
