/** The log for outsiders: the key that verifies it and its signed head. */
import type { FastifyPluginAsync } from 'fastify';
import type { LogReader } from '../audit/store.ts';
import { Problem } from '../problems.ts';
import { operation } from './operation.ts';

export const logRoutes =
  (log: LogReader, verifierKeys: readonly string[]): FastifyPluginAsync =>
  async (server) => {
    server.get('/v1/log/key', {
      schema: operation({
        summary: 'The key that verifies the log',
        description: 'A C2SP verifier key as text. Keep it: with it every receipt verifies offline.',
        tag: 'The log',
        scope: 'none',
        reply: { type: 'text/plain', description: '`<name>+<key id>+<base64>`' },
      }),
      handler: async (_request, reply) => reply.type('text/plain; charset=utf-8').send(`${verifierKeys.join('\n')}\n`),
    });
    server.get('/v1/log/checkpoint', {
      schema: operation({
        summary: 'The signed head of the log',
        description: 'A C2SP checkpoint. Kept elsewhere, it shows later whether the log was rolled back.',
        tag: 'The log',
        scope: 'none',
        reply: { type: 'text/plain', description: 'A signed note.' },
        refusals: [404],
      }),
      handler: async (_request, reply) => {
        const { checkpoint } = await log.head();
        if (checkpoint === undefined) throw new Problem('not-found', { detail: 'the log is empty' });
        return reply.type('text/plain; charset=utf-8').send(checkpoint);
      },
    });
  };
