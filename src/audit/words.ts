/** Gives texts their numbers, the same for all gateways that follow one log. */
import type { Sql, Table } from './sql.ts';

/** How many texts are asked for in one statement. */
const ASKED = 500;
/** Kept in memory; beyond it all are looked up anew. */
const MAX_KNOWN = 100_000;

export class Words {
  readonly #table: Table;
  #era: number | undefined;
  #known = new Map<string, number>();

  constructor(table: Table) {
    this.#table = table;
  }

  /**
   * The number of every text, and which texts had none before. For use by the one who holds the copy alone; `forget` MUST be called where the
   * transaction came to nothing, since the numbers it gave did too.
   */
  async numbers(sql: Sql, era: number, texts: ReadonlySet<string>): Promise<{ numbers: ReadonlyMap<string, number>; fresh: string[] }> {
    if (era !== this.#era || this.#known.size > MAX_KNOWN) this.forget();
    this.#era = era;
    const unknown = [...texts].filter((text) => !this.#known.has(text));
    for (const [text, id] of await stored(sql, this.#table, unknown)) this.#known.set(text, id);
    const fresh = unknown.filter((text) => !this.#known.has(text));
    if (fresh.length > 0) {
      const [last] = await sql.all(`SELECT coalesce(max(id), 0) AS id FROM ${this.#table.name}`);
      const rows = fresh.map((text, i) => [Number(last?.id) + 1 + i, text] as const);
      await sql.insert(this.#table, rows);
      for (const [id, text] of rows) this.#known.set(text, id);
    }
    return { numbers: this.#known, fresh };
  }

  forget(): void {
    this.#known = new Map();
  }
}

/** The numbers of those texts that have one. */
export async function stored(sql: Sql, table: Table, texts: readonly string[]): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (let i = 0; i < texts.length; i += ASKED) {
    const part = texts.slice(i, i + ASKED);
    const rows = await sql.all(`SELECT id, text FROM ${table.name} WHERE text IN (${part.map(() => '?').join(', ')})`, part);
    for (const { id, text } of rows) found.set(String(text), Number(id));
  }
  return found;
}

/** The texts that have these numbers. */
export async function wordsNumbered(sql: Sql, numbers: readonly number[]): Promise<Map<number, string>> {
  const found = new Map<number, string>();
  for (let i = 0; i < numbers.length; i += ASKED) {
    const part = numbers.slice(i, i + ASKED);
    const rows = await sql.all(`SELECT id, text FROM search_word WHERE id IN (${part.map(() => '?').join(', ')})`, part);
    for (const { id, text } of rows) found.set(Number(id), String(text));
  }
  return found;
}
