/** The main job, end to end over HTTP: forms filled, papers judged, registries that fail, and nobody in the clear. */
import { readdirSync, readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import t from 'tap';
import type { JsonValue } from '../src/adapter.ts';
import type { Conflict, Prefill, Receipt } from '../src/domain.ts';
import type { Mode, SandboxSource } from '../src/sandbox/index.ts';
import { makeWorld } from '../src/sandbox/people.ts';
import { valuesAt } from '../src/stages/values.ts';
import { editedConfig, startGateway, type TestGateway } from './support/gateway.ts';
import { schemaCheck } from './support/schemas.ts';

const check = schemaCheck();

interface Ask {
  readonly procedure: string;
  readonly subject: string;
  readonly related?: Record<string, string>;
  readonly agency?: string;
  readonly fields?: string[];
  readonly maxAgeSeconds?: number;
}

async function prefill(on: TestGateway, { agency = 'X01.1', ...ask }: Ask): Promise<{ prefill: Prefill; receipt: Receipt }> {
  const reply = await fetch(`${on.address}/v1/prefills`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await on.token(agency)}`, 'content-type': 'application/json' },
    body: JSON.stringify({ dossier: `${agency}-261122-0001`, officer: `${agency}-0042`, ...ask }),
  });
  const body = (await reply.json()) as { prefill: Prefill; receipt: Receipt };
  if (reply.status !== 200) throw new Error(JSON.stringify(body));
  check('PrefillReply', body);
  return body;
}

const at = (reply: Prefill, pointer: string): JsonValue | undefined => valuesAt(reply.form, pointer.slice(1).split('/'))[0];

const AN = '003099000017';
const BINH = '003060000021';
const RESIDENCE = { procedure: '1.004222', subject: AN, related: { householder: BINH } };

interface Row extends Ask {
  readonly name: string;
  /** Pointer → value in the form, or the reason why there is none. */
  readonly form?: Record<string, JsonValue | { why: string }>;
  /** Paper → `replaced`, or the reason why it is asked for. */
  readonly papers?: Record<string, string>;
  readonly conflicts?: Partial<Conflict>[];
  readonly notices?: string[];
}

/** What a lawyer expects of six procedures for people in the situations of the sandbox. */
const ROWS: readonly Row[] = [
  {
    name: 'residence in one’s own house with one’s father: ownership and kinship are data, the rest is asked with a reason',
    ...RESIDENCE,
    form: {
      '/fullName': 'NGUYỄN VĂN AN',
      '/dateOfBirth': '1999-05-17',
      '/householder/fullName': 'NGUYỄN VĂN BÌNH',
      '/householder/personalId': BINH,
      '/dwelling/certificateSerial': 'ZZ 00000017',
      '/relationToHouseholder': { why: 'declarant-only' },
      '/signature': { why: 'declarant-only' },
    },
    papers: {
      declaration: 'declaration',
      'dwelling-ownership': 'replaced',
      kinship: 'replaced',
      'floor-area': 'role-not-given',
      lease: 'no-database-replaces-it',
      'overseas-declaration': 'declaration',
    },
  },
  {
    name: 'a householder who is not named is not guessed',
    procedure: '1.004222',
    subject: AN,
    form: { '/householder/fullName': { why: 'role-not-given' } },
    papers: { kinship: 'role-not-given' },
  },
  {
    name: 'a householder who is no relative does not replace the proof of kinship',
    procedure: '1.004222',
    subject: AN,
    related: { householder: '003085000041' },
    papers: { kinship: 'not-recorded' },
  },
  {
    name: 'the certificate of the house that is let is found through the landlord and not disclosed',
    procedure: '1.004222',
    subject: '003301000034',
    related: { landlord: '003085000041' },
    form: { '/dwelling/certificateSerial': { why: 'no-record' } },
    papers: { 'floor-area': 'replaced', 'dwelling-ownership': 'no-record' },
  },
  {
    name: 'of several certificates none is chosen',
    procedure: '1.004222',
    subject: '003065000171',
    form: { '/dwelling/certificateSerial': { why: 'several-values' } },
    papers: { 'dwelling-ownership': 'several-values' },
  },
  {
    name: 'one of several certificates can be named',
    procedure: '1.004222',
    subject: '003065000171',
    related: { dwelling: 'ZZ 00000171' },
    form: { '/dwelling/certificateSerial': 'ZZ 00000171' },
    papers: { 'dwelling-ownership': 'replaced' },
  },
  {
    name: 'a certificate of bare land proves no dwelling',
    procedure: '1.004222',
    subject: '003065000171',
    related: { dwelling: 'ZZ 00000172' },
    papers: { 'dwelling-ownership': 'not-recorded' },
  },
  {
    name: 'a cancelled number is followed to its successor, whose papers are judged',
    procedure: '1.000894',
    subject: '003301000034',
    related: { husband: '003086000161' },
    form: { '/husband/fullName': 'CAO MINH QUÂN' },
    papers: { 'identity-document': 'replaced', 'marital-status-certificate': 'replaced' },
    notices: ['number-replaced husband'],
  },
  {
    name: 'a stranger’s certificate is not read by naming it',
    procedure: '1.004222',
    subject: AN,
    related: { dwelling: 'ZZ 00000041' },
    form: { '/dwelling/certificateSerial': { why: 'not-confirmed' }, '/dwelling/parcelNumber': { why: 'not-confirmed' } },
    papers: { 'dwelling-ownership': 'not-confirmed' },
  },
  {
    name: 'a certificate that knows a 9-digit number only proves nothing about a 12-digit one',
    procedure: '1.004222',
    subject: '003058000101',
    related: { dwelling: 'ZZ 00000101' },
    form: { '/dwelling/certificateSerial': { why: 'not-confirmed' } },
    papers: { 'dwelling-ownership': 'not-confirmed' },
  },
  {
    name: 'a name with another diacritic is a conflict, and the civil-status book prevails',
    procedure: '1.004222',
    subject: '003088000131',
    form: { '/fullName': 'TRẦN VĂN BÍNH' },
    conflicts: [
      {
        field: '/fullName',
        difference: 'diacritics',
        rule: 'civil-status-book-prevails',
        chosen: 'civil-registry',
        legalBasis: 'Luật 60/2014/QH13, article 60(2)',
      },
    ],
  },
  { name: 'another tone placement is no conflict', procedure: '1.004222', subject: '003192000141', conflicts: [] },
  {
    name: 'a 1 January against another day of the year is a suspected filler',
    procedure: '1.004222',
    subject: '003070000151',
    form: { '/dateOfBirth': '1970-08-23' },
    conflicts: [{ field: '/dateOfBirth', difference: 'suspect-default', chosen: 'civil-registry' }],
  },
  { name: 'a year is a date and gets no month invented', procedure: '1.004222', subject: '003145000111', form: { '/dateOfBirth': '1945' } },
  {
    name: 'a cancelled number is said to be replaced, and the new one is disclosed where the grant discloses it',
    procedure: '1.004222',
    subject: '003086000161',
    form: { '/personalId': '003086000162', '/fullName': 'CAO MINH QUÂN' },
    notices: ['number-replaced subject'],
  },
  {
    name: 'while a number is followed, nobody else of the dossier is forgotten',
    procedure: '1.004222',
    subject: '003086000161',
    related: { householder: BINH },
    form: { '/householder/fullName': 'NGUYỄN VĂN BÌNH' },
    papers: { 'dwelling-ownership': 'no-record', kinship: 'not-recorded' },
  },
  {
    name: 'a number that is said to have become another person’s of the dossier is cancelled and no more',
    procedure: '1.004222',
    subject: '003086000161',
    related: { householder: '003086000162' },
    form: { '/personalId': { why: 'number-cancelled' } },
    papers: { 'dwelling-ownership': 'no-record', kinship: 'not-recorded' },
    notices: ['number-cancelled subject'],
  },
  {
    name: 'a person whom no register knows has an empty form and all papers to hand in',
    procedure: '1.004222',
    subject: '003091000199',
    form: { '/fullName': { why: 'no-record' }, '/phone': { why: 'no-record' } },
    papers: { 'dwelling-ownership': 'no-record', kinship: 'role-not-given' },
  },
  {
    name: 'a person whom the civil registry does not know is filled from the population database',
    procedure: '1.004222',
    subject: '003093000181',
    form: { '/fullName': 'VÕ THANH TÙNG' },
  },
  {
    name: 'an address of an abolished commune keeps the date of its code list',
    procedure: '1.001456',
    subject: '003090000121',
    form: {},
  },
  { name: 'somebody who has died is noticed', procedure: '1.001456', subject: '003052000062', notices: ['person-deceased subject'] },
  {
    name: 'marriage: two people, and neither needs a marital-status certificate',
    procedure: '1.000894',
    subject: '003301000034',
    related: { husband: AN },
    form: {
      '/wife/fullName': 'TRẦN THỊ HƯƠNG',
      '/husband/fullName': 'NGUYỄN VĂN AN',
      '/wife/maritalStatus': 'single',
      '/wife/marriageRank': { why: 'no-record' },
    },
    papers: { 'identity-document': 'replaced', 'marital-status-certificate': 'replaced', 'residence-proof': 'replaced' },
  },
  {
    name: 'that somebody has died is told to whoever is told of him',
    procedure: '1.004873',
    subject: '003155000061',
    related: { requester: '003052000062' },
    notices: ['person-deceased requester'],
  },
  {
    name: 'marriage: the rank is proposed only where all earlier books are digitised',
    procedure: '1.000894',
    subject: '003172000201',
    related: { husband: AN },
    form: { '/wife/marriageRank': { why: 'not-recorded' } },
  },
  {
    name: 'birth: the notice gives the child, the book gives the parents, a year is all that the form needs of them',
    procedure: '1.001193',
    subject: '003094000082',
    related: { mother: '003197000081', father: '003094000082' },
    form: {
      '/child/dateOfBirth': '2026-11-12',
      '/mother/fullName': 'TRƯƠNG THỊ MAI',
      '/mother/yearOfBirth': '1997',
      '/father/yearOfBirth': '1994',
      '/child/ethnicity': { why: 'declarant-only' },
      '/child/nativePlace': { why: 'declarant-only' },
    },
    papers: { 'birth-notice': 'to-be-compared', 'parents-marriage': 'replaced', 'power-of-attorney': 'no-database-replaces-it' },
  },
  {
    name: 'birth: a father who is not named is not taken from the mother’s marriage',
    procedure: '1.001193',
    subject: '003197000081',
    related: { mother: '003197000081' },
    form: { '/father/fullName': { why: 'role-not-given' } },
    papers: { 'parents-marriage': 'role-not-given' },
  },
  {
    name: 'marital status: the widow’s husband is found in the book, then his death',
    procedure: '1.004873',
    subject: '003155000061',
    form: { '/subject/maritalStatus': 'widowed' },
    papers: { 'earlier-marriage': 'replaced' },
    notices: [],
  },
  {
    name: 'marital status: the divorced one needs no judgment',
    procedure: '1.004873',
    subject: '003182000051',
    form: { '/subject/maritalStatus': 'divorced' },
  },
  {
    name: 'land: the holders of a shared parcel are all there, the original is still to be handed in',
    procedure: '1.012768',
    agency: 'X02.1',
    subject: '003078000091',
    form: { '/user/name': 'HỒ VĂN PHÚC', '/user/contact/phone': { why: 'not-authorised' } },
    papers: {
      'identity-card': 'replaced',
      'other-proof-of-change': 'no-database-replaces-it',
      'certificate-original': 'original-required',
    },
  },
  {
    name: 'passport: parents are found through the birth record',
    procedure: '1.001456',
    subject: AN,
    form: { '/father/fullName': 'NGUYỄN VĂN BÌNH', '/mother/fullName': 'LÊ THỊ CÚC' },
  },
];

/** Where nothing is amiss until its last test. */
const everyday = await startGateway();
t.teardown(() => everyday.close());

t.test('what each procedure says of people in each situation', async (t) => {
  for (const { name, form = {}, papers = {}, conflicts, notices, ...ask } of ROWS) {
    await t.test(name, async (t) => {
      const { prefill: reply } = await prefill(everyday, ask);
      for (const [pointer, wanted] of Object.entries(form)) {
        const result = reply.fields[pointer];
        if (typeof wanted === 'object' && wanted !== null && 'why' in wanted) {
          t.equal(result?.reason ?? result?.status, wanted.why, pointer);
          t.equal(at(reply, pointer), undefined, `${pointer} has no value`);
        } else {
          t.strictSame(at(reply, pointer), wanted, pointer);
          t.match(
            result,
            { status: /filled|conflict/, source: String, dataset: String, observedAt: String, freshness: /live|cached/ },
            pointer,
          );
        }
      }
      for (const [id, wanted] of Object.entries(papers)) {
        const paper = reply.components.find((component) => component.id === id);
        t.equal(paper?.verdict === 'replaced' ? 'replaced' : paper?.reason, wanted, id);
        if (wanted === 'replaced') t.match(paper, { legalBasis: /, (annex|article|electronic)/, by: [String] }, `${id} is cited`);
      }
      for (const component of reply.components)
        t.ok(component.verdict === 'replaced' || component.reason, `${component.id} is replaced or asked for with a reason`);
      if (conflicts !== undefined) t.match(reply.conflicts, conflicts);
      if (conflicts !== undefined) t.equal(reply.conflicts.length, conflicts.length);
      if (notices !== undefined)
        t.strictSame(
          reply.notices.map(({ code, role }) => `${code} ${role}`),
          notices,
        );
    });
  }
});

t.test('the README’s dossier: ten fields and more from three registries, two papers replaced, their rows cited', async (t) => {
  const on = await startGateway();
  t.teardown(() => on.close());
  const { prefill: reply } = await prefill(on, RESIDENCE);
  t.ok(reply.summary.filled >= 10, `${reply.summary.filled} fields`);
  t.strictSame([...new Set(Object.values(reply.fields).flatMap(({ source }) => source ?? []))].sort(), [
    'civil-registry',
    'land',
    'population',
  ]);
  t.strictSame(
    reply.components.filter(({ verdict }) => verdict === 'replaced').map(({ legalBasis }) => legalBasis),
    ['NQ 66.7/2025/NQ-CP, annex I, row 735', 'NQ 66.7/2025/NQ-CP, annex I, row 737'],
  );
  t.strictSame(reply.fields['/fullName']?.confirmedBy, ['population']);

  await t.test('asked again, it is answered from the cache, with the same values', async (t) => {
    const before = on.lookUps();
    const { prefill: again } = await prefill(on, RESIDENCE);
    t.equal(on.lookUps(), before, 'no registry is asked');
    t.strictSame(again.form, reply.form);
    t.strictSame(again.components, reply.components);
    t.equal(again.fields['/fullName']?.freshness, 'cached');
    t.equal(again.fields['/fullName']?.observedAt, reply.fields['/fullName']?.observedAt);
  });
});

const FAULTS: readonly { mode: Mode; reason: string }[] = [
  { mode: 'hang', reason: 'timeout' },
  { mode: 'fail', reason: 'error' },
  { mode: 'garbage', reason: 'malformed' },
  { mode: 'wrong-subject', reason: 'wrong-subject' },
  { mode: 'flood', reason: 'malformed' },
];
/** A field that only this registry holds, and the paper that hangs on it. */
const VICTIMS: Partial<Record<SandboxSource, { field: string; paper: string; unharmed: string }>> = {
  land: { field: '/dwelling/certificateSerial', paper: 'dwelling-ownership', unharmed: '/fullName' },
  population: { field: '/phone', paper: 'none', unharmed: '/dwelling/certificateSerial' },
  'civil-registry': { field: '/none', paper: 'kinship', unharmed: '/phone' },
};

t.test('a registry that fails costs its own fields, in time', async (t) => {
  const on = await startGateway({
    configDirectory: editedConfig({ 'gateway.yaml': (file) => ({ ...file, deadlineMs: 2500 }), ...fastTimeouts(400) }),
  });
  t.teardown(() => on.close());
  for (const [source, { field, paper, unharmed }] of Object.entries(VICTIMS) as [
    SandboxSource,
    { field: string; paper: string; unharmed: string },
  ][]) {
    for (const { mode, reason } of FAULTS) {
      await t.test(`${source}: ${mode}`, async (t) => {
        // Whoever failed before is asked again: the pause it asked for is over, and one answer is enough.
        on.time.now += 60_000;
        await prefill(on, { ...RESIDENCE, maxAgeSeconds: 0 });
        on.sandbox.tell(source, { mode });
        const began = performance.now();
        const { prefill: reply } = await prefill(on, { ...RESIDENCE, maxAgeSeconds: 0 });
        on.sandbox.tell(source, { mode: 'ok' });
        t.ok(performance.now() - began < 2500, 'within the deadline');
        const result = reply.fields[field];
        if (result !== undefined) t.match(result, { status: 'unavailable', reason: new RegExp(`${reason}|key-unavailable`) });
        const judged = reply.components.find(({ id }) => id === paper);
        if (judged !== undefined) t.match(judged, { verdict: 'ask', reason: 'unavailable' }, 'its paper is asked for');
        t.equal(reply.fields[unharmed]?.status, 'filled', `${unharmed} is filled`);
        if (source === 'civil-registry') {
          t.match(
            reply.fields['/fullName'],
            { status: 'filled', source: 'population', unconfirmed: ['civil-registry'] },
            'the silence of the register that prevails is said',
          );
        }
      });
    }
  }
  await t.test('nothing of a failure is kept', async (t) => {
    const { prefill: reply } = await prefill(on, RESIDENCE);
    t.equal(reply.summary.replaced, 2);
  });
});

t.test('when every registry hangs there is an answer within the deadline', async (t) => {
  const on = await startGateway({ configDirectory: editedConfig({ 'gateway.yaml': (file) => ({ ...file, deadlineMs: 700 }) }) });
  t.teardown(() => on.close());
  for (const source of ['population', 'civil-registry', 'land'] as const) on.sandbox.tell(source, { mode: 'hang' });
  const began = performance.now();
  const { prefill: reply } = await prefill(on, RESIDENCE);
  const took = performance.now() - began;
  t.ok(took < 1400, `${Math.round(took)} ms: before any registry's own time was over`);
  t.equal(reply.summary.filled, 0);
  t.equal(reply.summary.replaced, 0);
  t.ok(Object.values(reply.fields).every(({ status }) => status === 'unavailable' || status === 'ask'));
});

