/** Answers by which a child profiles itself: what `--cpu-prof` records, between two moments instead of from start to end. */
import { type Profiler, Session } from 'node:inspector/promises';
import type { Answers } from './child.ts';

/** Microseconds between two samples. */
const INTERVAL = 200;

const session = new Session();

export const profiling: Answers = {
  startProfile: async () => {
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: INTERVAL });
    await session.post('Profiler.start');
  },
  stopProfile: async (): Promise<Profiler.Profile> => {
    const { profile } = await session.post('Profiler.stop');
    session.disconnect();
    return profile;
  },
};
