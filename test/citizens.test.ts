/** Citizens: whose token is taken, what they see of their own accesses, and that nobody sees anything of anybody else. */
import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import canonicalize from 'canonicalize';
import { exportJWK, importJWK, SignJWT } from 'jose';
import t from 'tap';
import { adapterFacts } from '../adapters/index.ts';
import { openWire } from '../adapters/wire.ts';
import { citizenTokens } from '../src/access/citizens.ts';
import { parseVerifierKey } from '../src/audit/checkpoint.ts';
import type { AuditEntry } from '../src/audit/entry.ts';
import type { LogSearch } from '../src/audit/search.ts';
import { verifyLeaf, verifyReceipt } from '../src/audit/verify.ts';
import type { ConfigurationError } from '../src/catalogue/faults.ts';
import { loadCatalogue } from '../src/catalogue/load.ts';
import type { AgencyKey, Text } from '../src/domain.ts';
import { startSandbox } from '../src/sandbox/index.ts';
import { chance, seedOf } from './support/chance.ts';
import { type Edited, editedConfig, ISSUER, NOON } from './support/gateway.ts';
import { type Answered, type Readers, startReaders } from './support/readers.ts';
import { schemaCheck } from './support/schemas.ts';

const seed = seedOf();
t.comment(`seed ${seed}: SEED=${seed} shows this run again`);
const AN = '003099000017';
const BINH = '003060000021';
const HUONG = '003301000034';
const NOBODY = '003091000199';

interface Access {
  readonly time: string;
  readonly agency: { readonly id: string; readonly name?: Text };
  readonly officer?: string;
  readonly procedure?: { readonly code: string; readonly name?: Text };
  readonly dossier?: string;
  readonly roles: readonly { readonly role: string; readonly name?: Text }[];
  readonly legalBasis: readonly string[];
  readonly fields: readonly { readonly at: string; readonly name?: Text }[];
  readonly fieldsWithheld?: true;
  readonly sources: readonly { readonly id: string; readonly dataset: string; readonly result: string }[];
  readonly outcome: string;
  readonly status: Text;
  readonly receipt: {
    readonly index: number;
    readonly leaf?: string;
    readonly entry?: AuditEntry;
    readonly proof: string[];
    readonly checkpoint: string;
  };
}
interface Ledger {
  readonly accesses: readonly Access[];
  readonly next?: string;
  readonly code?: string;
}

const check = schemaCheck();
const sandbox = await startSandbox();
/** Until this day the marriages that X01.1 asks about are not told, and the land that X02.1 asks about neither. */
const SILENT_UNTIL = '2026-12-05';
const directory = editedConfig({
  'agencies/X02.1.yaml': (file) => delayed(file, 'land-change'),
  'agencies/X01.1.yaml': (file) => delayed(file, 'marriage'),
});
const on = await startReaders({ sandbox, configDirectory: directory });
t.teardown(async () => {
  await on.close();
  await sandbox.close();
  rmSync(directory, { recursive: true });
});

function delayed(file: Edited, id: string): Edited {
  const grants = file.grants as unknown as { id: string; disclosure: object }[];
  const grant = grants.find((one) => one.id === id);
  if (grant !== undefined) grant.disclosure = { withheldUntil: SILENT_UNTIL, legalBasis: 'nq-66-7-2025#art-2' };
  return file;
}

const look = async (number: string, body: object = {}, to: Readers = on): Promise<Answered<Ledger>> => {
  const reply = await to.post<Ledger>('/v1/accesses', body, await to.token(number));
  if (reply.status === 200) check('Accesses', reply.body);
  return reply;
};
const ledger = async (number: string, body: object = {}, to: Readers = on): Promise<readonly Access[]> => {
  const { status, text, body: page } = await look(number, body, to);
  if (status !== 200) throw new Error(text);
  return page.accesses;
};
const at = (access: Access | undefined): readonly string[] => access?.fields.map((field) => field.at) ?? [];
/** The same under any head of the log. */
const withoutProof = ({ receipt: { proof: _proof, checkpoint: _checkpoint, ...receipt }, ...access }: Access): object => ({
  ...access,
  receipt,
});
/** Entries of the log from the next one on. */
const since = async (): Promise<number> => (await on.entries()).length;

