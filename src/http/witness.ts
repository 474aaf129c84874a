/** For other logs: this gateway as their witness (C2SP tlog-witness). */
import type { FastifyPluginAsync } from 'fastify';
import type { Witness } from '../audit/witness.ts';
import { Problem, type ProblemCode } from '../problems.ts';
import { operation } from './operation.ts';

/** A checkpoint with sixteen signatures of 5 kB, which every reader must take, and the longest proof. */
const BODY_BYTES = 128 * 1024;
const CODES = {
  400: 'invalid-request',
  403: 'checkpoint-not-signed',
  404: 'unknown-log',
  422: 'checkpoint-inconsistent',
} as const satisfies Record<number, ProblemCode>;

export const witnessRoutes =
  (witness: Witness): FastifyPluginAsync =>
  async (server) => {
    // Logs send text, and name it as they like or not at all; nothing here takes JSON.
    server.removeAllContentTypeParsers();
    server.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: BODY_BYTES }, async (_request: unknown, body: Buffer) => {
      try {
        return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
      } catch {
        throw new Problem('invalid-request', { detail: 'the body is not UTF-8' });
      }
    });

    server.get('/v1/witness/key', {
      schema: operation({
        summary: 'The keys of this witness',
        description:
          'C2SP verifier keys as text, one a line: for logs that let their heads be cosigned here, and for whoever checks that they were.',
        tag: 'Witness',
        scope: 'none',
        reply: { type: 'text/plain', description: '`<name>+<key id>+<base64>`' },
      }),
      handler: async (_request, reply) =>
        reply.type('text/plain; charset=utf-8').send(witness.verifierKeys.map((key) => `${key}\n`).join('')),
    });
    server.post('/v1/witness/add-checkpoint', {
      bodyLimit: BODY_BYTES,
      schema: operation({
        summary: 'Let a head of a log be cosigned',
        description:
          'By C2SP tlog-witness. Only logs that this gateway was configured to know; a head that does not continue the last one is refused.',
        tag: 'Witness',
        scope: 'none',
        body: {
          type: 'text/plain',
          description: '`old <size>`, a line for each hash of the consistency proof, an empty line, the checkpoint.',
        },
        reply: { type: 'text/plain', description: 'The lines of the cosignatures.' },
        refusals: [400, 403, 404, 413, 422, 503],
        ownRefusals: {
          409: { type: 'text/x.tlog.size', description: 'The old size is not that of the newest cosigned head: this is, in decimal.' },
        },
      }),
      handler: async (request, reply) => {
        const answer = await witness.addCheckpoint(typeof request.body === 'string' ? request.body : '');
        switch (answer.status) {
          case 200:
            return reply.type('text/plain; charset=utf-8').send(answer.lines);
          case 409:
            // As bytes: to a text Fastify would add a character set, and the type must be exactly this.
            return reply
              .code(409)
              .type('text/x.tlog.size')
              .send(Buffer.from(`${answer.size}\n`));
          default:
            throw new Problem(CODES[answer.status], { detail: answer.detail });
        }
      },
    });
    server.get<{ Params: { originHash: string } }>('/v1/witness/:originHash/checkpoint', {
      schema: operation({
        summary: 'The newest head of a log that was cosigned here',
        description: 'For monitors: whoever is shown another history of the log finds out.',
        tag: 'Witness',
        scope: 'none',
        params: { originHash: { type: 'string', description: 'SHA-256 of the log’s origin, in lower-case hex.' } },
        reply: { type: 'text/plain', description: 'A signed note.' },
        refusals: [404],
      }),
      handler: async (request, reply) => {
        const note = await witness.checkpoint(request.params.originHash);
        if (note === undefined) throw new Problem('unknown-log');
        return reply.type('text/plain; charset=utf-8').header('cache-control', 'public, max-age=5').send(note);
      },
    });
  };
