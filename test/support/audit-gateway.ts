/** A gateway to test with: in this process, asked without a socket, its clock in the test's hand. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { importJWK, type JWK, SignJWT } from 'jose';
import { pino } from 'pino';
import type { JsonObject } from '../../src/adapter.ts';
import { createGateway, type Gateway } from '../../src/app.ts';
import type { AuditEntry } from '../../src/audit/entry.ts';
import type { LogStore } from '../../src/audit/store.ts';
import type { Prefill, Receipt } from '../../src/domain.ts';
import { agencyKeyPath } from '../../src/keys.ts';
import type { Sandbox } from '../../src/sandbox/index.ts';

/** A day on which the sandbox's grants are in force. */
export const NOW = Date.parse('2026-11-22T20:10:00.123Z');
export const ISSUER = 'http://gateway.test';

/** The body of `POST /oauth2/token` by which a sandbox agency proves itself at `now`. */
export async function tokenRequest(dataDirectory: string, agency: string, issuer: string, now: number): Promise<string> {
  const key = JSON.parse(readFileSync(agencyKeyPath(dataDirectory, agency), 'utf8')) as JWK;
  const seconds = Math.floor(now / 1000);
  const assertion = await new SignJWT({ jti: randomUUID() })
    .setProtectedHeader({ alg: String(key.alg), kid: String(key.kid) })
    .setIssuer(agency)
    .setSubject(agency)
    .setAudience(issuer)
    .setIssuedAt(seconds)
    .setExpirationTime(seconds + 60)
    .sign(await importJWK(key));
  return new URLSearchParams({
    grant_type: 'client_credentials',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion,
  }).toString();
}

/** The members that replies and refusals have; a test reads those that its own has. */
export interface Body {
  readonly code: string;
  readonly status: string | number;
  readonly prefill: Prefill;
  readonly receipt: Receipt;
  readonly entries: { readonly index: number; readonly entry: AuditEntry }[];
  readonly next?: string;
  readonly entry: JsonObject;
  readonly index: number;
  readonly proof: readonly string[];
  readonly checkpoint: string;
}

export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
  readonly body: Body;
}

export interface TestGateway {
  readonly gateway: Gateway;
  /** Milliseconds since the epoch; the test moves it. */
  readonly clock: { now: number };
  get(path: string, agency?: string): Promise<Answered>;
  post(path: string, body: object, agency: string): Promise<Answered>;
  close(): Promise<void>;
}

export async function startGateway(
  dataDirectory: string,
  sandbox: Sandbox,
  aroundStore: (store: LogStore) => LogStore = (store) => store,
  configDirectory = 'config',
): Promise<TestGateway> {
  const clock = { now: NOW };
  const gateway = await createGateway({
    environment: {
      host: '127.0.0.1',
      port: 0,
      configDirectory,
      dataDirectory,
      stateDirectory: dataDirectory,
      issuer: ISSUER,
      databaseUrl: undefined,
      redisUrl: undefined,
      logLevel: 'silent',
      secret: () => undefined,
    },
    sandbox,
    logger: pino({ level: 'silent' }),
    clock: () => clock.now,
    aroundStore,
  });
  const tokens = new Map<string, Promise<string>>();
  const fetchToken = async (agency: string): Promise<string> => {
    const reply = await gateway.server.inject({
      method: 'POST',
      url: '/oauth2/token',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      payload: await tokenRequest(dataDirectory, agency, ISSUER, clock.now),
    });
    if (reply.statusCode !== 200) throw new Error(`no token for ${agency}: ${reply.payload}`);
    return (reply.json() as { access_token: string }).access_token;
  };
  const send = async (method: 'GET' | 'POST', url: string, agency: string | undefined, body: object | undefined): Promise<Answered> => {
    const headers: Record<string, string> = {};
    if (agency !== undefined) {
      if (!tokens.has(agency)) tokens.set(agency, fetchToken(agency));
      headers.authorization = `Bearer ${await tokens.get(agency)}`;
    }
    if (body !== undefined) headers['content-type'] = 'application/json';
    const reply = await gateway.server.inject({ method, url, headers, ...(body === undefined ? {} : { payload: JSON.stringify(body) }) });
    const json = String(reply.headers['content-type']).includes('json');
    return { status: reply.statusCode, headers: reply.headers, text: reply.payload, body: json ? JSON.parse(reply.payload) : undefined };
  };
  return {
    gateway,
    clock,
    get: (path, agency) => send('GET', path, agency, undefined),
    post: (path, body, agency) => send('POST', path, agency, body),
    close: () => gateway.close(),
  };
}
