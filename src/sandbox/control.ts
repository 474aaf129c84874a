/** How a sandbox registry is told to misbehave, by a test or by a developer with curl. */

import type { ServerResponse } from 'node:http';
import { setTimeout as after } from 'node:timers/promises';
import type { JsonObject, JsonValue } from '../adapter.ts';

const MODES = ['ok', 'slow', 'fail', 'hang', 'garbage', 'wrong-subject', 'flood'] as const;

/**
 * `slow` answers after a delay, `fail` with an error of the registry's dialect, `hang` never, `garbage` with what is not an answer,
 * `wrong-subject` about somebody else, `flood` without end.
 */
export type Mode = (typeof MODES)[number];

export interface Behaviour {
  readonly mode: Mode;
  /** Milliseconds before an answer; 1000 where `slow` does not say. */
  readonly delayMs?: number;
}

/** The behaviour that a `PUT /sandbox/mode` asks for, or undefined if it makes no sense. */
export function behaviourOf(body: JsonObject | undefined): Behaviour | undefined {
  const mode = MODES.find((known) => known === body?.mode);
  const delayMs = body?.delayMs;
  if (mode === undefined || (delayMs !== undefined && (typeof delayMs !== 'number' || !(delayMs >= 0 && delayMs <= 600_000))))
    return undefined;
  return { mode, ...(delayMs === undefined ? {} : { delayMs }) };
}

/** Waits as told; false if the caller has gone meanwhile. */
export async function wait(behaviour: Behaviour, response: ServerResponse): Promise<boolean> {
  const delay = behaviour.delayMs ?? (behaviour.mode === 'slow' ? 1000 : 0);
  if (delay === 0) return true;
  const gone = new AbortController();
  const leave = () => gone.abort();
  response.once('close', leave);
  await after(delay, undefined, { signal: gone.signal }).catch(() => undefined);
  response.off('close', leave);
  return !gone.signal.aborted;
}

/** A page of the proxy in front every other time, a broken answer the times between. */
export function garbage(response: ServerResponse, body: JsonValue, turn: number): void {
  if (turn % 2 === 0) {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<!doctype html><title>Bảo trì hệ thống</title>');
    return;
  }
  const text = JSON.stringify(body);
  response.writeHead(200, { 'content-type': 'application/json' }).end(text.slice(0, Math.floor(text.length / 2)));
}

/** One endless string in an otherwise good beginning of an answer. */
export function flood(response: ServerResponse): void {
  const chunk = 'x'.repeat(65_536);
  const pour = () => {
    while (!response.destroyed && response.write(chunk));
  };
  response.writeHead(200, { 'content-type': 'application/json' });
  response.write('{"endless":"');
  response.on('drain', pour);
  pour();
}
