/** The changes that this gateway has heard of: what was asked for before one must not be kept after it. In the order of hearing, so no clock can be wrong. */

/** Some 10 MB. Beyond it the change heard first is forgotten, and with it goes what was asked for before it, whatever its key. */
const MOST = 50_000;

/** A place in the order of what was heard. */
export type Mark = number;

export class Heard {
  readonly #marks = new Map<string, Mark>();
  readonly #most: number;
  #last: Mark = 0;
  #forgotten: Mark = 0;

  constructor(most = MOST) {
    this.#most = most;
  }

  get now(): Mark {
    return this.#last;
  }

  /** Whether the key's record may have changed since. */
  since(mark: Mark, key: string): boolean {
    return Math.max(this.#forgotten, this.#marks.get(key) ?? 0) > mark;
  }

  changed(key: string): void {
    this.#marks.delete(key);
    this.#marks.set(key, ++this.#last);
    for (const [oldest, mark] of this.#marks) {
      if (this.#marks.size <= this.#most) return;
      this.#forgotten = mark;
      this.#marks.delete(oldest);
    }
  }

  /** There may have been any change. */
  missed(): void {
    this.#marks.clear();
    this.#forgotten = ++this.#last;
  }
}
