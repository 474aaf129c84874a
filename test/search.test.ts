/** The search of the log: what it finds, what it counts, and what it does with a copy that is foreign, broken or behind. */
import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import t from 'tap';
import type { AuditEntry, EntryKind } from '../src/audit/entry.ts';
import { type KeptSearch, openPostgresSearch, openSqliteSearch } from '../src/audit/log-search.ts';
import type { Conditions, SearchQuery, SummaryQuery } from '../src/audit/search.ts';
import { LogBroken, type LogReader } from '../src/audit/store.ts';
import { chance, seedOf } from './support/chance.ts';
import { PaperLog } from './support/paper-log.ts';
import { command, findPostgres } from './support/postgres.ts';
import { plainSearch, plainSummary } from './support/search-oracle.ts';

const seed = seedOf();
t.comment(`seed ${seed}: SEED=${seed} shows this run again`);

const postgres = await findPostgres();
t.teardown(() => (typeof postgres === 'string' ? undefined : postgres.stop()));
t.testdir({});
let directories = 0;

/** A place for a copy. `sql` is what somebody with the database in his hands may say to it. */
interface Place {
  readonly address: string;
  open(reader: LogReader): KeptSearch;
  sql(text: string): Promise<Record<string, unknown>[]>;
}

/** Every database that the copy can be in; a new one is one row. */
const DATABASES: { readonly name: string; readonly skip: string | false; make(): Promise<Place> }[] = [
  {
    name: 'SQLite',
    skip: false,
    async make() {
      const directory = join(t.testdirName, String(directories++));
      mkdirSync(directory);
      const address = join(directory, 'search.db');
      return {
        address,
        open: (reader) => openSqliteSearch(address, reader),
        async sql(text) {
          const db = new DatabaseSync(address);
          const rows = db.prepare(text.replaceAll('oncegate.', '')).all() as Record<string, unknown>[];
          db.close();
          return rows;
        },
      };
    },
  },
  {
    name: 'PostgreSQL',
    skip: typeof postgres === 'string' ? postgres : false,
    async make() {
      const address = typeof postgres === 'string' ? '' : await postgres.fresh();
      return { address, open: (reader) => openPostgresSearch(address, reader), sql: (text) => command(address, text) };
    },
  },
];

const DAY_MS = 86_400_000;
const START = Date.parse('2026-03-01T00:00:00Z');
const KINDS: readonly EntryKind[] = ['intent', 'outcome', 'outcome', 'outcome', 'refusal', 'audit-read', 'retention'];

type Random = (below: number) => number;

/** A clock that mostly goes forward, and is put back and forth by seconds, days or years. */
function* clock(random: Random): Generator<number> {
  for (let time = START; ; ) {
    time += random(20_000);
    if (random(200) === 0) time += (random(2) === 0 ? -1 : 1) * random(5) * DAY_MS;
    yield random(300) === 0 ? time - random(3000) * DAY_MS : time - random(5000);
  }
}

