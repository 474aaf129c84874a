/** What is kept under names that callers choose: bounded, and whoever chooses many loses their own. */

export class Kept<T> {
  readonly #most: number;
  readonly #owners = new Map<string, Map<string, T>>();
  #size = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** What is kept, or what `make` makes. */
  of(owner: string, name: string, make: () => T): T {
    let own = this.#owners.get(owner);
    if (own === undefined) this.#owners.set(owner, (own = new Map()));
    let value = own.get(name);
    // Whoever was seen last is forgotten last.
    if (value !== undefined) own.delete(name);
    else {
      if (this.#size >= this.#most) this.#makeRoom();
      value = make();
      this.#size++;
    }
    own.set(name, value);
    return value;
  }

  get size(): number {
    return this.#size;
  }

  /** Some at a time: to find out who has the most takes a look at everybody. */
  #makeRoom(): void {
    let largest = new Map<string, T>();
    for (const own of this.#owners.values()) if (own.size > largest.size) largest = own;
    let some = Math.ceil(largest.size / 8);
    for (const name of largest.keys()) {
      if (some-- === 0) break;
      largest.delete(name);
      this.#size--;
    }
  }
}
