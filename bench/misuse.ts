/** What it costs a request that misuse is looked for: counted against limits, told to other gateways, and watched by the detector; and all of it together. */
import { createSecretKey } from 'node:crypto';
import { setTimeout as after, setImmediate as nextTurn } from 'node:timers/promises';
import type { AuditEntry } from '../src/audit/entry.ts';
import { redisSettings } from '../src/cache/open.ts';
import { compileLimits } from '../src/catalogue/limits.ts';
import { misuseRules } from '../src/catalogue/misuse.ts';
import type { Agency, Caller, PrefillRequest } from '../src/domain.ts';
import type { Share } from '../src/misuse/bucket.ts';
import { shareThroughRedis } from '../src/misuse/exchange.ts';
import { Limits } from '../src/misuse/limits.ts';
import { Rules } from '../src/misuse/rules.ts';
import { Sequence } from '../src/misuse/sequence.ts';
import { chance } from '../test/support/chance.ts';
import { startRedis } from '../test/support/redis.ts';
import { markdown } from './report.ts';

/** Does what is measured for the n-th request. */
type Work = (n: number) => void;

const RATES = [2000, 200];
const AGENCIES = 1000;
const OFFICIALS = 10_000;
const PREPARED = 20_000;
const random = chance(1);
const agencyOf = (n: number): string => `H${n % AGENCIES}`;
/** Agencies and officials in an order that no cache of the machine could guess. */
const placeOf = (n: number): number => Math.imul(n, 2_654_435_761) >>> 0;
const officerOf = (place: number, officials = OFFICIALS): string =>
  `${agencyOf(place)}-${Math.floor(place / AGENCIES) % (officials / AGENCIES)}`;

/** CPU µs a request: in a loop, and at a pace, where caches are cold and what is done now and then is shared by few. */
export async function misuse(quick: boolean): Promise<string> {
  const { port, stop } = await startRedis();
  const key = createSecretKey(Buffer.alloc(32, 1));
  const { share, close } = shareThroughRedis({ redis: redisSettings(`redis://127.0.0.1:${port}`, undefined), key, clock: Date.now });
  try {
    const parts: [name: string, work: Work][] = [
      ['limits, counted', counting(undefined)],
      ['limits, as many officials as requests', counting(undefined, 1_000_000)],
      ['limits, counted and told through Redis', counting(share)],
      ['detector, a request of two numbers in its path', numbers()],
      ['detector, its two entries on the thread of the search', entries()],
    ];
    const [, , told, path, followed] = parts.map(([, work]) => work) as [Work, Work, Work, Work, Work];
    parts.push([
      'all of it, with Redis',
      (n) => {
        told(n);
        path(n);
        followed(n);
      },
    ]);
    const idle = await paced(() => {}, 0, quick);
    const rows: string[][] = [];
    for (const [name, work] of parts) {
      const alone = inALoop(work, quick);
      const at: number[] = [];
      for (const rate of RATES) at.push((await paced(work, rate, quick)) / rate - idle / rate);
      rows.push([name, ...[alone, ...at].map((one) => one.toFixed(1))]);
    }
    return markdown(['CPU µs a request', 'in a loop', ...RATES.map((rate) => `at ${rate.toLocaleString('en')}/s`)], rows);
  } finally {
    close();
    await stop();
  }
}

let asked = 0;

function inALoop(work: Work, quick: boolean): number {
  const many = quick ? 50_000 : 500_000;
  for (let n = 0; n < 50_000; n++) work(asked++);
  const before = process.cpuUsage();
  for (let n = 0; n < many; n++) work(asked++);
  return cpuSince(before) / many;
}

/** CPU µs a second. */
async function paced(work: Work, perSecond: number, quick: boolean): Promise<number> {
  const seconds = quick ? 1 : 4;
  const during = async (): Promise<number> => {
    const before = process.cpuUsage();
    for (let round = 0; round < seconds * 100; round++) {
      for (let i = 0; i < perSecond / 100; i++) work(asked++);
      await after(10);
      await nextTurn();
    }
    return cpuSince(before) / seconds;
  };
  await during();
  return during();
}

const cpuSince = (before: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(before);
  return user + system;
};

/** An agency before the body is read, and an official after it, as a prefill has it: the limits are those that hold unless said, and nobody comes near them for long. */
function counting(share: Share | undefined, officials = OFFICIALS): Work {
  const limits = new Limits({ limits: compileLimits(undefined, []), pace: () => undefined, clock: Date.now, share, report: () => {} });
  const callers = Array.from({ length: AGENCIES }, (_, i) => ({ agency: { id: agencyOf(i) } }) as Caller);
  return (n) => {
    const place = placeOf(n);
    const caller = callers[place % AGENCIES] as Caller;
    const request = { procedure: '1.004222', dossier: 'D', officer: officerOf(place, officials), subject: 'S' } as PrefillRequest;
    if (limits.agencyWait(caller.agency.id) === 0) limits.agency(caller.agency.id);
    limits.tryOfficer(caller, request);
  };
}

function numbers(): Work {
  let now = Date.now();
  const sequence = new Sequence(
    misuseRules(),
    () => now,
    () => {},
  );
  const persons = Array.from({ length: PREPARED }, () => `0${String(random(2 ** 31)).padStart(11, '0')}`);
  const agencies = Array.from({ length: AGENCIES }, (_, i) => ({ agency: { id: agencyOf(i) } as Agency }));
  return (n) => {
    now += 1;
    const [subject = '', householder = ''] = [persons[n % PREPARED], persons[(n * 7) % PREPARED]];
    sequence.see(agencies[n % AGENCIES] as (typeof agencies)[number], {
      procedure: '1.004222',
      dossier: 'D',
      officer: 'O',
      subject,
      related: { householder },
    });
  };
}

/** Its intent and its outcome, which were read for the search anyway. */
function entries(): Work {
  const settings = { rules: misuseRules(), agencies: new Map(), people: new Map(), things: new Set<string>() };
  const rules = new Rules(settings, () => {});
  // Made here, and not beforehand: what was read just now is warm, and a large heap costs collections of its own.
  const entryOf = (n: number, kind: AuditEntry['kind']): AuditEntry => {
    const place = placeOf(n);
    const agency = agencyOf(place);
    return {
      v: 1,
      time: '2026-11-23T01:00:00.000Z',
      kind,
      id: 'one',
      agency,
      client: agency,
      officer: officerOf(place),
      procedure: '1.004222',
      dossier: `${agency}-261123-${n % 20_000}`,
      subjects: { subject: `${place}-of-a-pseudonym`, householder: `${placeOf(n % 30_000)}-of-a-pseudonym` },
      outcome: 'answered',
      config: 'none',
    };
  };
  return (n) => {
    rules.see(entryOf(n, 'intent'));
    rules.see(entryOf(n, 'outcome'));
  };
}