t.test('a citizen sees who asked, when, why, for which dossier, under which law, and what left', async (t) => {
  const index = await since();
  await on.prefill('X01.1', { subject: NOBODY });
  await on.prefill('X01.1', { related: { householder: BINH }, dossier: 'X01.1-261122-0007' });
  const [access, ...others] = await ledger(AN);
  t.equal(others.length, 0, 'the intent is the same access');
  t.match(access, {
    time: new Date(NOON).toISOString(),
    agency: { id: 'X01.1', name: { vi: 'Bộ phận một cửa xã Thử Nghiệm' } },
    officer: 'X01.1-0042',
    procedure: { code: '1.004222', name: { vi: 'Đăng ký thường trú', en: 'Permanent-residence registration' } },
    dossier: 'X01.1-261122-0007',
    roles: [{ role: 'subject', name: { vi: 'Người đăng ký' } }],
    legalBasis: ['Luật 68/2020/QH14, articles 20 to 22', 'NQ 66.7/2025/NQ-CP, article 2'],
    outcome: 'answered',
    status: { vi: 'Yêu cầu đã được trả lời.' },
  });
  t.notOk(access?.fieldsWithheld);
  const own = ['/fullName', '/dateOfBirth', '/gender', '/personalId', '/phone', '/email'];
  t.strictSame(
    at(access),
    [...own, '/dwelling/certificateSerial', '/dwelling/parcelNumber', '/dwelling/mapSheet'],
    'the certificate is his own',
  );
  t.ok(access?.fields.every(({ name }) => name?.vi !== undefined));
  t.strictSame(
    access?.sources.map(({ dataset, result }) => `${dataset} ${result}`),
    ['birth found', 'person found', 'land-holding found', 'marriage absent', 'land-certificate found'],
  );

  const [father] = await ledger(BINH);
  t.match(father?.roles, [{ role: 'householder', name: { en: 'Head of the household that is joined' } }]);
  t.strictSame(at(father), ['/householder/fullName', '/householder/personalId']);
  t.strictSame(
    father?.sources.map(({ id, dataset }) => `${id}/${dataset}`),
    ['population/person', 'civil-registry/birth'],
  );
  t.strictSame(await ledger('003065000171'), [], 'and whom nobody asked about sees nothing');
  t.ok((await on.entries()).length > index);
});

t.test('a receipt is the whole entry where it names nobody else, and the hash of it where it does', async (t) => {
  const [alone] = await ledger(NOBODY);
  t.match(alone?.receipt.entry, { kind: 'outcome', subjects: { subject: on.people.of('person', NOBODY) } });
  t.notOk(alone?.receipt.leaf);
  const [shared] = await ledger(AN);
  t.notOk(shared?.receipt.entry);
  const bodies = await on.store.read(0, await since());
  const key = parseVerifierKey(readFileSync(`${on.dataDirectory}/log.vkey`, 'utf8'));
  for (const { receipt } of [alone, shared] as Access[]) {
    const bytes = receipt.entry === undefined ? (bodies[receipt.index] ?? '') : (canonicalize(receipt.entry) ?? '');
    const leaf = createHash('sha256').update(`\0${bytes}`).digest('base64');
    if (receipt.leaf !== undefined) t.equal(receipt.leaf, leaf, 'whoever may read the log can show that it is this entry');
    const verified = receipt.entry === undefined ? verifyLeaf(receipt, key) : verifyReceipt(receipt, key);
    t.match(verified, { index: receipt.index, origin: on.catalogue.gateway.logOrigin });
  }
  const { receipt } = shared as Access;
  const hash = Buffer.alloc(32, 1).toString('base64');
  for (const [rule, change, says] of [
    ['another hash', { leaf: hash }, /not in the log at this place/],
    ['another place', { index: receipt.index + 1 }, /not in the log at this place/],
    ['another proof', { proof: receipt.proof.with(0, hash) }, /not in the log at this place/],
    ['a shorter proof', { proof: receipt.proof.slice(1) }, /not in the log at this place/],
    ['no hash', { leaf: 'AA==' }, /leaf is not a hash/],
    ['another spelling of it', { leaf: receipt.leaf?.replace('=', '') }, /leaf is not a hash/],
    ['no checkpoint', { checkpoint: undefined }, /lacks its entry, index, proof or checkpoint/],
  ] as const)
    t.throws(() => verifyLeaf({ ...receipt, ...change }, key), says, rule);
});

t.test('what never came to an answer is shown for what it is', async (t) => {
  on.time.now += 60_000;
  const CHILD = '003219000043';
  await on.prefill('X01.1', { procedure: '1.012768', subject: CHILD });
  await on.prefill('X01.1', { procedure: '1.004873', subject: CHILD, related: { nguyenVanAn: CHILD } });
  await on.prefill('X01.1', { procedure: '1.004873', subject: CHILD, maxAgeSeconds: 0 }, AbortSignal.abort());
  await on.prefill('X01.1', { procedure: '1.004873', subject: CHILD, maxAgeSeconds: 0 });
  const intent = (await on.entries()).findLast(({ kind }) => kind === 'intent') as AuditEntry;
  await on.append({ ...intent, id: 'unfinished' });
  await on.append({ ...intent, id: 'unfinished', subjects: { ...intent.subjects, mother: 'somebody found on the way' } });
  const seen = await ledger(CHILD);
  t.strictSame(
    seen.map(({ outcome }) => outcome),
    ['unfinished', 'answered', 'abandoned', 'unknown-role', 'procedure-not-granted'],
  );
  t.strictSame(
    seen.map(({ status }) => status.en),
    [
      'No outcome is on record; nothing was given.',
      'The request was answered.',
      'The agency did not wait for the answer; nothing was given.',
      'The request was refused; nothing was given.',
      'The request was refused; nothing was given.',
    ],
  );
  t.ok(seen.every(({ outcome, fields, fieldsWithheld }) => outcome === 'answered' || (fields.length === 0 && !fieldsWithheld)));
  t.equal(seen[0]?.sources[0]?.result, 'to-ask');
  t.strictSame(seen[3]?.roles, [
    { role: 'related' },
    { role: 'subject', name: { vi: 'Người được cấp', en: 'Person concerned', fr: 'Personne concernée' } },
  ]);
  t.notMatch(JSON.stringify(seen), 'nguyenVanAn', 'what an agency called somebody may name anybody');

  await on.append({ ...intent, kind: 'outcome', id: 'unfinished', outcome: 'answered', fields: [] });
  t.equal((await ledger(CHILD))[0]?.outcome, 'answered', 'an outcome that came late takes the place of the intent');
  const OTHER = '003195000071';
  await on.append({ ...intent, id: 'refused', subjects: { subject: 'somebody', formerSpouse: on.people.of('person', OTHER) } });
  await on.append({ kind: 'refusal', id: 'refused', procedure: '1.004873', subjects: { subject: 'somebody' }, outcome: 'internal' });
  t.match(
    await ledger(OTHER),
    [{ outcome: 'internal', roles: [{ role: 'formerSpouse' }] }],
    'one that does not name the citizen does not hide the intent',
  );
});

