/** The token that a registry wants to see: had by OAuth 2 client credentials (RFC 6749, section 4.4), kept until shortly before it ends. */

import { type JsonValue, type OauthSettings, SourceError } from '../src/adapter.ts';
import { proofOf } from './client-proof.ts';
import { oneFlight } from './flight.ts';
import { JSON_FORM, parseJson } from './json.ts';
import { Members, malformed } from './reading.ts';
import { openWire, type Wire, type WireReply } from './wire.ts';

export interface Tokens {
  /** The token of now; several that ask at once cause one call. Rejects as an adapter does. */
  get(signal: AbortSignal): Promise<string>;
  /** The registry does not take this one any more. */
  drop(token: string): void;
  close(): Promise<void>;
}

const LIMITS = { bytes: 65_536, connections: 1 };

/** A token that does not say how long it lives. */
const LIFETIME = 300;
const LONGEST_LIFETIME = 86_400;

/** Seconds before its end at which a token counts as ended: a question under way must not outlive it. */
const margin = (lifetime: number): number => Math.min(30, lifetime / 10);

/** What RFC 6749, section 5.2 lets an endpoint say of a client that it will give no token. */
const REFUSALS = new Set([
  'invalid_request',
  'invalid_client',
  'invalid_grant',
  'unauthorized_client',
  'unsupported_grant_type',
  'invalid_scope',
]);

/** `clock` in milliseconds since 1970. */
export function openTokens(oauth: OauthSettings, clock: () => number = Date.now): Tokens {
  const wire = openWire(oauth.token, oauth.tls, LIMITS);
  let kept: { readonly token: string; readonly until: number } | undefined;
  const fetch = oneFlight(async (signal) => {
    const asked = clock();
    const { token, lifetime } = await askFor(oauth, wire, asked, signal);
    kept = { token, until: asked + (lifetime - margin(lifetime)) * 1000 };
    return token;
  });
  return {
    get: async (signal) => (kept !== undefined && clock() < kept.until ? kept.token : fetch(signal)),
    drop: (token) => {
      if (kept?.token === token) kept = undefined;
    },
    close: wire.close,
  };
}

async function askFor(oauth: OauthSettings, wire: Wire, now: number, signal: AbortSignal): Promise<{ token: string; lifetime: number }> {
  try {
    const { authorization, fields } = await proofOf(oauth.proof, oauth.clientId, now);
    const form = new URLSearchParams({ grant_type: 'client_credentials', ...fields });
    if (oauth.scope !== undefined) form.set('scope', oauth.scope);
    const call = {
      method: 'POST',
      path: oauth.token.pathname + oauth.token.search,
      headers: {
        accept: 'application/json',
        'content-type': 'application/x-www-form-urlencoded',
        ...(authorization === undefined ? {} : { authorization }),
      },
      body: form.toString(),
      statuses: [400, 401],
      form: JSON_FORM,
    } as const;
    return tokenIn(await wire.exchange(call, signal));
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (!(error instanceof SourceError)) throw new SourceError('error', 'no token: the gateway cannot say who it is', undefined, error);
    throw new SourceError(error.reason, `no token: ${error.message}`, error.retryAfterSeconds, error.cause);
  }
}

function tokenIn({ status, bytes }: WireReply): { token: string; lifetime: number } {
  const body = parseJson(bytes);
  if (status !== 200) {
    const code = memberOf(body, 'error');
    const known = typeof code === 'string' && REFUSALS.has(code);
    throw new SourceError(known || status === 401 ? 'refused' : 'error', known ? code : `status ${status}`);
  }
  if (String(memberOf(body, 'token_type')).toLowerCase() !== 'bearer') throw malformed('token_type', 'is not Bearer');
  const token = memberOf(body, 'access_token');
  // RFC 6750, section 2.1: nothing else may stand in a header.
  if (typeof token !== 'string' || !/^[\w.~+/-]{1,16384}=*$/.test(token)) throw malformed('access_token', 'is not a token');
  const lifetime = new Members(body, 'the answer').number('expires_in') ?? LIFETIME;
  return { token, lifetime: Math.min(Math.max(lifetime, 0), LONGEST_LIFETIME) };
}

const memberOf = (body: JsonValue, name: string): JsonValue | undefined =>
  typeof body === 'object' && body !== null && !Array.isArray(body) && Object.hasOwn(body, name) ? body[name] : undefined;
