/** The servers compared, each a process of its own, and what each is asked. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { issueToken } from './issuer.ts';
import { load, type Target } from './load.ts';
import { FAMILIES, persons } from './people.ts';
import { type Child, startChild } from './process.ts';
import type { Registries } from './registries.ts';

export const NAMES = ['a', 'b', 'b2', 'c', 'd'] as const;
export type Name = (typeof NAMES)[number];

export const TITLES: Readonly<Record<Name, string>> = {
  a: '(a) bare Fastify',
  b: '(b) by hand, fetch',
  b2: "(b') by hand, undici",
  c: '(c) Oncegate, no hit',
  d: '(d) Oncegate, cached',
};

export interface Variant {
  readonly name: Name;
  readonly target: Target;
  readonly child: Child<{ address: string; token?: string }>;
}

export interface Bench {
  readonly registries: Child<Registries>;
  readonly variants: readonly Variant[];
  stop(): Promise<void>;
}

/** The log is put where temporary files are: if that is memory, `c` is flattered. `TMPDIR` moves it. */
export async function startBench(): Promise<Bench> {
  const directory = mkdtempSync(join(tmpdir(), 'oncegate-bench-'));
  // On exit too, for a child that does not start.
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const registries = await startChild<Registries>('registries.ts');
  const gateway = (name: Name) =>
    startChild<{ address: string; token: string }>('servers/gateway.ts', {
      registries: registries.ready,
      dataDirectory: join(directory, name),
    });
  const [c, d] = [await gateway('c'), await gateway('d')];
  const { issuer, jwk, token } = await issueToken();
  const hand = (transport: 'fetch' | 'undici') =>
    startChild<{ address: string }>('servers/hand.ts', { registries: registries.ready, issuer, jwk, transport });
  const [b, b2] = [await hand('fetch'), await hand('undici')];

  const uncached = targetOf(c.ready.address, c.ready.token, 0);
  const a = await startChild<{ address: string }>('servers/bare.ts', await sampleOf(uncached));
  const children = [a, b, b2, c, d];
  return {
    registries,
    variants: [
      { name: 'a', child: a, target: targetOf(a.ready.address, token, 0) },
      { name: 'b', child: b, target: targetOf(b.ready.address, token, 0) },
      { name: 'b2', child: b2, target: targetOf(b2.ready.address, token, 0) },
      { name: 'c', child: c, target: uncached },
      { name: 'd', child: d, target: targetOf(d.ready.address, d.ready.token) },
    ],
    stop: async () => {
      await Promise.all([...children, registries].map((child) => child.stop()));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** At least every person once: after that (d) knows them all. */
export async function warmUp({ variants }: Bench, quick: boolean): Promise<void> {
  for (const { target } of variants) await load(target, 8, quick ? 2 : 9, quick ? FAMILIES : 4000);
}

/** The same question for all, but for its age; the persons recur after 512 questions. */
export function targetOf(address: string, token: string, maxAgeSeconds?: number): Target {
  return {
    address,
    path: '/v1/prefills',
    headers: always({ authorization: `Bearer ${token}`, 'content-type': 'application/json' }),
    body: (n) => {
      const { subject, householder } = persons(n);
      const dossier = `X01.1-261122-${n % 100_000_000}`;
      return JSON.stringify({ procedure: '1.004222', dossier, officer: 'X01.1-0042', subject, related: { householder }, maxAgeSeconds });
    },
  };
}

/** The same headers for every question. */
export const always =
  (headers: Readonly<Record<string, string>>): Target['headers'] =>
  () =>
    headers;

/** One whole reply. */
export async function sampleOf({ address, path, headers, body }: Target): Promise<object> {
  const response = await fetch(address + path, { method: 'POST', headers: { ...headers(0) }, body: body(0) });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return (await response.json()) as object;
}