t.test('a look is on record first, under the issuer, and is not in the ledger', async (t) => {
  const before = (await ledger(AN)).map(withoutProof);
  const body = { from: '2026-11-22T00:00:00Z', to: '2026-11-23T00:00:00Z', limit: 7 };
  t.strictSame((await ledger(AN, body)).map(withoutProof), before);
  const { time: _time, id: _id, ...entry } = (await on.entries()).at(-1) as AuditEntry;
  t.strictSame(entry, {
    v: 1,
    kind: 'citizen-read',
    agency: 'citizen',
    client: 'https://citizens.oncegate.example',
    subjects: { subject: on.people.of('person', AN) },
    query: body,
    config: on.catalogue.digest,
  });
  check('AuditEntry', { ...entry, time: _time, id: _id });
  t.notMatch(JSON.stringify(await on.entries()), AN);
  t.notMatch(on.lines.join(''), AN);
  t.strictSame(await ledger(AN, { from: '2026-11-23T00:00:00Z' }), []);
  t.strictSame(await ledger(AN, { to: '2026-11-22T05:00:00Z' }), []);
  t.strictSame((await ledger(AN, { to: '2026-11-22T05:00:00.001Z' })).map(withoutProof), before);
});

t.test('what was written under an older key of pseudonyms is found too', async (t) => {
  const before = (await ledger(AN)).map(withoutProof);
  on.rotate();
  await on.prefill('X01.1', { dossier: 'X01.1-261122-0099' });
  const seen = await ledger(AN);
  t.strictSame(seen.slice(1).map(withoutProof), before);
  t.equal(seen[0]?.dossier, 'X01.1-261122-0099');
});

t.test('where another configuration decided, fields are shown only where they can be nobody else’s', async (t) => {
  const [me, other] = [on.people.of('person', '003093000181'), on.people.of('person', HUONG)];
  const base = {
    procedure: '1.000894',
    grant: 'marriage',
    fields: ['/wife/fullName', '/husband/fullName'],
    outcome: 'answered',
    config: 'another',
  };
  const sources = [
    { source: 'population', dataset: 'person', role: 'subject', result: 'found' },
    { source: 'population', dataset: 'person', role: 'husband', result: 'found' },
  ];
  await on.append({ ...base, sources, subjects: { subject: other, husband: me } });
  await on.append({ ...base, sources, subjects: { subject: me } });
  await on.append({ ...base, sources, subjects: { subject: me, husband: me } });
  await on.append({ ...base, fields: [], subjects: { subject: other, husband: me } });
  const seen = await ledger('003093000181');
  t.strictSame(
    seen.map((access) => [at(access).length, access.fieldsWithheld ?? false, access.receipt.entry !== undefined]),
    [
      [0, false, false],
      [2, false, true],
      [2, false, true],
      [0, true, false],
    ],
  );
  t.strictSame(
    seen.map((access) => access.sources.length),
    [0, 2, 1, 1],
    'a source says whose record it was',
  );
});

t.test('a thing counts as the citizen’s own only where its record said so', async (t) => {
  const [me, other] = [on.people.of('person', '003192000141'), on.people.of('person', BINH)];
  const certificate = on.people.of('certificate', 'ZZ 00000017');
  const found = (role: string, result = 'found') => ({ source: 'land', dataset: 'land-certificate', role, result });
  const residence = {
    procedure: '1.004222',
    outcome: 'answered',
    fields: ['/fullName', '/dwelling/certificateSerial', '/householder/fullName'],
  };
  const ROWS: [rule: string, entry: Partial<AuditEntry>, fields: string[], withheld: boolean][] = [
    ['confirmed', { subjects: { subject: me, dwelling: certificate }, sources: [found('dwelling')] }, residence.fields, false],
    [
      'not confirmed',
      { subjects: { subject: me, dwelling: certificate }, sources: [found('dwelling', 'not-confirmed')] },
      ['/fullName'],
      true,
    ],
    ['not read', { subjects: { subject: me, dwelling: certificate } }, ['/fullName'], true],
    [
      'that of another in the dossier',
      { subjects: { subject: other, householder: me, dwelling: certificate }, sources: [found('dwelling')] },
      ['/householder/fullName'],
      false,
    ],
  ];
  for (const [rule, entry, fields, withheld] of ROWS) {
    await on.append({ ...residence, ...entry });
    const [access] = await ledger('003192000141', { limit: 1 });
    t.strictSame([at(access), access?.fieldsWithheld ?? false], [fields, withheld], rule);
  }
});

