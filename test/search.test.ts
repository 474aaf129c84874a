/** The search of the log: what it finds, what it counts, and what it does with a copy that is foreign, broken or behind. */
import { execFile } from 'node:child_process';
import { closeSync, fstatSync, mkdirSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { Worker } from 'node:worker_threads';
import pg from 'pg';
import t from 'tap';
import { canonicalJson } from '../src/audit/canonical.ts';
import { type DeskLocation, openDesk } from '../src/audit/desk.ts';
import type { AuditEntry } from '../src/audit/entry.ts';
import { type KeptSearch, openPostgresSearch, openSqliteSearch } from '../src/audit/log-search.ts';
import { openPostgresLog } from '../src/audit/postgres.ts';
import { type Conditions, type Found, MAX_TALLIES, type SearchQuery, type SummaryQuery } from '../src/audit/search.ts';
import { EPOCH } from '../src/audit/search-tables.ts';
import { openSqliteLog } from '../src/audit/sqlite.ts';
import { LogBroken, type LogReader, type LogStore } from '../src/audit/store.ts';
import { chance, seedOf } from './support/chance.ts';
import { entryOf, rejection } from './support/log.ts';
import { logAll } from './support/log-building.ts';
import { PaperLog } from './support/paper-log.ts';
import { command, findPostgres } from './support/postgres.ts';
import { AGENCIES, clock, conditionsFor, entryAt, KINDS, one, PEOPLE, type Random } from './support/random-entries.ts';
import { plainSearch, plainSummary, plainUsers, plainUses } from './support/search-oracle.ts';

const seed = seedOf();
t.comment(`seed ${seed}: SEED=${seed} shows this run again`);

const postgres = await findPostgres();
t.teardown(() => (typeof postgres === 'string' ? undefined : postgres.stop()));
t.testdir({});
let directories = 0;
const newDirectory = (): string => {
  const directory = join(t.testdirName, String(directories++));
  mkdirSync(directory);
  return directory;
};

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
      const directory = newDirectory();
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

const plain = (n: number): AuditEntry => ({ ...entryOf(n), time: '2026-03-01T10:00:00.000Z' });
const BY = [[], ['agency'], ['procedure'], ['agency', 'procedure']] as const;
const EVER: SummaryQuery = { from: '1999-01-01', to: '2999-12-31', by: ['agency', 'procedure'] };

/** Entries at 10:00:00.000, .123, 10:00:59.999, 10:01:00.000, and one whose time nobody can read. */
const TIMES: readonly [rule: string, conditions: Conditions, found: readonly number[]][] = [
  ['from is inclusive', { from: '2026-03-01T10:00:00.123Z' }, [3, 2, 1]],
  ['to is exclusive', { to: '2026-03-01T10:00:00.123Z' }, [0]],
  ['what is finer than a millisecond counts, from', { from: '2026-03-01T10:00:00.1230001Z' }, [3, 2]],
  ['and to', { to: '2026-03-01T10:00:00.1230001Z' }, [1, 0]],
  ['a leap second comes before the next minute', { to: '2026-03-01T10:00:60Z' }, [2, 1, 0]],
  ['and after the last millisecond of this one', { from: '2026-03-01T10:00:60.5Z' }, [3]],
  ['small letters', { from: '2026-03-01t10:00:59z' }, [3, 2]],
  ['fewer digits', { from: '2026-03-01T10:00:00.12Z', to: '2026-03-01T10:00:00.2Z' }, [1]],
  ['until for ever', { from: '0001-01-01T00:00:00Z', to: '9999-12-31T23:59:59Z' }, [3, 2, 1, 0]],
  ['an empty time', { from: '2026-03-01T10:00:01Z', to: '2026-03-01T10:00:00Z' }, []],
  ['another day', { from: '2026-03-02T10:00:00Z' }, []],
  ['none asked for', {}, [4, 3, 2, 1, 0]],
];

/** Entries of a log whose copy is lost: several tiles of it. */
const LOST = 800;
/** What may befall such a log: restored from a copy of so many, it goes on with so many others, of which one row takes more than one step. */
const LOGS: readonly [rule: string, restored: number, more: number][] = [
  ['a log that was restored from an older copy', 400, 0],
  ['a log that was restored and went on otherwise', 400, 2000],
  ['a log that was restored and is as long again', LOST - 1, 1],
  ['another log', 0, LOST + 100],
  ['an empty log', 0, 0],
];

/** Overwrites all but the first page, as a failing disk does. */
function damage(path: string): void {
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(fstatSync(file).size - 4096, 0x5a), 0, undefined, 4096);
  closeSync(file);
}

