/** Night and days off, in Viet Nam. */
import { dayAt, dayNumber } from '../audit/facts.ts';
import type { MisuseRules } from '../catalogue/misuse.ts';

const MINUTE_MS = 60_000;
const VIETNAM_MINUTES = 7 * 60;
const MINUTES = 24 * 60;

/** Whether a time (milliseconds) is one at which nobody works. */
export function hoursOff({ from, to, daysOff }: Pick<MisuseRules['offHours'], 'from' | 'to' | 'daysOff'>): (time: number) => boolean {
  const [evening, morning] = [minutesOf(from), minutesOf(to)];
  const off = new Set(daysOff.map(dayNumber));
  return (time) => {
    const day = dayAt(time);
    // 1 January 1970 was a Thursday.
    const weekday = (day + 4) % 7;
    if (weekday === 0 || weekday === 6 || off.has(day)) return true;
    const minute = (Math.floor(time / MINUTE_MS) + VIETNAM_MINUTES) % MINUTES;
    return evening > morning ? minute >= evening || minute < morning : minute >= evening && minute < morning;
  };
}

const minutesOf = (time: string): number => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
