/** The OpenAPI 3.1 document, made from the schemas that validate, and a page to read and try it that works without internet. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify';

const LOGO = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>';
/** The bar above the page lets a reader load another document; this page is about this gateway. */
const STYLE = '.swagger-ui .topbar { display: none }';

/** No upgrade to https, which a gateway behind a proxy or on another machine does not speak; nothing from elsewhere. */
const PAGES_POLICY =
  "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'";

export async function describeApi(server: FastifyInstance, version: string): Promise<void> {
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Oncegate',
        version,
        description:
          'A citizen gives a piece of information to the state once. One call with a procedure, a dossier and a person; one answer with the form filled, a verdict for every paper of the dossier, where each value came from, and a receipt that proves what was asked and answered.\n\nGet a token with `npx oncegate token X01.1` (for auditors `npx oncegate token X09.1`, for operators `npx oncegate token X00.1`, for a citizen `npx oncegate token --citizen 003099000017`) and press **Authorize**. In production tokens are bound to a key, and this page shows no proofs of it: there `npx oncegate proof` helps to try a call by hand.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/', description: 'This gateway.' }],
      tags: [
        { name: 'Agencies', description: 'What an agency back-end calls.' },
        { name: 'Auditors', description: 'Who read what.' },
        { name: 'Citizens', description: 'Who read my data, and why.' },
        { name: 'The log', description: 'For anyone who wants to check.' },
        { name: 'Witness', description: 'For other logs, whose heads this gateway cosigns.' },
        { name: 'Tokens', description: 'How an agency proves itself.' },
        { name: 'Operators', description: 'How it is, who is kept out, where misuse is suspected.' },
      ],
      components: {
        securitySchemes: {
          agency: {
            type: 'http',
            scheme: 'bearer',
            bearerFormat: 'at+jwt',
            description:
              'An access token of `/oauth2/token`. One that is bound to a key (`token_type` `DPoP`) is sent with the scheme `DPoP` and a proof in the header `DPoP` (RFC 9449); a gateway in production takes no others.',
          },
          citizen: {
            type: 'http',
            scheme: 'bearer',
            bearerFormat: 'at+jwt',
            description: 'A citizen’s own access token, from the issuer that `gateway.yaml` names.',
          },
        },
      },
    },
    transform: ({ schema, url }) =>
      url.endsWith('/*') && schema?.params !== undefined ? { schema: restNamed(schema), url: url.replace('*', ':path') } : { schema, url },
    refResolver: {
      buildLocalReference: (json, _base, _fragment, i) => (typeof json.$id === 'string' ? json.$id : `schema-${i}`),
    },
  });
  server.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.url?.startsWith('/docs')) reply.header('content-security-policy', PAGES_POLICY);
  });
  // Written once: strangers may ask for it, and to write it takes as long as twenty requests of an agency.
  let written: string | undefined;
  const described = async (_request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    written ??= JSON.stringify(server.swagger());
    return reply.type('application/json; charset=utf-8').send(written);
  };
  server.addHook('onRoute', (route) => {
    if (route.url === '/docs/json') route.handler = described;
  });
  await server.register(swaggerUi, {
    routePrefix: '/docs',
    uiConfig: { deepLinking: true, docExpansion: 'list', defaultModelsExpandDepth: 0, tryItOutEnabled: true, validatorUrl: null },
    logo: { type: 'image/svg+xml', content: Buffer.from(LOGO), href: '/docs', target: '_self' },
    theme: { title: 'Oncegate', css: [{ filename: 'oncegate.css', content: STYLE }] },
  });
  server.get('/openapi.json', { schema: { hide: true } }, described);
}

/** The rest of a path has no name in Fastify, and must have one for readers. */
function restNamed(schema: FastifySchema): FastifySchema {
  const params = schema.params as { properties: Record<string, object>; required: string[] };
  const named = (name: string): string => (name === '*' ? 'path' : name);
  const properties = Object.fromEntries(Object.entries(params.properties).map(([name, property]) => [named(name), property]));
  return { ...schema, params: { ...params, properties, required: params.required.map(named) } };
}

/** The schemas of the HTTP interface; replies that were recorded in the sandbox are their examples. */
export function apiSchemas(directory: string): object[] {
  const read = (file: string): object => JSON.parse(readFileSync(join(directory, file), 'utf8')) as object;
  const examples = new Set(readdirSync(join(directory, 'examples')));
  return readdirSync(join(directory, 'api')).map((file) => {
    const schema = read(`api/${file}`) as { $id: string };
    const example = `${schema.$id}.json`;
    return examples.has(example) ? { ...schema, examples: [read(`examples/${example}`)] } : schema;
  });
}
