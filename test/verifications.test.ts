/** Comparing without telling: what an agency has against what the registers hold, and nobody finds a value by asking on. */
import { rmSync } from 'node:fs';
import t from 'tap';
import { parseVerifierKey } from '../src/audit/checkpoint.ts';
import type { AuditEntry } from '../src/audit/entry.ts';
import type { LogSearch } from '../src/audit/search.ts';
import { verifyReply } from '../src/audit/verify.ts';
import type { Authorised, Caller, Plan, Resolved, VerificationRequest } from '../src/domain.ts';
import { pseudonyms } from '../src/pseudonyms.ts';
import { compare } from '../src/stages/compare.ts';
import { Guesses } from '../src/stages/guesses.ts';
import type { Places } from '../src/vietnam/places/places.ts';
import { NOON, startGateway, type TestGateway, temporaryDirectory } from './support/gateway.ts';
import { secretKey } from './support/records.ts';
import { schemaCheck } from './support/schemas.ts';

const check = schemaCheck();
const LOC = '003090000121';
const [AN, HUONG, TONE, OTHER_MARK, FILLER, YEAR_ONLY, HOUSELESS] = [
  '003099000017',
  '003301000034',
  '003192000141',
  '003088000131',
  '003070000151',
  '003145000111',
  '003060000021',
];

const gateway = await startGateway();
t.teardown(() => gateway.close());

interface Ask {
  readonly procedure?: string;
  readonly subject?: string;
  readonly related?: Record<string, string>;
  readonly claims?: Record<string, string | number | boolean>;
  readonly questions?: string[];
}

const MARRIAGE = { procedure: '1.000894', subject: HUONG, related: { husband: AN } };

