/** Questions under way, whether or not anybody still waits for them: what they need is not taken from under them. */
import type { Ask } from './ask.ts';

export class UnderWay {
  readonly #all = new Set<Promise<unknown>>();

  /** The same, remembered until it has settled. */
  watch(ask: Ask): Ask {
    return (...question) => {
      const observed = ask(...question);
      const forget = (): void => void this.#all.delete(observed);
      this.#all.add(observed);
      observed.then(forget, forget);
      return observed;
    };
  }

  /** Resolves when none is left. */
  async over(): Promise<void> {
    while (this.#all.size > 0) await Promise.allSettled(this.#all);
  }
}
