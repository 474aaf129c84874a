/** Waiting for what is to happen: as long as it takes, and not for ever. */
import { setTimeout as after } from 'node:timers/promises';

/** So long that only what never comes takes it, on whatever machine. */
const NEVER_MS = 60_000;

/** Resolves with what `find` finds, which it looks for every `pause` milliseconds. */
export async function eventually<T>(
  find: () => Promise<T | undefined | false> | T | undefined | false,
  pause = 5,
  what = 'what is waited for',
): Promise<T> {
  for (const end = Date.now() + NEVER_MS; Date.now() < end; await after(pause)) {
    const found = await find();
    if (found !== undefined && found !== false) return found;
  }
  throw new Error(`it did not come: ${what}`);
}

export const until = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> =>
  void (await eventually(holds, 5, what));
