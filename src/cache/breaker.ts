/** Leaves alone what hangs: whoever asks waits for it briefly, and after a few who waited in vain nobody does until it answers again. */

/** So many more that waited in vain than a fifth of those that did not. */
const IN_VAIN = 3;
const AN_ANSWER_COUNTS = 0.25;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
/** When it held for so long, the next pause is short again. */
const STEADY_MS = 60_000;

export interface BreakerTools {
  readonly waitMs: number;
  /** Asks something that nobody waits for. */
  readonly probe: () => Promise<unknown>;
  readonly changed: (open: boolean) => void;
}

export class Breaker {
  readonly #tools: BreakerTools;
  #open = false;
  #inVain = 0;
  #pauseMs = FIRST_PAUSE_MS;
  #closedAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #probing = false;

  constructor(tools: BreakerTools) {
    this.#tools = tools;
  }

  get open(): boolean {
    return this.#open;
  }

  /** The answer, or undefined where it did not come in time or failed. */
  async within<T>(answering: Promise<T>): Promise<T | undefined> {
    const answer = await this.#inTime(answering);
    if (this.#open) return answer?.value;
    this.#inVain = answer === undefined ? this.#inVain + 1 : Math.max(0, this.#inVain - AN_ANSWER_COUNTS);
    if (this.#inVain >= IN_VAIN) this.#trip();
    return answer?.value;
  }

  /** It may be back. */
  wake(): void {
    if (this.#open && !this.#probing) this.#probeAfter(0);
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #trip(): void {
    this.#open = true;
    this.#inVain = 0;
    if (performance.now() - this.#closedAt > STEADY_MS) this.#pauseMs = FIRST_PAUSE_MS;
    this.#tools.changed(true);
    this.#probeAfter(this.#pauseMs);
  }

  #probeAfter(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
    this.#timer = setTimeout(async () => {
      this.#probing = true;
      const answer = await this.#inTime(this.#tools.probe());
      this.#probing = false;
      if (answer?.value === undefined) return this.#probeAfter(this.#pauseMs);
      this.#open = false;
      this.#closedAt = performance.now();
      this.#tools.changed(false);
    }, milliseconds).unref();
  }

  /** Undefined where nothing came in time; a failure that came is an answer without a value. */
  #inTime<T>(answering: Promise<T>): Promise<{ readonly value?: T } | undefined> {
    return new Promise((resolve) => {
      // Where the process itself was busy the answer is here already, behind the timer: it is read before it is given up.
      const late = setTimeout(() => setImmediate(() => resolve(undefined)), this.#tools.waitMs);
      const end = (answer: { readonly value?: T }): void => {
        clearTimeout(late);
        resolve(answer);
      };
      answering.then(
        (value) => end({ value }),
        () => end({}),
      );
    });
  }
}
