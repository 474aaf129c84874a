/** What it costs a request to be counted: limits by themselves, alone and with other gateways. */
import { createSecretKey } from 'node:crypto';
import { setTimeout as after, setImmediate as nextTurn } from 'node:timers/promises';
import { redisSettings } from '../src/cache/open.ts';
import type { Caller, PrefillRequest } from '../src/domain.ts';
import type { Share } from '../src/misuse/bucket.ts';
import { shareThroughRedis } from '../src/misuse/exchange.ts';
import { Limits } from '../src/misuse/limits.ts';
import { startRedis } from '../test/support/redis.ts';
import { markdown } from './report.ts';

/** What is measured → microseconds of CPU for a request, all threads. */
const PARTS: Readonly<Record<string, (quick: boolean) => Promise<number>>> = {
  'limits, alone': limitsAlone,
  'limits, as many officials as requests': (quick) => limitsAlone(quick, 1_000_000),
  'limits, told through Redis at 2,000 requests/s': (quick) => limitsTold(quick, 2000),
  'limits, told through Redis at 200 requests/s': (quick) => limitsTold(quick, 200),
};

export async function misuse(quick: boolean): Promise<string> {
  const rows: string[][] = [];
  for (const [name, measured] of Object.entries(PARTS)) rows.push([name, (await measured(quick)).toFixed(2)]);
  return markdown(['counted', 'CPU µs a request'], rows);
}

const AGENCIES = 1000;
const OFFICIALS = 10_000;

/** An agency before the body is read, and an official after it, as a prefill has it; nobody comes near a limit. */
function counting(share: Share | undefined, officials = OFFICIALS): (n: number) => void {
  const plenty = 1e9;
  const each = { agency: { perSecond: plenty, burst: plenty, perDay: plenty }, officer: { perMinute: plenty, perDay: plenty } };
  const limits = new Limits({
    limits: { each, agencies: new Map(), citizen: { perMinute: 1 } },
    pace: () => undefined,
    clock: Date.now,
    share,
    report: () => {},
  });
  const callers = Array.from({ length: AGENCIES }, (_, i) => ({ agency: { id: `H${i}` } }) as Caller);
  return (n) => {
    // Agencies and officials in an order that no cache of the machine could guess.
    const place = Math.imul(n, 2_654_435_761) >>> 0;
    const caller = callers[place % AGENCIES] as Caller;
    const officer = `${caller.agency.id}-${Math.floor(place / AGENCIES) % (officials / AGENCIES)}`;
    limits.agency(caller.agency.id);
    limits.admit(caller, { procedure: '1.004222', dossier: 'D', officer, subject: 'S' } as PrefillRequest);
  };
}

const cpuSince = (before: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(before);
  return user + system;
};

async function limitsAlone(quick: boolean, officials = OFFICIALS): Promise<number> {
  const count = counting(undefined, officials);
  const many = quick ? 50_000 : 1_000_000;
  for (let n = 0; n < 50_000; n++) count(n);
  const before = process.cpuUsage();
  for (let n = 0; n < many; n++) count(n);
  return cpuSince(before) / many;
}

/** Besides the counting, the naming of whoever is new and the exchange. An idle process is subtracted. */
async function limitsTold(quick: boolean, perSecond: number): Promise<number> {
  const { port, stop } = await startRedis();
  const clock = Date.now;
  const key = createSecretKey(Buffer.alloc(32, 1));
  const { share, close } = shareThroughRedis({ redis: redisSettings(`redis://127.0.0.1:${port}`, undefined), key, clock });
  try {
    const count = counting(share);
    let n = 0;
    const during = async (seconds: number, each: number): Promise<number> => {
      const before = process.cpuUsage();
      for (let round = 0; round < seconds * 100; round++) {
        for (let i = 0; i < each; i++) count(n++);
        await after(10);
        await nextTurn();
      }
      return cpuSince(before);
    };
    const seconds = quick ? 1 : 8;
    await during(seconds, perSecond / 100);
    const idle = await during(seconds, 0);
    const busy = await during(seconds, perSecond / 100);
    return (busy - idle) / (seconds * perSecond);
  } finally {
    close();
    await stop();
  }
}
