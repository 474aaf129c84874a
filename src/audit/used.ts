/** Reads how grants were used, for auditors. */
import { setImmediate as turn } from 'node:timers/promises';
import { marks } from './blocks.ts';
import { monthNumber, textOf, wordOf } from './facts.ts';
import { type GrantUse, MANY_OFFICERS, type TimesUsed, type UsesQuery } from './search.ts';
import { USE, WORD } from './search-tables.ts';
import type { Row, Sql } from './sql.ts';
import { readNumbers } from './uses.ts';
import { stored, wordsNumbered } from './words.ts';

/** Agencies in one statement. */
const TOGETHER = 4;

/** Sums over months and suppliers. Sets are of numbers of words. */
interface Sum {
  readonly agency: number;
  readonly grant: number;
  uses: number;
  last: number;
  readonly officers: Set<number>;
  readonly given: Set<number>;
  readonly actors: Map<number, { uses: number; last: number }>;
}

export async function users(sql: Sql): Promise<string[]> {
  // From one to the next by the key: the table has many rows for each.
  const rows = await sql.all(
    `WITH RECURSIVE one_by_one(agency) AS (SELECT min(agency) FROM ${USE.name}
     UNION ALL SELECT (SELECT min(u.agency) FROM ${USE.name} u WHERE u.agency > one_by_one.agency) FROM one_by_one WHERE agency IS NOT NULL)
     SELECT agency FROM one_by_one WHERE agency IS NOT NULL`,
  );
  const words = await wordsNumbered(
    sql,
    rows.map(({ agency }) => Number(agency)),
  );
  return [...words.values()].map(textOf).sort();
}

/** Throws a RangeError for a month that is none. */
export async function uses(sql: Sql, { from, to, agencies }: UsesQuery): Promise<GrantUse[]> {
  const months = [monthNumber(from), monthNumber(to)];
  if (months.some(Number.isNaN)) throw new RangeError('a month is written YYYY-MM');
  const words = agencies.map((agency) => wordOf('agency', agency));
  const numbers = [...(await stored(sql, WORD, words)).values()];
  const sums = new Map<string, Sum>();
  for (let i = 0; i < numbers.length; i += TOGETHER) {
    const part = numbers.slice(i, i + TOGETHER);
    const text = `SELECT * FROM ${USE.name} WHERE agency IN (${marks(part)}) AND month >= ? AND month <= ?`;
    for (const row of await sql.all(text, [...part, ...months])) add(sums, row);
    // Others ask too.
    await turn();
  }
  return told(sql, [...sums.values()]);
}

function add(sums: Map<string, Sum>, row: Row): void {
  const [agency, grant, actor, times, last] = ['agency', 'grant_word', 'actor', 'times', 'last'].map((name) => Number(row[name])) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const name = `${agency} ${grant}`;
  let sum = sums.get(name);
  if (sum === undefined) sums.set(name, (sum = { agency, grant, uses: 0, last, officers: new Set(), given: new Set(), actors: new Map() }));
  sum.uses += times;
  sum.last = Math.max(sum.last, last);
  for (const officer of readNumbers(String(row.officers))) sum.officers.add(officer);
  for (const word of readNumbers(String(row.given))) sum.given.add(word);
  const before = sum.actors.get(actor) ?? { uses: 0, last };
  if (actor !== 0) sum.actors.set(actor, { uses: before.uses + times, last: Math.max(before.last, last) });
}

async function told(sql: Sql, sums: readonly Sum[]): Promise<GrantUse[]> {
  const numbers = new Set(sums.flatMap(({ agency, grant, given, actors }) => [agency, grant, ...given, ...actors.keys()]));
  const words = await wordsNumbered(sql, [...numbers]);
  const word = (number: number): string => words.get(number) ?? '';
  const times = ({ uses, last }: { uses: number; last: number }): TimesUsed => ({ uses, lastUsed: new Date(last).toISOString() });
  const all = sums.map((sum): GrantUse => {
    const [procedure = '', grant = ''] = textOf(word(sum.grant)).split('\n');
    const given = [...sum.given].map(word);
    const of = (role: 'field' | 'paper'): string[] => given.filter((one) => one.startsWith(`${role} `)).map(textOf);
    return {
      agency: textOf(word(sum.agency)),
      procedure,
      grant,
      ...times(sum),
      officers: Math.min(MANY_OFFICERS, sum.officers.size),
      fields: of('field').sort(),
      papers: of('paper').sort(),
      suppliers: Object.fromEntries([...sum.actors].map(([actor, one]) => [textOf(word(actor)), times(one)])),
    };
  });
  return all.sort(
    (one, other) => order(one.agency, other.agency) || order(one.procedure, other.procedure) || order(one.grant, other.grant),
  );
}

const order = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);
