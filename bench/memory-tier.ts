/** A process that fills the memory tier with records as they are sealed, and draws from them by Zipf's law. */
import { hash, randomBytes } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { memoryCache } from '../src/cache/memory.ts';
import { numbers } from '../test/support/chance.ts';
import { serve } from './child.ts';
import type { Filled } from './memory.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Sealed records of the sandbox have 0.5 to 3 kB. Bytes. */
const [SHORTEST, LONGEST] = [500, 3000];
const text = randomBytes(LONGEST);
const nonce = randomBytes(12);

/** Put together as a sealed record is, so that memory is taken from where it would be. */
const sealed = (n: number): Buffer => Buffer.concat([nonce, text.subarray(0, SHORTEST + ((n * 7919) % (LONGEST - SHORTEST)))]);
const nameOf = (n: number): string => hash('sha256', String(n), 'base64url');

async function fill({ limit, records }: { limit: number; records: number }): Promise<Filled> {
  const random = numbers(1);
  // The inverse of Zipf's law with exponent 1, in its continuous form: rank = N^u.
  const draw = (): number => Math.floor(records ** random()) - 1;
  collect();
  const before = process.memoryUsage();
  const tier = memoryCache(limit);
  let [hits, counted] = [0, 0];
  // In no order of how often they are drawn: the factor is a prime that the number of records does not have.
  for (let i = 0; i < records; i++) {
    const n = (i * 7919) % records;
    tier.set(nameOf(n), sealed(n), 3600);
  }
  let cpu = process.cpuUsage();
  for (let i = 0; i < 2 * records; i++) {
    if (i === records) cpu = process.cpuUsage();
    const n = draw();
    const name = nameOf(n);
    const there = await tier.get(name);
    if (i >= records) {
      counted++;
      if (there !== undefined) hits++;
    }
    if (there === undefined) tier.set(name, sealed(n), 3600);
  }
  const { user, system } = process.cpuUsage(cpu);
  let held = 0;
  for (let n = 0; n < records; n++) if ((await tier.get(nameOf(n))) !== undefined) held++;
  collect();
  const after = process.memoryUsage();
  const filled = {
    bytes: tier.bytes,
    resident: after.rss - before.rss,
    heap: after.heapUsed - before.heapUsed,
    held,
    hits: hits / counted,
    cpu: (user + system) / counted,
  };
  await tier.close();
  return filled;
}

serve({}, { fill: (argument) => fill(argument as { limit: number; records: number }) });