async function ask(on: TestGateway, asked: Ask, token?: string): Promise<{ status: number; text: string; request: object }> {
  const request = { dossier: 'X01.1-261122-0001', officer: 'X01.1-0042', ...MARRIAGE, ...asked };
  const reply = await fetch(`${on.address}/v1/verifications`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token ?? (await on.token('X01.1'))}`, 'content-type': 'application/json' },
    body: JSON.stringify(request),
  });
  const text = await reply.text();
  check(reply.status === 200 ? 'VerificationReply' : 'Problem', JSON.parse(text));
  return { status: reply.status, text, request };
}

interface Reply {
  readonly verification: Record<'claims' | 'questions', Record<string, { result: string; level?: string; reason?: string }>>;
  readonly receipt: { readonly entry: AuditEntry };
}

/** What each claim or question comes to: the result, and the level or the reason. */
const brief = ({ verification: { claims, questions } }: Reply): Record<string, string> =>
  Object.fromEntries(
    Object.entries({ ...claims, ...questions }).map(([what, { result, level, reason }]) => [
      what,
      [result, level, reason].filter(Boolean).join(' '),
    ]),
  );

const ROWS: readonly (readonly [string, Ask, Record<string, string>])[] = [
  ['what is right matches', { claims: { '/wife/fullName': 'TRẦN THỊ HƯƠNG' } }, { '/wife/fullName': 'match same' }],
  ['capitals are no difference', { claims: { '/wife/fullName': 'Trần Thị Hương' } }, { '/wife/fullName': 'match same' }],
  [
    'the place of a tone is none, and is told',
    { subject: TONE, claims: { '/wife/fullName': 'LÊ THỊ HOÀ', '/husband/fullName': 'NGUYỄN VĂN AN' } },
    { '/wife/fullName': 'match same', '/husband/fullName': 'match same' },
  ],
  ['another mark is another name', { claims: { '/wife/fullName': 'TRẦN THỊ HƯỚNG' } }, { '/wife/fullName': 'mismatch diacritics' }],
  [
    'where registers disagree the one that the law prefers is compared with, and that they disagree is told',
    { related: { husband: OTHER_MARK }, claims: { '/husband/fullName': 'TRẦN VĂN BÍNH' } },
    { '/husband/fullName': 'match same conflict' },
  ],
  ['a year agrees with its day', { claims: { '/wife/dateOfBirth': '2001' } }, { '/wife/dateOfBirth': 'match compatible' }],
  ['a day is not told by its month', { claims: { '/wife/dateOfBirth': '2001-03' } }, { '/wife/dateOfBirth': 'unknown partial-date' }],
  ['nor is a month by its first day', { claims: { '/wife/dateOfBirth': '2001-03-01' } }, { '/wife/dateOfBirth': 'mismatch different' }],
  ['right or wrong', { claims: { '/wife/dateOfBirth': '2001-04' } }, { '/wife/dateOfBirth': 'unknown partial-date' }],
  [
    'a filler of the first of January is no plain mistake',
    { related: { husband: FILLER }, claims: { '/husband/dateOfBirth': '1970-01-01' } },
    { '/husband/dateOfBirth': 'mismatch suspect-default conflict' },
  ],
  [
    'whom nobody knows, nothing is known of',
    { related: { husband: '003091000199' }, claims: { '/husband/fullName': 'A' } },
    { '/husband/fullName': 'unknown no-record' },
  ],
  ['a people is claimed by any of its names', { claims: { '/wife/ethnicity': 'Việt' } }, { '/wife/ethnicity': 'match' }],
  // 003090000121 is recorded in Phú Cường, 25747 until 30 June 2025, which became part of Thủ Dầu Một, 25747 since.
  [
    'who resides where, by a code of its day',
    { related: { husband: LOC }, claims: { '/husband/residence': '25747@2025-07-01' } },
    { '/husband/residence': 'match' },
  ],
  [
    'and by an older code',
    { related: { husband: LOC }, claims: { '/husband/residence': '25747@2025-06-30' } },
    { '/husband/residence': 'match' },
  ],
  [
    'a province has all its communes',
    { related: { husband: LOC }, claims: { '/husband/residence': '79@2026-01-01' } },
    { '/husband/residence': 'match' },
  ],
  [
    'another commune is a mismatch',
    { related: { husband: LOC }, claims: { '/husband/residence': '00004@2026-01-01' } },
    { '/husband/residence': 'mismatch' },
  ],
  [
    'a code that the list of the day has not says nothing',
    { related: { husband: LOC }, claims: { '/husband/residence': '00005@2020-01-01' } },
    { '/husband/residence': 'unknown place-not-certain' },
  ],
  ['what no register holds is not compared', { claims: { '/copies/wanted': 'true' } }, { '/copies/wanted': 'unknown declarant-only' }],
  [
    'an address as a whole is not compared as a text',
    { claims: { '/wife/residence': 'Số 15' } },
    { '/wife/residence': 'unknown not-comparable' },
  ],
  [
    'a question of the procedure is answered yes or no',
    { questions: ['wife-of-age', 'husband-of-age'] },
    { 'wife-of-age': 'match', 'husband-of-age': 'match' },
  ],
  ['no is an answer', { subject: '003219000043', questions: ['wife-of-age'] }, { 'wife-of-age': 'mismatch' }],
  ['a year alone is enough where every day of it is', { subject: YEAR_ONLY, questions: ['wife-of-age'] }, { 'wife-of-age': 'match' }],
  ['who owns a dwelling', { procedure: '1.004222', subject: AN, related: {}, questions: ['owns-dwelling'] }, { 'owns-dwelling': 'match' }],
  [
    'who owns none is not said to',
    { procedure: '1.004222', subject: HOUSELESS, related: {}, questions: ['owns-dwelling'] },
    { 'owns-dwelling': 'unknown no-record' },
  ],
];

t.test('claims and questions', async (t) => {
  const key = parseVerifierKey((await (await fetch(`${gateway.address}/v1/log/key`)).text()).trim());
  for (const [name, asked, expected] of ROWS) {
    const { status, text, request } = await ask(gateway, asked);
    t.equal(status, 200, name);
    const reply = JSON.parse(text) as Reply;
    t.strictSame(brief(reply), expected, name);
    const held = ['TRẦN THỊ HƯƠNG', '2001-03-08', 'BÌNH', '1970-08-23', 'ZZ 0000', 'Hoàn Kiếm'];
    t.notOk(
      held.some((value) => text.includes(value)),
      'and no value stands in it',
    );
    t.equal(verifyReply(JSON.parse(text), key, request).agency, 'X01.1', 'the receipt proves it');
    const { compared, outcome, fields, papers } = reply.receipt.entry;
    const wrong = Object.entries(reply.verification.claims).some(([, { result }]) => result === 'mismatch');
    t.match(
      { compared, outcome, fields, papers },
      { compared: Object, outcome: wrong ? 'mismatch' : 'compared', fields: undefined, papers: undefined },
    );
  }
});

t.test('of a month alone every day may be the day of birth', async (t) => {
  const on = (today: string, born: string): unknown => {
    const outcome = { kind: 'found', record: { born }, recordedAt: null, observedAt: '', freshness: 'live' };
    const field = { at: '/born', type: 'date', from: [{ lookUp: 0, values: [['born']] }] };
    const procedure = { fields: [field], lookUps: [{ source: 'one' }], questions: [{ id: 'of-age', field: 0, ageAtLeast: 18 }] };
    const [plan, resolved] = [{ procedure, disclosed: new Set([0]) }, { outcomes: new Map([[0, outcome]]) }];
    const asked = { questions: ['of-age'] } as unknown as VerificationRequest;
    const { questions } = compare(asked, { today } as Authorised, plan as unknown as Plan, resolved as unknown as Resolved, {} as Places);
    return questions['of-age']?.result;
  };
  const ROWS = [
    ['2026-05-31', '2008-05', 'match'],
    ['2026-05-30', '2008-05', 'unknown'],
    ['2026-05-13', '2008-05', 'unknown'],
    ['2026-05-01', '2008-05', 'unknown'],
    ['2026-04-30', '2008-05', 'mismatch'],
    ['2026-12-31', '2008', 'match'],
    ['2026-12-30', '2008', 'unknown'],
    ['2025-12-31', '2008', 'mismatch'],
  ] as const;
  for (const [today, born, expected] of ROWS) t.equal(on(today, born), expected, `${born} on ${today}`);
});

t.test('only what is compared is looked up: no paper is judged', async (t) => {
  const { text } = await ask(gateway, { procedure: '1.004222', subject: '003085000041', related: {}, claims: { '/phone': '1' } });
  const sources = (JSON.parse(text) as Reply).receipt.entry.sources?.map(({ source, dataset }) => `${source}/${dataset}`);
  t.strictSame(sources, ['population/person']);
});

t.test('what is refused', async (t) => {
  const rows: [string, Ask, number, string][] = [
    ['a field that the form has not', { claims: { '/secret': 'x' } }, 400, 'unknown-field'],
    ['a date in another form is no guess, and is told so', { claims: { '/wife/dateOfBirth': '08/03/2001' } }, 400, 'invalid-request'],
    ['a question that the procedure does not ask', { questions: ['older-than-24'] }, 400, 'invalid-request'],
    ['nothing to compare', {}, 400, 'invalid-request'],
    ['no claim', { claims: {} }, 400, 'invalid-request'],
    ['a list for a value', { claims: { '/wife/fullName': ['A', 'B'] as unknown as string } }, 400, 'invalid-request'],
    [
      'a procedure without a grant',
      { procedure: '1.012768', related: {}, claims: { '/user/fullName': 'A' } },
      403,
      'procedure-not-granted',
    ],
  ];
  for (const [name, asked, status, code] of rows) {
    const reply = await ask(gateway, asked);
    t.match([reply.status, JSON.parse(reply.text)], [status, { code }], name);
  }
  const other = await ask(gateway, { claims: { '/wife/fullName': 'A' } }, await gateway.token('X02.1'));
  t.equal(other.status, 403, 'a token without the scope');
});

t.test('whoever waited too long behind others of the agency is refused, and nobody is asked', async (t) => {
  let now = NOON;
  const search = { search: async () => [] } as unknown as LogSearch;
  const people = pseudonyms([{ from: 0, key: secretKey() }], () => now);
  const guesses = new Guesses({ search, pseudonyms: people, clock: () => now, mismatchesADay: 5, patienceMs: 3000 });
  const caller = { agency: { id: 'X01.1' } } as unknown as Caller;
  let release = (): void => {};
  const first = guesses.bounded(caller, [AN], () => new Promise<void>((resolve) => (release = resolve)));
  let worked = 0;
  const work = async (): Promise<number> => ++worked;
  const [late, other] = [guesses.bounded(caller, [AN], work), guesses.bounded(caller, [HUONG], work)];
  t.equal(await other, 1, 'another person is another line');
  now += 3001;
  const justCome = guesses.bounded(caller, [AN, HUONG], work);
  release();
  await first;
  await t.rejects(late, { code: 'overloaded' });
  t.equal(await justCome, 2, 'who came in time has the turn');
});

t.test('nobody finds a value by guessing: after five wrong claims the agency waits until the next day', async (t) => {
  const dataDirectory = temporaryDirectory();
  t.teardown(() => rmSync(dataDirectory, { recursive: true, force: true }));
  const first = await startGateway({ dataDirectory });
  const guess = (on: TestGateway, claim: string) => ask(on, { claims: { '/wife/dateOfBirth': claim } });
  const guesses = Array.from({ length: 12 }, (_, i) => `1990-01-${String(i + 1).padStart(2, '0')}`);
  const replies = await Promise.all(guesses.map((claim) => guess(first, claim)));
  t.strictSame(
    replies.map(({ status }) => status).sort(),
    [...Array(5).fill(200), ...Array(7).fill(429)],
    'all at once is no way around it',
  );
  t.match(JSON.parse(replies.find(({ status }) => status === 429)?.text ?? ''), { code: 'too-many-mismatches' });
  await first.close();
  const second = await startGateway({ dataDirectory });
  t.teardown(() => second.close());
  t.equal((await guess(second, '2001-03-08')).status, 429, 'nor is a restart');
  t.equal(
    (await ask(second, { subject: AN, related: { husband: HUONG }, claims: { '/husband/fullName': 'A' } })).status,
    429,
    'nor another role',
  );
  const other = { subject: '003155000061', related: { husband: HOUSELESS }, claims: { '/wife/fullName': 'ĐỖ THỊ TÂM' } };
  t.equal((await ask(second, other)).status, 200, 'another person is another matter');
  const both = { procedure: '1.004873', subject: OTHER_MARK, related: { requester: OTHER_MARK } };
  const twice: number[] = [];
  for (const mark of ['A', 'B', 'C', 'D'])
    twice.push((await ask(second, { ...both, claims: { '/subject/fullName': mark, '/requester/fullName': `${mark}${mark}` } })).status);
  t.strictSame(twice, [200, 200, 200, 429], 'nor two roles of one person: each is a guess');
  const numbers = ['003086000161', '003086000161', '003086000162', '003086000162', '003086000161', '003086000161', '003086000162'];
  const followed: number[] = [];
  for (const [i, subject] of numbers.entries())
    followed.push((await ask(second, { procedure: '1.004873', subject, related: {}, claims: { '/subject/fullName': `A${i}` } })).status);
  t.strictSame(followed, [200, 200, 200, 200, 200, 429, 429], 'nor a number that another took the place of');
  second.time.now += 24 * 3_600_000 + 1000;
  t.equal((await guess(second, '2001-03-08')).status, 200, 'the next day');
});