t.test('while the register that prevails is silent, another’s word replaces no paper', async (t) => {
  const on = await startGateway();
  t.teardown(() => on.close());
  on.sandbox.tell('civil-registry', { mode: 'fail' });
  const { prefill: reply } = await prefill(on, { procedure: '1.000894', subject: '003301000034', related: { husband: AN } });
  t.match(reply.fields['/wife/maritalStatus'], { status: 'filled', source: 'population', unconfirmed: ['civil-registry'] });
  t.match(
    reply.components.find(({ id }) => id === 'marital-status-certificate'),
    { verdict: 'ask', reason: 'unavailable' },
  );
});

t.test('an answer about another person is in no field', async (t) => {
  const on = await startGateway();
  t.teardown(() => on.close());
  for (const source of ['population', 'civil-registry', 'land', 'birth-notices'] as const)
    on.sandbox.tell(source, { mode: 'wrong-subject' });
  const { prefill: reply } = await prefill(on, RESIDENCE);
  t.strictSame(reply.form, {});
  t.strictSame(reply.summary.replaced, 0);
  const entry = (await on.entries()).findLast(({ kind }) => kind === 'outcome');
  t.ok(
    entry?.sources?.some(({ result }) => result === 'wrong-subject'),
    'and it is on record',
  );
});

