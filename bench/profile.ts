/** `node bench/profile.ts c|d [callers]`: where a request's CPU goes, in µs, by package, by function and by what Oncegate's own functions call. */
import { load } from './load.ts';
import { FAMILIES } from './people.ts';
import { summarise } from './profile-summary.ts';
import { startBench } from './variants.ts';

const [name = 'c', callers = '8'] = process.argv.slice(2);
const bench = await startBench();
try {
  const variant = bench.variants.find((one) => one.name === name);
  if (variant === undefined || !/[cd]/.test(name)) throw new Error('profile c or d');
  await load(variant.target, Number(callers), 15, 12 * FAMILIES);
  await variant.child.ask('startProfile');
  const before = await variant.child.ask<number>('cpu');
  const done = await load(variant.target, Number(callers), 10);
  const cpu = (await variant.child.ask<number>('cpu')) - before;
  process.stdout.write(
    `${done.requests} requests, ${Math.round(cpu / done.requests)} µs of CPU each, all threads, with the profiler on\n\n`,
  );
  process.stdout.write(summarise(await variant.child.ask('stopProfile'), done.requests));
} finally {
  await bench.stop();
}
