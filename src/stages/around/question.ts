/** A question on its way to a registry, and what may stand in its way: functions around the one that asks. */
import type { Answer, LookUp } from '../../adapter.ts';
import type { NotAskedReason, Opened } from '../../domain.ts';

/** One question to one registry, before it is asked. */
export interface Question extends LookUp {
  /** The agency on whose behalf it is asked first: others may share the answer. */
  readonly agency: string;
  /** Who waits for a turn: the agency, or its batches. */
  readonly party: string;
  /** Puts the intent on record. Called once it is certain that the registry is asked, and awaited before. */
  readonly open: () => Promise<Opened>;
  /** When its time is over, by the gateway's clock. */
  readonly until: number;
}

/** Whoever takes one has not asked anybody yet, and may still decide not to. */
export type LookUpOnce = (question: Question, signal: AbortSignal) => Promise<Answer>;
/** Whoever takes one asks: the intent is on record. */
export type AskOnce = (question: Question & { readonly opened: Opened }, signal: AbortSignal) => Promise<Answer>;

/** The gateway did not ask the registry. What it tells in place of an answer. */
export class NotAsked extends Error {
  readonly reason: NotAskedReason;
  /** Seconds after which it is worth asking again. */
  readonly retryAfterSeconds: number;

  constructor(reason: NotAskedReason, milliseconds: number) {
    super(reason);
    this.name = 'NotAsked';
    this.reason = reason;
    this.retryAfterSeconds = Math.max(1, Math.ceil(milliseconds / 1000));
  }
}
