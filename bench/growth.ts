/** How the cost of a request grows with the fields of its form and with the registries that fill it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FIELDS, procedureOf, SOURCES, writeGrowthConfig } from './growth-config.ts';
import { load, type Target } from './load.ts';
import { median } from './measure.ts';
import { persons } from './people.ts';
import { type Child, startChild } from './process.ts';
import type { Registries } from './registries.ts';
import { markdown } from './report.ts';
import { always } from './variants.ts';

const CALLERS = 16;
/** As many as can be at work without asking the same, and so few that all their records stay in the cache. */
const PEOPLE = 64;

export async function growth(quick: boolean): Promise<string> {
  const { rounds, seconds } = quick ? { rounds: 1, seconds: 0.1 } : { rounds: 5, seconds: 0.5 };
  const directory = mkdtempSync(join(tmpdir(), 'oncegate-bench-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const [registries, own] = [await startChild<Registries>('growth-registry.ts'), await startChild<Registries>('registries.ts')];
  const gateway: Child<{ address: string; token: string }> = await startChild('servers/gateway.ts', {
    registries: {
      addresses: { ...own.ready.addresses, ...registries.ready.addresses },
      credentials: { ...own.ready.credentials, ...registries.ready.credentials },
    },
    dataDirectory: join(directory, 'data'),
    configDirectory: writeGrowthConfig(join(directory, 'config')),
  });
  try {
    const rows: string[][] = [];
    for (const [title, maxAgeSeconds] of [['no hit', 0] as const, ['cached', undefined] as const]) {
      const shapes = SOURCES.flatMap((sources) => FIELDS.map((fields) => ({ sources, fields, costs: [] as number[] })));
      for (let round = 0; round <= rounds; round++) {
        for (const { sources, fields, costs } of shapes) {
          const target = targetOf(gateway.ready, procedureOf(sources, fields), maxAgeSeconds);
          await load(target, CALLERS, seconds / 10);
          const before = await gateway.ask<number>('cpu');
          const { requests } = await load(target, CALLERS, seconds);
          // The first round warms up.
          if (round > 0) costs.push(((await gateway.ask<number>('cpu')) - before) / requests);
        }
      }
      const of = (sources: number, fields: number): number =>
        median(shapes.find((one) => one.sources === sources && one.fields === fields)?.costs ?? []);
      for (const sources of SOURCES) {
        const costs = FIELDS.map((fields) => of(sources, fields));
        const slopes = costs.slice(1).map((cost, i) => (cost - (costs[i] ?? 0)) / ((FIELDS[i + 1] ?? 0) - (FIELDS[i] ?? 0)));
        rows.push([`${title}, ${sources}`, ...costs.map((cost) => cost.toFixed(0)), ...slopes.map((slope) => slope.toFixed(2))]);
      }
    }
    const between = FIELDS.slice(1).map((fields, i) => `a field more, ${FIELDS[i]} to ${fields}`);
    return markdown([`CPU µs, ${CALLERS} callers; registries`, ...FIELDS.map((fields) => `${fields} fields`), ...between], rows);
  } finally {
    await Promise.all([gateway, registries, own].map((child) => child.stop()));
    rmSync(directory, { recursive: true, force: true });
  }
}

const targetOf = ({ address, token }: { address: string; token: string }, procedure: string, maxAgeSeconds?: number): Target => ({
  address,
  path: '/v1/prefills',
  headers: always({ authorization: `Bearer ${token}`, 'content-type': 'application/json' }),
  body: (n) => {
    const { subject } = persons(n % PEOPLE);
    return JSON.stringify({ procedure, dossier: `X01.1-261122-${n % 100_000_000}`, officer: 'X01.1-0042', subject, maxAgeSeconds });
  },
});
