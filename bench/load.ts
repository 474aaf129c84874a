/** The load: so many callers, each asking again as soon as it has its answer, until time or number is up. */
import { Pool } from 'undici';

export interface Target {
  readonly address: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The n-th question. */
  readonly body: (n: number) => string;
}

export interface Load {
  readonly requests: number;
  readonly seconds: number;
  /** Milliseconds until the whole answer was there, ascending. */
  readonly latencies: Float64Array;
  /** Mean bytes of an answer's body. */
  readonly bytes: number;
}

let asked = 0;

/** Throws where an answer is not 200: a benchmark of refusals would be a fast one. */
export async function load(
  { address, path, headers, body }: Target,
  callers: number,
  seconds: number,
  requests = Number.POSITIVE_INFINITY,
): Promise<Load> {
  const pool = new Pool(address, { connections: callers });
  const latencies: number[] = [];
  let bytes = 0;
  let sent = 0;
  const start = performance.now();
  const end = start + seconds * 1000;
  const call = async (): Promise<void> => {
    while (performance.now() < end && sent++ < requests) {
      const before = performance.now();
      const response = await pool.request({ method: 'POST', path, headers, body: body(asked++) });
      const answer = await response.body.arrayBuffer();
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
    seconds: (performance.now() - start) / 1000,
    latencies: Float64Array.from(latencies).sort(),
    bytes: bytes / latencies.length,
  };
}

/** The latency that a share of the answers did not exceed. */
export const quantile = ({ latencies }: Load, share: number): number =>
  latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? Number.NaN;