const replaced = ({ address, sql }: Place): unknown => {
  truncateSync(address);
  return sql('CREATE TABLE other (a)');
};

type Spoil = (place: Place) => unknown;
/** What may befall a copy, while it is open or not. */
const SPOILT: Readonly<Record<string, readonly [rule: string, spoil: Spoil, when: 'open' | 'closed'][]>> = {
  SQLite: [
    ['it was thrown away', ({ address }) => rmSync(address), 'closed'],
    ['it was cut off', ({ address }) => truncateSync(address, 50_000), 'closed'],
    ['it is empty', ({ address }) => truncateSync(address, 0), 'closed'],
    [
      'it is something else',
      ({ address }) => writeFileSync(address, 'something else, and longer than a header would be: '.repeat(99)),
      'closed',
    ],
    ['it is another database', replaced, 'closed'],
    ['it is of another form', ({ sql }) => sql('PRAGMA user_version = 1000000'), 'closed'],
    ['it was damaged', ({ address }) => damage(address), 'closed'],
    ['it was damaged while it was open', ({ address }) => damage(address), 'open'],
  ],
  PostgreSQL: [
    ['its tables were dropped', ({ sql }) => sql('DROP SCHEMA oncegate CASCADE'), 'closed'],
    ['its tables were dropped while it was open', ({ sql }) => sql('DROP SCHEMA oncegate CASCADE'), 'open'],
    ['a table was dropped', ({ sql }) => sql('DROP TABLE oncegate.search_mention'), 'closed'],
    ['a table was dropped while it was open', ({ sql }) => sql('DROP TABLE oncegate.search_mention'), 'open'],
    ['it is of an older form', ({ sql }) => sql('UPDATE oncegate.search_progress SET form = 0'), 'closed'],
  ],
};

