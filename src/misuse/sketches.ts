/** What is remembered by agency and name, in bounded memory: what one agency sends can crowd out no more than its own. */

export class Sketches<T> {
  readonly #agencies = new Map<string, Map<string, T>>();
  readonly #most: number;
  readonly #forgotten: (name: string, one: T) => void;
  #size = 0;

  /** `forgotten` is told of each that has to go. */
  constructor(most: number, forgotten: (name: string, one: T) => void = () => {}) {
    this.#most = most;
    this.#forgotten = forgotten;
  }

  /** What is remembered under the name, which is the agency's newest from now on; made where there is nothing. */
  touch(agency: string, name: string, make: () => T): T {
    let own = this.#agencies.get(agency);
    if (own === undefined) this.#agencies.set(agency, (own = new Map()));
    let one = own.get(name);
    if (one === undefined) {
      one = make();
      this.#size++;
    } else own.delete(name);
    own.set(name, one);
    if (this.#size > this.#most) this.#shrink();
    return one;
  }

  of(agency: string): Iterable<readonly [name: string, one: T]> {
    return this.#agencies.get(agency) ?? [];
  }

  /**
   * Who has most loses their oldest, and so does who has nearly as much: whoever floods the memory is the one that has most. All at once, since it takes a
   * look at every agency.
   */
  #shrink(): void {
    let most = 0;
    for (const own of this.#agencies.values()) most = Math.max(most, own.size);
    most = Math.floor((15 / 16) * most);
    for (const own of this.#agencies.values()) {
      let over = own.size - most;
      if (over <= 0) continue;
      for (const [name, one] of own) {
        if (over-- === 0) break;
        own.delete(name);
        this.#size--;
        this.#forgotten(name, one);
      }
    }
  }
}
