/** The lines of a body as it arrives: no more of it is in memory than one line and what came with it. */
import type { Readable } from 'node:stream';
import { Problem } from '../../../problems.ts';
import { happening } from '../../happening.ts';

/** As long as the body of a single request may be. */
export const LINE_BYTES = 64 * 1024;

const NEWLINE = 0x0a;
const NOTHING = Buffer.alloc(0);

export interface Line {
  /** From 1 on. */
  readonly number: number;
  /** Without its newline; undefined where it is longer than `LINE_BYTES`. Good until the next line is asked for. */
  readonly bytes: Uint8Array | undefined;
}

export class Lines {
  readonly #body: Readable;
  /** What arrived and was not looked at. */
  #arrived: Buffer = NOTHING;
  /** The beginning of a line that came in pieces: copied, since each piece of one byte would hold the memory that it arrived in. */
  #begun = NOTHING;
  #length = 0;
  #number = 0;

  constructor(body: Readable) {
    this.#body = body;
  }

  /**
   * The next line, one without a newline at the end of the body too; undefined where there is none. Throws a `Problem` where it does not come whole
   * within so many milliseconds, and the reason of `halt` where that aborts.
   */
  async next(milliseconds: number, halt: AbortSignal): Promise<Line | undefined> {
    const until = performance.now() + milliseconds;
    for (;;) {
      const end = this.#arrived.indexOf(NEWLINE);
      if (end >= 0) {
        const last = this.#arrived.subarray(0, end);
        this.#arrived = this.#arrived.subarray(end + 1);
        return this.#whole(last);
      }
      this.#begin(this.#arrived);
      this.#arrived = (this.#body.read() as Buffer | null) ?? NOTHING;
      if (this.#arrived.length > 0) continue;
      if (this.#body.readableEnded) return this.#length > 0 ? this.#whole(NOTHING) : undefined;
      const left = until - performance.now();
      if (left > 0 && (await happening(this.#body, ['readable', 'end'], left, halt))) continue;
      halt.throwIfAborted();
      throw new Problem('request-timeout');
    }
  }

  #begin(piece: Buffer): void {
    if (piece.length > 0 && this.#begun.length === 0) this.#begun = Buffer.allocUnsafe(LINE_BYTES);
    piece.copy(this.#begun, Math.min(this.#length, LINE_BYTES));
    this.#length += piece.length;
  }

  #whole(last: Buffer): Line {
    const inPieces = this.#length > 0;
    if (inPieces) this.#begin(last);
    const length = inPieces ? this.#length : last.length;
    this.#length = 0;
    this.#number++;
    return { number: this.#number, bytes: length > LINE_BYTES ? undefined : inPieces ? this.#begun.subarray(0, length) : last };
  }
}
