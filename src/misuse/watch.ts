/** Follows the log on the thread of its search, and says what the rules find; what was found before a restart is found again, under the same name. */
import { setImmediate as turn } from 'node:timers/promises';
import type { AuditEntry } from '../audit/entry.ts';
import { dayAt } from '../audit/facts.ts';
import type { FollowerSources, StartFollower } from '../audit/follower.ts';
import type { WatchSettings } from '../catalogue/misuse.ts';
import { Rules } from './rules.ts';

/** Entries read at once. */
const STEP = 1024;
/** How far it looks back, at most, for the day that is under way. */
const LOOK_BACK = 200_000;

/** Cheaper than reading it as JSON, and an entry of this kind holds the text: within a text of a caller its quotes would be escaped. */
const isIntent = (body: string): boolean => body.includes('"kind":"intent"');

export const follower: StartFollower<WatchSettings> = (settings, say) => {
  let rules = new Rules(settings, say);
  /** Index of the first entry that was not seen. */
  let next: number | undefined;

  const told = (from: number, entries: readonly (AuditEntry | undefined)[]): void => {
    if (next === undefined || from > next || from + entries.length <= next) return;
    for (let i = next - from; i < entries.length; i++) {
      const entry = entries[i];
      if (entry !== undefined) rules.see(entry);
    }
    next = from + entries.length;
  };

  const catchUp = async ({ reader, customs }: FollowerSources): Promise<void> => {
    const { size } = await reader.head();
    if (next !== undefined && size < next) {
      // Another log, or an older copy of this one.
      rules = new Rules(settings, say);
      next = undefined;
    }
    next ??= await beginning(reader, size);
    while (next < size) {
      const from: number = next;
      const bodies = await reader.read(from, Math.min(size, from + STEP));
      if (bodies.length === 0) throw new Error('the log ended before its head says');
      told(from, bodies.map(entryOf));
      await turn();
    }
    for (const wanted of rules.wanted()) rules.learn(wanted, await customs(wanted.agency, wanted.day - wanted.days, wanted.day));
  };
  return { told, catchUp };
};

function entryOf(body: string | undefined): AuditEntry | undefined {
  if (body === undefined || isIntent(body)) return undefined;
  try {
    return JSON.parse(body) as AuditEntry;
  } catch {
    // The verifier names it; here it is nobody's request.
    return undefined;
  }
}

/** The first entry of the newest entry's day, or one not long before. */
async function beginning(reader: FollowerSources['reader'], size: number): Promise<number> {
  const dayOf = async (index: number): Promise<number | undefined> => {
    const [body] = await reader.read(index, index + 1);
    const time = body === undefined ? undefined : (JSON.parse(body) as Partial<AuditEntry>).time;
    return time === undefined ? undefined : dayAt(Date.parse(time));
  };
  const newest = size === 0 ? undefined : await dayOf(size - 1);
  const least = Math.max(0, size - LOOK_BACK);
  let from = size;
  // A body that was forgotten is older than a day.
  for (let day = newest; from > least && day !== undefined && newest !== undefined && day >= newest; day = await dayOf(from))
    from = Math.max(least, from - STEP);
  return from;
}
