/** A small client of the gateway's own interface, for the command line. */
import { randomUUID } from 'node:crypto';
import { setTimeout as after } from 'node:timers/promises';
import { importJWK, type JWK, SignJWT } from 'jose';
import type { OfficialText, Prefill, Receipt, Text } from './domain.ts';
import { makeProof, makeProofKey } from './proof.ts';

/** How often a piece of the log is asked for. */
const LOG_TRIES = 5;

/** Something a person should read as it is. */
export class ClientError extends Error {
  /** The gateway's code, where it is the gateway that refused. */
  readonly code: string | undefined;

  constructor(message: string, code?: string) {
    super(message);
    this.code = code;
  }
}

/** Text of others, made harmless for a terminal: a lying registry could otherwise forge lines, turn their order or clear the screen. */
export const clean = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\ufffd');

/** What to say where it is the certificate that a request failed for. */
export function distrust(error: unknown, at: string): string | undefined {
  const { code = '' } = (error as { cause?: { code?: string } }).cause ?? {};
  return /CERT|TLS|LEAF_SIGNATURE/.test(code)
    ? `the certificate at ${at} is not trusted here (${code}); NODE_EXTRA_CA_CERTS names the file of a CA that is`
    : undefined;
}

/** What the command line shows of a procedure. */
export interface ProcedureView {
  readonly name: OfficialText;
  readonly form?: { readonly name: Text };
  readonly fields: readonly { readonly at: string; readonly name: Text }[];
}

export class Client {
  readonly #issuer: string;
  readonly #door: string;
  readonly #agency: string;
  readonly #key: Record<string, string>;
  readonly #proofKey: JWK;
  readonly #doubt: string;
  /** The newest that the gateway handed out. */
  #nonce: string | undefined;
  #auditToken: string | undefined;

  /**
   * `door` is where operators are answered, if not at the issuer's address. `doubt` is said where no gateway answers, or one that does not know the agency's key: why the address may be the wrong one. Tokens are bound to
   * the key of `makeProofKey`, which lives no longer than the client unless it is given.
   */
  constructor(issuer: string, agency: string, key: Record<string, string>, doubt = '', proofKey: JWK = makeProofKey(), door = issuer) {
    this.#issuer = issuer;
    this.#door = door;
    this.#agency = agency;
    this.#key = key;
    this.#proofKey = proofKey;
    this.#doubt = doubt === '' ? '' : `\n  ${doubt}`;
  }

  /** An access token, by an assertion signed with the agency's key, or with that of a supplier that acts for the agency `actsFor`; of use to this client alone. */
  async token(scope?: string, actsFor?: string): Promise<string> {
    const reply = await this.#send(() => this.#proving('/oauth2/token', () => this.#tokenRequest(scope, actsFor)));
    return (reply as { access_token: string }).access_token;
  }

  /** One that is of use to whoever has it. Production issues none. */
  async bearerToken(scope?: string, actsFor?: string): Promise<string> {
    const reply = await this.#send(async () => this.#fetch('/oauth2/token', await this.#tokenRequest(scope, actsFor)));
    return (reply as { access_token: string }).access_token;
  }

