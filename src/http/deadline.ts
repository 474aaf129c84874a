/** Tells when a caller has gone away. */
import type { FastifyReply } from 'fastify';

/** Aborts when the connection closes before the reply was written. `request.signal` would fire as soon as the body was read. */
export function goneSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableEnded) controller.abort();
  });
  return controller.signal;
}
