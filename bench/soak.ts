/** An hour of mixed load with faults: does memory stay flat, and is no answer wrong? `node bench/soak.ts [minutes] [requests a second]`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { Pool } from 'undici';
import { chance, seedOf } from '../test/support/chance.ts';
import { findRedis } from '../test/support/redis.ts';
import { FAMILIES, persons } from './people.ts';
import { startChild } from './process.ts';
import type { Registries } from './registries.ts';

interface Memory {
  /** MiB, the heap after a collection. */
  readonly heap: number;
  readonly rss: number;
  readonly handles: number;
}

const [minutes, rate] = [Number(process.argv[2] ?? 60), Number(process.argv[3] ?? 60)];
const seed = seedOf();
const random = chance(seed);
const SOURCES = ['population', 'civil-registry', 'land', 'birth-notices'];
const FAULTS = ['slow', 'fail', 'hang', 'garbage', 'wrong-subject', 'flood'];
/** How long a fault lasts, and how long all is well after it. Milliseconds. */
const [FAULT_MS, REST_MS] = [8_000, 7_000];

const directory = mkdtempSync(join(tmpdir(), 'oncegate-soak-'));
process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
const redis = await findRedis();
const registries = await startChild<Registries>('registries.ts');
const gateway = await startChild<{ address: string }>('servers/gateway.ts', {
  registries: registries.ready,
  dataDirectory: directory,
  redisUrl: typeof redis === 'string' ? undefined : redis.url,
});
const pool = new Pool(gateway.ready.address, { connections: 256 });
let token = await gateway.ask<string>('token');
const stop = new AbortController();
const pause = (milliseconds: number): Promise<unknown> => after(milliseconds, undefined, { signal: stop.signal }).catch(() => undefined);

/** What came back, by what was asked and the status or what is wrong with it. */
const counts = new Map<string, number>();
const count = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1);

async function ask(): Promise<void> {
  const draw = random(100);
  // Some families are asked about again and again, most hardly ever.
  const n = Math.floor(FAMILIES * (random(10_000) / 10_000) ** 3);
  const { subject, householder } = persons(n);
  const request = {
    procedure: draw < 3 ? '1.999999' : '1.004222',
    dossier: `X01.1-261122-${random(1_000_000)}`,
    officer: 'X01.1-0042',
    subject: draw < 6 ? 'nobody' : subject,
    related: { householder },
    ...(draw < 50 ? { maxAgeSeconds: 0 } : {}),
  };
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const { statusCode, body } = await pool.request({ method: 'POST', path: '/v1/prefills', headers, body: JSON.stringify(request) });
  const text = await body.text();
  count(String(statusCode));
  if (statusCode !== 200) return;
  const { form, fields } = (JSON.parse(text) as { prefill: { form: Record<string, unknown>; fields: Record<string, { status: string }> } })
    .prefill;
  for (const { status } of Object.values(fields)) count(`field ${status}`);
  if (form.personalId !== undefined && form.personalId !== subject) count('WRONG PERSON');
}

async function drive(): Promise<void> {
  for (let due = performance.now(); !stop.signal.aborted; due += 1000 / rate) {
    const early = due - performance.now();
    if (early > 0) await pause(early);
    ask().catch(() => count('no answer'));
  }
}

async function breakThings(): Promise<void> {
  for (let turn = 1; !stop.signal.aborted; turn++) {
    const [source, mode] = [SOURCES[random(SOURCES.length)], FAULTS[random(FAULTS.length)]];
    await registries.ask('tell', { source, behaviour: { mode } });
    const cut = typeof redis !== 'string' && turn % 4 === 0;
    if (cut) await redis.cut();
    await pause(FAULT_MS);
    if (cut) await redis.mend();
    await registries.ask('tell', { source, behaviour: { mode: 'ok' } });
    await pause(REST_MS);
  }
}

async function renew(): Promise<void> {
  while (!stop.signal.aborted) {
    await pause(300_000);
    token = await gateway.ask<string>('token');
  }
}

console.log(
  `${minutes} minutes at ${rate} requests/s, seed ${seed}, ${typeof redis === 'string' ? redis : 'with Redis, cut now and then'}`,
);
const samples: Memory[] = [];
const work = Promise.all([drive(), breakThings(), renew()]);
for (let minute = 1; minute <= minutes; minute++) {
  await after(60_000);
  const memory = await gateway.ask<Memory>('memory');
  samples.push(memory);
  const { heap, rss, handles } = memory;
  const answers = [...counts].filter(([what]) => !what.startsWith('field'));
  const told = answers.map(([what, times]) => `${what}: ${times}`).join(', ');
  console.log(`minute ${minute}: heap ${heap.toFixed(1)} MiB, resident ${rss.toFixed(0)} MiB, ${handles} handles; ${told}`);
}
stop.abort();
await work;
await after(5000);
const rest = await gateway.ask<Memory>('memory');
console.log(
  `at rest: heap ${rest.heap.toFixed(1)} MiB, ${rest.handles} handles; MiB of heap added in an hour: ${slope(samples).toFixed(1)}`,
);
console.log([...counts].map(([what, times]) => `${what}: ${times}`).join('\n'));
await pool.destroy();
await gateway.stop();
await registries.stop();
if (typeof redis !== 'string') await redis.stop();
const bad = [...counts.keys()].filter((what) => what === 'WRONG PERSON' || what === 'no answer' || /^5(?!03)/.test(what));
if (bad.length > 0) throw new Error(bad.join(', '));

/** By least squares over all but the first quarter, in which caches fill and code is compiled. */
function slope(all: readonly Memory[]): number {
  const points = all.slice(Math.floor(all.length / 4)).map(({ heap }, minute) => [minute, heap] as const);
  const [x, y] = [0, 1].map((axis) => points.reduce((sum, point) => sum + (point[axis] ?? 0), 0) / points.length) as [number, number];
  const [above, below] = points.reduce(([a, b], [minute, heap]) => [a + (minute - x) * (heap - y), b + (minute - x) ** 2], [0, 0]);
  return (60 * above) / below;
}