t.test('a caller who goes away is on record as answered with nothing', async (t) => {
  const on = await startGateway();
  t.teardown(() => on.close());
  on.sandbox.tell('land', { mode: 'hang' });
  const token = await on.token();
  const request = httpRequest(`${on.address}/v1/prefills`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
  });
  request.on('error', () => {});
  request.end(JSON.stringify({ dossier: 'X01.1-261122-0001', officer: 'X01.1-0042', ...RESIDENCE }));
  while (on.sandbox.requests('land') === 0) await nextTurn();
  request.destroy();
  const outcomes = async (): Promise<string[]> =>
    (await on.entries()).flatMap(({ kind, outcome }) => (kind === 'outcome' ? (outcome ?? []) : []));
  while ((await outcomes()).length === 0) await nextTurn();
  t.strictSame(await outcomes(), ['abandoned']);
});

t.test('equal look-ups at the same time ask a registry once', async (t) => {
  const [alone, on] = await Promise.all([startGateway(), startGateway()]);
  t.teardown(() => Promise.all([alone.close(), on.close()]));
  await prefill(alone, RESIDENCE);
  const replies = await Promise.all(Array.from({ length: 20 }, () => prefill(on, RESIDENCE)));
  t.equal(on.lookUps(), alone.lookUps(), 'twenty requests ask no more than one');
  t.ok(replies.every(({ prefill: reply }) => isDeepStrictEqual(reply.form, replies[0]?.prefill.form)));
  t.equal(new Set(replies.map(({ prefill: reply }) => reply.id)).size, 20);
  t.equal(new Set(replies.map(({ receipt }) => receipt.index)).size, 20, 'each with its own entry');
});

