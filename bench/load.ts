/** The load: so many callers, each asking again as soon as it has its answer, until time or number is up. */
import { setTimeout as after } from 'node:timers/promises';
import { Pool } from 'undici';

export interface Target {
  readonly address: string;
  readonly path: string;
  /** Of the n-th question. */
  readonly headers: (n: number) => Readonly<Record<string, string>>;
  readonly body: (n: number) => string;
  /** Whether a refusal for want of time (5xx) is counted, and waited after as it says, where otherwise it ends the run. */
  readonly refusable?: boolean;
}

export interface Load {
  /** Answered. */
  readonly requests: number;
  readonly refused: number;
  readonly seconds: number;
  /** Milliseconds until the whole answer was there, ascending. */
  readonly latencies: Float64Array;
  /** Mean bytes of an answer's body. */
  readonly bytes: number;
}

let asked = 0;

/** Throws where an answer is not what it should be: a benchmark of refusals would be a fast one. */
export async function load(
  { address, path, headers, body, refusable = false }: Target,
  callers: number,
  seconds: number,
  requests = Number.POSITIVE_INFINITY,
): Promise<Load> {
  const pool = new Pool(address, { connections: callers });
  const latencies: number[] = [];
  let bytes = 0;
  let sent = 0;
  let refused = 0;
  const start = performance.now();
  const end = start + seconds * 1000;
  const call = async (): Promise<void> => {
    while (performance.now() < end && sent++ < requests) {
      const before = performance.now();
      const n = asked++;
      const response = await pool.request({ method: 'POST', path, headers: headers(n), body: body(n) });
      const answer = await response.body.arrayBuffer();
      if (refusable && response.statusCode >= 500) {
        refused++;
        await after(Math.min(1000 * Number(response.headers['retry-after'] ?? 0), Math.max(0, end - performance.now())));
        continue;
      }
      latencies.push(performance.now() - before);
      bytes += answer.byteLength;
      if (response.statusCode !== 200) throw new Error(`${response.statusCode} ${Buffer.from(answer)}`);
    }
  };
  try {
    await Promise.all(Array.from({ length: callers }, call));
  } finally {
    await pool.destroy();
  }
  return {
    requests: latencies.length,
    refused,
    seconds: (performance.now() - start) / 1000,
    latencies: Float64Array.from(latencies).sort(),
    bytes: bytes / latencies.length,
  };
}

/** The latency that a share of the answers did not exceed. */
export const quantile = ({ latencies }: Pick<Load, 'latencies'>, share: number): number =>
  latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? Number.NaN;
