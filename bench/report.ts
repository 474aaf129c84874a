/** The measurements as Markdown tables. */
import { availableParallelism, cpus } from 'node:os';
import type { Measurement } from './measure.ts';
import { CALLERS, DELAY_MS, type Latency } from './slow-registry.ts';
import { NAMES, type Name, TITLES } from './variants.ts';

export type Table = readonly { readonly callers: number; readonly rows: ReadonlyMap<Name, Measurement> }[];

const whole = (value: number): string => Math.round(value).toLocaleString('en');
const two = (value: number): string => value.toFixed(2);

/** The middle one; of two, the upper. */
export const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

export function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const width = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(width[i] ?? 0) : cell.padStart(width[i] ?? 0))).join(' | ')} |`;
  const rule = `|${width.map((columns, i) => (i === 0 ? '-'.repeat(columns + 2) : `${'-'.repeat(columns + 1)}:`)).join('|')}|`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}

export const theMachine = (): string =>
  `${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${availableParallelism()} cores of ${cpus()[0]?.model.trim() ?? 'unknown'}\n`;

/** Microseconds of CPU for one request. */
const cost = (rows: ReadonlyMap<Name, Measurement>, name: Name): number => rows.get(name)?.cpu ?? Number.NaN;

export function perRequest(table: Table): string {
  const head = ['variant', 'callers', 'requests/s', 'CPU µs', '× (a)', '× (b)', "× (b')", 'p50 ms', 'p99 ms', 'look-ups', 'bytes'];
  const rows = table.flatMap(({ callers, rows: measured }) =>
    [...measured].map(([name, { requestsPerSecond, cpu, p50, p99, lookUps, bytes }]) => [
      TITLES[name],
      String(callers),
      whole(requestsPerSecond),
      whole(cpu),
      ...(['a', 'b', 'b2'] as const).map((other) => two(cpu / cost(measured, other))),
      two(p50),
      two(p99),
      two(lookUps),
      whole(bytes),
    ]),
  );
  return markdown(head, rows);
}

/** How far requests share a sync of the log. */
export function sharing(table: Table): string {
  const head = ['commits (each one fsync) for 1,000 requests', ...table.map(({ callers }) => `${callers} callers`)];
  const rows = (['c', 'd'] as const).map((name) => [
    TITLES[name],
    ...table.map(({ rows: measured }) => whole(measured.get(name)?.commits ?? Number.NaN)),
  ]);
  return markdown(head, rows);
}

export function waiting(latencies: readonly Latency[]): string {
  const registry = latencies.find(({ name }) => name === 'registry');
  const title = (name: string): string =>
    NAMES.map((known) => (known === name ? TITLES[known] : '')).join('') || 'the registry, asked directly';
  const head = [`slowest registry answers after ${DELAY_MS} ms, ${CALLERS} callers`, 'p50 ms', 'added', 'p99 ms', 'added'];
  const rows = latencies.map(({ name, p50, p99 }) => [
    title(name),
    two(p50),
    two(p50 - (registry?.p50 ?? Number.NaN)),
    two(p99),
    two(p99 - (registry?.p99 ?? Number.NaN)),
  ]);
  return markdown(head, rows);
}

const AIMS = { uncached: 0.6, cached: 2 };

export function aims(table: Table): string {
  const verdict = (met: boolean): string => (met ? 'met' : 'not met');
  const rows = table.flatMap(({ callers, rows: measured }) => {
    const [first, second] = [cost(measured, 'c') / cost(measured, 'b'), cost(measured, 'd') / cost(measured, 'a')];
    return [
      [`CPU of (c) ≤ ${AIMS.uncached} × (b)`, String(callers), two(first), verdict(first <= AIMS.uncached)],
      [`CPU of (d) ≤ ${AIMS.cached} × (a)`, String(callers), two(second), verdict(second <= AIMS.cached)],
    ];
  });
  return markdown(['aim', 'callers', 'measured', 'verdict'], rows);
}
