/** Compiles what a source's file says of its protection, and puts the defaults where it says nothing. */
import type { Agency, Maintenance, Protection, Rate } from '../domain.ts';
import { type Interval, minuteInVietnam, minutesOfWeek, WEEK_MINUTES } from '../vietnam/windows.ts';
import type { ConfigFile } from './files.ts';
import type { RawProtection, RawRate } from './raw.ts';
import type { Broken } from './surroundings.ts';

/** As many connections as an adapter that speaks HTTP opens unless told otherwise. */
const AT_ONCE = 32;
/** Waiting look-ups for each place, where the registry is so fast that they can all be answered in time: at 20 ms an answer, say. */
const WAITING_PER_PLACE = 64;
const CIRCUIT: Protection['circuit'] = { failures: 5, percent: 50, of: 20, withinSeconds: 20, pauseSeconds: 2, longestPauseSeconds: 15 };
const RETRY: Protection['retry'] = { most: 1, percent: 10 };

export function compileProtection(file: ConfigFile, raw: RawProtection): Protection {
  const { atOnce = AT_ONCE, waiting = atOnce * WAITING_PER_PLACE } = raw.concurrency ?? {};
  const { perSecond, burst, eachAgency, agencies = {} } = raw.budget ?? {};
  const all = perSecond === undefined ? undefined : rate({ perSecond, ...(burst === undefined ? {} : { burst }) });
  const circuit = { ...CIRCUIT, ...raw.circuit };
  if (circuit.longestPauseSeconds < circuit.pauseSeconds)
    file.fault(
      '/circuit',
      'limits',
      `the longest pause (${circuit.longestPauseSeconds} s) is shorter than the first (${circuit.pauseSeconds} s)`,
    );
  checkShares(file, raw);
  const maintenance = { weekly: raw.maintenance?.weekly ?? [], once: raw.maintenance?.once ?? [] };
  checkWindows(file, maintenance);
  return {
    atOnce,
    waiting,
    budget: {
      all,
      eachAgency: eachAgency && rate(eachAgency),
      agencies: new Map(Object.entries(agencies).map(([agency, share]) => [agency, rate(share)])),
    },
    circuit,
    retry: { ...RETRY, ...raw.retry },
    maintenance,
  };
}

/** Without a word about it, a second's worth may come at once. */
const rate = ({ perSecond, burst = Math.max(1, Math.ceil(perSecond)) }: RawRate): Rate => ({ perSecond, burst });

function checkShares(
  file: ConfigFile,
  { budget: { perSecond: all = Number.POSITIVE_INFINITY, eachAgency, agencies = {} } = {} }: RawProtection,
): void {
  const check = (at: string, { perSecond }: RawRate): void => {
    if (perSecond > all) file.fault(at, 'limits', `${perSecond} a second are more than the ${all} of all together`);
  };
  if (eachAgency !== undefined) check('/budget/eachAgency', eachAgency);
  for (const [agency, share] of Object.entries(agencies)) check(`/budget/agencies/${agency}`, share);
}

/** An agency that is misspelt would have the budget of any other. */
export function checkAgencies(files: readonly ConfigFile[], agencies: ReadonlyMap<string, Agency>, broken: Broken): void {
  for (const file of files) {
    for (const agency of Object.keys((file.value as RawProtection).budget?.agencies ?? {})) {
      if (agencies.has(agency) || broken('agencies', agency)) continue;
      file.fault(`/budget/agencies/${agency}`, 'unknown-reference', `there is no agency ${agency}`);
    }
  }
}

function checkWindows(file: ConfigFile, { weekly, once }: Maintenance): void {
  const [ofWeek, single]: [Placed[], Placed[]] = [[], []];
  for (const [i, window] of weekly.entries()) {
    const at = `/maintenance/weekly/${i}`;
    if (window.from === window.to) file.fault(at, 'window', 'begins when it ends: is it nothing, or the whole day (00:00 to 24:00)?');
    else ofWeek.push(...minutesOfWeek(window).map((interval) => ({ at, ...interval })));
  }
  if (ofWeek.reduce((sum, { from, to }) => sum + to - from, 0) >= WEEK_MINUTES)
    file.fault('/maintenance/weekly', 'window', 'leave no minute of the week to ask in');
  for (const [i, { from, to }] of once.entries()) {
    const at = `/maintenance/once/${i}`;
    const interval = { from: minuteInVietnam(from), to: minuteInVietnam(to) };
    for (const [member, time] of Object.entries(interval))
      if (Number.isNaN(time)) file.fault(`${at}/${member}`, 'window', 'is no day of the calendar');
    if (interval.to <= interval.from) file.fault(at, 'window', 'does not end after it begins');
    if (interval.to > interval.from) single.push({ at, ...interval });
  }
  // What is left of Sunday's windows when the week is over is at the beginning of the week too.
  const over = ofWeek.filter(({ to }) => to > WEEK_MINUTES).map(({ at, to }) => ({ at, from: 0, to: to - WEEK_MINUTES }));
  for (const at of new Set([...overlapping([...ofWeek, ...over]), ...overlapping(single)]))
    file.fault(at, 'window', 'overlaps another window');
}

interface Placed extends Interval {
  /** Where it stands in the file. */
  readonly at: string;
}

/** Of two that overlap, the one that begins later. */
function overlapping(windows: Placed[]): string[] {
  let end = Number.NEGATIVE_INFINITY;
  return windows
    .sort((a, b) => a.from - b.from)
    .filter(({ from, to }) => {
      const before = end;
      end = Math.max(end, to);
      return from < before;
    })
    .map(({ at }) => at);
}
