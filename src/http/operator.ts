/** For operators: whether the process lives, and whether it can serve. */
import { setTimeout as after } from 'node:timers/promises';
import type { FastifyPluginAsync } from 'fastify';
import type { AuditLog } from '../audit/log.ts';
import type { LogSearch } from '../audit/search.ts';
import type { Witnesses } from '../audit/witnesses.ts';
import type { Around } from '../stages/around/around.ts';
import { type Metric, type Metrics, metricLabels, type Traffic } from './metrics.ts';
import { operation } from './operation.ts';

/** How long the search may take to say how far it is, and the database how much it keeps. */
const SEARCH_MS = 1000;

export interface OperatorTools {
  readonly book: { readonly log: AuditLog; readonly search: LogSearch; readonly witnesses: Witnesses | undefined };
  /** Prefills that are to be completed later. */
  readonly completions: { counts(): Promise<{ readonly pending: number; readonly failing: number }> };
  readonly shutOuts: { readable(): boolean };
  readonly configDigest: string;
  readonly traffic: Traffic;
  /** Whether strangers may see the numbers: not in production, where operators have no door of their own. */
  readonly metrics: boolean;
  readonly sources: ReadonlyMap<string, Around>;
  /** Whether the process was told to stop. */
  readonly stopping: () => boolean;
}

export const operatorRoutes =
  (tools: OperatorTools): FastifyPluginAsync =>
  async (server) => {
    const { book, completions, shutOuts, configDigest, stopping, traffic } = tools;
    const { log, search, witnesses } = book;
    server.get('/healthz', {
      schema: operation({ summary: 'Whether the process lives', tag: 'Operators', scope: 'none', reply: 'Health' }),
      handler: async () => ({ status: 'ok' }),
    });
    server.get('/readyz', {
      schema: operation({
        summary: 'Whether it can serve: the log can be written and the process is not stopping',
        tag: 'Operators',
        scope: 'none',
        reply: 'Readiness',
      }),
      handler: async (_request, reply) => {
        const writable = await log.probe();
        const ready = writable && !stopping();
        const [progress, counts] = await Promise.all([inTime(search.progress()), inTime(completions.counts())]);
        const time = (at: number | undefined): string | undefined => (at === undefined ? undefined : new Date(at).toISOString());
        return reply.code(ready ? 200 : 503).send({
          status: ready ? 'ok' : 'unready',
          log: writable ? 'ok' : 'unwritable',
          ...(progress === undefined ? { search: 'unreadable' } : { search: 'ok', behind: progress.size - progress.followed }),
          shutOuts: shutOuts.readable() ? 'ok' : 'unreadable',
          ...(counts === undefined ? {} : { completions: counts }),
          ...(witnesses === undefined
            ? {}
            : {
                witnesses: witnesses.status().map(({ name, cosigned, lastSuccess, lastError, behind }) => ({
                  name,
                  cosigned,
                  lastSuccess: time(lastSuccess),
                  lastError,
                  behind,
                })),
              }),
          config: configDigest,
        });
      },
    });
    if (!tools.metrics) return;
    server.get('/metrics', {
      schema: operation({
        summary: 'Numbers to watch this process by',
        description:
          'What passed through it since it started, by route, status and code of refusal; its registries, its log, its memory. Nothing of anybody.',
        tag: 'Operators',
        scope: 'none',
        reply: { type: METRICS, description: 'The text format of Prometheus.' },
      }),
      handler: async (_request, reply) => {
        const [progress, counts] = await Promise.all([inTime(search.progress()), inTime(completions.counts())]);
        return reply
          .type(METRICS)
          .send(traffic.text({ ...processMetrics(), ...logMetrics(progress, counts), ...sourceMetrics(tools.sources) }));
      },
    });
  };

const METRICS = 'text/plain; version=0.0.4; charset=utf-8';

/** Undefined where it takes too long: a search that is behind, or away, keeps nobody from an answer. */
const inTime = <T>(asked: Promise<T>): Promise<T | undefined> =>
  Promise.race([asked, after(SEARCH_MS, undefined, { ref: false })]).catch(() => undefined);

const gauge = (help: string, values: Metric['values']): Metric => ({ help, type: 'gauge', values });
const one = (value: number): Metric['values'] => [['', value]];

function processMetrics(): Metrics {
  const { rss, heapUsed } = process.memoryUsage();
  const { active, idle } = performance.eventLoopUtilization();
  const { user, system } = process.cpuUsage();
  return {
    process_resident_memory_bytes: gauge('Memory of the process.', one(rss)),
    process_cpu_seconds_total: { help: 'Work of all its threads.', type: 'counter', values: one((user + system) / 1e6) },
    oncegate_heap_bytes: gauge('Of it objects.', one(heapUsed)),
    oncegate_loop_seconds_total: {
      help: 'How long the event loop worked and waited.',
      type: 'counter',
      values: [
        ['state="active"', active / 1000],
        ['state="idle"', idle / 1000],
      ],
    },
  };
}

function logMetrics(
  progress: { readonly size: number; readonly followed: number } | undefined,
  counts: { readonly pending: number; readonly failing: number } | undefined,
): Metrics {
  return {
    ...(progress === undefined
      ? {}
      : {
          oncegate_log_entries: gauge('Entries of the audit log.', one(progress.size)),
          oncegate_log_search_behind: gauge('Entries that the search does not know yet.', one(progress.size - progress.followed)),
        }),
    ...(counts === undefined
      ? {}
      : {
          oncegate_completions: gauge(
            'Prefills kept to be completed.',
            Object.entries(counts).map(([state, count]) => [metricLabels({ state }), count] as const),
          ),
        }),
  };
}

function sourceMetrics(sources: ReadonlyMap<string, Around>): Metrics {
  const states = [...sources].map(([source, around]) => ({ source, ...around.state('') }));
  const each = (value: (state: (typeof states)[number]) => number): Metric['values'] =>
    states.map((state) => [metricLabels({ source: state.source }), value(state)] as const);
  return {
    oncegate_source_up: gauge(
      '1 where a registry is asked, 0 where it is left alone or in maintenance.',
      each(({ state }) => Number(state !== 'open' && state !== 'maintenance')),
    ),
    oncegate_source_at_work: gauge(
      'Look-ups that a registry is asked just now.',
      each(({ atOnce }) => atOnce.used),
    ),
    oncegate_source_waiting: gauge(
      'Look-ups that wait for their turn.',
      each(({ waiting }) => waiting.used),
    ),
    oncegate_source_asked: gauge(
      'Look-ups of the last five minutes.',
      each(({ recent }) => recent.asked),
    ),
    oncegate_source_failed: gauge(
      'Of them failed.',
      each(({ recent }) => recent.failed),
    ),
  };
}
