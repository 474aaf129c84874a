/** How many batches may be at work in this process, and whose. */

export class Slots {
  readonly #all: number;
  #taken = 0;
  readonly #byAgency = new Map<string, number>();

  constructor(all: number) {
    this.#all = all;
  }

  /** False where there is none. The last one is not for an agency that has one already: no agency keeps all others out. */
  enter(agency: string): boolean {
    const own = this.#byAgency.get(agency) ?? 0;
    if (this.#taken >= this.#all - (own > 0 ? 1 : 0)) return false;
    this.#taken++;
    this.#byAgency.set(agency, own + 1);
    return true;
  }

  leave(agency: string): void {
    this.#taken--;
    const own = (this.#byAgency.get(agency) ?? 0) - 1;
    if (own > 0) this.#byAgency.set(agency, own);
    else this.#byAgency.delete(agency);
  }
}