t.test('disclosure that a law delays: nothing tells before the day is over, everything is there after it', async (t) => {
  const OWNER = '003078000091';
  const day = (text: string): number => Date.parse(`${text}T00:00:00+07:00`);
  const ask = (dossier: string, more: object = {}): Promise<unknown> =>
    on.prefill('X02.1', { procedure: '1.012768', subject: OWNER, dossier: `X02.1-261122-${dossier}`, officer: 'X02.1-0001', ...more });
  await on.prefill('X01.1', { subject: OWNER, dossier: 'X01.1-261122-0500' });
  await ask('0001', { maxAgeSeconds: 0 });
  await ask('0002', { fields: ['/criminalRecord'] });
  await on.append({
    ...((await on.entries()).findLast(({ kind, agency }) => kind === 'intent' && agency === 'X02.1') as AuditEntry),
    id: 'open',
  });
  await on.prefill('X01.1', { subject: OWNER, dossier: 'X01.1-261122-0501' });
  const entries = (await on.entries()).filter(({ agency, kind }) => agency === 'X02.1' && kind !== 'audit-read');
  t.strictSame(
    entries.map(({ kind, withheldUntil }) => `${kind} ${withheldUntil}`),
    ['intent', 'outcome', 'refusal', 'intent'].map((kind) => `${kind} ${SILENT_UNTIL}`),
  );
  const open = ['X01.1-261122-0501', 'X01.1-261122-0500'];
  const all = ['X01.1-261122-0501', 'X02.1-261122-0001', 'X02.1-261122-0002', 'X02.1-261122-0001', 'X01.1-261122-0500'];
  const usual = on.time.now;
  for (const [rule, now, dossiers] of [
    ['at once', usual, open],
    ['in the last second of the day in Viet Nam', day('2026-12-06') - 1000, open],
    ['when it is over', day('2026-12-06'), all],
  ] as const) {
    on.time.now = now;
    t.strictSame(
      (await ledger(OWNER)).map(({ dossier }) => dossier),
      dossiers,
      rule,
    );
    const first = await look(OWNER, { limit: 1 });
    t.equal(first.body.accesses[0]?.dossier, dossiers[0]);
    t.equal(first.body.next, String(first.body.accesses[0]?.receipt.index), 'a page goes on from what was shown');
    const rest = await look(OWNER, { limit: dossiers.length - 1, cursor: first.body.next });
    t.strictSame(
      [rest.body.accesses.map(({ dossier }) => dossier), rest.body.next],
      [dossiers.slice(1), undefined],
      'and ends where that ends',
    );
  }
  on.time.now = usual;
  t.match(
    (await on.entries()).filter(({ outcome }) => outcome === 'procedure-not-granted'),
    [{}],
  );
  t.notOk((await on.entries()).find(({ outcome }) => outcome === 'procedure-not-granted')?.withheldUntil, 'no grant, no delay');
});

t.test('pages are full whatever is left out, and the work for one is bounded', async (t) => {
  const random = chance(seed);
  const SIZE = 12_000;
  const HIDDEN_FROM = 4000;
  const me = on.people.all('person', AN)[0] ?? '';
  /** Newest at the end. From 4,000 to 11,000 nothing that may be shown. */
  const shown = new Set(Array.from({ length: SIZE }, (_, i) => i).filter((i) => (i < HIDDEN_FROM || i > 11_000) && random(20) === 0));
  let searches = 0;
  const plain = on.searching.by;
  const bodyOf = (index: number): string =>
    JSON.stringify({
      kind: 'outcome',
      agency: 'X01.1',
      id: String(index),
      time: '2026-11-22T05:00:00.000Z',
      subjects: { subject: me },
      ...(shown.has(index) ? {} : { withheldUntil: '2030-01-01' }),
    });
  const full: LogSearch = {
    ...plain,
    async search({ before = SIZE, limit, kind }) {
      searches++;
      if (kind !== 'outcome') return [];
      const first = Math.min(before, SIZE) - 1;
      return Array.from({ length: Math.max(0, Math.min(limit, first + 1)) }, (_, i) => ({ index: first - i, body: bodyOf(first - i) }));
    },
  };
  for (let i = await since(); i < SIZE + 10; i++) {
    void on.append({ kind: 'intent', id: 'filling' });
    if (i % 1000 === 0) await on.log.settled();
  }
  await on.log.settled();
  on.searching.by = full;
  const seen: number[] = [];
  const short: number[] = [];
  for (let cursor: string | undefined; ; ) {
    searches = 0;
    const { status, body } = await look(AN, { limit: 40, ...(cursor === undefined ? {} : { cursor }) });
    if (status !== 200) throw new Error(String(status));
    t.ok(searches <= 3 * 22, `${searches} searches`);
    const indexes = body.accesses.map(({ receipt }) => receipt.index);
    seen.push(...indexes);
    if (body.next !== undefined && indexes.length < 40) short.push(Number(body.next));
    else if (body.next !== undefined) t.equal(body.next, String(indexes.at(-1)));
    cursor = body.next;
    if (cursor === undefined) break;
  }
  on.searching.by = plain;
  t.strictSame(
    seen,
    [...shown].sort((a, b) => b - a),
  );
  t.ok(short.length >= 3 && short.length <= 4, `short pages at ${short.join(', ')}: only where thousands in a row are left out`);
});

