/** Drops that the shared cache has not confirmed, or so lately that a failover may have lost them: they are repeated when it is back. */

/** Keys; some 10 MB. */
const MOST = 50_000;
/** A replica that takes over may lack what was confirmed just before. Milliseconds. */
const KEPT_MS = 10_000;

export class Owed {
  readonly #drops = new Map<string, { readonly at: number; confirmedAt: number }>();
  readonly #most: number;
  #unconfirmed = 0;

  constructor(most = MOST) {
    this.#most = most;
  }

  /** Whether one was never confirmed. */
  get pressing(): boolean {
    return this.#unconfirmed > 0;
  }

  /** Whether there was room for all of them. Where not, none was taken. */
  add(keys: readonly string[], at: number): boolean {
    const news = keys.filter((key) => !this.#isOwed(key));
    if (this.#unconfirmed + news.length > this.#most) return false;
    for (const key of keys) {
      this.#drops.delete(key);
      this.#drops.set(key, { at, confirmedAt: 0 });
    }
    this.#unconfirmed += news.length;
    this.#forget();
    return true;
  }

  confirm(keys: readonly string[], at: number): void {
    const now = performance.now();
    for (const key of keys) {
      const drop = this.#drops.get(key);
      if (drop === undefined || drop.at !== at || drop.confirmedAt !== 0) continue;
      drop.confirmedAt = now;
      this.#unconfirmed--;
    }
    this.#forget();
  }

  /** By the time they were told. */
  all(): Map<number, string[]> {
    this.#forget();
    const byTime = new Map<number, string[]>();
    for (const [key, { at }] of this.#drops) {
      const keys = byTime.get(at);
      if (keys === undefined) byTime.set(at, [key]);
      else keys.push(key);
    }
    return byTime;
  }

  #isOwed(key: string): boolean {
    return this.#drops.get(key)?.confirmedAt === 0;
  }

  #forget(): void {
    const over = performance.now() - KEPT_MS;
    for (const [key, { confirmedAt }] of this.#drops) {
      if (confirmedAt === 0) continue;
      if (confirmedAt > over && this.#drops.size <= this.#most) return;
      this.#drops.delete(key);
    }
  }
}
