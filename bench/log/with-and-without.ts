/** What the log takes from the gateway as a whole: the same gateway with its log, and with one that forgets at once. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load, type Target } from '../load.ts';
import { type Child, startChild } from '../process.ts';
import type { Registries } from '../registries.ts';
import { markdown, median } from '../report.ts';
import { targetOf } from '../variants.ts';

type GatewayProcess = Child<{ address: string; token: string }>;
interface Measured {
  /** Requests a second. */
  readonly rate: number;
  /** Microseconds a request. */
  readonly cpu: number;
  /** Commits for a thousand requests. */
  readonly commits: number;
}

export async function withAndWithout(quick: boolean): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'oncegate-bench-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const registries = await startChild<Registries>('registries.ts');
  const start = (name: string, log: boolean): Promise<GatewayProcess> =>
    startChild('servers/gateway.ts', { registries: registries.ready, dataDirectory: join(directory, name), log });
  const gateways = [await start('with', true), await start('without', false)] as const;
  const rows: string[][] = [];
  try {
    for (const [title, maxAge] of [['no hit', 0] as const, ['cached', undefined] as const]) {
      const both = gateways.map((child) => ({ child, target: targetOf(child.ready.address, child.ready.token, maxAge) }));
      for (const { target } of both) await load(target, 8, quick ? 1 : 5, 2000);
      for (const callers of [8, 64]) {
        const rounds: (readonly [Measured, Measured])[] = [];
        for (let round = 0; round < (quick ? 1 : 7); round++) {
          // In turn first and second: what else the machine does hits both alike.
          const turn = round % 2 === 0 ? both : both.toReversed();
          const measured: Measured[] = [];
          for (const { child, target } of turn) measured.push(await measure(child, target, callers, quick ? 0.3 : 2));
          const [withLog, without] = round % 2 === 0 ? measured : measured.toReversed();
          if (withLog !== undefined && without !== undefined) rounds.push([withLog, without]);
        }
        rows.push([
          title,
          String(callers),
          median(rounds.map(([on, off]) => on.rate / off.rate)).toFixed(2),
          median(rounds.map(([on, off]) => on.cpu - off.cpu)).toFixed(0),
          median(rounds.map(([on]) => on.commits)).toFixed(0),
        ]);
      }
    }
  } finally {
    await Promise.all([...gateways, registries].map((child) => child.stop()));
    rmSync(directory, { recursive: true, force: true });
  }
  const head = ['the gateway with its log, against one without', 'callers', 'throughput ×', 'CPU µs added', 'syncs for 1,000 requests'];
  return markdown(head, rows);
}

async function measure(child: GatewayProcess, target: Target, callers: number, seconds: number): Promise<Measured> {
  const count = async (): Promise<{ cpu: number; commits: number }> => ({
    cpu: await child.ask<number>('cpu'),
    commits: await child.ask<number>('commits'),
  });
  const before = await count();
  const { requests, seconds: took } = await load(target, callers, seconds);
  const after = await count();
  return { rate: requests / took, cpu: (after.cpu - before.cpu) / requests, commits: (1000 * (after.commits - before.commits)) / requests };
}
