/** Windows of maintenance in Viet Nam's time (UTC+7, no daylight saving): weekly ones, over midnight too, and single ones. Pure. */
import type { Maintenance, WeeklyWindow } from '../domain.ts';

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

/** Milliseconds since the epoch; `to` is the first that is no longer part of it. */
export interface Interval {
  readonly from: number;
  readonly to: number;
}

const OFFSET = 7 * 3_600_000;
const MINUTE = 60_000;
const DAY = 86_400_000;
export const WEEK_MINUTES = 7 * 24 * 60;

/** The minute that a text names in Viet Nam, in milliseconds since the epoch; NaN for one that the calendar has not. */
export function minuteInVietnam(text: string): number {
  const time = Date.parse(`${text}:00Z`);
  return Number.isNaN(time) || new Date(time).toISOString().slice(0, 16) !== text ? Number.NaN : time - OFFSET;
}

/** A weekly window as intervals of minutes from Monday 00:00. What begins on Sunday may end after the week does. */
export function minutesOfWeek({ days, from, to }: WeeklyWindow): Interval[] {
  const [begin, end] = [minutes(from), minutes(to)];
  const length = end > begin ? end - begin : end - begin + 24 * 60;
  return days.map((day) => DAYS.indexOf(day) * 24 * 60 + begin).map((start) => ({ from: start, to: start + length }));
}

const minutes = (time: string): number => 60 * Number(time.slice(0, 2)) + Number(time.slice(3));

/** Every window that is not over a week before `now` and begins within the week after it, and every single one; what overlaps or follows without a gap is one. */
export function windowsAround({ weekly, once }: Maintenance, now: number): Interval[] {
  // 1 January 1970 was a Thursday: three days into its week.
  const monday = Math.floor((now + OFFSET + 3 * DAY) / (7 * DAY)) * 7 * DAY - 3 * DAY - OFFSET;
  const found: Interval[] = once.map(({ from, to }) => ({ from: minuteInVietnam(from), to: minuteInVietnam(to) }));
  for (const { from, to } of weekly.flatMap(minutesOfWeek)) {
    for (const week of [-2, -1, 0, 1]) {
      const start = monday + week * 7 * DAY;
      found.push({ from: start + from * MINUTE, to: start + to * MINUTE });
    }
  }
  return joined(found);
}

function joined(intervals: readonly Interval[]): Interval[] {
  const result: Interval[] = [];
  for (const interval of [...intervals].sort((a, b) => a.from - b.from)) {
    const last = result.at(-1);
    if (last !== undefined && interval.from <= last.to) result[result.length - 1] = { from: last.from, to: Math.max(last.to, interval.to) };
    else result.push(interval);
  }
  return result;
}