t.test('property: no reply to one holds the number, pseudonym, role or field of another', async (t) => {
  const random = chance(seed);
  const other = await startReaders({ sandbox });
  const PEOPLE = [
    AN,
    BINH,
    HUONG,
    '003085000041',
    '003187000042',
    '003219000043',
    '003182000051',
    '003080000052',
    '003155000061',
    '003052000062',
    '003078000091',
    '003181000092',
  ];
  const person = (): string => PEOPLE[random(PEOPLE.length)] as string;
  const MAKERS: (() => { agency: string; procedure: string; related?: Record<string, string> })[] = [
    () => ({ agency: 'X01.1', procedure: '1.004222', related: { householder: person(), ...(random(2) ? { landlord: person() } : {}) } }),
    () => ({ agency: 'X01.1', procedure: '1.000894', related: { husband: person() } }),
    () => ({ agency: 'X01.1', procedure: '1.001193', related: { mother: person(), ...(random(2) ? { father: person() } : {}) } }),
    () => ({ agency: 'X01.1', procedure: '1.004873', ...(random(2) ? { related: { requester: person() } } : {}) }),
    () => ({ agency: 'X02.1', procedure: '1.012768', ...(random(2) ? { related: { certificate: 'ZZ 00000017' } } : {}) }),
    () => ({ agency: 'X01.1', procedure: '1.012768', related: { witness: person() } }),
  ];
  for (let n = 0; n < 60; n++) {
    const { agency, ...request } = (MAKERS[random(MAKERS.length)] as (typeof MAKERS)[number])();
    const gone = random(6) === 0 ? AbortSignal.abort() : undefined;
    await other.prefill(agency, { ...request, subject: person(), dossier: `${agency}-261122-${n + 1}`, officer: `${agency}-1` }, gone);
    if (random(5) === 0) {
      const entry = (await other.entries())[random((await other.entries()).length)] as AuditEntry;
      await other.append({ ...entry, id: `again ${n}`, ...(random(2) ? { config: 'another' } : {}) });
    }
  }
  const entries = await other.entries();
  let accesses = 0;
  let cut = 0;
  for (const me of PEOPLE) {
    const own = other.people.of('person', me);
    const { body, text } = await look(me, { limit: 100 }, other);
    for (const number of PEOPLE) {
      const theirs = other.people.of('person', number);
      if (number !== me && (text.includes(number) || text.includes(theirs))) t.fail(`seed ${seed}: ${me} sees ${number}`);
      if (text.includes(me)) t.fail(`seed ${seed}: the number itself is in the reply`);
    }
    for (const access of body.accesses) {
      accesses++;
      const fault = (what: string): unknown => t.fail(`seed ${seed}: ${me} in entry ${access.receipt.index}: ${what}`);
      const entry = entries[access.receipt.index] as AuditEntry;
      const subjects = Object.entries(entry.subjects ?? {});
      const mine = subjects.filter(([, pseudonym]) => pseudonym === own).map(([role]) => role);
      if (mine.length === 0) fault('is not about them');
      const [procedure] = other.catalogue.procedures.get(entry.procedure ?? '') ?? [];
      // A certificate is of whoever its record was confirmed by; nobody else's is theirs.
      const isThing = (role: string): boolean =>
        procedure?.roles.get(role)?.kind === 'certificate' &&
        mine.includes(procedure.roles.get(role)?.confirm?.is ?? '') &&
        entry.sources?.some((use) => use.role === role && use.result === 'found') === true;
      const things = subjects.map(([role]) => role).filter(isThing);
      const theirs = subjects.map(([role]) => role).filter((role) => !mine.includes(role) && !things.includes(role));
      if (theirs.length > 0) cut++;
      if (access.receipt.entry !== undefined && theirs.length > 0) fault('the entry names others');
      if (access.roles.some(({ role }) => !mine.includes(role) && role !== 'related')) fault('a role that is not theirs');
      for (const field of at(access)) {
        const bound =
          procedure?.fields.find((one) => one.at === field)?.from.map(({ lookUp }) => procedure.lookUps[lookUp]?.role ?? '') ?? [];
        const named = bound.filter((role) => subjects.some(([name]) => name === role));
        if (named.some((role) => theirs.includes(role))) fault(`${field} came from ${named.join(' or ')}`);
        if (theirs.length > 0 && entry.config === 'another') fault(`${field}, though it cannot be told`);
      }
      for (const { id, dataset } of access.sources) {
        const roles = (entry.sources ?? []).filter((use) => use.source === id && use.dataset === dataset).map(({ role }) => role);
        if (!roles.some((role) => mine.includes(role) || things.includes(role))) fault(`${id}/${dataset} was asked about another`);
      }
    }
  }
  t.ok(accesses > 60 && cut > 30, `${accesses} accesses, ${cut} of which name others too`);
  await other.close();
});

