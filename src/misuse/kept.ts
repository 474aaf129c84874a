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

  /** Of whoever has the most, and nearly as much, some at a time: to find them out takes a look at everybody. */
  #makeRoom(): void {
    let most = 0;
    for (const own of this.#owners.values()) most = Math.max(most, own.size);
    most = Math.floor((7 / 8) * most);
    for (const own of this.#owners.values()) {
      let over = own.size - most;
      if (over <= 0) continue;
      for (const name of own.keys()) {
        if (over-- === 0) break;
        own.delete(name);
        this.#size--;
      }
    }
  }
}
