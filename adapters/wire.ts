/** One address over HTTP, whatever is spoken there: a pool of connections, bounded answers, and failures named by the contract. */

import { type Dispatcher, errors, Pool } from 'undici';
import { SourceError, type SourceFailure, type TlsSettings } from '../src/adapter.ts';
import { retryAfter } from './reading.ts';
import { connectorTo, unreachable } from './tls.ts';

export interface WireCall {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  /** Statuses besides 200 that may be answers: they are where they come in the expected form. */
  readonly statuses: readonly number[];
  /** What the content type of an answer must look like, and what such content is called. */
  readonly form: { readonly type: RegExp; readonly name: string };
}

export interface WireReply {
  readonly status: number;
  readonly bytes: Uint8Array;
  readonly type: string;
  /** Seconds, where the answer says after how many to come back. */
  readonly retryAfter: number | undefined;
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** Rejects with `SourceError` or the signal's reason, and with nothing else. */
export type Exchange = (call: WireCall, signal: AbortSignal) => Promise<WireReply>;

export interface Wire {
  readonly exchange: Exchange;
  close(): Promise<void>;
}

/** A status that is no answer. */
export class StatusFailure extends SourceError {
  readonly status: number;

  constructor(status: number, wait: number | undefined) {
    const reason: SourceFailure = status === 401 || status === 403 ? 'refused' : status === 408 || status === 504 ? 'timeout' : 'error';
    super(reason, `the registry answered with status ${status}`, wait);
    this.status = status;
  }
}

export function openWire(
  address: URL,
  tls: TlsSettings | undefined,
  limits: { readonly bytes: number; readonly connections: number },
): Wire {
  const { connect, giveUp } = connectorTo(address, tls);
  const pool = new Pool(address.origin, {
    connections: limits.connections,
    // No time limit here: the caller's signal is the only clock.
    headersTimeout: 0,
    bodyTimeout: 0,
    maxResponseSize: limits.bytes,
    allowH2: false,
    connect,
  });

  let waiting = 0;
  const exchange: Exchange = async (call, signal) => {
    signal.throwIfAborted();
    waiting += 1;
    try {
      return await converse(pool, call, signal);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw error instanceof SourceError ? error : failureOf(error, limits.bytes);
    } finally {
      waiting -= 1;
      // The pool would go on connecting for nobody.
      if (waiting === 0) giveUp();
    }
  };
  const close = (): Promise<void> => {
    giveUp();
    return pool.destroy();
  };
  return { exchange, close };
}

/** What comes with an error may be long or personal: so much is thrown away to keep the connection, more ends it. Bytes. */
const DISCARDED = 16_384;

/**
 * Asks, and reads the answer whole, without the stream that `pool.request` would make of it: that costs as much again as the question.
 * Never followed: an answer must not choose where the gateway connects. While a connection is made the pool hears of nothing.
 */
function converse(pool: Pool, { method, path, headers, body, statuses, form }: WireCall, signal: AbortSignal): Promise<WireReply> {
  return new Promise((resolve, reject) => {
    let controller: Dispatcher.DispatchController | undefined;
    let head: Omit<WireReply, 'bytes'> | undefined;
    const chunks: Buffer[] = [];
    let discarded = 0;
    const giveUp = (): void => {
      controller?.abort(signal.reason);
      reject(signal.reason);
    };
    const end = (): void => signal.removeEventListener('abort', giveUp);
    signal.addEventListener('abort', giveUp, { once: true });
    pool.dispatch(
      { method, path, headers, body },
      {
        onRequestStart: (started) => {
          controller = started;
          if (signal.aborted) giveUp();
        },
        onResponseStart: (_, status, fields) => {
          // Before the answer a registry may send others that say nothing yet (RFC 9110 §15.2).
          if (status < 200) return;
          try {
            head = headOf(status, fields, statuses, form);
          } catch (error) {
            reject(error);
          }
        },
        onResponseData: (_, chunk) => {
          if (head !== undefined) chunks.push(chunk);
          else if ((discarded += chunk.length) > DISCARDED) controller?.abort(new Error('more than is thrown away'));
        },
        onResponseEnd: () => {
          end();
          if (head !== undefined) resolve({ ...head, bytes: Buffer.concat(chunks) });
        },
        onResponseError: (_, error) => {
          end();
          reject(error);
        },
      },
    );
  });
}

/** Throws where what begins so is no answer. */
function headOf(status: number, headers: Headers, statuses: WireCall['statuses'], form: WireCall['form']): Omit<WireReply, 'bytes'> {
  const type = String(headers['content-type'] ?? '');
  const wait = retryAfter(headers['retry-after']);
  const fits = form.type.test(type);
  if (status !== 200 && !(fits && statuses.includes(status))) throw new StatusFailure(status, wait);
  if (!fits) throw new SourceError('malformed', `the answer is not ${form.name} by its content type`);
  return { status, type, retryAfter: wait };
}

function failureOf(error: unknown, limit: number): SourceError {
  if (error instanceof errors.ResponseExceededMaxSizeError) return new SourceError('malformed', `the answer is longer than ${limit} bytes`);
  if (error instanceof errors.HTTPParserError || error instanceof errors.HeadersOverflowError) {
    return new SourceError('malformed', 'the answer is not valid HTTP');
  }
  if (error instanceof errors.InvalidArgumentError) return new SourceError('error', 'the question cannot be put into a request');
  return unreachable(error);
}
