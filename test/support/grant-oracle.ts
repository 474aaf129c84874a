/** What a call may get, read from the objects of the agencies' and procedures' files a second time: imports nothing of the gateway. */

export interface GrantFile {
  id: string;
  procedure: string;
  purpose: string;
  fields: 'all' | string[];
  components: 'all' | string[];
  legalBasis: string[];
  validFrom: string;
  validTo: string;
}
export interface MandateFile {
  supplier: string;
  scopes: string[];
  procedures: 'all' | string[];
  validFrom: string;
  validTo: string;
}
export interface AgencyFile {
  id: string;
  scopes: string[];
  grants: GrantFile[];
  endedOn?: string;
  succeeds: { agency: string; from: string; grants?: 'all' | string[]; dossiers?: boolean }[];
  dossiers?: { of?: string; below?: boolean }[];
  suppliers?: MandateFile[];
}
export interface VersionFile {
  code: string;
  validFrom: string;
  validTo: string;
  roles: Record<string, { given?: string }>;
  fields: { at: string; from?: { role: string; value: string }[] }[];
}
export interface World {
  agencies: Map<string, AgencyFile>;
  versions: VersionFile[];
}
export interface Call {
  procedure: string;
  purpose?: string;
  dossier: string;
  officer: string;
  subject: string;
  related: Record<string, string>;
  fields?: string[];
}

/** Who calls: a supplier for the agency, or an official whom the token's issuer vouches for. */
export interface Who {
  actor?: string;
  officer?: string;
}
/** Whom somebody keeps out; the gateway itself does so in one agency's requests alone. */
export interface OutFile {
  kind: 'agency' | 'supplier' | 'key' | 'officer';
  whose: string;
  value?: string;
  perMinute?: number;
  by: { agency: string };
}

/** The key that everybody's token was got with. */
export const KEY = 'k1';

const keptOut = (id: string, { officer }: Call, { actor }: Who, out: readonly OutFile[]): boolean =>
  out.some(({ kind, whose, value, perMinute, by }) => {
    if (kind === 'officer') return perMinute === undefined && value === officer && (by.agency !== 'gateway' || whose === id);
    if (kind === 'key') return value === KEY && (whose === id || whose === actor);
    return whose === (kind === 'agency' ? id : actor);
  });

const later = (a: string, b: string): string => (a > b ? a : b);
const of = (number: string, id: string, below = true): boolean => number.startsWith(`${id}-`) || (below && number.startsWith(`${id}.`));

/** Own and inherited; ended agencies too. */
export function grantsOf(world: World, id: string): GrantFile[] {
  const { grants = [], succeeds = [] } = world.agencies.get(id) ?? {};
  const inherited = succeeds.flatMap(({ agency, from, grants: named = [] }) =>
    grantsOf(world, agency)
      .filter((grant) => (named === 'all' || named.includes(grant.id)) && grant.validTo >= from)
      .map((grant) => ({
        ...grant,
        id: grant.id.includes('/') ? grant.id : `${agency}/${grant.id}`,
        validFrom: later(grant.validFrom, from),
      })),
  );
  return [...grants, ...inherited];
}

function namesDossier(world: World, id: string, dossier: string, day: string): boolean {
  const { dossiers = [{}], succeeds = [] } = world.agencies.get(id) ?? {};
  return (
    dossiers.some((form) => of(dossier, form.of ?? id, form.below)) ||
    succeeds.some(({ agency, from, dossiers: too }) => too === true && from <= day && namesDossier(world, agency, dossier, day))
  );
}

/** Whether two grants would decide one call on one day. */
export const doubtful = (world: World): boolean =>
  [...world.agencies.keys()].some((id) => {
    const grants = grantsOf(world, id);
    return grants.some((a, i) =>
      grants
        .slice(i + 1)
        .some((b) => a.procedure === b.procedure && a.purpose === b.purpose && a.validFrom <= b.validTo && b.validFrom <= a.validTo),
    );
  });

/** Pointer → whose value of the register may stand there and leave; undefined where nothing may. */
export function allowed(
  world: World,
  id: string,
  scopes: readonly string[],
  call: Call,
  day: string,
  who: Who = {},
  out: readonly OutFile[] = [],
): { readonly grant: GrantFile; readonly values: Map<string, { number: string; value: string }> } | undefined {
  const agency = world.agencies.get(id);
  if (agency === undefined || (agency.endedOn ?? '9999') < day) return undefined;
  if (!scopes.includes('prefill') || !agency.scopes.includes('prefill')) return undefined;
  if (keptOut(id, call, who, out) || (who.officer ?? call.officer) !== call.officer) return undefined;
  const lets = ({ supplier, scopes: its, procedures, validFrom, validTo }: MandateFile): boolean =>
    supplier === who.actor &&
    validFrom <= day &&
    day <= validTo &&
    its.includes('prefill') &&
    (procedures === 'all' || procedures.includes(call.procedure));
  if (who.actor !== undefined && !agency.suppliers?.some(lets)) return undefined;
  const [grant, ...more] = grantsOf(world, id).filter(
    ({ procedure, purpose, validFrom, validTo }) =>
      procedure === call.procedure && (call.purpose ?? purpose) === purpose && validFrom <= day && day <= validTo,
  );
  const version = world.versions.find((one) => one.code === call.procedure && one.validFrom <= day && day <= one.validTo);
  if (grant === undefined || more.length > 0 || version === undefined) return undefined;
  if (!of(call.officer, id) || !namesDossier(world, id, call.dossier, day)) return undefined;
  const [, date = ''] = call.dossier.split('-');
  if (date > new Date(Date.parse(day) + 86_400_000).toISOString().slice(2, 10).replaceAll('-', '')) return undefined;
  const roles = Object.entries(version.roles).filter(([name]) => name !== 'subject');
  if (roles.some(([name, { given }]) => given === 'required' && call.related[name] === undefined)) return undefined;
  if (Object.keys(call.related).some((name) => !roles.some(([role]) => role === name))) return undefined;
  if (call.fields?.some((at) => !version.fields.some((field) => field.at === at))) return undefined;
  const values = new Map<string, { number: string; value: string }>();
  for (const { at, from: [source] = [] } of version.fields) {
    const number = source?.role === 'subject' ? call.subject : call.related[source?.role ?? ''];
    const granted = grant.fields === 'all' || grant.fields.includes(at);
    if (source !== undefined && number !== undefined && granted && (call.fields ?? [at]).includes(at))
      values.set(at, { number, value: source.value });
  }
  return { grant, values };
}
