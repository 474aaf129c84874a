/** The last while in slices of time: what is older than all of them is forgotten, and memory does not grow. */

export class Slices<T> {
  readonly #milliseconds: number;
  readonly #slices: T[];
  readonly #clear: (slice: T) => void;
  /** The slice of all time that each holds now. */
  readonly #numbers: number[];

  constructor(count: number, milliseconds: number, make: () => T, clear: (slice: T) => void) {
    this.#milliseconds = milliseconds;
    this.#slices = Array.from({ length: count }, make);
    this.#clear = clear;
    this.#numbers = this.#slices.map(() => Number.NEGATIVE_INFINITY);
  }

  /** The slice for what happens at `now`. */
  at(now: number): T {
    const number = Math.floor(now / this.#milliseconds);
    const place = number % this.#slices.length;
    const slice = this.#slices[place] as T;
    if (this.#numbers[place] !== number) {
      this.#numbers[place] = number;
      this.#clear(slice);
    }
    return slice;
  }

  /** Those that are not over for longer than the while. What a clock that was set back left in the future is not among them. */
  recent(now: number): T[] {
    const number = Math.floor(now / this.#milliseconds);
    return this.#slices.filter((_, place) => {
      const held = this.#numbers[place] as number;
      return held <= number && held > number - this.#slices.length;
    });
  }

  clear(): void {
    this.#numbers.fill(Number.NEGATIVE_INFINITY);
  }
}
