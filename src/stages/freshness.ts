/** How old an answer may be, as its source, the procedure and the caller have it, and when a newer one is worth having early. Pure. */
import type { Answer } from '../adapter.ts';
import { SKEW_MS } from '../cache/cache.ts';
import type { Observed } from '../cache/records.ts';
import type { Procedure, SourceDataset, Stale } from '../domain.ts';

/** Ages in milliseconds, beyond which an answer is no longer what the member says. */
export interface Ages {
  /** As source and procedure have it: the age of the record, whoever asks. */
  readonly agreed: number;
  /** As good as a new one. */
  readonly fresh: number;
  /** The same of "no such record". */
  readonly absent: number;
  /** To be used where the source cannot answer. */
  readonly stale: number;
}

/** The smallest limit counts, and what the caller asks is never passed: whoever says how old an answer may be wants none that is older. */
export function agesOf(dataset: SourceDataset, procedure: Procedure, caller = Number.POSITIVE_INFINITY): Ages {
  const agreed = 1000 * Math.min(dataset.maxAgeSeconds, procedure.maxAgeSeconds ?? Number.POSITIVE_INFINITY);
  const longer = 1000 * Math.min(dataset.staleSeconds ?? 0, procedure.staleSeconds ?? 0);
  const fresh = Math.min(agreed, 1000 * caller);
  return {
    agreed,
    fresh,
    absent: Math.min(fresh, 1000 * dataset.absentMaxAgeSeconds),
    stale: Math.min(agreed + longer, 1000 * caller),
  };
}

/** An observation from the future is of a clock that was set back: its age is not known. Of records alone is anything kept past its age. */
export function standingOf({ answer, observedAt }: Observed, ages: Ages, now: number): 'fresh' | 'stale' | 'none' {
  if (now - observedAt < -SKEW_MS) return 'none';
  const age = Math.max(0, now - observedAt);
  if (age < (answer.found ? ages.fresh : ages.absent)) return 'fresh';
  return answer.found && age < ages.stale ? 'stale' : 'none';
}

/** For how many seconds an answer of a source may be of use to anybody. */
export function keptSeconds({ maxAgeSeconds, absentMaxAgeSeconds, staleSeconds = 0 }: SourceDataset, answer: Answer): number {
  return answer.found ? maxAgeSeconds + staleSeconds : Math.min(maxAgeSeconds, absentMaxAgeSeconds);
}

/**
 * Whether an older answer may stand in. Not where the registry said something after all: who refuses may have withdrawn its leave to use
 * what it holds; who answers about another person has mixed people up, and the older answer may be of either.
 */
export const mayStandIn = (why: Stale['because']): boolean => why !== 'wrong-subject' && why !== 'refused';

/** Records with a shorter age are not refreshed ahead: that would only ask more often. Milliseconds. */
const WORTH_MS = 30_000;
/** The share of its age within which a record that is asked for just once before its end would mostly be refreshed ahead. */
const EARLY = 0.01;

/**
 * Whether the record's hit is the one that has it refreshed before its end (XFetch: Vattani, Chierichetti and Lowenstein, Optimal
 * Probabilistic Cache Stampede Prevention, VLDB 2015), with a share of the age in place of the time that a refresh takes. The probability is
 * exp(-left / share), so of a record that is hit n times in such a share of its age, all but exp(-n) are refreshed ahead; nothing is counted.
 */
export function nearsItsEnd({ answer, observedAt }: Observed, { agreed }: Ages, now: number, random: () => number): boolean {
  if (!answer.found || agreed < WORTH_MS) return false;
  return observedAt + agreed - now < -Math.log(1 - random()) * EARLY * agreed;
}
