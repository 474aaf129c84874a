/** Compiles how often agencies, their officials and citizens may ask, and puts the defaults where no file says. */
import type { Rate } from '../domain.ts';
import type { ConfigFile } from './files.ts';
import type { RawAgency, RawAgencyLimits, RawGateway } from './raw.ts';

/** So many a second in the long run and so many at once; and so many a day. */
export interface AgencyLimits {
  readonly agency: Rate & { readonly perDay: number };
  readonly officer: { readonly perMinute: number; readonly perDay: number };
}

export interface CatalogueLimits {
  /** Of each agency whose file says nothing else. */
  readonly each: AgencyLimits;
  readonly agencies: ReadonlyMap<string, AgencyLimits>;
  readonly citizen: { readonly perMinute: number };
}

/**
 * A desk handles some hundred dossiers a day and an official one in minutes, at two or three requests each; a ministry asks for 100,000s in a night.
 * 100 million people are 200 days of one agency's work, and 55 years of one official's.
 */
const DEFAULTS: AgencyLimits = {
  agency: { perSecond: 100, burst: 1000, perDay: 100_000 },
  officer: { perMinute: 120, perDay: 5000 },
};
const CITIZEN = { perMinute: 60 };
/** Who says only how many a second has ten seconds' worth at once. */
const BURST_SECONDS = 10;

export function compileLimits(gateway: ConfigFile | undefined, files: readonly ConfigFile[]): CatalogueLimits {
  const raw = (gateway?.value as RawGateway | undefined)?.limits;
  if (gateway !== undefined) check(gateway, raw);
  const each = over(raw, DEFAULTS);
  const agencies = files.flatMap((file): [string, AgencyLimits][] => {
    const { id, limits } = file.value as RawAgency;
    check(file, limits);
    return limits === undefined ? [] : [[id, over(limits, each)]];
  });
  return { each, agencies: new Map(agencies), citizen: { ...CITIZEN, ...raw?.citizen } };
}

function over({ agency, officer }: RawAgencyLimits = {}, base: AgencyLimits): AgencyLimits {
  const burst = agency?.perSecond === undefined ? {} : { burst: Math.max(1, Math.ceil(BURST_SECONDS * agency.perSecond)) };
  return { agency: { ...base.agency, ...burst, ...agency }, officer: { ...base.officer, ...officer } };
}

/** What can never be reached was meant otherwise. */
function check(file: ConfigFile, { agency, officer }: RawAgencyLimits = {}): void {
  const compare = (at: string, part: number | undefined, day: number | undefined): void => {
    if (part !== undefined && day !== undefined && part > day) file.fault(at, 'limits', `${part} are more than the ${day} of a day`);
  };
  compare('/limits/agency/burst', agency?.burst, agency?.perDay);
  compare('/limits/agency/perSecond', agency?.perSecond, agency?.perDay);
  compare('/limits/officer/perMinute', officer?.perMinute, officer?.perDay);
}
