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

  /** The agency that has most loses its oldest: whoever floods the memory is the one that has most. */
  #shrink(): void {
    let largest = new Map<string, T>();
    for (const own of this.#agencies.values()) if (own.size > largest.size) largest = own;
    let left = Math.ceil(largest.size / 16);
    for (const [name, one] of largest) {
      if (left-- === 0) break;
      largest.delete(name);
      this.#size--;
      this.#forgotten(name, one);
    }
  }
}
