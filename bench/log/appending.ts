/** How many entries a second become durable in batches of 1, 10 and 100, beside rows of a plain table with the indexes that a search needs. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Client } from 'pg';
import { openPostgresLog } from '../../src/audit/postgres.ts';
import { openSqliteLog } from '../../src/audit/sqlite.ts';
import type { TestPostgres } from '../../test/support/postgres.ts';
import { markdown, median } from '../report.ts';
import { entryOf, openLog } from './entries.ts';

const BATCHES = [1, 10, 100];
const ROUNDS = 5;
const COLUMNS = ['time', 'agency', 'officer', 'procedure', 'dossier', 'kind', 'outcome'] as const;
const INDEXED = ['agency', 'officer', 'procedure', 'dossier', 'time', 'subject'];
const SUBJECT = COLUMNS.length + 2;

/** Makes one batch durable. */
type Append = (from: number, count: number) => Promise<unknown>;

interface Contestant {
  readonly title: string;
  readonly append: Append;
  close(): Promise<void> | void;
}

export async function appending(directory: string, postgres: TestPostgres | undefined, share: number): Promise<string> {
  const contestants = [
    await log('SQLite, the log', openSqliteLog(join(directory, 'appending.db'))),
    plainSqlite(join(directory, 'plain.db')),
  ];
  if (postgres !== undefined) {
    contestants.push(await log('PostgreSQL, the log', await openPostgresLog(await postgres.fresh())));
    contestants.push(await plainPostgres(await postgres.fresh()));
  }
  const rates = new Map<string, number[]>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const batch of BATCHES) {
      for (const { title, append } of contestants) {
        const commits = Math.ceil((batch === 1 ? 400 : 150) * share);
        const start = performance.now();
        for (let i = 0; i < commits; i++) await append(next(batch), batch);
        const rate = (commits * batch) / ((performance.now() - start) / 1000);
        rates.set(`${title} ${batch}`, [...(rates.get(`${title} ${batch}`) ?? []), rate]);
      }
    }
  }
  for (const { close } of contestants) await close();
  const rate = (title: string, batch: number): number => median(rates.get(`${title} ${batch}`) ?? []);
  const rows = contestants.map(({ title }, i) => {
    const plain = contestants[i - (i % 2) + 1]?.title ?? '';
    return [
      title,
      ...BATCHES.flatMap((batch) => [
        Math.round(rate(title, batch)).toLocaleString('en'),
        (rate(title, batch) / rate(plain, batch)).toFixed(2),
      ]),
    ];
  });
  return markdown(['durable entries/s in batches of', ...BATCHES.flatMap((batch) => [String(batch), '× plain'])], rows);
}

let made = 0;
const next = (count: number): number => {
  made += count;
  return made - count;
};

async function log(title: string, store: Parameters<typeof openLog>[0]): Promise<Contestant> {
  const opened = await openLog(store);
  return {
    title,
    append: (from, count) =>
      Promise.all(Array.from({ length: count }, (_, i) => opened.append(entryOf(from + i, 'outcome'), { receipt: true }))),
    close: () => store.close(),
  };
}

function rowOf(n: number): (string | number)[] {
  const entry = entryOf(n, 'outcome');
  return [n, ...COLUMNS.map((name) => entry[name] ?? ''), entry.subjects?.subject ?? '', JSON.stringify(entry)];
}

function plainSqlite(path: string): Contestant {
  const db = new DatabaseSync(path);
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
    CREATE TABLE plain (id INTEGER PRIMARY KEY, ${COLUMNS.map((name) => `${name} TEXT`).join(', ')}, subject TEXT, body TEXT);
    ${INDEXED.map((name) => `CREATE INDEX plain_${name} ON plain (${name});`).join(' ')}`);
  const insert = db.prepare(`INSERT INTO plain VALUES (${Array.from({ length: SUBJECT + 1 }, () => '?').join(', ')})`);
  return {
    title: 'SQLite, a plain indexed table',
    append: async (from, count) => {
      db.exec('BEGIN');
      for (let i = 0; i < count; i++) insert.run(...rowOf(from + i));
      db.exec('COMMIT');
    },
    close: () => db.close(),
  };
}

async function plainPostgres(url: string): Promise<Contestant> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(
    `CREATE TABLE plain (id bigint PRIMARY KEY, ${COLUMNS.map((name) => `${name} text`).join(', ')}, subject text, body text)`,
  );
  for (const name of INDEXED) await client.query(`CREATE INDEX plain_${name} ON plain (${name})`);
  const width = SUBJECT + 1;
  return {
    title: 'PostgreSQL, a plain indexed table',
    append: (from, count) => {
      const places = Array.from(
        { length: count },
        (_, i) => `(${Array.from({ length: width }, (_, j) => `$${i * width + j + 1}`).join(', ')})`,
      );
      const text = `INSERT INTO plain VALUES ${places.join(', ')}`;
      return client.query({ name: `plain ${count}`, text, values: Array.from({ length: count }, (_, i) => rowOf(from + i)).flat() });
    },
    close: () => client.end(),
  };
}
