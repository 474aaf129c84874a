/** What a store of reports of wrong values is. Every implementation passes the suite in `test/corrections.test.ts`. */
import type { Due, Work } from '../later/store.ts';

/** `reported` is open; `unanswered` its time is over, though it may be answered late; `answered` and `withdrawn` are closed. */
export type TicketState = 'reported' | 'unanswered' | 'answered' | 'withdrawn';

/** All of it but `sealed` stands there in the clear, so none of it may be of a person. Times are milliseconds since the epoch. */
export interface Ticket extends Due {
  readonly id: string;
  /** Who reported it. */
  readonly agency: string;
  readonly source: string;
  readonly dataset: string;
  /** The record, by a name that nobody can tell whose it is without the key. */
  readonly record: string;
  /** Pointers of the values, with a space between. */
  readonly values: string;
  readonly state: TicketState;
  readonly created: number;
  /** When its state ends at the latest. */
  readonly ends: number;
  readonly sealed: Buffer;
}

export interface TicketStore extends Work<Ticket> {
  /** False, and nothing kept, where the agency has one open of these values of this record. MUST resolve only when it would survive a power cut. */
  add(ticket: Ticket): Promise<boolean>;
  get(id: string): Promise<Ticket | undefined>;
  /** The one that the agency has open. */
  same(ticket: Pick<Ticket, 'agency' | 'record' | 'values'>): Promise<Ticket | undefined>;
  /** How many an agency has open. */
  openOf(agency: string): Promise<number>;
  /** Those of a source in a state, the oldest first. */
  list(source: string, state: TicketState, most: number): Promise<Ticket[]>;
  /** Puts one as it is now, whoever works on it, where its state is still the one before. MUST resolve only when it would survive a power cut. */
  change(ticket: Ticket, before: TicketState): Promise<boolean>;
  /** Another text whenever those that are open are others. */
  openMark(): Promise<string>;
  open(): Promise<Ticket[]>;
  close(): Promise<void>;
}
