/** The little of SQL that the searchable copy of the log is written in, the same for every database. */

export type Value = number | string | Buffer | null;
export type Row = Readonly<Record<string, unknown>>;

/** `int` up to 2^31, `long` up to 2^53, `key` 16 bytes. */
export type ColumnType = 'int' | 'long' | 'key' | 'text';

export interface Table {
  readonly name: string;
  readonly columns: Readonly<Record<string, ColumnType>>;
  /** Names of the columns that are the key. */
  readonly key: readonly string[];
  /** A column no two rows have the same value in. */
  readonly unique?: string;
}

/** Statements say `?` for a value. They end with `lock` where the rows that they read must stay as they are to the end of the transaction. */
export interface Sql {
  readonly lock: string;
  all(sql: string, values?: readonly Value[]): Promise<Row[]>;
  /**
   * What to read a table `e` from, and the condition, so that its rows in so many ranges of the key [from, to) are sought by the key; the values are the
   * bounds, two a range.
   */
  among(table: Table, ranges: number): { readonly from: string; readonly holds: string };
  /** Adds rows; one whose key is there already is left as it is. */
  insert(table: Table, rows: readonly (readonly Value[])[]): Promise<void>;
  /** Adds rows; one whose key is there already takes its place. */
  put(table: Table, rows: readonly (readonly Value[])[]): Promise<void>;
  /** The rows that have one of these keys, in no order. */
  find(table: Table, keys: readonly (readonly Value[])[]): Promise<Row[]>;
  /** Takes away every row. */
  empty(table: Table): Promise<void>;
}

export interface Database extends Sql {
  /** Runs a work whose statements count together or not at all. MUST wait for the disk only where what others read depends on it. */
  transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  /** Tells the database how much there is now, where its plans depend on that. */
  analyse(): Promise<void>;
  /** Whether an error says that what is stored is of no use: damaged, or taken away. */
  spoilt(error: unknown): boolean;
  /** Throws away what is stored, where opening again would not do so by itself. */
  discard(): Promise<void>;
  close(): Promise<void>;
}
