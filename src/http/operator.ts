/** For operators: whether the process lives, and whether it can serve. */
import { setTimeout as after } from 'node:timers/promises';
import type { FastifyPluginAsync } from 'fastify';
import type { AuditLog } from '../audit/log.ts';
import type { LogSearch } from '../audit/search.ts';
import type { Witnesses } from '../audit/witnesses.ts';
import { operation } from './operation.ts';

/** How long the search may take to say how far it is, and the database how much it keeps. */
const SEARCH_MS = 1000;

export interface OperatorTools {
  readonly book: { readonly log: AuditLog; readonly search: LogSearch; readonly witnesses: Witnesses | undefined };
  /** Prefills that are to be completed later. */
  readonly completions: { counts(): Promise<{ readonly pending: number; readonly failing: number }> };
  readonly shutOuts: { readable(): boolean };
  readonly configDigest: string;
  /** Whether the process was told to stop. */
  readonly stopping: () => boolean;
}

export const operatorRoutes =
  ({ book: { log, search, witnesses }, completions, shutOuts, configDigest, stopping }: OperatorTools): FastifyPluginAsync =>
  async (server) => {
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
        // A search that is behind, or away, keeps no agency from its answer.
        const inTime = <T>(asked: Promise<T>): Promise<T | undefined> =>
          Promise.race([asked, after(SEARCH_MS, undefined, { ref: false })]).catch(() => undefined);
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
  };
