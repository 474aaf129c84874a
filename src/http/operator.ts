/** For operators: whether the process lives, and whether it can serve. */
import type { FastifyPluginAsync } from 'fastify';
import type { AuditLog } from '../audit/log.ts';
import { operation } from './operation.ts';

export interface OperatorTools {
  readonly log: AuditLog;
  readonly configDigest: string;
  /** Whether the process was told to stop. */
  readonly stopping: () => boolean;
}

export const operatorRoutes =
  ({ log, configDigest, stopping }: OperatorTools): FastifyPluginAsync =>
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
        return reply
          .code(ready ? 200 : 503)
          .send({ status: ready ? 'ok' : 'unready', log: writable ? 'ok' : 'unwritable', config: configDigest });
      },
    });
  };
