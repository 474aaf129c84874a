/** So many look-ups at a registry at once; the rest wait, so many at most, and each party waits behind its own. */

interface Waiting {
  readonly begin: () => void;
  readonly refuse: () => void;
}

export class Places {
  readonly #atOnce: number;
  readonly #mayWait: () => number;
  #taken = 0;
  #waiting = 0;
  /** Those who wait by party (an agency, or its batches), the one whose turn is next first. */
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
  enter(party: string, signal: AbortSignal): Promise<boolean> | undefined {
    if (this.#taken < this.#atOnce) {
      this.#taken++;
      return undefined;
    }
    if (signal.aborted || (this.#waiting >= this.#mayWait() && !this.#makeRoomFor(party))) return Promise.resolve(false);
    return new Promise((resolve) => {
      const settle = (there: boolean) => (): void => {
        signal.removeEventListener('abort', giveUp);
        resolve(there);
      };
      const waiting: Waiting = { begin: settle(true), refuse: settle(false) };
      const giveUp = (): void => {
        this.#remove(party, waiting);
        waiting.refuse();
      };
      signal.addEventListener('abort', giveUp, { once: true });
      const queue = this.#queues.get(party);
      if (queue === undefined) this.#queues.set(party, [waiting]);
      else queue.push(waiting);
      this.#waiting++;
    });
  }

  /** The place goes to the party whose turn it is. */
  leave(): void {
    const [next] = this.#queues;
    if (next === undefined) {
      this.#taken--;
      return;
    }
    const [party, queue] = next;
    const first = queue.shift();
    this.#queues.delete(party);
    if (queue.length > 0) this.#queues.set(party, queue);
    this.#waiting--;
    first?.begin();
  }

  /** In a full queue a party that has fewer in it takes the place of the last one of the party that has the most. */
  #makeRoomFor(party: string): boolean {
    const own = this.#queues.get(party)?.length ?? 0;
    let [longest, most] = ['', own + 1];
    for (const [other, { length }] of this.#queues) if (length > most) [longest, most] = [other, length];
    const last = this.#queues.get(longest)?.at(-1);
    if (last === undefined) return false;
    this.#remove(longest, last);
    last.refuse();
    return true;
  }

  #remove(party: string, waiting: Waiting): void {
    const queue = this.#queues.get(party);
    const at = queue?.indexOf(waiting) ?? -1;
    if (queue === undefined || at < 0) return;
    queue.splice(at, 1);
    if (queue.length === 0) this.#queues.delete(party);
    this.#waiting--;
  }
}
