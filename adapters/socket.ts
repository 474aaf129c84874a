/** The socket to a database server, watched: how much comes is counted, and a driver that chokes on what comes loses its connection, not the process. */

import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { SourceError, type SourceFailure } from '../src/adapter.ts';

type Emit = (event: string | symbol, ...rest: unknown[]) => boolean;

/** What a database can make the gateway hold between two questions: enough for any record, too little to exhaust it. */
export const MOST_BYTES = 1024 * 1024;
const KEEP_ALIVE_MS = 10_000;
const PARTING_MS = 1000;

export class WatchedSocket {
  /** What the driver connects by. Whether it puts TLS on top is its own affair: see `now`. */
  readonly socket = new Socket();
  /** What was wrong with that which came; the driver itself only sees a connection that is lost. */
  fault: SourceError | undefined;
  /** What the connection broke of, before a driver gives it a code of its own. */
  broken: Error | undefined;
  readonly #now: () => Duplex | undefined;
  readonly #watched = new WeakSet<Duplex>();
  #came = 0;
  #over = false;

  /** `now` is the stream that the driver reads from at the moment. */
  constructor(now: () => Duplex | undefined) {
    this.#now = now;
    this.socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS);
    this.#watch(this.socket);
  }

  get alive(): boolean {
    return !this.#over && !this.socket.destroyed;
  }

  /** A new question, with room for its answer. */
  ask(): void {
    this.#came = 0;
  }

  /** At once, whatever is under way on it. */
  cut(): void {
    this.#over = true;
    this.#now()?.destroy();
    this.socket.destroy();
  }

  /** The server is not to be dealt with any further. */
  fail(reason: SourceFailure, detail: string): void {
    this.fault ??= new SourceError(reason, detail);
    this.cut();
  }

  /** With a goodbye, or the server counts it as a connection that broke; it gets a moment to close its end. */
  leave(goodbye: () => void): void {
    this.#over = true;
    const late = setTimeout(() => this.cut(), PARTING_MS).unref();
    this.socket.once('close', () => clearTimeout(late));
    goodbye();
  }

  /**
   * Drivers parse where the bytes come in, and what they throw there would end the process. Once the server has agreed to TLS, the driver
   * reads from a stream of its own making, which is watched before anything can come on it.
   */
  #watch(stream: Duplex): void {
    this.#watched.add(stream);
    const emit: Emit = stream.emit.bind(stream);
    const watched: Emit = (event, ...rest) => {
      if (event === 'error') this.#remember(rest[0]);
      if (event === 'end' || event === 'close' || event === 'error') this.#over = true;
      if (event === 'data' && !this.#hasRoomFor(rest[0])) return true;
      try {
        return emit(event, ...rest);
      } catch {
        this.fail('malformed', 'the server does not speak the protocol of its kind');
        return true;
      } finally {
        const now = this.#now();
        if (now !== undefined && !this.#watched.has(now)) this.#watch(now);
      }
    };
    stream.emit = watched as Duplex['emit'];
  }

  #remember(error: unknown): void {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    this.broken ??= Object.assign(new Error('the connection broke'), { code });
  }

  #hasRoomFor(bytes: unknown): boolean {
    this.#came += bytes instanceof Uint8Array ? bytes.length : 0;
    if (this.#came <= MOST_BYTES) return true;
    this.fail('malformed', `the answer is longer than ${MOST_BYTES} bytes`);
    return false;
  }
}
