/** (b) The endpoint a competent developer writes by hand: verify the token, ask the seven records, merge. No cache, grant, log or receipt. */
import fastify from 'fastify';
import { importJWK, type JWK, jwtVerify } from 'jose';
import { handed, serve } from '../child.ts';
import type { Registries } from '../registries.ts';
import { askRegistries } from './hand-asking.ts';
import { merge } from './hand-merging.ts';
import { viaFetch, viaUndici } from './hand-transport.ts';

interface Body {
  readonly dossier: string;
  readonly subject: string;
  readonly related: { readonly householder: string };
}

const { registries, issuer, jwk, transport } = handed<{
  registries: Registries;
  issuer: string;
  jwk: JWK;
  transport: 'fetch' | 'undici';
}>();
const key = await importJWK(jwk, 'ES256');
const ask = askRegistries(registries, transport === 'fetch' ? viaFetch : viaUndici);

const server = fastify();
server.addHook('onRequest', async (request, reply) => {
  try {
    const token = request.headers.authorization?.replace(/^Bearer /, '') ?? '';
    await jwtVerify(token, key, {
      algorithms: ['ES256'],
      typ: 'at+jwt',
      issuer,
      audience: issuer,
      requiredClaims: ['exp', 'sub', 'scope'],
    });
  } catch {
    return reply.code(401).send({ error: 'unauthenticated' });
  }
});
const person = { type: 'string', pattern: '^[0-9]{12}$' };
const schema = {
  body: {
    type: 'object',
    required: ['dossier', 'subject', 'related'],
    properties: {
      dossier: { type: 'string' },
      subject: person,
      related: { type: 'object', required: ['householder'], properties: { householder: person } },
    },
  },
};
server.post<{ Body: Body }>('/v1/prefills', { schema }, async ({ body }) => {
  const { dossier, subject, related } = body;
  return merge(dossier, subject, related.householder, await ask(subject, related.householder));
});
await server.listen({ host: '127.0.0.1', port: 0 });
serve({ address: server.listeningOrigin });
