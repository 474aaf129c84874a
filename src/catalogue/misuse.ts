/** What honest work does not look like, as `gateway.yaml` says it for all and the file of an agency for itself. */
import type { Agency, AgencyMisuse, Procedure } from '../domain.ts';
import type { ConfigFile } from './files.ts';

/** What is done about it: nothing, an alert, or besides the official is slowed, or shut out, for a while. */
export type Action = 'off' | 'warn' | 'slow' | 'stop';

interface Acts {
  readonly action: Action;
  /** How long an official is slowed or shut out. */
  readonly hours: number;
  /** Requests a minute that are left to one who is slowed. */
  readonly perMinute: number;
}

export interface MisuseRules {
  /** More people than that in one dossier within a day. */
  readonly peopleOfDossier: Acts & { readonly more: number };
  /** So many numbers of persons born in one year and place, within so many serials of each other, in so many minutes. */
  readonly sequence: Acts & { readonly numbers: number; readonly minutes: number; readonly apart: number };
  /** More requests of one official than that in the hours off of a day. Times of day HH:MM in Viet Nam; days YYYY-MM-DD beside Saturday and Sunday. */
  readonly offHours: Acts & { readonly more: number; readonly from: string; readonly to: string; readonly daysOff: readonly string[] };
  /** One person read by so many officials within a day. */
  readonly readByMany: Acts & { readonly officers: number };
  /** More than `atLeast` requests of one official on a day, and more than so many times what is their custom on the days of theirs among the last so many. */
  readonly overCustom: Acts & Custom & { readonly days: number };
  /** The same of all officials of an agency together, whatever they are called and machines too, measured by the same days: there is nobody to slow. */
  readonly agencyOverCustom: Custom & { readonly action: Extract<Action, 'off' | 'warn'> };
}

interface Custom {
  readonly times: number;
  readonly atLeast: number;
}

export type RawMisuse = { readonly [rule in keyof MisuseRules]?: Partial<MisuseRules[rule]> };

const ACTS = { action: 'warn', hours: 12, perMinute: 6 } as const;

export const misuseRules = (raw: RawMisuse = {}): MisuseRules => ({
  peopleOfDossier: { ...ACTS, more: 12, ...raw.peopleOfDossier },
  sequence: { ...ACTS, numbers: 5, minutes: 10, apart: 1000, ...raw.sequence },
  offHours: { ...ACTS, more: 20, from: '20:00', to: '06:00', daysOff: [], ...raw.offHours },
  readByMany: { ...ACTS, officers: 6, ...raw.readByMany },
  overCustom: { ...ACTS, times: 5, atLeast: 100, days: 28, ...raw.overCustom },
  agencyOverCustom: { action: 'warn', times: 3, atLeast: 1000, ...raw.agencyOverCustom },
});

/** Hours that end when they begin could be none, or all. */
export function checkOffHours(file: ConfigFile | undefined, raw: RawMisuse = {}): void {
  const { from, to } = misuseRules(raw).offHours;
  if (from === to) file?.fault('/misuse/offHours/to', 'validity', 'the hours off end when they begin');
}

/** The rules as they are for one agency. */
export const rulesOf = (all: MisuseRules, own: AgencyMisuse = {}): MisuseRules => ({
  peopleOfDossier: { ...all.peopleOfDossier, ...own.peopleOfDossier },
  sequence: { ...all.sequence, ...own.sequence },
  offHours: { ...all.offHours, ...own.offHours, ...(own.worksAtNight ? { action: 'off' } : {}) },
  readByMany: { ...all.readByMany, ...own.readByMany },
  overCustom: { ...all.overCustom, ...own.overCustom },
  agencyOverCustom: { ...all.agencyOverCustom, ...own.agencyOverCustom },
});

/** An official who is a machine is one of the agency's own. */
export function checkAutomated(file: ConfigFile, id: string, { automated = [] }: AgencyMisuse = {}): void {
  automated.forEach((officer, i) => {
    if (!officer.startsWith(`${id}-`) && !officer.startsWith(`${id}.`))
      file.fault(`/misuse/automated/${i}`, 'unknown-reference', `${officer} is no official of ${id}`);
  });
}

/** All that the rules need of the catalogue, as data that another thread can be given. */
export interface WatchSettings {
  readonly rules: MisuseRules;
  readonly agencies: ReadonlyMap<string, { readonly rules: MisuseRules; readonly automated: ReadonlySet<string> }>;
  /** Procedure → people that a dossier of it may have, where that is more than elsewhere. */
  readonly people: ReadonlyMap<string, number>;
  /** `<procedure> <role>` of roles that are no persons. */
  readonly things: ReadonlySet<string>;
}

export function watchSettings(
  rules: MisuseRules,
  agencies: ReadonlyMap<string, Agency>,
  procedures: ReadonlyMap<string, readonly Procedure[]>,
): WatchSettings {
  const versions = [...procedures.values()].flat();
  const people = new Map<string, number>();
  for (const { code, people: most = 0 } of versions) if (most > (people.get(code) ?? 0)) people.set(code, most);
  return {
    rules,
    agencies: new Map(
      [...agencies.values()].map(({ id, misuse }) => [id, { rules: rulesOf(rules, misuse), automated: new Set(misuse?.automated) }]),
    ),
    people,
    things: new Set(
      versions.flatMap(({ code, roles }) =>
        [...roles.values()].flatMap(({ name, kind }) => (kind === 'person' ? [] : [`${code} ${name}`])),
      ),
    ),
  };
}