t.test('outside the answer no person stands anywhere in the clear', async (t) => {
  const on = everyday;
  // What was answered in full was asked above; `clear.test.ts` looks at a whole process and every byte of it.
  for (const mode of ['fail', 'garbage', 'wrong-subject'] as const) {
    on.sandbox.tell('land', { mode });
    for (const { name: _name, form: _form, papers: _papers, conflicts: _conflicts, notices: _notices, ...ask } of ROWS) {
      await prefill(on, { ...ask, maxAgeSeconds: 0 });
    }
  }
  const { people } = makeWorld();
  const marks = [...people.values()].flatMap((person) => [person.id, person.name]);
  const search = (where: string, text: string): void => {
    const found = marks.filter((mark) => text.includes(mark));
    t.strictSame(found, [], where);
  };
  search('log lines', on.lines.join(''));
  for (const file of readdirSync(on.dataDirectory, { recursive: true, withFileTypes: true })) {
    if (file.isFile()) search(file.name, readFileSync(join(file.parentPath, file.name), 'utf8'));
  }
  t.ok(on.lines.length > 50, 'there were log lines to search');
});

function fastTimeouts(timeoutMs: number): Record<string, (file: object) => object> {
  const sources = ['population', 'civil-registry', 'land', 'birth-notices'];
  return Object.fromEntries(sources.map((source) => [`sources/${source}.yaml`, (file: object) => ({ ...file, timeoutMs })]));
}
