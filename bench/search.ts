/**
 * What the search of a long log costs: `node bench/search.ts [entries] [--keep directory] [sqlite] [postgres]`, a million entries in both by default.
 * A log and a copy that `--keep` left are used again. PostgreSQL is that of DATABASE_URL, or one that is started for the run.
 */
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type DeskLocation, openDesk } from '../src/audit/desk.ts';
import { openPostgresLog } from '../src/audit/postgres.ts';
import type { LogSearch } from '../src/audit/search.ts';
import { openSqliteLog } from '../src/audit/sqlite.ts';
import type { LogStore } from '../src/audit/store.ts';
import { logAll } from '../test/support/log-building.ts';
import { command, findPostgres } from '../test/support/postgres.ts';
import { bodies } from './log-entries.ts';
import { markdown, theMachine } from './report.ts';
import { QUESTIONS, sampled } from './search-questions.ts';

const { values, positionals } = parseArgs({ options: { keep: { type: 'string' } }, allowPositionals: true });
const count = Number(positionals.find((word) => /^\d+$/.test(word)) ?? 1_000_000);
const wanted = (name: string): boolean => positionals.includes(name) || !positionals.some((word) => /^[a-z]+$/.test(word));
/** Of each kind of question, asked one after the other; fewer where they take longer than that in all. */
const ASKED = 300;
const MOST_MS = 10_000;

interface Place {
  readonly location: DeskLocation;
  openLog(): LogStore | Promise<LogStore>;
  /** Bytes of log and copy. */
  sizes(): Promise<{ log: number; copy: number }>;
}

const directory = values.keep ?? mkdtempSync(join(tmpdir(), 'oncegate-search-'));
mkdirSync(directory, { recursive: true });

function sqlite(): Place {
  const [log, search] = [join(directory, 'log.db'), join(directory, 'search.db')];
  return {
    location: { sqlite: { log, search } },
    openLog: () => openSqliteLog(log),
    sizes: async () => ({ log: statSync(log).size, copy: statSync(search).size }),
  };
}

function postgres(url: string): Place {
  const size = async (search: boolean): Promise<number> => {
    const [row] = await command(
      url,
      `SELECT sum(pg_total_relation_size(oid)) AS bytes FROM pg_class
       WHERE relnamespace = 'oncegate'::regnamespace AND relkind = 'r' AND (relname LIKE 'search%') = ${search}`,
    );
    return Number(row?.bytes);
  };
  return {
    location: { postgres: url },
    openLog: () => openPostgresLog(url),
    sizes: async () => ({ log: await size(false), copy: await size(true) }),
  };
}

const say = (text: string): void => void process.stderr.write(text);
const whole = (value: number): string => Math.round(value).toLocaleString('en');

/** Waits until the copy has everything; undefined where it had. */
async function followed(desk: LogSearch, name: string): Promise<{ rate: number; cpu: number } | undefined> {
  const { followed: first } = await desk.progress();
  if (first === count) return undefined;
  const [began, before] = [performance.now(), process.cpuUsage()];
  for (let last = first; last < count; await after(500)) {
    last = (await desk.progress()).followed;
    say(`\r${name}: ${whole(last)} entries followed, ${whole(((last - first) / (performance.now() - began)) * 1000)}/s  `);
  }
  const { user, system } = process.cpuUsage(before);
  say('\n');
  return { rate: ((count - first) / (performance.now() - began)) * 1000, cpu: (user + system) / (count - first) };
}

async function measure(name: string, place: Place): Promise<void> {
  const store = await place.openLog();
  const began = performance.now();
  const { size } = await store.head();
  const entries = bodies(count, 1);
  for (let i = 0; size < count && i < size; i++) entries.next();
  await logAll(store, entries, count - size, (done) => {
    if (done % 102_400 === 0) say(`\r${name}: ${whole(done)} entries logged`);
  });
  const logged = (performance.now() - began) / Math.max(1, count - size);
  const samples = await sampled(store, count);
  const desk = openDesk(place.location, { onTrouble: (error) => say(`\n${error}\n`) });
  const built = await followed(desk, name);
  const sizes = await place.sizes();
  console.log(
    [
      `**${name}, ${whole(count)} entries**:`,
      ...(size < count ? [`logged in ${whole(logged * 1000)} µs each;`] : []),
      ...(built === undefined ? [] : [`followed with ${whole(built.rate)} entries/s, ${built.cpu.toFixed(1)} µs of CPU each;`]),
      `the log has ${whole(sizes.log / count)} bytes an entry, the copy ${whole(sizes.copy / count)}.\n`,
    ].join(' '),
  );
  const rows: string[][] = [];
  for (const [question, ask] of Object.entries(QUESTIONS)) {
    say(`\r${name}: ${question.padEnd(70)}`);
    const latencies: number[] = [];
    let found = 0;
    let before = process.cpuUsage();
    // Once to warm up, once to measure, and the same each time: what the disk takes to bring a page is not the question here.
    for (const counts of [false, true]) {
      const end = performance.now() + MOST_MS;
      before = process.cpuUsage();
      for (let i = 0; i < ASKED && performance.now() < end; i++) {
        const asked = performance.now();
        const answer = await ask(desk, samples(i));
        if (!counts) continue;
        latencies.push(performance.now() - asked);
        found += answer.length;
      }
    }
    latencies.sort((one, other) => one - other);
    const at = (share: number): string => (latencies[Math.floor(share * latencies.length)] ?? Number.NaN).toFixed(2);
    const { user, system } = process.cpuUsage(before);
    const each = (sum: number, digits: number): string => (sum / latencies.length).toFixed(digits);
    rows.push([question, String(latencies.length), each(found, 1), at(0.5), at(0.99), each((user + system) / 1000, 2)]);
  }
  say('\r'.padEnd(90));
  console.log(`\n${markdown(['question', 'asked', 'found', 'p50 ms', 'p99 ms', 'CPU ms'], rows)}\n`);
  await desk.close();
  await store.close();
}

console.log(theMachine());
if (wanted('sqlite')) await measure('SQLite', sqlite());
if (wanted('postgres')) {
  const server = await findPostgres();
  if (typeof server === 'string') console.log(server);
  else {
    await measure(
      'PostgreSQL',
      postgres(values.keep !== undefined && process.env.DATABASE_URL ? process.env.DATABASE_URL : await server.fresh()),
    );
    await server.stop();
  }
}
if (values.keep === undefined) rmSync(directory, { recursive: true });
