/** Where agencies get their tokens: RFC 6749, 7523, 8414. */
import type { FastifyPluginAsync } from 'fastify';
import { bindingTo } from '../access/certificate.ts';
import { TokenRefusal, type Tokens } from '../access/tokens.ts';
import { SCOPES } from '../domain.ts';
import { certificateOf } from './client-certificate.ts';
import { operation } from './operation.ts';
import { refusals } from './problem.ts';

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

export interface TokenTools {
  readonly tokens: Tokens;
  readonly issuer: string;
  /** Throws where the agency asks too often. */
  readonly count: (agency: string) => void;
  /** Whether clients can show certificates. */
  readonly certificates: boolean;
}

export const tokenRoutes =
  ({ tokens, issuer, count, certificates }: TokenTools): FastifyPluginAsync =>
  async (server) => {
    const tokenEndpoint = `${issuer}/oauth2/token`;
    server.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string' },
      async (_request: unknown, body: string) => new URLSearchParams(body),
    );

    server.post('/oauth2/token', {
      // Its refusals have a form of their own (RFC 6749 §5.2), so the handler looks at the body itself.
      attachValidation: true,
      schema: {
        ...operation({
          summary: 'Get an access token',
          description:
            'client_credentials with private_key_jwt: the agency signs an assertion with its own key (EdDSA or ES256) and uses it once. A supplier that may act for an agency signs with its own key and names the agency: the token is the agency’s, and says in `act` who acts.',
          tag: 'Tokens',
          scope: 'none',
          body: 'TokenRequest',
          reply: 'TokenReply',
          refusals: [429, 503],
          ownRefusals: {
            400: { description: '`invalid_request`, `unsupported_grant_type`, `invalid_scope`: RFC 6749 §5.2.', schema: 'TokenError' },
            401: {
              description:
                '`invalid_client`: the assertion proves no agency, and no supplier that may act for the one it names. The reason stands in the gateway’s log alone.',
              schema: 'TokenError',
            },
          },
        }),
        consumes: ['application/x-www-form-urlencoded'],
      },
      handler: async (request, reply) => {
        try {
          const form = request.body;
          if (!(form instanceof URLSearchParams)) throw new TokenRefusal('invalid_request', 'the body must be form-encoded');
          if (new Set(form.keys()).size !== form.size) throw new TokenRefusal('invalid_request', 'a parameter stands twice');
          if (!form.has('grant_type')) throw new TokenRefusal('invalid_request', 'grant_type is missing');
          if (form.get('grant_type') !== 'client_credentials') throw new TokenRefusal('unsupported_grant_type', 'only client_credentials');
          if (form.get('client_assertion_type') !== ASSERTION_TYPE) throw new TokenRefusal('invalid_client', 'only private_key_jwt');
          const client = await tokens.authenticateClient(
            form.get('client_assertion') ?? '',
            tokenEndpoint,
            form.get('agency') ?? undefined,
          );
          const { agency, actor } = client;
          const proven = actor?.supplier ?? agency.id;
          if ((form.get('client_id') ?? proven) !== proven) throw new TokenRefusal('invalid_client', 'the client assertion is not valid');
          // Only now is it known who asks: a stranger cannot use up what an agency may.
          count(agency.id);
          const token = await tokens.issue(client, form.get('scope') ?? undefined, bindingTo(certificateOf(request)));
          request.log.info({ agency: agency.id, actor: actor?.supplier, scope: token.scope }, 'token issued');
          return token;
        } catch (error) {
          if (!(error instanceof TokenRefusal)) throw error;
          refusals.set(reply, error.code);
          request.log.warn({ error: error.code, reason: error.reason }, 'token refused');
          return reply.code(error.code === 'invalid_client' ? 401 : 400).send({ error: error.code, error_description: error.message });
        }
      },
    });

    server.get('/.well-known/jwks.json', {
      schema: {
        ...operation({
          summary: 'The keys that verify access tokens and delivered events',
          tag: 'Tokens',
          scope: 'none',
          reply: { type: 'application/json', description: 'A JWK Set (RFC 7517).' },
        }),
      },
      handler: async () => tokens.jwks(),
    });

    server.get('/.well-known/oauth-authorization-server', {
      schema: operation({
        summary: 'Metadata of the token endpoint',
        tag: 'Tokens',
        scope: 'none',
        reply: { type: 'application/json', description: 'RFC 8414.' },
      }),
      handler: async () => ({
        issuer,
        token_endpoint: tokenEndpoint,
        jwks_uri: `${issuer}/.well-known/jwks.json`,
        grant_types_supported: ['client_credentials'],
        response_types_supported: [],
        token_endpoint_auth_methods_supported: ['private_key_jwt'],
        token_endpoint_auth_signing_alg_values_supported: ['EdDSA', 'ES256'],
        scopes_supported: [...SCOPES],
        // RFC 8705, section 3.3. Where nobody can show a certificate, no token is bound to one.
        ...(certificates ? { tls_client_certificate_bound_access_tokens: true } : {}),
      }),
    });
  };