t.test('what is wrong with a request is refused, and leaves nothing on record', async (t) => {
  const { length } = await on.entries();
  const token = await on.token(AN);
  const ROWS: [rule: string, body: object, pointer: string][] = [
    ['a person of one’s choice', { subject: BINH }, '/subject'],
    ['no page', { limit: 0 }, '/limit'],
    ['a page too large', { limit: 101 }, '/limit'],
    ['a day for a time', { from: '2026-11-22' }, '/from'],
    ['a cursor that is none', { cursor: 'x' }, '/cursor'],
  ];
  for (const [rule, body, pointer] of ROWS) {
    const { status, body: problem } = await on.post<{ code: string; errors: { pointer: string }[] }>('/v1/accesses', body, token);
    t.match({ status, problem }, { status: 400, problem: { code: 'invalid-request', errors: [{ pointer }] } }, rule);
  }
  t.equal((await on.entries()).length, length);
});

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const another = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const p256 = async (key: KeyObject, kid: string): Promise<AgencyKey> => ({ ...((await exportJWK(key)) as AgencyKey), kid, alg: 'ES256' });
const CITIZENS = 'https://id.test';
const seconds = Math.floor(NOON / 1000);
const wires = new AsyncDisposableStack();
t.teardown(() => wires.disposeAsync());
const open = (address: URL) => {
  const wire = openWire(address, undefined, { bytes: 65_536, connections: 1 });
  wires.defer(() => wire.close());
  return wire;
};

/** A token as the issuer makes it; `claims` and `header` replace what is there, and undefined takes it away. */
function made(claims: object = {}, header: object = {}, key: KeyObject = privateKey): Promise<string> {
  const usual = { iss: CITIZENS, aud: ISSUER, iat: seconds, exp: seconds + 600, jti: 'one', scope: 'openid citizen', sub: AN };
  return new SignJWT({ ...usual, ...claims }).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'k1', ...header }).sign(key);
}

t.test('whose token is taken', async (t) => {
  const issuer = {
    issuer: CITIZENS,
    keys: [await p256(publicKey, 'k1'), { ...(await p256(another.publicKey, 'old')), validTo: '2026-11-21' }],
    numberClaim: 'sub',
  };
  const verify = citizenTokens({ citizens: issuer, issuer: ISSUER, open, clock: () => NOON });
  t.match(await verify(await made()), { issuer: CITIZENS, number: AN, expires: seconds + 600 });
  t.match(await verify(await made({ aud: [ISSUER] })), { number: AN }, 'an audience in a list of one');
  t.match(await verify(await made({ iat: seconds - 3599, exp: seconds + 1 })), { number: AN }, 'an hour old');
  const hmac = await new SignJWT({ iss: CITIZENS, aud: ISSUER, jti: 'x', scope: 'citizen', sub: AN })
    .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid: 'k1' })
    .setIssuedAt(seconds)
    .setExpirationTime(seconds + 60)
    .sign(Buffer.from(JSON.stringify(await exportJWK(publicKey))));
  const none = [
    { alg: 'none', typ: 'at+jwt', kid: 'k1' },
    { iss: CITIZENS, aud: ISSUER, iat: seconds, exp: seconds + 60, jti: 'x', scope: 'citizen', sub: AN },
  ]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  const ROWS: [rule: string, token: string][] = [
    ['another issuer', await made({ iss: 'https://id.test/' })],
    ['no issuer', await made({ iss: undefined })],
    ['another audience', await made({ aud: 'https://other.test' })],
    ['more than one audience', await made({ aud: [ISSUER, 'https://other.test'] })],
    ['no audience', await made({ aud: undefined })],
    ['expired', await made({ exp: seconds - 11, iat: seconds - 60 })],
    ['no expiry', await made({ exp: undefined })],
    ['an expiry in the year 9999', await made({ exp: 253_402_300_799 })],
    ['a life of more than an hour', await made({ exp: seconds + 3601 })],
    ['made more than an hour ago', await made({ iat: seconds - 3611, exp: seconds + 10 })],
    ['made in the future', await made({ iat: seconds + 60 })],
    ['no time of making', await made({ iat: undefined })],
    ['not valid yet', await made({ nbf: seconds + 60 })],
    ['no identifier', await made({ jti: undefined })],
    ['an empty identifier', await made({ jti: '' })],
    ['no scope', await made({ scope: undefined })],
    ['a scope that is a list', await made({ scope: ['citizen'] })],
    ['no number', await made({ sub: undefined })],
    ['eleven digits', await made({ sub: AN.slice(1) })],
    ['a number as a number', await made({ sub: 103099000017 })],
    ['a space after it', await made({ sub: `${AN} ` })],
    ['a line end after it', await made({ sub: `${AN}\n` })],
    ['full-width digits', await made({ sub: '００３０９９０００017' })],
    ['not an access token', await made({}, { typ: 'JWT' })],
    ['no type', await made({}, { typ: undefined })],
    ['another key', await made({}, {}, another.privateKey)],
    ['a key that is not the issuer’s', await made({}, { kid: 'k2' })],
    ['no key named', await made({}, { kid: undefined })],
    ['a key that is over', await made({}, { kid: 'old' }, another.privateKey)],
    ['the public key as a secret', hmac],
    ['no signature', `${none}.`],
    ['no signature, filled', `${none}.AA`],
    ['a critical header', await made({}, { crit: ['exp'], exp: 1 }).catch(() => 'a.b.c')],
    ['a space before', ` ${await made()}`],
    ['padding', `${await made()}=`],
    ['nothing', ''],
    ['no token', 'a.b.c'],
    ['longer than a token', `${await made({ filling: 'x'.repeat(4000) })}`],
  ];
  for (const [rule, token] of ROWS) t.equal(await verify(token), undefined, rule);

  const renamed = citizenTokens({
    citizens: { ...issuer, audience: 'ledger', numberClaim: 'personal_number' },
    issuer: ISSUER,
    open,
    clock: () => NOON,
  });
  t.match(
    await renamed(await made({ aud: 'ledger', sub: 'x', personal_number: BINH })),
    { number: BINH },
    'another audience and claim, where the file says so',
  );
  t.equal(await renamed(await made({ aud: 'ledger' })), undefined);
  t.throws(
    () => citizenTokens({ citizens: { ...issuer, issuer: ISSUER }, issuer: ISSUER, open, clock: () => NOON }),
    /another than the gateway/,
  );
  t.throws(() => citizenTokens({ citizens: { ...issuer, keys: 'sandbox' }, issuer: ISSUER, open, clock: () => NOON }), /were not made/);
});

