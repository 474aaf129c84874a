/** How often an agency, an official and a citizen may ask. Each person whom a request names counts. */
import type { AgencyLimits, CatalogueLimits } from '../catalogue/limits.ts';
import type { Caller, Clock, PrefillRequest, Rate } from '../domain.ts';
import { Problem } from '../problems.ts';
import { Bucket, type Share } from './bucket.ts';
import { Kept } from './kept.ts';

export interface LimitTools {
  readonly limits: CatalogueLimits;
  /** Requests a minute that an official was slowed to; undefined where nobody slowed them. */
  readonly pace: (agency: string, officer: string) => number | undefined;
  readonly clock: Clock;
  /** Undefined where this gateway counts for itself. */
  readonly share: Share | undefined;
  /** Hears, once a minute for each agency that is refused, how many were refused since it heard last. */
  readonly report: (agency: string, refused: number) => void;
}

/** Officials of all agencies together, some 20 MB; beyond them whoever has the most forgets those that it named longest ago. */
const OFFICERS = 65_536;
const CITIZENS = 16_384;
const MINUTE_MS = 60_000;
const DAY_SECONDS = 86_400;
/** What names nobody and asks no registry (lists, states) is a tenth of what does. */
export const A_READ = 0.1;
/** Of what an agency and an official have, batches leave so much to those who wait at a desk. */
export const LEFT_BY_BATCHES = 0.5;

interface AgencyCount {
  readonly buckets: readonly [second: Bucket, day: Bucket];
  refused: number;
  reportedAt: number;
}

interface OfficerCount {
  readonly minute: Bucket;
  readonly day: Bucket;
  /** While slowed. */
  slow?: { readonly pace: number; readonly minute: Bucket };
  recordedAt: number;
}

export class Limits {
  readonly #tools: LimitTools;
  /** Agencies come from verified tokens and assertions: there are never more than the catalogue has. */
  readonly #agencies = new Map<string, AgencyCount>();
  readonly #officers = new Kept<OfficerCount>(OFFICERS);
  readonly #citizens = new Kept<Bucket>(CITIZENS);

  constructor(tools: LimitTools) {
    this.#tools = tools;
  }

  /** Counts a request of an agency. Throws a `Problem` where there were too many. */
  agency(id: string, weight = 1): void {
    const wait = this.agencyWait(id);
    if (wait > 0) throw this.#refuseAgency(id, wait);
    this.#take(id, weight);
  }

  /** Milliseconds until it may ask; 0 for now. `left` is the share of what it has that is to be left. */
  agencyWait(id: string, left = 0): number {
    const now = this.#tools.clock();
    const [second, day] = this.#agency(id).buckets;
    return Math.max(second.wait(now, left), day.wait(now, left));
  }

  /** Counts a request that names people for the official whose it is, and every further person for the agency too. Throws a `Problem` where there were too many. */
  admit(caller: Caller, request: PrefillRequest): void {
    const wait = this.tryOfficer(caller, request);
    if (wait > 0) throw this.#refuseOfficer(caller.agency.id, officerOf(caller, request), wait);
  }

  /** As above; or milliseconds until they may ask, and then nothing is counted. */
  tryOfficer(caller: Caller, request: PrefillRequest, left = 0): number {
    const now = this.#tools.clock();
    const { id } = caller.agency;
    const officer = officerOf(caller, request);
    const pace = this.#tools.pace(id, officer);
    if (pace !== undefined && pace <= 0) return MINUTE_MS;
    const { day, ...count } = this.#officer(id, officer, pace);
    const minute = pace === undefined ? count.minute : (count.slow?.minute ?? count.minute);
    const wait = Math.max(minute.wait(now, left), day.wait(now, left));
    if (wait > 0) return wait;
    const persons = 1 + Object.keys(request.related ?? {}).length;
    minute.take(now, persons);
    day.take(now, persons);
    if (persons > 1) this.#take(id, persons - 1);
    return 0;
  }

  /** Counts a look of a citizen into their own ledger. Throws a `Problem` where there were too many. */
  citizen(pseudonym: string): void {
    const now = this.#tools.clock();
    const { limits, share } = this.#tools;
    const bucket = this.#citizens.of('', pseudonym, () => new Bucket(aMinute(limits.citizen.perMinute), share, `citizen|${pseudonym}`));
    const wait = bucket.wait(now);
    if (wait > 0) throw tooMany('you looked as often as may be', wait);
    bucket.take(now);
  }

  #take(id: string, count: number): void {
    const now = this.#tools.clock();
    for (const bucket of this.#agency(id).buckets) bucket.take(now, count);
  }

  #refuseAgency(id: string, wait: number): Problem {
    const count = this.#agency(id);
    count.refused++;
    const now = this.#tools.clock();
    if (Math.abs(now - count.reportedAt) >= MINUTE_MS) {
      this.#tools.report(id, count.refused);
      count.refused = 0;
      count.reportedAt = now;
    }
    return tooMany('the agency has asked as often as it may', wait);
  }

  /**
   * One entry a minute says that the official was refused. More would say nothing about the persons, who had no part in the decision, and
   * let whoever is refused fill the log.
   */
  #refuseOfficer(agency: string, officer: string, wait: number): Problem {
    const count = this.#officer(agency, officer, undefined);
    const now = this.#tools.clock();
    const onRecord = Math.abs(now - count.recordedAt) < MINUTE_MS;
    if (!onRecord) count.recordedAt = now;
    return tooMany('the official has asked as often as they may', wait, onRecord);
  }

  #of(agency: string): AgencyLimits {
    const { agencies, each } = this.#tools.limits;
    return agencies.get(agency) ?? each;
  }

  #agency(id: string): AgencyCount {
    let count = this.#agencies.get(id);
    if (count === undefined) {
      const { agency } = this.#of(id);
      const { share } = this.#tools;
      const buckets = [
        new Bucket(agency, share, `agency|second|${id}`),
        new Bucket(aDay(agency.perDay), share, `agency|day|${id}`),
      ] as const;
      this.#agencies.set(id, (count = { buckets, refused: 0, reportedAt: Number.NEGATIVE_INFINITY }));
    }
    return count;
  }

  #officer(agency: string, officer: string, pace: number | undefined): OfficerCount {
    const { share } = this.#tools;
    const count = this.#officers.of(agency, officer, () => {
      const { perMinute, perDay } = this.#of(agency).officer;
      return {
        minute: new Bucket(aMinute(perMinute), share, `officer|minute|${agency}|${officer}`),
        day: new Bucket(aDay(perDay), share, `officer|day|${agency}|${officer}`),
        recordedAt: Number.NEGATIVE_INFINITY,
      };
    });
    if (pace !== undefined && count.slow?.pace !== pace)
      count.slow = { pace, minute: new Bucket(aMinute(pace), share, `officer|${pace}|${agency}|${officer}`) };
    return count;
  }
}

const officerOf = (caller: Caller, request: PrefillRequest): string => caller.officer ?? request.officer;
const aMinute = (many: number): Rate => ({ perSecond: many / 60, burst: Math.max(1, many) });
const aDay = (many: number): Rate => ({ perSecond: many / DAY_SECONDS, burst: many });

export function tooMany(detail: string, waitMs: number, onRecord = false): Problem {
  return new Problem('too-many-requests', { detail, retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)), onRecord });
}
