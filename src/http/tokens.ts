/** Where agencies get their tokens: RFC 6749, 7523, 8414. */
import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import { ASSERTION_ALGORITHMS } from '../access/assertions.ts';
import { bindingTo } from '../access/certificate.ts';
import type { Proofs, Proven } from '../access/dpop.ts';
import type { Nonces } from '../access/nonces.ts';
import { PROOF_ALGORITHMS } from '../access/proof-key.ts';
import { ProofRefusal, TokenRefusal } from '../access/refusal.ts';
import type { Tokens } from '../access/tokens.ts';
import { SCOPES } from '../domain.ts';
import { certificateOf } from './client-certificate.ts';
import { credentialsOf, operation } from './operation.ts';
import { refusals } from './problem.ts';

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

export interface TokenTools {
  readonly tokens: Tokens;
  readonly issuer: string;
  /** Throws where a known caller would not be answered in time: then nobody new is looked at. */
  readonly admit: () => void;
  /** Throws where the agency asks too often. */
  readonly count: (agency: string) => void;
  /** Whether clients can show certificates. */
  readonly certificates: boolean;
  readonly proofs: Proofs;
  readonly nonces: Nonces;
  /** Whether every token has to be bound to something. */
  readonly demanded: boolean;
}

export const tokenRoutes =
  ({ tokens, issuer, proofs, nonces, demanded, admit, count, certificates }: TokenTools): FastifyPluginAsync =>
  async (server) => {
    const tokenEndpoint = `${issuer}/oauth2/token`;
    /** The proof of a request, where it has one. Two headers arrive joined by a comma, and so are no proof rather than none. */
    const provenBy = async (request: FastifyRequest): Promise<Proven | undefined> => {
      const { dpop } = request.headers;
      const { method, path } = credentialsOf(request);
      if (dpop !== undefined) return proofs.check(String(dpop), { method, path });
      if (demanded && certificateOf(request) === undefined)
        throw new ProofRefusal('invalid_dpop_proof', 'a DPoP proof (RFC 9449) is needed: every token is bound to a key here');
      return undefined;
    };
    server.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string' },
      async (_request: unknown, body: string) => new URLSearchParams(body),
    );

    server.post('/oauth2/token', {
      // Before the body is read. Who asks is not known yet, and an assertion, forged or not, costs a signature.
      onRequest: async () => admit(),
      // Its refusals have a form of their own (RFC 6749 §5.2), so the handler looks at the body itself.
      attachValidation: true,
      schema: {
        ...operation({
          summary: 'Get an access token',
          description:
            'client_credentials with private_key_jwt: the agency signs an assertion with its own key (EdDSA or ES256) and uses it once. A supplier that may act for an agency signs with its own key and names the agency: the token is the agency’s, and says in `act` who acts. With a proof in the header `DPoP` (RFC 9449) the token is bound to the key of the proof, without one to the client’s certificate, where the connection shows one (RFC 8705); a gateway in production issues no others.',
          tag: 'Tokens',
          scope: 'none',
          body: 'TokenRequest',
          headers: { dpop: { type: 'string', description: 'A proof of the key that the token shall be bound to (RFC 9449).' } },
          reply: 'TokenReply',
          refusals: [429, 503],
          ownRefusals: {
            400: {
              description:
                '`invalid_request`, `unsupported_grant_type`, `invalid_scope`: RFC 6749 §5.2. `invalid_dpop_proof`, `use_dpop_nonce`: RFC 9449.',
              schema: 'TokenError',
            },
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
          // Before the assertion, which works once: whoever lacks a nonce may try again with it.
          const proven = await provenBy(request);
          const named = form.get('agency') ?? undefined;
          const client = await tokens.authenticateClient(form.get('client_assertion') ?? '', tokenEndpoint, named);
          const { agency, actor } = client;
          const id = actor?.supplier ?? agency.id;
          if ((form.get('client_id') ?? id) !== id) throw new TokenRefusal('invalid_client', 'the client assertion is not valid');
          // Only now is it known who asks: a stranger cannot use up what an agency may.
          count(agency.id);
          // After it: what strangers prove is not kept.
          if (proven !== undefined) await proofs.use(proven);
          const token = await tokens.issue(
            client,
            form.get('scope') ?? undefined,
            proven === undefined ? bindingTo(certificateOf(request)) : { jkt: proven.jkt },
          );
          if (proven !== undefined) reply.header('dpop-nonce', nonces.current());
          request.log.info({ agency: agency.id, actor: actor?.supplier, scope: token.scope }, 'token issued');
          return token;
        } catch (error) {
          if (!(error instanceof TokenRefusal)) throw error;
          refusals.set(reply, error.code);
          if (error instanceof ProofRefusal) reply.header('dpop-nonce', nonces.current());
          // The first call of every honest client hears it.
          if (error.code !== 'use_dpop_nonce') request.log.warn({ error: error.code, reason: error.reason }, 'token refused');
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
          reply: { type: 'application/json', schema: { type: 'object' }, description: 'A JWK Set (RFC 7517).' },
        }),
      },
      handler: async () => tokens.jwks(),
    });

    server.get('/.well-known/oauth-authorization-server', {
      schema: operation({
        summary: 'Metadata of the token endpoint',
        tag: 'Tokens',
        scope: 'none',
        reply: { type: 'application/json', schema: { type: 'object' }, description: 'RFC 8414.' },
      }),
      handler: async () => ({
        issuer,
        token_endpoint: tokenEndpoint,
        jwks_uri: `${issuer}/.well-known/jwks.json`,
        grant_types_supported: ['client_credentials'],
        response_types_supported: [],
        token_endpoint_auth_methods_supported: ['private_key_jwt'],
        token_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
        dpop_signing_alg_values_supported: PROOF_ALGORITHMS,
        scopes_supported: [...SCOPES],
        // RFC 8705, section 3.3. Where nobody can show a certificate, no token is bound to one.
        ...(certificates ? { tls_client_certificate_bound_access_tokens: true } : {}),
      }),
    });
  };