t.test('keys from the issuer’s address: only its algorithms, fetched once, and a failure is not the token’s', async (t) => {
  let requests = 0;
  let says: 'keys' | 'nothing' = 'nothing';
  const jwks = createServer((_request, response) => {
    requests++;
    void Promise.all([p256(publicKey, 'k1'), exportJWK(rsa.publicKey)]).then(([one, two]) => {
      response.setHeader('content-type', 'application/json');
      if (says === 'keys') response.end(JSON.stringify({ keys: [one, { ...two, kid: 'r1' }] }));
      else response.writeHead(503).end();
    });
  }).listen(0, '127.0.0.1');
  await once(jwks, 'listening');
  t.teardown(() => jwks.close());
  const url = `http://127.0.0.1:${(jwks.address() as AddressInfo).port}/jwks`;
  const time = { now: NOON };
  const settings = (algorithms: string[]) => ({
    citizens: { issuer: CITIZENS, keys: { jwks: url, algorithms }, numberClaim: 'sub' },
    issuer: ISSUER,
    open,
    clock: () => time.now,
  });
  const verify = citizenTokens(settings(['ES256']));
  const RS256 = await made({}, { alg: 'RS256', kid: 'r1' }, rsa.privateKey);
  t.equal(await verify(RS256), undefined, 'an algorithm that is not taken asks nobody');
  t.equal(requests, 0);
  const failure = (): Promise<unknown> =>
    made()
      .then(verify)
      .catch((error: unknown) => error);
  t.match(await failure(), { code: 'issuer-unavailable', options: { retryAfterSeconds: 30 } });
  t.match(await failure(), { code: 'issuer-unavailable' });
  t.equal(requests, 1, 'who asks again at once does not make us ask again');
  says = 'keys';
  time.now += 30_000;
  t.match(await verify(await made({ iat: seconds + 30 })), { number: AN });
  t.match(await verify(await made({ jti: 'two' })), { number: AN });
  t.equal(await verify(await made({}, { kid: 'k9' })), undefined, 'a key it does not have');
  t.equal(await verify(await made({}, { kid: 'k1' }, another.privateKey)), undefined);
  t.equal(requests, 2);
  t.match(await citizenTokens(settings(['RS256']))(RS256), { number: AN }, 'RS256 where the file says so');
});

t.test('a citizen’s token opens the ledger alone, an agency’s everything else', async (t) => {
  const ROWS: [rule: string, token: string, status: number, code: string | undefined][] = [
    ['nobody', '', 401, 'unauthenticated'],
    ['an agency', 'X01.1', 401, 'unauthenticated'],
    ['a citizen', await on.token(AN), 200, undefined],
    ['a citizen without the scope', await sandboxToken({ scope: 'openid' }), 403, 'insufficient-scope'],
    ['a citizen with a scope that begins alike', await sandboxToken({ scope: 'citizens' }), 403, 'insufficient-scope'],
    ['a citizen of another issuer', await made(), 401, 'unauthenticated'],
  ];
  for (const [rule, token, status, code] of ROWS) {
    const reply = await on.post<Ledger>('/v1/accesses', {}, token);
    t.match({ status: reply.status, code: reply.body.code }, { status, code }, rule);
    if (status !== 200) check('Problem', reply.body);
  }
  const none = await startReaders({ sandbox, citizens: (citizens) => ({ ...citizens, issuer: 'https://elsewhere.test' }) });
  t.equal((await none.post('/v1/accesses', {}, await none.token(AN))).status, 401, 'the issuer is the one in the file');
  await none.close();

  const expiring = await on.token(AN);
  t.equal((await on.post('/v1/accesses', {}, expiring)).status, 200);
  on.time.now += 611_000;
  t.equal((await on.post('/v1/accesses', {}, expiring)).status, 401, 'one that was remembered expires all the same');
});

/** A token of the sandbox's issuer with other claims. */
async function sandboxToken(claims: object): Promise<string> {
  const key = JSON.parse(readFileSync(`${on.dataDirectory}/citizen-issuer.jwk.json`, 'utf8'));
  const now = Math.floor(on.time.now / 1000);
  return new SignJWT({ iss: on.citizens.issuer, aud: ISSUER, iat: now, exp: now + 600, jti: 'x', scope: 'citizen', sub: AN, ...claims })
    .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid: key.kid })
    .sign(await importJWK(key));
}

