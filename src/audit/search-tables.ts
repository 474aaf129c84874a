/** How the log is laid out to be searched: exact places for what is rare, places by block for what is common. */
import { randomInt } from 'node:crypto';
import type { Table, Value } from './sql.ts';

/** Whoever changes a table, or what stands in it, takes the next number: a copy of an older form is made again. */
export const FORM = 3;

/**
 * Entries of a block. What many entries share (an agency, a field, a law) is not indexed entry by entry, but noted once for each block that has it;
 * a search goes through the blocks that have all it asks for, newest first. Measured on three million entries against an index for each
 * column: 148 against 244 bytes an entry, and half the time to write.
 */
export const BLOCK = 1024;

/**
 * Entries of an epoch. Pseudonyms and request ids are random, so each new one lands anywhere in its index; within an epoch that is a few megabytes,
 * which stay in memory however long the log is. A search looks into every epoch, at some microseconds each.
 */
export const EPOCH = 65_536;

/** Of no use to a search but to find the copy's own place in the log: `last` is the leaf hash of the entry before `next`, `era` another number each time it is begun anew. */
export const PROGRESS: Table = {
  name: 'search_progress',
  columns: { id: 'int', form: 'int', era: 'long', next: 'long', last: 'text' },
  key: ['id'],
};

/** The row of a copy that is begun: as the rows of PROGRESS are. */
export const beginning = (): Value[] => [0, FORM, randomInt(2 ** 47), 0, ''];

/** Texts that come again and again, each with its role before it, as numbers. */
export const WORD: Table = { name: 'search_word', columns: { id: 'int', text: 'text' }, key: ['id'], unique: 'text' };

/** The legal bases, sources and fields of an entry, all together: sets repeat, so an entry names its set. */
export const SHAPE: Table = { name: 'search_shape', columns: { id: 'int', text: 'text' }, key: ['id'], unique: 'text' };
export const TRAIT: Table = { name: 'search_trait', columns: { word: 'int', shape: 'int' }, key: ['word', 'shape'] };

/** The members of an entry of which it has one at most. In the table 0 stands for none. */
export const COLUMNS = ['kind', 'agency', 'officer', 'procedure', 'outcome', 'actor'] as const;

/** Times are milliseconds, null where an entry has none that can be read. */
export const ENTRY: Table = {
  name: 'search_entry',
  columns: {
    idx: 'long',
    time: 'long',
    kind: 'int',
    agency: 'int',
    officer: 'int',
    procedure: 'int',
    outcome: 'int',
    actor: 'int',
    shape: 'int',
  },
  key: ['idx'],
};

/** Where persons, requests and dossiers are, each by the first half of a SHA-256: 128 bits, so no two share it. */
export const MENTION: Table = {
  name: 'search_mention',
  columns: { epoch: 'int', key: 'key', idx: 'long' },
  key: ['epoch', 'key', 'idx'],
};

export const SEEN: Table = { name: 'search_seen', columns: { word: 'int', block: 'int' }, key: ['word', 'block'] };

/** The earliest and the latest time of a block. Times grow with the index, but not strictly: gateways have their own clocks, and clocks are put back. */
export const SPAN: Table = { name: 'search_span', columns: { block: 'int', low: 'long', high: 'long' }, key: ['block'] };

/** The first and the last block with an entry of that day (days since 1970, in Viet Nam): a clock that ran wrong once widens that one day alone. */
export const DAY: Table = { name: 'search_day', columns: { day: 'int', first: 'int', last: 'int' }, key: ['day'] };

/** Counts of a day: of all (scope 0), of an agency (1), of a procedure (2), of a procedure in an agency (3). */
export const TALLY: Table = {
  name: 'search_tally',
  columns: { scope: 'int', day: 'int', agency: 'int', procedure: 'int', counts: 'text' },
  key: ['scope', 'day', 'agency', 'procedure'],
};

/**
 * How a grant was used in a month, by the agency itself (actor 0) or a supplier: how often, when last, by which officers, and what was given. By months,
 * since whoever cuts grants down looks back over many: with 7,200 grants in use that is 7,200 rows a month, however much is asked.
 */
export const USE: Table = {
  name: 'search_use',
  columns: { agency: 'int', grant_word: 'int', actor: 'int', month: 'int', times: 'int', last: 'long', officers: 'text', given: 'text' },
  key: ['agency', 'grant_word', 'actor', 'month'],
};

/** Requests of an official on a day: what is their custom. */
export const CUSTOM: Table = {
  name: 'search_custom',
  columns: { agency: 'int', day: 'int', officer: 'int', requests: 'int' },
  key: ['agency', 'day', 'officer'],
};

export const TABLES: readonly Table[] = [PROGRESS, WORD, SHAPE, TRAIT, ENTRY, MENTION, SEEN, SPAN, DAY, TALLY, USE, CUSTOM];
