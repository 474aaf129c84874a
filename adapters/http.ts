/** What every adapter that speaks HTTP shares: one pool of connections, bounded answers, and failures named by the contract. */

import { type Dispatcher, errors, Pool } from 'undici';
import { type JsonValue, SourceError, type SourceFailure } from '../src/adapter.ts';
import { retryAfter } from './reading.ts';

export interface Call {
  readonly method?: 'GET' | 'POST';
  /** Fixed by the adapter or by the source's file; what is asked about stands in the body or a header only. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: JsonValue;
  /** Statuses besides 200 that are answers in this registry's dialect, such as 404. */
  readonly answers?: readonly number[];
}

export interface Reply {
  readonly status: number;
  readonly body: JsonValue;
}

export interface Connection {
  /** Rejects with `SourceError` or the signal's reason, and with nothing else. */
  ask(call: Call, signal: AbortSignal): Promise<Reply>;
  close(): Promise<void>;
}

export interface ConnectionLimits {
  readonly connections?: number | undefined;
  readonly bytes?: number;
}

/** What a registry can make the gateway hold: enough for any record, too little to exhaust it. */
const LIMITS = { bytes: 1024 * 1024, depth: 32, connections: 32 };

export function connect(address: URL, { connections, bytes = LIMITS.bytes }: ConnectionLimits = {}): Connection {
  // No time limit here: the caller's signal is the only clock.
  const pool = new Pool(address.origin, {
    connections: connections ?? LIMITS.connections,
    headersTimeout: 0,
    bodyTimeout: 0,
    maxResponseSize: bytes,
  });
  const base = address.pathname.replace(/\/$/, '');

  const ask = async (call: Call, signal: AbortSignal): Promise<Reply> => {
    signal.throwIfAborted();
    try {
      // Never followed: an answer must not choose where the gateway connects.
      const response = await pool.request({
        method: call.method ?? 'POST',
        path: base + call.path,
        headers: { accept: 'application/json', 'content-type': 'application/json', ...call.headers },
        body: call.body === undefined ? null : JSON.stringify(call.body),
        signal,
      });
      return await replyOf(response, call.answers ?? [], signal);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw error instanceof SourceError ? error : connectionFailure(error, bytes);
    }
  };
  return { ask, close: () => pool.destroy() };
}

async function replyOf(response: Dispatcher.ResponseData, answers: readonly number[], signal: AbortSignal): Promise<Reply> {
  const status = response.statusCode;
  if (status !== 200 && !answers.includes(status)) {
    discard(response.body, signal);
    throw statusFailure(status, response.headers['retry-after']);
  }
  const type = response.headers['content-type'];
  if (typeof type !== 'string' || !/^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(type)) {
    discard(response.body, signal);
    throw new SourceError('malformed', 'the answer is not JSON by its content type');
  }
  return { status, body: parse(await response.body.bytes()) };
}

/** What comes with an error may be long, slow or personal: a little is thrown away to keep the connection, more ends it. */
function discard(body: Dispatcher.ResponseData['body'], signal: AbortSignal): void {
  body.dump({ limit: 16_384, signal }).catch(() => undefined);
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function parse(bytes: Uint8Array): JsonValue {
  let value: JsonValue;
  try {
    value = JSON.parse(utf8.decode(bytes));
  } catch {
    // The parser's own message quotes the text.
    throw new SourceError('malformed', 'the answer is not valid JSON in UTF-8');
  }
  if (!within(value, LIMITS.depth)) throw new SourceError('malformed', `the answer is nested more than ${LIMITS.depth} deep`);
  return value;
}

function within(value: JsonValue, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (depth === 0) return false;
  for (const member of Object.values(value)) if (!within(member, depth - 1)) return false;
  return true;
}

function statusFailure(status: number, wait: string | string[] | undefined): SourceError {
  const reason: SourceFailure = status === 401 || status === 403 ? 'refused' : status === 408 || status === 504 ? 'timeout' : 'error';
  return new SourceError(reason, `the registry answered with status ${status}`, retryAfter(wait));
}

function connectionFailure(error: unknown, limit: number): SourceError {
  // Only the code: an error's message may quote the request.
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown';
  if (error instanceof errors.ResponseExceededMaxSizeError) return new SourceError('malformed', `the answer is longer than ${limit} bytes`);
  if (error instanceof errors.HTTPParserError || error instanceof errors.HeadersOverflowError) {
    return new SourceError('malformed', 'the answer is not valid HTTP');
  }
  if (error instanceof errors.InvalidArgumentError) return new SourceError('error', 'the question cannot be put into a request');
  return new SourceError('unreachable', `no connection (${code})`);
}