t.test('what is wrong with the configuration of citizens and of delays is named', async (t) => {
  const key = await p256(publicKey, 'k1');
  const faults = (edits: Parameters<typeof editedConfig>[0], sandboxed = true): string[] => {
    const place = editedConfig(edits);
    try {
      loadCatalogue({ directory: place, schemaDirectory: 'schemas', adapters: adapterFacts, sandbox: sandboxed });
      return [];
    } catch (error) {
      return (error as ConfigurationError).faults.map((fault) => `${fault.pointer} ${fault.rule}`);
    } finally {
      rmSync(place, { recursive: true });
    }
  };
  const citizens = (value: object | undefined): Parameters<typeof editedConfig>[0] => ({
    'gateway.yaml': (file) => ({ ...file, citizens: value }),
  });
  const grant = (disclosure: object): Parameters<typeof editedConfig>[0] => ({
    'agencies/X02.1.yaml': (file) => {
      const [first] = file.grants as unknown as { disclosure: object }[];
      if (first !== undefined) first.disclosure = disclosure;
      return file;
    },
  });
  const issuer = 'https://id.test';
  const ROWS: [rule: string, edits: Parameters<typeof editedConfig>[0], expected: string[]][] = [
    ['nobody vouches for citizens', citizens(undefined), []],
    ['keys in the file', citizens({ issuer, keys: [key], audience: 'ledger', numberClaim: 'personal_number' }), []],
    ['keys at an address', citizens({ issuer, jwks: 'https://id.test/jwks', algorithms: ['RS256'] }), []],
    ['keys at an address of the sandbox', citizens({ issuer, jwks: 'http://127.0.0.1:9/jwks' }), []],
    ['no keys', citizens({ issuer }), ['/citizens schema']],
    ['keys twice', citizens({ issuer, keys: [key], jwks: 'https://id.test/jwks' }), ['/citizens/jwks duplicate']],
    ['algorithms without an address', citizens({ issuer, keys: [key], algorithms: ['RS256'] }), ['/citizens schema']],
    ['a secret for a key', citizens({ issuer, keys: [{ ...key, kty: 'oct' }] }), ['/citizens/keys schema', '/citizens/keys/0/kty schema']],
    [
      'an algorithm by which anybody signs',
      citizens({ issuer, jwks: 'https://id.test/jwks', algorithms: ['HS256'] }),
      ['/citizens/algorithms/0 schema'],
    ],
    ['a key that is cut off', citizens({ issuer, keys: [{ ...key, x: key.x.slice(2) }] }), ['/citizens/keys/0 type-mismatch']],
    ['one key twice', citizens({ issuer, keys: [key, key] }), ['/citizens/keys/1/kid duplicate']],
    [
      'outcomes forgotten before their intents',
      { 'gateway.yaml': (file) => ({ ...file, retention: { outcome: 30 } }) },
      ['/retention/outcome validity'],
    ],
    [
      'refusals forgotten before intents',
      { 'gateway.yaml': (file) => ({ ...file, retention: { intent: 31, refusal: 30 } }) },
      ['/retention/refusal validity'],
    ],
    ['intents forgotten first', { 'gateway.yaml': (file) => ({ ...file, retention: { intent: 30, outcome: 30 } }) }, []],
    ['an issuer that is no address', citizens({ issuer: 'id.test', keys: [key] }), ['/citizens/issuer schema']],
    ['a delay', grant({ withheldUntil: '2026-12-31', legalBasis: 'nq-66-7-2025#art-2' }), []],
    ['a delay of one day', grant({ withheldUntil: '2026-07-27', legalBasis: 'nq-66-7-2025#art-2' }), []],
    [
      'a delay that ends before the grant begins',
      grant({ withheldUntil: '2026-07-26', legalBasis: 'nq-66-7-2025#art-2' }),
      ['/grants/0/disclosure/withheldUntil validity'],
    ],
    ['a delay without an end', grant({ legalBasis: 'nq-66-7-2025#art-2' }), ['/grants/0/disclosure schema']],
    ['a delay without a law', grant({ withheldUntil: '2026-12-31' }), ['/grants/0/disclosure schema']],
    [
      'a delay under a law that is not there',
      grant({ withheldUntil: '2026-12-31', legalBasis: 'luat-1-2030#art-1' }),
      ['/grants/0/disclosure/legalBasis unknown-reference'],
    ],
  ];
  for (const [rule, edits, expected] of ROWS) t.strictSame(faults(edits), expected, rule);
  const production = (value: object): string[] => faults(citizens(value), false).filter((fault) => fault.startsWith('/citizens'));
  t.strictSame(production({ issuer, keys: 'sandbox' }), ['/citizens/keys sandbox-in-production']);
  t.strictSame(production({ issuer, jwks: 'http://id.test/jwks' }), ['/citizens/jwks sandbox-in-production']);
  t.strictSame(production({ issuer: 'http://id.test', keys: [key] }), ['/citizens/issuer sandbox-in-production']);
  t.strictSame(production({ issuer, keys: [key] }), []);
});
