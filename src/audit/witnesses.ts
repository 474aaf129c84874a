/** The witnesses of this log: every new head is brought to all of them, and published once enough of them cosigned it. */
import { readCheckpoint } from './checkpoint.ts';
import { formatNote, parseNote } from './note.ts';
import type { LogReader, LogStore } from './store.ts';
import { askWitness, CosignedLonger, type SignedHead, type WitnessAddress } from './witness-client.ts';

export interface WitnessStatus {
  readonly name: string;
  /** When it last cosigned a head, milliseconds since 1970, and of which size. */
  readonly lastSuccess: number | undefined;
  readonly cosigned: number | undefined;
  /** What went wrong the last time; undefined where nothing did. */
  readonly lastError: string | undefined;
  /** The size that it says it cosigned, where that is longer than the log: the log was rolled back, or the witness lies. */
  readonly behind: number | undefined;
}

export interface WitnessesSettings {
  readonly each: readonly WitnessAddress[];
  /** How many must have cosigned a head before it is published. */
  readonly quorum: number;
  readonly everySeconds: number;
  readonly reader: LogReader;
  readonly publish: LogStore['publish'];
  readonly fetch: typeof globalThis.fetch;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Runs something after so many milliseconds; what it returns prevents that. */
  readonly after: (milliseconds: number, run: () => void) => () => void;
  /** Told of each failure that is not that of the round before; `behind` is told in each round. Without a witness it is the round that failed. */
  readonly report: (event: { readonly witness?: string; readonly failed: string; readonly behind?: number }) => void;
  /** How long a witness may take; as long as from one round to the next unless said, so that none delays the next. */
  readonly deadlineMs?: number;
}

interface State extends WitnessAddress {
  /** Where it is believed to stand, from which the next proof leads. */
  size: number;
  /** What it cosigned last, and its line. */
  cosigned?: { readonly size: number; readonly body: string; readonly line: string };
  lastSuccess?: number;
  lastError?: string | undefined;
  behind?: number | undefined;
}

export class Witnesses {
  readonly #settings: WitnessesSettings;
  readonly #states: State[];
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  /** Of which text how many cosignatures are published. */
  #published = { body: '', lines: 0 };

  constructor(settings: WitnessesSettings) {
    this.#settings = settings;
    this.#states = settings.each.map(({ key, address }) => ({ key, address, size: 0 }));
  }

  status(): WitnessStatus[] {
    return this.#states.map(({ key, lastSuccess, cosigned, lastError, behind }) => ({
      name: key.name,
      lastSuccess,
      cosigned: cosigned?.size,
      lastError,
      behind,
    }));
  }

  /** Begins, and goes on until what it returns is called, which resolves when nothing is under way any more. */
  start(): () => Promise<void> {
    const { everySeconds, clock, after, report } = this.#settings;
    let cancel = (): void => {};
    const again = (): void => {
      const began = clock();
      void this.round()
        .catch((error: Error) => report({ failed: error.message }))
        .then(() => {
          if (!this.#stopping.signal.aborted) cancel = after(Math.max(0, everySeconds * 1000 - (clock() - began)), again);
        });
    };
    again();
    return async () => {
      this.#stopping.abort();
      cancel();
      await this.#running?.catch(() => {});
    };
  }

  /** Brings the newest signed head to every witness that has not cosigned it. One round at a time: called during one, it is that one. Rejects where log or store fail. */
  round(): Promise<void> {
    this.#running ??= this.#round().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #round(): Promise<void> {
    const { checkpoint: text } = await this.#settings.reader.head();
    if (text === undefined) return;
    const note = parseNote(text);
    const head = { text, note, checkpoint: readCheckpoint(note.body) };
    let enough: Promise<void> | undefined;
    await Promise.all(
      this.#states
        .filter(({ cosigned }) => cosigned?.body !== note.body)
        .map(async (state) => {
          await this.#ask(state, head);
          // As soon as they are enough: a witness that hangs keeps nobody waiting. What fails is tried again below.
          if (this.#linesFor(head).length >= this.#settings.quorum) enough ??= this.#publish(head).catch(() => {});
        }),
    );
    await enough;
    await this.#publish(head);
  }

  async #ask(state: State, head: SignedHead): Promise<void> {
    const { reader, fetch, clock, report, everySeconds, deadlineMs = everySeconds * 1000 } = this.#settings;
    const name = state.key.name;
    const signal = AbortSignal.any([AbortSignal.timeout(deadlineMs), this.#stopping.signal]);
    const before = state.lastError;
    try {
      const line = await askWitness(state, state.size, head, { reader, fetch, signal });
      const { size } = head.checkpoint;
      Object.assign(state, {
        size,
        cosigned: { size, body: head.note.body, line },
        lastSuccess: clock(),
        lastError: undefined,
        behind: undefined,
      });
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      state.lastError = signal.aborted ? `no answer within ${deadlineMs} ms` : reasonOf(error);
      state.behind = undefined;
      if (error instanceof CosignedLonger) {
        // Another process may have brought it a newer head since ours was read.
        const { size } = await reader.head();
        state.size = Math.min(error.size, size);
        state.behind = error.size > size ? error.size : undefined;
      }
      if (state.behind !== undefined) report({ witness: name, failed: state.lastError, behind: state.behind });
      else if (state.lastError !== before) report({ witness: name, failed: state.lastError });
    }
  }

  #linesFor({ note }: SignedHead): string[] {
    return this.#states.flatMap(({ cosigned }) => (cosigned?.body === note.body ? [cosigned.line] : []));
  }

  async #publish(head: SignedHead): Promise<void> {
    const { body, signatures } = head.note;
    const lines = this.#linesFor(head);
    const known = this.#published.body === body ? this.#published.lines : 0;
    if (lines.length < this.#settings.quorum || lines.length === known) return;
    await this.#settings.publish(formatNote(body, [...signatures.map(({ line }) => `${line}\n`), ...lines]), head.checkpoint.size);
    this.#published = { body, lines: lines.length };
  }
}

/** What `fetch` throws says why in its cause. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : message;
}
