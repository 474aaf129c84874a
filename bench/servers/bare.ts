/** (a) Bare Fastify: the same question, answered with a reply of the same size that was made long ago. */
import fastify from 'fastify';
import { handed, serve } from '../child.ts';

/** A prefill reply as the gateway gave it. */
const reply = handed<object>();

const server = fastify();
server.post('/v1/prefills', async () => reply);
await server.listen({ host: '127.0.0.1', port: 0 });
serve({ address: server.listeningOrigin });