  async #tokenRequest(scope: string | undefined, actsFor: string | undefined): Promise<RequestInit> {
    const assertion = await new SignJWT()
      .setProtectedHeader({ alg: this.#key.alg ?? 'EdDSA', kid: this.#key.kid ?? '' })
      .setIssuer(this.#agency)
      .setSubject(this.#agency)
      .setAudience(this.#issuer)
      .setIssuedAt()
      .setExpirationTime('1m')
      .setJti(randomUUID())
      .sign(await importJWK(this.#key as unknown as JWK));
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
      ...(scope === undefined ? {} : { scope }),
      ...(actsFor === undefined ? {} : { agency: actsFor }),
    });
    return { method: 'POST', body };
  }

  async prefill(token: string, request: object): Promise<{ prefill: Prefill; receipt: Receipt }> {
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(request) };
    return (await this.#send(() => this.#proving('/v1/prefills', async () => init, token))) as { prefill: Prefill; receipt: Receipt };
  }

  async procedure(token: string, code: string): Promise<ProcedureView> {
    const path = `/v1/procedures/${encodeURIComponent(code)}`;
    return (await this.#send(() => this.#proving(path, async () => ({}), token))) as ProcedureView;
  }

  /** For an operator: what is asked with a token of that scope alone, at the operators' door where they have one; with a body it is a POST. */
  async operate(path: string, body?: object): Promise<unknown> {
    const token = await this.token('operate');
    const headers = { 'content-type': 'application/json' };
    const init = body === undefined ? {} : { method: 'POST', headers, body: JSON.stringify(body) };
    return this.#send(() => this.#proving(path, async () => init, token, this.#door), this.#door);
  }

  /** What lies below the log's prefix, for a verifier: a long log outlasts a token, and a gateway that is busy is asked again. */
  async log(path: string): Promise<Buffer> {
    const address = `${this.#issuer}/v1/log/${path}`;
    for (let tries = 1; ; tries++) {
      this.#auditToken ??= await this.token('audit');
      const reply = await this.#proving(`/v1/log/${path}`, async () => ({ redirect: 'error' }), this.#auditToken);
      if (reply.ok) return Buffer.from(await reply.arrayBuffer());
      if (tries === LOG_TRIES || (reply.status !== 401 && reply.status !== 503))
        throw new ClientError(`${address} is refused (${reply.status})`);
      if (reply.status === 401) this.#auditToken = undefined;
      else await after(1000 * Math.min(10, Number(reply.headers.get('retry-after')) || 1));
    }
  }

  #fetch(path: string, init: RequestInit, at = this.#issuer): Promise<Response> {
    return fetch(at + path, { ...init, signal: AbortSignal.timeout(30_000) });
  }

  /** Asks with a proof of the client's key, which names the issuer's address wherever it is sent; once more where the gateway wants another nonce in it. */
  async #proving(path: string, init: () => Promise<RequestInit>, token?: string, at?: string): Promise<Response> {
    for (let again = false; ; again = true) {
      const request = await init();
      const nonce = this.#nonce;
      const proof = await makeProof(this.#proofKey, { method: request.method ?? 'GET', url: this.#issuer + path, token, nonce });
      const authorization = token === undefined ? {} : { authorization: `DPoP ${token}` };
      const reply = await this.#fetch(path, { ...request, headers: { ...request.headers, ...authorization, dpop: proof } }, at);
      this.#nonce = reply.headers.get('dpop-nonce') ?? nonce;
      if (again || this.#nonce === nonce || !(await wantsNonce(reply))) return reply;
    }
  }

  async #send(ask: () => Promise<Response>, at = this.#issuer): Promise<unknown> {
    let reply: Response;
    try {
      reply = await ask();
    } catch (error) {
      throw new ClientError(distrust(error, at) ?? `no gateway answers at ${at}; start one with: npm start${this.#doubt}`);
    }
    let document: Record<string, unknown>;
    try {
      document = (await reply.json()) as Record<string, unknown>;
    } catch {
      throw new ClientError(`what answers at ${at} is not a gateway (${reply.status})${this.#doubt}`);
    }
    if (reply.ok) return document;
    const errors = (document.errors as { pointer: string; detail: string }[] | undefined) ?? [];
    const title = document.title ?? document.error_description ?? document.error;
    const code = String(document.code ?? document.error);
    throw new ClientError(
      [clean(`refused (${reply.status} ${code}): ${title}`), ...errors.map((error) => clean(`  ${error.pointer} ${error.detail}`))].join(
        '\n',
      ) + (code === 'invalid_client' ? this.#doubt : ''),
      code,
    );
  }
}

/** RFC 9449 §8 and §9: the token endpoint says it in its body, all others in a challenge. */
async function wantsNonce(reply: Response): Promise<boolean> {
  if (reply.status === 401) return reply.headers.get('www-authenticate')?.includes('error="use_dpop_nonce"') ?? false;
  if (reply.status !== 400) return false;
  const document = (await reply
    .clone()
    .json()
    .catch(() => ({}))) as { error?: unknown };
  return document.error === 'use_dpop_nonce';
}
