/** What a variant adds to registries that take 20 ms, in an open loop: beside them the two that must be asked one after the other are asked directly. */
import { Pool } from 'undici';
import type { Target } from './load.ts';
import { quantile } from './load.ts';
import { openLoop } from './open-loop.ts';
import { persons } from './people.ts';
import { markdown } from './report.ts';
import { type Bench, TITLES } from './variants.ts';

const DELAY_MS = 20;
const RATES = [200, 500];
/** Milliseconds added to the direct questions. */
const AIMS = { p50: 1.5, p99: 4 };

interface Contestant {
  readonly title: string;
  /** Whether it was answered: a gateway that has no time left refuses, one by hand fails. */
  readonly ask: (n: number) => Promise<boolean>;
  readonly close: () => Promise<void>;
}

export async function latency(bench: Bench, quick: boolean): Promise<string> {
  const { rounds, seconds } = quick ? { rounds: 1, seconds: 0.5 } : { rounds: 4, seconds: 2.5 };
  const contestants = [
    direct(bench),
    ...bench.variants.filter(({ name }) => /[bc]/.test(name)).map((one) => asking(TITLES[one.name], one.target)),
  ];
  const rows: string[][] = [];
  const verdicts: string[] = [];
  await bench.registries.ask('delayAll', DELAY_MS);
  try {
    for (const rate of RATES) {
      const found = contestants.map(() => ({ latencies: [] as number[], late: [] as number[], refused: 0 }));
      for (const [i, { ask }] of contestants.entries()) await openLoop(ask, rate, quick ? 0.3 : 1, i);
      for (let round = 0; round < rounds; round++) {
        for (const [i, { ask }] of contestants.entries()) {
          const done = await openLoop(ask, rate, seconds, round);
          const all = found[i];
          all?.latencies.push(...done.latencies);
          all?.late.push(...done.late);
          if (all !== undefined) all.refused += done.refused;
        }
      }
      const told = found.map(({ latencies, late, refused }) => {
        const of = (values: readonly number[], share: number): number => quantile({ latencies: Float64Array.from(values).sort() }, share);
        return { requests: late.length, refused, p50: of(latencies, 0.5), p99: of(latencies, 0.99), late: of(late, 0.99) };
      });
      const [base] = told;
      for (const [i, { requests, refused, p50, p99, late }] of told.entries()) {
        const added = [p50 - (base?.p50 ?? Number.NaN), p99 - (base?.p99 ?? Number.NaN)] as const;
        const title = contestants[i]?.title ?? '';
        rows.push([
          `${rate}/s, ${title}`,
          String(requests),
          String(refused),
          ...[p50, added[0], p99, added[1], late].map((value) => value.toFixed(2)),
        ]);
        if (title === TITLES.c)
          verdicts.push(
            `At ${rate}/s: p50 + ${added[0].toFixed(2)} ms (aim ${AIMS.p50}: ${verdict(added[0], AIMS.p50)}), p99 + ${added[1].toFixed(2)} ms (aim ${AIMS.p99}: ${verdict(added[1], AIMS.p99)}).`,
          );
      }
    }
  } finally {
    await bench.registries.ask('delayAll', 0);
    await Promise.all(contestants.map(({ close }) => close()));
  }
  const head = [`registries of ${DELAY_MS} ms`, 'requests', '5xx', 'p50 ms', 'added', 'p99 ms', 'added', 'callers late, p99'];
  return [markdown(head, rows), ...verdicts].join('\n\n');
}

const verdict = (value: number, aim: number): string => (value < aim ? 'met' : 'not met');

function asking(title: string, { address, path, headers, body }: Target): Contestant {
  const pool = new Pool(address, { connections: 512 });
  return {
    title,
    ask: async (n) => (await post(pool, path, headers(n), body(n))) !== undefined,
    close: () => pool.destroy(),
  };
}

/** The longest way through the plan: the land rights of a person, and then the certificate that they name. */
function direct({ registries: { ready } }: Bench): Contestant {
  const pool = new Pool(new URL(ready.addresses.land ?? '').origin, { connections: 512 });
  const headers = { authorization: `Bearer ${ready.credentials.land}`, 'content-type': 'application/json' };
  return {
    title: 'rights and then certificate, directly',
    ask: async (n) => {
      const rights = JSON.stringify({ holder: { kind: 'PERSONAL', number: persons(n).subject }, page: 1, pageSize: 100 });
      const { items } = JSON.parse((await post(pool, '/land/v1/rights/search', headers, rights)) ?? '') as {
        items: { certificate: { serial: string } }[];
      };
      const serial = items[0]?.certificate.serial;
      return (await post(pool, '/land/v1/certificates/lookup', headers, JSON.stringify({ serial }))) !== undefined;
    },
    close: () => pool.destroy(),
  };
}

async function post(pool: Pool, path: string, headers: Readonly<Record<string, string>>, body: string): Promise<string | undefined> {
  const response = await pool.request({ method: 'POST', path, headers, body });
  const text = await response.body.text();
  if (response.statusCode >= 500) return undefined;
  if (response.statusCode !== 200) throw new Error(`${response.statusCode} ${text}`);
  return text;
}