for (const { name, skip, make } of DATABASES)
  t.test(name, { skip }, async (t) => {
    t.test('property: what is found and counted is what a look at every entry finds and counts', async (t) => {
      const random = chance(seed);
      const log = new PaperLog();
      const place = await make();
      const search = place.open(log);
      const times: number[] = [];
      const ticking = clock(random);
      const wrong: unknown[] = [];
      for (let round = 0; round < 3; round++) {
        for (let i = random(2500); i >= 0; i--) {
          times.push(ticking.next().value as number);
          log.write(entryAt(random, times.at(-1) as number));
          if (random(50) === 0) log.bodies[log.bodies.length - 1] = undefined;
        }
        for (let i = 0; i < 80; i++) {
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
        for (const by of BY) {
          const query: SummaryQuery = {
            from: one(random, ['1999-01-01', '2026-03-02']),
            to: one(random, ['2026-03-02', '2999-12-31']),
            by,
          };
          t.same(await search.summary(query), plainSummary(log.bodies, query), `summary by ${by.join(' and ')}`);
        }
        const used = {
          from: one(random, ['1999-01', '2026-03']),
          to: one(random, ['2026-03', '2999-12']),
          agencies: ['nobody', ...AGENCIES.slice(random(3))],
        };
        t.same(await search.uses(used), plainUses(log.bodies, used), 'how grants were used');
        t.strictSame(await search.users(), plainUsers(log.bodies), 'and by whom');
        const [kind, before] = [one(random, KINDS), new Date(one(random, times)).toISOString()];
        const old = plainSearch(log.bodies, { kind, to: before, limit: 10_000 })
          .map(({ index }) => index)
          .reverse();
        t.strictSame(await search.expired(kind, before, 10_000), old, 'expired');
        t.strictSame(await search.expired(kind, before, 7), old.slice(0, 7), 'the oldest first');
      }
      t.strictSame(wrong, []);
      t.strictSame(await search.progress(), { size: log.bodies.length, followed: log.bodies.length });
      await search.close();
    });

    t.test('a log of several epochs: whoever is rare is found at its either end', async (t) => {
      const log = new PaperLog();
      const SIZE = EPOCH + 100;
      const rare = new Set([0, 1, EPOCH - 1, EPOCH, SIZE - 1]);
      for (let i = 0; i < SIZE; i++)
        log.write({ ...plain(i), ...(rare.has(i) ? { officer: 'rare', dossier: 'rare', subjects: { subject: 'rare' } } : {}) });
      const search = (await make()).open(log);
      for (const conditions of [
        { officer: 'rare' },
        { dossier: 'rare' },
        { pseudonyms: ['nobody', 'rare'] },
        { officer: 'rare', pseudonyms: ['rare'] },
      ]) {
        const all = await search.search({ ...conditions, limit: 10 });
        t.strictSame(
          all.map(({ index }) => index),
          [...rare].reverse(),
          Object.keys(conditions).join(', '),
        );
        const page = await search.search({ ...conditions, before: EPOCH, limit: 2 });
        t.strictSame(
          page.map(({ index }) => index),
          [EPOCH - 1, 1],
        );
      }
      await search.close();
    });

    t.test('pages follow one another without gap or repetition while entries are added', async (t) => {
      const random = chance(seed);
      const log = new PaperLog();
      const ticking = clock(random);
      const add = (count: number): void => {
        for (let i = 0; i < count; i++) log.write(entryAt(random, ticking.next().value as number));
      };
      add(700);
      const search = (await make()).open(log);
      for (const conditions of [{ agency: AGENCIES[0] as string }, { pseudonyms: PEOPLE.slice(0, 30) }, {}]) {
        const expected = plainSearch(log.bodies, { ...conditions, limit: 10_000 });
        const found: Found[] = [];
        for (let page = await search.search({ ...conditions, limit: 7 }); page.length > 0; ) {
          found.push(...page);
          add(random(20));
          page = await search.search({ ...conditions, before: page.at(-1)?.index as number, limit: 7 });
        }
        t.strictSame(found, expected);
      }
      await search.close();
    });

    t.test('times are those of RFC 3339', async (t) => {
      const log = new PaperLog();
      for (const time of ['2026-03-01T10:00:00.000Z', '2026-03-01T10:00:00.123Z', '2026-03-01T10:00:59.999Z', '2026-03-01T10:01:00.000Z'])
        log.write({ ...plain(0), time });
      log.write({ ...plain(0), time: 'noon' });
      const search = (await make()).open(log);
      for (const [rule, conditions, expected] of TIMES) {
        const found = await search.search({ ...conditions, limit: 10 });
        t.strictSame(
          found.map(({ index }) => index),
          expected,
          rule,
        );
      }
      await t.rejects(search.search({ from: 'yesterday', limit: 1 }), RangeError);
      await t.rejects(search.summary({ from: 'yesterday', to: '2026-03-01', by: [] }), RangeError);
      await t.rejects(search.uses({ from: 'yesterday', to: '2026-03', agencies: [] }), RangeError);
      await search.close();
    });

    t.test('an entry that was changed or taken away is not shown as if it were, nor left out', async (t) => {
      const log = new PaperLog();
      for (let i = 0; i < 600; i++) log.write({ ...plain(i), officer: `officer ${i % 3}` });
      const search = (await make()).open(log);
      await search.follow();
      log.bodies[300] = log.bodies[300]?.replace('"id":"', '"id":"x');
      await t.rejects(search.search({ officer: 'officer 0', limit: 500 }), { name: 'LogBroken', index: 300 });
      t.equal((await search.search({ officer: 'officer 1', limit: 500 })).length, 200, 'others are');
      t.equal((await search.search({ officer: 'officer 0', limit: 50 })).length, 50, 'and so are those on pages before it');
      log.bodies[301] = undefined;
      await t.rejects(search.search({ officer: 'officer 1', limit: 500 }), { name: 'LogBroken', index: 301 });
      await search.close();
    });

    t.test('a body that is no entry stops nobody, and is told by whoever comes across it', async (t) => {
      for (const body of ['not JSON', '{}', '{"v":1,"subjects":null}', '[]', '"text"']) {
        const log = new PaperLog();
        for (let i = 0; i < 10; i++) log.write(plain(i));
        log.bodies[5] = body;
        const search = (await make()).open(log);
        t.equal((await search.search({ agency: 'X01.1', limit: 50 })).length, 9, body);
        await t.rejects(search.search({ limit: 50 }), { name: 'LogBroken', index: 5 });
        await search.close();
      }
    });

    t.test('what no database would take for a key is found all the same', async (t) => {
      const log = new PaperLog();
      const odd = ['nul\0', 'nul\0 2', 'x'.repeat(5000), '"quoted\\"', '{a,b}', 'NULL', '', ' ', '\u{1F600}', "'"];
      for (const text of odd)
        log.write({
          ...plain(0),
          officer: text,
          procedure: text,
          outcome: text,
          id: text,
          dossier: text,
          fields: [text],
          subjects: { a: text },
        });
      const search = (await make()).open(log);
      for (const [index, text] of odd.entries())
        for (const conditions of [
          { officer: text, procedure: text },
          { outcome: text, field: text },
          { id: text, dossier: text, pseudonyms: [text] },
        ])
          t.strictSame(
            (await search.search({ ...conditions, limit: 50 })).map((found) => found.index),
            [index],
            text.slice(0, 9),
          );
      t.equal((await search.summary({ from: '2026-01-01', to: '2026-12-31', by: ['procedure'] })).length, odd.length);
      await search.close();
    });

    t.test('forgotten entries are found by nothing, and still counted', async (t) => {
      const random = chance(seed);
      const log = new PaperLog();
      const ticking = clock(random);
      const times = Array.from({ length: 4000 }, () => ticking.next().value as number);
      for (const time of times) log.write(entryAt(random, time));
      const place = await make();
      const search = place.open(log);
      const counted = await search.summary(EVER);
      const before = new Date(times.toSorted((one, other) => one - other)[2000] as number).toISOString();
      const old = await search.expired('outcome', before, 10_000);
      t.ok(old.length > 100);
      t.strictSame(await search.search({ kind: 'outcome', to: before, limit: 1 }).then((found) => found.length), 1);

      await t.test('bodies go first: what the log says it forgot is passed over', async (t) => {
        log.write({
          ...plain(0),
          kind: 'retention',
          retention: { upTo: Math.max(...old) + 1, count: old.length, before: { outcome: before } },
        });
        log.retention = log.bodies.length - 1;
        const half = old.slice(0, old.length / 2);
        for (const index of half) log.bodies[index] = undefined;
        t.strictSame(await search.search({ kind: 'outcome', limit: 10_000 }), plainSearch(log.bodies, { kind: 'outcome', limit: 10_000 }));
        t.strictSame(
          await search.search({ kind: 'outcome', limit: 9, before: old.at(-3) as number }),
          plainSearch(log.bodies, { kind: 'outcome', limit: 9, before: old.at(-3) as number }),
          'and leaves no page short',
        );
        t.strictSame(await search.expired('outcome', before, 10_000), old, 'one that was interrupted comes to its end');
      });
      for (const index of old) log.bodies[index] = undefined;
      await search.forget(old);
      await search.forget(old);
      t.strictSame(await search.expired('outcome', before, 10_000), []);
      t.strictSame(await search.summary(EVER), counted);
      for (const conditions of [{}, { kind: 'outcome' as const }, { to: before }, { pseudonyms: PEOPLE.slice(0, 50) }])
        t.strictSame(await search.search({ ...conditions, limit: 10_000 }), plainSearch(log.bodies, { ...conditions, limit: 10_000 }));
      for (const table of ['entry', 'mention'])
        t.strictSame(
          await place.sql(`SELECT count(*) AS left FROM oncegate.search_${table} WHERE idx IN (${old})`).then(([row]) => Number(row?.left)),
          0,
          table,
        );
      await search.close();
    });

    t.test('a summary of too many rows is refused', async (t) => {
      const log = new PaperLog();
      for (let i = 0; i <= MAX_TALLIES; i++)
        log.write({ ...plain(i), kind: 'refusal', agency: `X${i % 101}`, procedure: `P${Math.floor(i / 101)}` });
      const search = (await make()).open(log);
      const query: SummaryQuery = { from: '2026-03-01', to: '2026-03-01', by: ['agency', 'procedure'] };
      await t.rejects(search.summary(query), RangeError);
      t.equal((await search.summary({ ...query, by: ['agency'] })).length, 101);
      await search.close();
    });

    t.test('several followers of one copy take turns, and count nothing twice', async (t) => {
      const random = chance(seed);
      const log = new PaperLog();
      const ticking = clock(random);
      for (let i = 0; i < 6000; i++) log.write(entryAt(random, ticking.next().value as number));
      const place = await make();
      const searches = [0, 1, 2].map(() => place.open(log));
      const counts = await Promise.all(searches.map((search) => search.search({ agency: AGENCIES[1] as string, limit: 10_000 })));
      for (const found of counts)
        t.strictSame(found.length, plainSearch(log.bodies, { agency: AGENCIES[1] as string, limit: 10_000 }).length);
      for (const search of searches) t.same(await search.summary(EVER), plainSummary(log.bodies, EVER));
      await Promise.all(searches.map((search) => search.close()));
    });

    t.test('a step that comes to nothing leaves nothing', async (t) => {
      const random = chance(seed);
      const log = new PaperLog();
      const ticking = clock(random);
      for (let i = 0; i < 9000; i++) log.write(entryAt(random, ticking.next().value as number));
      let reads = 0;
      const failing: LogReader = {
        head: () => log.head(),
        read: (from, to) => log.read(from, to),
        // The last thing of a step is the leaf that tells the copy's place.
        tile: (level, index) => (reads++ % 3 === 1 ? Promise.reject(new Error('the log is away')) : log.tile(level, index)),
      };
      const search = (await make()).open(failing);
      let failed = 0;
      for (let left = 9000; left > 0; ) {
        await search.follow().catch(() => failed++);
        const { size, followed } = await search.progress();
        left = size - followed;
      }
      t.ok(failed > 2);
      reads = Number.NaN;
      t.same(await search.summary(EVER), plainSummary(log.bodies, EVER));
      t.strictSame(await search.search({ limit: 10_000 }), plainSearch(log.bodies, { limit: 10_000 }));
      await search.close();
    });

    for (const [rule, restored, more] of LOGS)
      t.test(`the copy is made again of ${rule}`, async (t) => {
        const random = chance(seed);
        const log = new PaperLog();
        const ticking = clock(random);
        const add = (count: number): void => {
          for (let i = 0; i < count; i++) log.write(entryAt(random, ticking.next().value as number));
        };
        add(LOST);
        const place = await make();
        const [search, beside] = [place.open(log), place.open(log)];
        for (const each of [search, beside]) await each.search({ limit: 1 });
        log.restore(restored);
        add(more);
        for (const each of [search, beside]) {
          t.strictSame(await each.search({ limit: 10_000 }), plainSearch(log.bodies, { limit: 10_000 }));
          t.same(await each.summary(EVER), plainSummary(log.bodies, EVER));
        }
        add(100);
        t.same(await beside.summary(EVER), plainSummary(log.bodies, EVER), 'whoever followed before knows other numbers for its words');
        await search.close();
        await beside.close();
      });

    for (const [rule, spoil, when] of SPOILT[name] ?? [])
      t.test(`the copy is made again where ${rule}`, async (t) => {
        const random = chance(seed);
        const log = new PaperLog();
        const ticking = clock(random);
        for (let i = 0; i < LOST; i++) log.write(entryAt(random, ticking.next().value as number));
        const place = await make();
        const first = place.open(log);
        await first.search({ limit: 1 });
        if (when === 'closed') await first.close();
        await spoil(place);
        const search = when === 'closed' ? place.open(log) : first;
        t.strictSame(await search.search({ limit: 10_000 }), plainSearch(log.bodies, { limit: 10_000 }));
        t.same(await search.summary(EVER), plainSummary(log.bodies, EVER));
        await search.close();
        await t.rejects(search.search({ limit: 1 }), /closed/);
      });
  });

t.test('SQLite: no question goes through a whole table', async (t) => {
  const random = chance(seed);
  const log = new PaperLog();
  const ticking = clock(random);
  const times = Array.from({ length: 9000 }, () => ticking.next().value as number);
  for (const time of times) log.write(entryAt(random, time));
  const place = (await DATABASES[0]?.make()) as Place;
  const search = place.open(log);
  await search.follow();
  const asked = new Set<string>();
  const { prepare } = DatabaseSync.prototype;
  DatabaseSync.prototype.prepare = function (this: DatabaseSync, sql: string) {
    asked.add(sql);
    return prepare.call(this, sql);
  };
  t.teardown(() => {
    DatabaseSync.prototype.prepare = prepare;
  });
  for (let i = 0; i < 200; i++) await search.search({ ...conditionsFor(random, times), limit: 3 });
  for (const by of BY) await search.summary({ ...EVER, by });
  await search.uses({ from: '1999-01', to: '2999-12', agencies: await search.users() });
  for (const kind of KINDS) await search.forget(await search.expired(kind, '2026-03-02T00:00:00Z', 10));
  DatabaseSync.prototype.prepare = prepare;
  t.ok(asked.size > 30);
  for (const sql of asked)
    for (const { detail } of await place.sql(`EXPLAIN QUERY PLAN ${sql}`))
      t.notMatch(String(detail), /^SCAN (?!search_progress|\d|one_by_one)/, sql);
  await search.close();
});

t.test('PostgreSQL: a copy of a newer version is left alone', { skip: DATABASES[1]?.skip ?? false }, async (t) => {
  const place = (await DATABASES[1]?.make()) as Place;
  const log = new PaperLog();
  log.write(plain(0));
  const search = place.open(log);
  await search.follow();
  await search.close();
  await place.sql('UPDATE oncegate.search_progress SET form = 1000000');
  const older = place.open(log);
  await t.rejects(older.search({ limit: 1 }), /newer version/);
  t.strictSame(await place.sql('SELECT next::int FROM oncegate.search_progress'), [{ next: 1 }]);
  await older.close();
});

/** Every place that a log can be in, with a desk beside it; `tamper` is what somebody with the log in his hands may do. */
const LOGS_AND_DESKS: { readonly name: string; readonly skip: string | false; make(): Promise<LogPlace> }[] = [
  {
    name: 'SQLite',
    skip: false,
    async make() {
      const directory = newDirectory();
      const log = join(directory, 'log.db');
      const tamper = async (sql: string): Promise<void> => {
        const db = new DatabaseSync(log);
        db.exec(sql);
        db.close();
      };
      const search = join(directory, 'search.db');
      const hold = async () => {
        const db = new DatabaseSync(search);
        db.exec('BEGIN IMMEDIATE');
        return async () => db.close();
      };
      return { location: { sqlite: { log, search } }, open: async () => openSqliteLog(log), tamper, hold };
    },
  },
  {
    name: 'PostgreSQL',
    skip: typeof postgres === 'string' ? postgres : false,
    async make() {
      const url = typeof postgres === 'string' ? '' : await postgres.fresh();
      const tamper = async (sql: string): Promise<void> => void (await command(url, sql.replace('entries', 'oncegate.entries')));
      const hold = async () => {
        const client = new pg.Client(url);
        await client.connect();
        await client.query('BEGIN; SELECT next FROM oncegate.search_progress FOR UPDATE');
        return () => client.end();
      };
      return { location: { postgres: url }, open: () => openPostgresLog(url), tamper, hold };
    },
  },
];

interface LogPlace {
  readonly location: DeskLocation;
  open(): Promise<LogStore>;
  tamper(sql: string): Promise<void>;
  /** Holds the copy as a process does that follows, until it is told to let go. */
  hold(): Promise<() => Promise<void>>;
}

function* entriesFor(random: Random): Generator<string> {
  for (const time of clock(random)) yield canonicalJson(entryAt(random, time));
}

/** The threads that were started, in order. */
const threads: Worker[] = [];
process.on('worker', (worker) => threads.push(worker));

for (const { name, skip, make } of LOGS_AND_DESKS)
  t.test(`${name}: the desk`, { skip }, async (t) => {
    t.test('finds whatever was on record when it was asked', async (t) => {
      const { location, open } = await make();
      const store = await open();
      const desk = openDesk(location);
      for (let i = 0; i < 30; i++) {
        const entry = canonicalJson(plain(i));
        await logAll(store, [entry].values(), 1);
        t.strictSame(await desk.search({ id: `entry-${i}`, limit: 5 }), [{ index: i, body: entry }]);
      }
      t.equal((await Promise.all([1, 2, 3].map(() => desk.search({ limit: 50 })))).flat().length, 90);
      await desk.close();
      await store.close();
    });

    t.test('follows by itself', async (t) => {
      const { location, open } = await make();
      const store = await open();
      const desk = openDesk(location, { followEvery: 5 });
      await logAll(store, entriesFor(chance(seed)), 500);
      while ((await desk.progress()).followed < 500);
      t.strictSame(await desk.progress(), { size: 500, followed: 500 });
      await desk.close();
      await store.close();
    });

    t.test('passes on what is wrong as what it is', async (t) => {
      const { location, open, tamper } = await make();
      const store = await open();
      await logAll(store, entriesFor(chance(seed)), 20);
      await tamper(`UPDATE entries SET body = replace(body, '"v":1', '"v":2') WHERE idx = 7`);
      const desk = openDesk(location);
      const broken = await rejection(desk.search({ limit: 50 }));
      t.ok(broken instanceof LogBroken);
      t.match(broken, { index: 7, message: /entry 7 is not the one/ });
      t.ok((await rejection(desk.search({ from: 'noon', limit: 1 }))) instanceof RangeError);
      t.equal((await desk.search({ before: 7, limit: 50 })).length, 7, 'and goes on');
      await desk.close();
      t.match(await rejection(desk.search({ limit: 1 })), /closed/);
      await desk.close();
      await store.close();
    });

    t.test('whose thread is killed again and again within its work counts nothing twice, and is back at the next question', async (t) => {
      const { location, open } = await make();
      const store = await open();
      const SIZE = 8000;
      await logAll(store, entriesFor(chance(seed)), SIZE);
      const troubles: Error[] = [];
      const desk = openDesk(location, { onTrouble: (error) => troubles.push(error) });
      for (let last = 0; last < SIZE; ) {
        const { followed } = await desk.progress();
        if (followed === last) continue;
        last = followed;
        const asked = rejection(desk.search({ limit: 1 }));
        await threads.at(-1)?.terminate();
        t.match(await asked, /died/, `killed at ${followed}`);
      }
      t.ok(troubles.length > 1);
      const bodies = await store.read(0, SIZE);
      t.same(await desk.summary(EVER), plainSummary(bodies, EVER));
      t.strictSame(await desk.search({ limit: 20_000 }), plainSearch(bodies, { limit: 20_000 }));
      await desk.close();
      await store.close();
    });

    t.test('is closed though another process holds the copy', async (t) => {
      const { location, open, hold } = await make();
      const store = await open();
      const desk = openDesk(location);
      await desk.search({ limit: 1 });
      const letGo = await hold();
      await logAll(store, entriesFor(chance(seed)), 10);
      const asked = rejection(desk.search({ limit: 1 }));
      const began = performance.now();
      await desk.close();
      t.ok(performance.now() - began < 10_000);
      t.match(await asked, /closed|died/);
      await letGo();
      await store.close();
    });

    t.test('keeps no process alive but while it is asked', async (t) => {
      const { location, open } = await make();
      const store = await open();
      await logAll(store, entriesFor(chance(seed)), 100);
      const script = join(newDirectory(), 'ask.mjs');
      writeFileSync(
        script,
        `import { openDesk } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, '../src/audit/desk.ts')))};
         const desk = openDesk(${JSON.stringify(location)});
         console.log((await desk.search({ limit: 7 })).length);`,
      );
      const { stdout } = await promisify(execFile)(process.execPath, [script], { timeout: 60_000 });
      t.equal(stdout, '7\n');
      await store.close();
    });
  });

t.test('a desk whose log is not there yet says so once, and answers when it is', async (t) => {
  const directory = newDirectory();
  const log = join(directory, 'log.db');
  const told = Promise.withResolvers<Error>();
  let times = 0;
  const desk = openDesk(
    { sqlite: { log, search: join(directory, 'search.db') } },
    {
      followEvery: 5,
      onTrouble(error) {
        times++;
        told.resolve(error);
      },
    },
  );
  t.match(await told.promise, /no such table/);
  for (let i = 0; i < 10; i++) await t.rejects(desk.search({ limit: 1 }));
  const store = openSqliteLog(log);
  await logAll(store, entriesFor(chance(seed)), 10);
  t.equal((await desk.search({ limit: 50 })).length, 10);
  t.equal(times, 1);
  await desk.close();
  await store.close();
});
