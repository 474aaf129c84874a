/** The breaker: a registry that keeps failing is left alone for a while, then tried with one look-up at a time. */
import type { Clock, Protection } from '../../domain.ts';
import { Slices } from './slices.ts';

/** A look-up that was let through. */
export interface Passage {
  /** The state it was let through in: what it brings back counts for no later one. */
  readonly turn: number;
  readonly trying: boolean;
}

/** What a look-up came to: only `failed` speaks against the registry, and `nothing` speaks of something else. */
export type Finding = 'answered' | 'failed' | 'nothing';

/** `closed` everybody passes, `open` nobody, `trying` one at a time. */
export type CircuitState = { readonly state: 'closed' | 'open' | 'trying'; readonly since: number };

/** Hears when it opens, for so many seconds, and when it closes. */
export type Changed = (state: 'open' | 'closed', seconds?: number) => void;

const WINDOW_SLICES = 10;
/** Several gateways must not come back at the same moment: a pause is longer by up to this share. */
const JITTER = 0.2;

export class Circuit {
  readonly #settings: Protection['circuit'];
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #changed: Changed;
  readonly #window: Slices<{ all: number; failed: number }>;
  #turn = 0;
  #open = false;
  #since: number;
  #until = 0;
  /** Whether a look-up tries the registry just now. */
  #trying = false;
  /** Pauses since it was last closed. */
  #pauses = 0;
  #inARow = 0;
  #now = 0;

  constructor(settings: Protection['circuit'], clock: Clock, random: () => number, changed: Changed) {
    this.#settings = settings;
    this.#clock = clock;
    this.#random = random;
    this.#changed = changed;
    this.#since = clock();
    const make = (): { all: number; failed: number } => ({ all: 0, failed: 0 });
    const slice = (settings.withinSeconds * 1000) / WINDOW_SLICES;
    this.#window = new Slices(WINDOW_SLICES, slice, make, (counts) => {
      counts.all = 0;
      counts.failed = 0;
    });
  }

  state(): CircuitState {
    const now = this.#time();
    if (!this.#open) return { state: 'closed', since: this.#since };
    return now < this.#until ? { state: 'open', since: this.#since } : { state: 'trying', since: this.#until };
  }

  /** Milliseconds until it is worth asking; 0 where a look-up would pass now. While another tries the registry, nobody knows: a second. */
  wait(): number {
    if (!this.#open) return 0;
    const now = this.#time();
    const left = this.#until - now;
    return left > 0 ? left : this.#trying ? 1000 : 0;
  }

  /** To be called where `wait` is 0; the passage must come back by `leave`. */
  enter(): Passage {
    if (this.#open) this.#trying = true;
    return { turn: this.#turn, trying: this.#open };
  }

  leave({ turn, trying }: Passage, finding: Finding): void {
    if (turn !== this.#turn) return;
    if (trying) this.#trying = false;
    if (finding === 'nothing') return;
    if (trying) {
      if (finding === 'answered') this.#close();
      else this.#pause();
      return;
    }
    const now = this.#time();
    const counts = this.#window.at(now);
    counts.all++;
    if (finding === 'answered') {
      this.#inARow = 0;
      return;
    }
    counts.failed++;
    this.#inARow++;
    if (this.#inARow >= this.#settings.failures || this.#tooMany(now)) this.#pause();
  }

  /** The registry itself said when to come back; it is believed even where it pauses already. */
  leaveAlone(seconds: number): void {
    const until = this.#time() + seconds * 1000;
    if (this.#open && until <= this.#until) return;
    this.#openUntil(until);
  }

  #tooMany(now: number): boolean {
    let [all, failed] = [0, 0];
    for (const counts of this.#window.recent(now)) {
      all += counts.all;
      failed += counts.failed;
    }
    return all >= this.#settings.of && failed * 100 >= this.#settings.percent * all;
  }

  #pause(): void {
    const { pauseSeconds, longestPauseSeconds } = this.#settings;
    const seconds = Math.min(longestPauseSeconds, pauseSeconds * 2 ** Math.min(this.#pauses, 20));
    this.#pauses++;
    this.#openUntil(this.#time() + seconds * 1000 * (1 + JITTER * this.#random()));
  }

  #openUntil(until: number): void {
    const now = this.#time();
    const already = this.#open && now < this.#until;
    if (!this.#open) this.#since = now;
    this.#open = true;
    this.#trying = false;
    this.#until = until;
    this.#turn++;
    if (!already) this.#changed('open', Math.ceil((until - now) / 1000));
  }

  #close(): void {
    this.#open = false;
    this.#since = this.#time();
    this.#pauses = 0;
    this.#inARow = 0;
    this.#window.clear();
    this.#turn++;
    this.#changed('closed');
  }

  /** A clock that was set back does not make a pause longer. */
  #time(): number {
    const now = this.#clock();
    if (now < this.#now) {
      this.#until += now - this.#now;
      this.#since = Math.min(this.#since, now);
    }
    this.#now = now;
    return now;
  }
}