const some = <T>(random: Random, of: readonly T[]): T[] => of.filter(() => random(3) === 0);
const names = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`);
const one = <T>(random: Random, of: readonly T[]): T => of[random(of.length)] as T;

const AGENCIES = names('H26.', 5);
const OFFICERS = names('officer ', 40);
const PROCEDURES = names('1.00000', 6);
const DOSSIERS = names('dossier-', 300);
const PEOPLE = names('pseudonym', 200);
const LAWS = names('law-', 4);
const SOURCES = names('source-', 4);
const FIELDS = names('/field', 9);
const OUTCOMES = ['answered', 'answered', 'abandoned', 'forbidden', '__proto__'];
const IDS = Array.from({ length: 500 }, (_, i) =>
  i % 7 === 0 ? `request ${i}` : `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`,
);

function entryAt(random: Random, time: number): AuditEntry {
  const kind = one(random, KINDS);
  const agency = one(random, AGENCIES);
  const about = kind === 'audit-read' || kind === 'retention' || random(20) === 0 ? {} : { procedure: one(random, PROCEDURES) };
  return {
    v: 1,
    time: new Date(time).toISOString(),
    kind,
    id: one(random, IDS),
    agency,
    client: agency,
    config: 'none',
    ...about,
    ...(random(3) === 0 ? {} : { officer: one(random, OFFICERS) }),
    ...(random(3) === 0 ? {} : { dossier: one(random, DOSSIERS) }),
    ...(random(4) === 0 ? {} : { legalBasis: some(random, LAWS) }),
    ...(random(4) === 0 ? {} : { fields: some(random, FIELDS) }),
    ...(random(4) === 0 ? {} : { subjects: { subject: one(random, PEOPLE), householder: one(random, PEOPLE) } }),
    ...(random(4) === 0
      ? {}
      : {
          sources: some(random, SOURCES).map((source) => ({
            source,
            dataset: 'd',
            role: 'r',
            result: one(random, ['found', 'absent', 'to-ask']),
          })),
        }),
    ...(kind === 'outcome' || kind === 'refusal' ? { outcome: one(random, OUTCOMES) } : {}),
    ...(random(2) === 0 ? {} : { papers: { lease: one(random, ['replaced', 'ask']), photo: 'ask' } }),
  };
}

/** Where each condition takes its value from; one in thirty asks for what no entry has. */
function conditionsFor(random: Random, times: readonly number[]): Conditions {
  const from: Record<string, (() => unknown) | undefined> = {
    pseudonyms: () => Array.from({ length: random(4) }, () => one(random, PEOPLE)),
    id: () => one(random, IDS),
    agency: () => one(random, AGENCIES),
    officer: () => one(random, OFFICERS),
    procedure: () => one(random, PROCEDURES),
    dossier: () => one(random, DOSSIERS),
    legalBasis: () => one(random, LAWS),
    source: () => one(random, SOURCES),
    field: () => one(random, FIELDS),
    kind: () => one(random, KINDS),
    outcome: () => one(random, OUTCOMES),
    from: () => new Date(one(random, times) + random(3) * DAY_MS - DAY_MS).toISOString(),
    to: () => new Date(one(random, times) + random(3) * DAY_MS - DAY_MS).toISOString(),
  };
  const asked = Object.keys(from).filter(() => random(6) === 0);
  return Object.fromEntries(
    asked.map((name) => [name, random(30) === 0 && !['from', 'to', 'pseudonyms'].includes(name) ? 'nobody' : from[name]?.()]),
  );
}

for (const { name, skip, make } of DATABASES)
  t.test(name, { skip }, async (t) => {
    t.test('property: what is found and counted is what a look at every entry finds and counts', async (t) => {
      const random = chance(seed);
      const log = new PaperLog();
      const place = await make();
      const search = place.open(log);
      const ticking = clock(random);
      const times: number[] = [];
      const wrong: unknown[] = [];
      for (let round = 0; round < 4; round++) {
        for (let i = random(2500); i >= 0; i--) {
          const time = ticking.next().value as number;
          times.push(time);
          log.write(entryAt(random, time));
          if (random(50) === 0) log.bodies[log.bodies.length - 1] = undefined;
        }
        for (let i = 0; i < 150; i++) {
          const query: SearchQuery = {
            ...conditionsFor(random, times),
            ...(random(3) === 0 ? { before: random(log.bodies.length + 10) } : {}),
            limit: one(random, [0, 1, 5, 50, 5000]),
          };
          const found = await search.search(query);
          const expected = plainSearch(log.bodies, query);
          if (JSON.stringify(found) !== JSON.stringify(expected))
            wrong.push({ query, found: found.map(({ index }) => index), expected: expected.map(({ index }) => index) });
        }
        for (const by of [[], ['agency'], ['procedure'], ['agency', 'procedure']] as const) {
          const query: SummaryQuery = {
            from: one(random, ['1999-01-01', '2026-03-02']),
            to: one(random, ['2026-03-02', '2999-12-31']),
            by,
          };
          t.same(await search.summary(query), plainSummary(log.bodies, query), `summary by ${by.join(' and ')}`);
        }
      }
      t.strictSame(wrong, []);
      t.strictSame(await search.progress(), { size: log.bodies.length, followed: log.bodies.length });
      await search.close();
    });
  });
