/** What every adapter that speaks HTTP shares: its connections, the token they show where the registry wants one, and JSON within limits. */

import type { AdapterSettings, JsonValue } from '../src/adapter.ts';
import { JSON_FORM, parseJson } from './json.ts';
import { openTokens, type Tokens } from './tokens.ts';
import { type Exchange, openWire, StatusFailure, type WireCall, type WireReply } from './wire.ts';

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
  /** The same for what is not JSON. The path is added to the source's address. */
  send(call: WireCall, signal: AbortSignal): Promise<WireReply>;
  close(): Promise<void>;
}

/** What a registry can make the gateway hold: enough for any record, too little to exhaust it. */
const LIMITS = { bytes: 1024 * 1024, connections: 32 };

export function connect(settings: Pick<AdapterSettings, 'address' | 'tls' | 'oauth' | 'connections'>): Connection {
  const { address, tls, oauth, connections = LIMITS.connections } = settings;
  const wire = openWire(address, tls, { ...LIMITS, connections });
  const tokens = oauth && openTokens(oauth);
  const exchange = tokens === undefined ? wire.exchange : withToken(wire.exchange, tokens);
  const base = address.pathname.replace(/\/$/, '');

  const send: Connection['send'] = (call, signal) => exchange({ ...call, path: base + call.path }, signal);
  const ask: Connection['ask'] = async ({ method = 'POST', path, headers, body, answers = [] }, signal) => {
    const call = {
      method,
      path,
      headers: { accept: 'application/json', 'content-type': 'application/json', ...headers },
      body: body === undefined ? null : JSON.stringify(body),
      statuses: answers,
      form: JSON_FORM,
    };
    const { status, bytes } = await send(call, signal);
    return { status, body: parseJson(bytes) };
  };
  const close = async (): Promise<void> => {
    await Promise.all([wire.close(), tokens?.close()]);
  };
  return { ask, send, close };
}

/** A registry may end a token before its time: then one more question with a new one, and what that gives stands. */
function withToken(exchange: Exchange, tokens: Tokens): Exchange {
  return async (call, signal) => {
    const bearing = (token: string): WireCall => ({ ...call, headers: { ...call.headers, authorization: `Bearer ${token}` } });
    const first = await tokens.get(signal);
    const statuses = call.statuses.filter((status) => status !== 401);
    try {
      return await exchange({ ...bearing(first), statuses }, signal);
    } catch (error) {
      if (!(error instanceof StatusFailure && error.status === 401)) throw error;
    }
    tokens.drop(first);
    return exchange(bearing(await tokens.get(signal)), signal);
  };
}
