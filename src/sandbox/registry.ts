/** A sandbox registry as an HTTP server: what all four share, whatever dialect they speak. */

import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { JsonObject, JsonValue } from '../adapter.ts';
import { type Behaviour, behaviourOf, flood, garbage, wait } from './control.ts';

export interface Question {
  readonly headers: IncomingHttpHeaders;
  readonly body: JsonObject;
}

export interface Reply {
  readonly status: number;
  readonly body: JsonValue;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One kind of question that a registry answers. */
export interface Route {
  /** Whom or what is asked about, or undefined where the question does not say. */
  keyOf(question: Question): string | undefined;
  answer(key: string, question: Question): Reply;
  /** Keys with a record, for answering about somebody else. */
  keys(): Iterable<string>;
}

/** How one registry speaks. */
export interface Dialect {
  /** By method and path. A person's number is never in either. */
  readonly routes: Readonly<Record<string, Route>>;
  /** The header that carries the credential, and what stands before it there. */
  readonly credential: { readonly header: string; readonly prefix: string };
  readonly unauthorised: Reply;
  readonly badQuestion: Reply;
  /** Said in mode `fail`. */
  readonly failure: Reply;
}

export interface Registry {
  readonly address: URL;
  readonly credential: string;
  readonly requests: number;
  tell(behaviour: Behaviour): void;
  close(): Promise<void>;
}

const BODY_LIMIT = 65_536;

export async function startRegistry(dialect: Dialect): Promise<Registry> {
  const credential = randomBytes(24).toString('base64url');
  let behaviour: Behaviour = { mode: 'ok' };
  let requests = 0;

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const body = await bodyOf(request);
    const target = `${request.method} ${request.url}`;
    if (target === 'GET /sandbox/mode') return send(response, { status: 200, body: { ...behaviour } });
    if (target === 'PUT /sandbox/mode') {
      const told = behaviourOf(body);
      if (told === undefined) return send(response, { status: 400, body: { error: 'mode or delayMs is not known' } });
      behaviour = told;
      return send(response, { status: 200, body: { ...behaviour } });
    }
    requests++;
    const turn = requests;
    const now = behaviour;
    if (!(await wait(now, response)) || now.mode === 'hang') return;
    if (now.mode === 'flood') return flood(response);
    if (now.mode === 'fail') return send(response, dialect.failure);
    const reply = answer(dialect, credential, target, { headers: request.headers, body: body ?? {} }, now.mode === 'wrong-subject');
    return now.mode === 'garbage' ? garbage(response, reply.body, turn) : send(response, reply);
  };

  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  const address = await listen(server);
  return {
    address,
    credential,
    get requests() {
      return requests;
    },
    tell: (told) => {
      behaviour = told;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(dialect: Dialect, credential: string, target: string, question: Question, aboutAnother: boolean): Reply {
  const { header, prefix } = dialect.credential;
  if (!same(question.headers[header], `${prefix}${credential}`)) return dialect.unauthorised;
  const route = dialect.routes[target];
  if (route === undefined) return { status: 404, body: { error: { code: 'NO_SUCH_SERVICE' } } };
  const asked = route.keyOf(question);
  if (asked === undefined) return dialect.badQuestion;
  return route.answer(aboutAnother ? another(route, asked) : asked, question);
}

function another(route: Route, asked: string): string {
  for (const key of route.keys()) if (key !== asked) return key;
  return asked;
}

function same(given: string | string[] | undefined, expected: string): boolean {
  const [a, b] = [Buffer.from(String(given)), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

async function bodyOf(request: IncomingMessage): Promise<JsonObject | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_LIMIT) throw new Error('question too long');
    chunks.push(chunk);
  }
  try {
    const parsed: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? (parsed as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}

function send(response: ServerResponse, { status, body, headers }: Reply): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'content-length': bytes.length, ...headers }).end(bytes);
}

function listen(server: Server): Promise<URL> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)));
  });
}
