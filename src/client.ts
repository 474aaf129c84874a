/** A small client of the gateway's own interface, for the command line. */
import { randomUUID } from 'node:crypto';
import { setTimeout as after } from 'node:timers/promises';
import { importJWK, type JWK, SignJWT } from 'jose';
import type { OfficialText, Prefill, Receipt, Text } from './domain.ts';

/** How often a piece of the log is asked for. */
const LOG_TRIES = 5;

/** Something a person should read as it is. */
export class ClientError extends Error {}

/** Text of others, made harmless for a terminal: a lying registry could otherwise forge lines, turn their order or clear the screen. */
export const clean = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\ufffd');

/** What the command line shows of a procedure. */
export interface ProcedureView {
  readonly name: OfficialText;
  readonly form?: { readonly name: Text };
  readonly fields: readonly { readonly at: string; readonly name: Text }[];
}

export class Client {
  readonly #issuer: string;
  readonly #agency: string;
  readonly #key: Record<string, string>;
  readonly #doubt: string;
  #auditToken: string | undefined;

  /** `doubt` is said where no gateway answers, or one that does not know the agency's key: why the address may be the wrong one. */
  constructor(issuer: string, agency: string, key: Record<string, string>, doubt = '') {
    this.#issuer = issuer;
    this.#agency = agency;
    this.#key = key;
    this.#doubt = doubt === '' ? '' : `\n  ${doubt}`;
  }

  /** An access token, by an assertion signed with the agency's key, or with that of a supplier that acts for the agency `actsFor`. */
  async token(scope?: string, actsFor?: string): Promise<string> {
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
    const reply = await this.#send('/oauth2/token', { method: 'POST', body });
    return (reply as { access_token: string }).access_token;
  }

  async prefill(token: string, request: object): Promise<{ prefill: Prefill; receipt: Receipt }> {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    return (await this.#send('/v1/prefills', { method: 'POST', headers, body: JSON.stringify(request) })) as {
      prefill: Prefill;
      receipt: Receipt;
    };
  }

  async procedure(token: string, code: string): Promise<ProcedureView> {
    return (await this.#send(`/v1/procedures/${encodeURIComponent(code)}`, {
      headers: { authorization: `Bearer ${token}` },
    })) as ProcedureView;
  }

  /** For an operator: what is asked with a token of that scope alone; with a body it is a POST. */
  async operate(path: string, body?: object): Promise<unknown> {
    const authorization = `Bearer ${await this.token('operate')}`;
    if (body === undefined) return this.#send(path, { headers: { authorization } });
    const headers = { authorization, 'content-type': 'application/json' };
    return this.#send(path, { method: 'POST', headers, body: JSON.stringify(body) });
  }

  /** What lies below the log's prefix, for a verifier: a long log outlasts a token, and a gateway that is busy is asked again. */
  async log(path: string): Promise<Buffer> {
    const address = `${this.#issuer}/v1/log/${path}`;
    for (let tries = 1; ; tries++) {
      this.#auditToken ??= await this.token('audit');
      const headers = { authorization: `Bearer ${this.#auditToken}` };
      const reply = await fetch(address, { headers, redirect: 'error', signal: AbortSignal.timeout(30_000) });
      if (reply.ok) return Buffer.from(await reply.arrayBuffer());
      if (tries === LOG_TRIES || (reply.status !== 401 && reply.status !== 503))
        throw new ClientError(`${address} is refused (${reply.status})`);
      if (reply.status === 401) this.#auditToken = undefined;
      else await after(1000 * Math.min(10, Number(reply.headers.get('retry-after')) || 1));
    }
  }

  async #send(path: string, init: RequestInit): Promise<unknown> {
    let reply: Response;
    try {
      reply = await fetch(this.#issuer + path, { ...init, signal: AbortSignal.timeout(30_000) });
    } catch {
      throw new ClientError(`no gateway answers at ${this.#issuer}; start one with: npm start${this.#doubt}`);
    }
    let document: Record<string, unknown>;
    try {
      document = (await reply.json()) as Record<string, unknown>;
    } catch {
      throw new ClientError(`what answers at ${this.#issuer} is not a gateway (${reply.status})${this.#doubt}`);
    }
    if (reply.ok) return document;
    const errors = (document.errors as { pointer: string; detail: string }[] | undefined) ?? [];
    const title = document.title ?? document.error_description ?? document.error;
    throw new ClientError(
      [
        clean(`refused (${reply.status} ${document.code ?? document.error}): ${title}`),
        ...errors.map((error) => clean(`  ${error.pointer} ${error.detail}`)),
      ].join('\n') + (document.error === 'invalid_client' ? this.#doubt : ''),
    );
  }
}
