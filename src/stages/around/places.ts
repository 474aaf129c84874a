/** So many look-ups at a registry at once; the rest wait, so many at most, and each agency waits behind its own. */

interface Waiting {
  readonly begin: () => void;
  readonly refuse: () => void;
}

export class Places {
  readonly #atOnce: number;
  readonly #mayWait: () => number;
  #taken = 0;
  #waiting = 0;
  /** Those who wait by agency, the agency whose turn is next first. */
  readonly #queues = new Map<string, Waiting[]>();

  /** `mayWait` is how many may wait, as things stand. */
  constructor(atOnce: number, mayWait: () => number) {
    this.#atOnce = atOnce;
    this.#mayWait = mayWait;
  }

  get taken(): number {
    return this.#taken;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Undefined where there is a place, or a promise of one: true once it is there, false where the queue is full, or `signal` aborted.
   * Whoever got a place must `leave` it.
   */
  enter(agency: string, signal: AbortSignal): Promise<boolean> | undefined {
    if (this.#taken < this.#atOnce) {
      this.#taken++;
      return undefined;
    }
    if (signal.aborted || (this.#waiting >= this.#mayWait() && !this.#makeRoomFor(agency))) return Promise.resolve(false);
    return new Promise((resolve) => {
      const settle = (there: boolean) => (): void => {
        signal.removeEventListener('abort', giveUp);
        resolve(there);
      };
      const waiting: Waiting = { begin: settle(true), refuse: settle(false) };
      const giveUp = (): void => {
        this.#remove(agency, waiting);
        waiting.refuse();
      };
      signal.addEventListener('abort', giveUp, { once: true });
      const queue = this.#queues.get(agency);
      if (queue === undefined) this.#queues.set(agency, [waiting]);
      else queue.push(waiting);
      this.#waiting++;
    });
  }

  /** The place goes to the agency whose turn it is. */
  leave(): void {
    const [next] = this.#queues;
    if (next === undefined) {
      this.#taken--;
      return;
    }
    const [agency, queue] = next;
    const first = queue.shift();
    this.#queues.delete(agency);
    if (queue.length > 0) this.#queues.set(agency, queue);
    this.#waiting--;
    first?.begin();
  }

  /** In a full queue an agency that has fewer in it takes the place of the last one of the agency that has the most. */
  #makeRoomFor(agency: string): boolean {
    const own = this.#queues.get(agency)?.length ?? 0;
    let [longest, most] = ['', own + 1];
    for (const [other, { length }] of this.#queues) if (length > most) [longest, most] = [other, length];
    const last = this.#queues.get(longest)?.at(-1);
    if (last === undefined) return false;
    this.#remove(longest, last);
    last.refuse();
    return true;
  }

  #remove(agency: string, waiting: Waiting): void {
    const queue = this.#queues.get(agency);
    const at = queue?.indexOf(waiting) ?? -1;
    if (queue === undefined || at < 0) return;
    queue.splice(at, 1);
    if (queue.length === 0) this.#queues.delete(agency);
    this.#waiting--;
  }
}
