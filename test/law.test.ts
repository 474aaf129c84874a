/** Resolution 66.7/2025/NQ-CP as data: every row counted, cited and answered for, what owners publish, and what is never guessed. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { openCatalogue } from '../src/app.ts';
import { coverageHere } from '../src/catalogue/coverage.ts';
import type { Fault } from '../src/catalogue/faults.ts';
import type { Agency, Authorised, CoverageScope, Grant, Prefill, PrefillRequest, Procedure, Resolved } from '../src/domain.ts';
import { procedureIndex } from '../src/http/agency/procedure-search.ts';
import { assemble } from '../src/stages/assemble.ts';
import { plan } from '../src/stages/plan.ts';
import { type Edited, editedConfig, NOON, startGateway, temporaryDirectory } from './support/gateway.ts';
import { schemaCheck } from './support/schemas.ts';

const FOLDER = 'legal/nq-66-7-2025';
const check = schemaCheck();
const AN = '003099000017';
const NOBODY = '003000000999';
/** The resolution's last day is 28 February 2027, in Viet Nam. */
const LAST_MOMENT = Date.parse('2027-02-28T23:59:59+07:00');
const AFTER = Date.parse('2027-03-01T00:00:00+07:00');

const started = performance.now();
const catalogue = openCatalogue('config', true);
t.comment(`the catalogue was compiled in ${Math.round(performance.now() - started)} ms`);

/** Read apart from the code under test: one record a line. */
const records = (annex: string): Record<string, string & string[]>[] =>
  readFileSync(`config/${FOLDER}/${annex}.json`, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('{"ref"'))
    .map((line) => JSON.parse(line.replace(/,$/, '')) as Record<string, string & string[]>);
const first = records('annex-1');
const second = records('annex-2');
const all = [...first, ...second];

t.test('the annexes are whole', async (t) => {
  t.equal(first.length, 798);
  t.equal(second.length, 8);
  t.strictSame(
    [...new Set(first.map(({ ref = '' }) => Number(ref.split('.')[1])))],
    Array.from({ length: 786 }, (_, i) => i + 1),
    'every row of annex I, in order',
  );
  t.equal(new Set(first.map(({ code }) => code)).size, 765);
  t.equal(new Set(all.map(({ ref }) => ref)).size, 806);
  const counted = { enterprise: 480, npd: 151, land: 88, civil: 76, vehicle: 19, identity: 12, criminal_record: 10, driver_licence: 5 };
  for (const [database, count] of Object.entries(counted)) {
    t.equal(first.filter(({ databases }) => databases?.includes(database)).length, count, database);
    const compiled = [...catalogue.rows.values()].flat().filter((row) => row.ref.includes('#I.') && row.databases.includes(database));
    t.equal(compiled.length, count, `${database}, compiled`);
  }
});

t.test('codes that lost their form are shown as printed', async (t) => {
  const lost = all.filter(({ codeRaw }) => codeRaw !== undefined);
  t.equal(lost.length, 28);
  t.ok(lost.every(({ code }) => /^[1-3]\.[0-9]{6}$/.test(code ?? '')));
  t.equal(first.find(({ code }) => code === '1.014170')?.codeRaw, '1.01417');
});

t.test('the suspect record is kept, and nothing is decided by it', async (t) => {
  const suspect = [...catalogue.rows.values()].flat().filter((row) => row.suspect !== undefined);
  t.match(suspect, [{ ref: 'nq-66-7-2025#I.737.2', code: '1.004222', confidence: 'unverified' }]);
  t.equal(catalogue.provisions.get('nq-66-7-2025#I.737.2'), undefined);
  t.match(catalogue.provisions.get('nq-66-7-2025#I.737'), { databases: ['civil'] }, 'its row’s name is that of the sound record');
});

/** A verdict on every paper of a procedure where no registry has said anything. */
function judged(procedure: Procedure, today: string): Prefill {
  const grant = { id: 'all', fields: 'all', components: 'all' } as unknown as Grant;
  const request = { procedure: procedure.code, dossier: 'x', officer: 'x', subject: AN } as PrefillRequest;
  const authorised = { caller: { agency: {} as Agency }, request, procedure, grant, today } as unknown as Authorised;
  const nothing = { outcomes: new Map(), keys: new Map(), stale: new Set(), replaced: new Map() } as unknown as Resolved;
  return assemble('id', 'salt', authorised, plan(authorised), nothing, { sources: catalogue.sources, places: catalogue.places, now: NOON });
}

t.test('every citation is reachable from a verdict, and without a record no paper is replaced', async (t) => {
  const cited = new Set<string>();
  const reasons: Record<string, number> = {};
  for (const versions of catalogue.procedures.values()) {
    for (const procedure of versions) {
      for (const { legalBasis = '', verdict, reason = verdict, name } of judged(procedure, '2026-11-22').components) {
        cited.add(legalBasis);
        if (procedure.form === undefined) reasons[reason] = (reasons[reason] ?? 0) + 1;
        if (verdict === 'replaced' || verdict === 'partly') t.fail(`${procedure.code} ${name.vi}`);
      }
    }
  }
  const rows = [...catalogue.rows.values()].flat().filter((row) => row.suspect === undefined);
  // A procedure with a form cites the rows that its file names.
  const own = rows.filter(({ code }) => catalogue.procedures.get(code)?.every(({ form }) => form === undefined));
  t.ok(own.length > 750);
  t.strictSame(
    own.filter(({ citation }) => !cited.has(citation)).map(({ ref }) => ref),
    [],
  );
  t.match(reasons, { cut: 8, 'crime-prevention-only': Number });
  t.strictSame(Object.keys(reasons).sort(), ['crime-prevention-only', 'cut', 'no-binding', 'no-record', 'no-source']);
  const lapsed = [...catalogue.procedures.values()].flatMap((versions) => versions.filter(({ form }) => form === undefined));
  const after = lapsed.flatMap((procedure) => judged(procedure, '2027-03-01').components);
  t.strictSame([...new Set(after.map(({ verdict, reason }) => `${verdict} ${reason}`))], ['ask legal-basis-not-in-force']);
});

t.test('what is for crime prevention only is law that the gateway does not serve', async (t) => {
  const rows = [...catalogue.rows.values()].flat().filter(({ databases }) => databases.includes('criminal_record'));
  for (const { code, ref } of rows) {
    const component = catalogue.procedures.get(code)?.[0]?.components.find(({ replacedBy }) => replacedBy[0]?.provision.ref === ref);
    t.match(component?.replacedBy[0]?.settled, { verdict: 'ask', reason: 'crime-prevention-only' }, ref);
  }
});

const scope = (localities: 'all' | string[], validFrom: string, datasets: 'all' | string[] = 'all'): CoverageScope => ({
  datasets: datasets === 'all' ? 'all' : new Set(datasets),
  localities: localities === 'all' ? 'all' : new Set(localities),
  validFrom,
});
const DAY = '2026-11-22';
const SOME = scope(['01', '79'], '2026-01-01');

t.test('what owners publish', async (t) => {
  for (const [rule, coverage, locality, expected] of [
    ['nothing published is not known', undefined, '01', 'unknown'],
    ['the whole country is every province', [scope('all', '2026-01-01')], '24', 'covered'],
    ['and whoever says none', [scope('all', '2026-01-01')], undefined, 'covered'],
    ['a province that is named', [SOME], '79', 'covered'],
    ['a province that is not', [SOME], '24', 'not-covered'],
    ['an agency that says none', [SOME], undefined, 'unknown'],
    ['from its first day', [scope('all', DAY)], '01', 'covered'],
    ['not before', [scope('all', '2026-11-23')], '01', 'not-covered'],
    ['not before, whatever the province', [scope(['01'], '2026-11-23')], undefined, 'not-covered'],
    ['to its last day', [{ ...SOME, validTo: DAY }], '01', 'covered'],
    ['not after', [{ ...SOME, validTo: '2026-11-21' }], '01', 'not-covered'],
    ['a dataset that is named', [scope('all', '2026-01-01', ['person'])], '01', 'covered'],
    ['a dataset that is not', [scope('all', '2026-01-01', ['birth'])], '01', 'not-covered'],
    ['one of several parts', [scope(['24'], '2026-01-01'), SOME], '01', 'covered'],
  ] as const) {
    t.equal(coverageHere(coverage, 'person', locality, DAY), expected, rule);
  }
});

t.test('a search finds what people type', async (t) => {
  const search = procedureIndex(catalogue);
  for (const [rule, text, expected] of [
    ['a code', '1.014178', '1.014178'],
    ['a code with a comma', '1,014178', '1.014178'],
    ['a code that lost its zero', '1.01417', '1.014170'],
    ['a name as it is written', 'Hưởng trợ cấp tuất hằng tháng', '1.014178'],
    ['without diacritics', 'huong tro cap tuat hang thang', '1.014178'],
    ['in capitals', 'HƯỞNG TRỢ CẤP TUẤT HẰNG THÁNG', '1.014178'],
    ['in letters taken apart', 'Hưởng trợ cấp tuất hằng tháng'.normalize('NFD'), '1.014178'],
    ['đ for d', 'dang ky thuong tru', '1.004222'],
    ['a row’s own name', 'chỗ ở hợp pháp do thuê, mượn, ở nhờ', '1.004222'],
    ['words in another order', 'tuất một lần trợ cấp', '1.014179'],
    ['in English, where there is a translation', 'permanent-residence', '1.004222'],
    ['stops and spaces', '  hưởng -- trợ cấp, tuất hằng tháng! ', '1.014178'],
  ] as const) {
    t.equal(search(text)[0], expected, rule);
  }
  t.equal(search('hoá chất')[0], search('hóa chất')[0], 'wherever the tone stands');
  t.ok(search('hóa chất').length > 5);
  t.ok(
    search('1.0141').every((code, i) => i > 2 || code.startsWith('1.0141')),
    'the beginning of a code',
  );
  t.strictSame(search('không có thủ tục nào như vậy'), []);
  t.strictSame(search('!!! ---'), [], 'nothing in it');
  t.equal(search(undefined).length, catalogue.procedures.size, 'all');
  const hostile = ['(a+)+$'.repeat(16), '%'.repeat(100), 'a '.repeat(50), '\u0301'.repeat(100), 'ﷺ'.repeat(100), '\ud800'];
  const from = performance.now();
  for (const text of hostile) search(text);
  t.comment(`${hostile.length} hostile searches took ${Math.round(performance.now() - from)} ms`);
});

/** The shipped configuration with files written over it, and what is wrong with that. */
function faultsOf(edits: Record<string, (text: string) => string>, sandbox = true): readonly Fault[] {
  const directory = temporaryDirectory();
  try {
    cpSync('config', directory, { recursive: true });
    for (const [file, edit] of Object.entries(edits)) {
      const path = join(directory, file);
      mkdirSync(dirname(path), { recursive: true });
      let text = '';
      try {
        text = readFileSync(path, 'utf8');
      } catch {}
      const edited = edit(text);
      if (edited === text) throw new Error(`${file} was not changed`);
      writeFileSync(path, edited);
    }
    openCatalogue(directory, sandbox);
    return [];
  } catch (error) {
    return (error as { faults?: Fault[] }).faults ?? [];
  } finally {
    rmSync(directory, { recursive: true });
  }
}
const ANNEX = `${FOLDER}/annex-1.json`;
const EVIDENCE = `${FOLDER}/evidence.yaml`;
const places = (faults: readonly Fault[]): string[] => faults.map(({ file, line, pointer, rule }) => `${file}:${line} ${pointer} ${rule}`);
const lineOf = (ref: string): number =>
  readFileSync(`config/${ANNEX}`, 'utf8')
    .split('\n')
    .findIndex((line) => line.startsWith(`{"ref":"${ref}"`)) + 1;
const indexOf = (ref: string): number => first.findIndex((record) => record.ref === ref);
const at = (ref: string): string => `${ANNEX}:${lineOf(ref)} /records/${indexOf(ref)}`;

t.test('faults of a table are named by file, line and record, all at once', async (t) => {
  const inForm = faultsOf({
    [ANNEX]: (text) =>
      text
        .replace('"ref":"I.3","code":"2.000257"', '"ref":"I.3","code":"2.257"')
        .replace(/("ref":"I\.5",.*?)"databases":\["enterprise"\]/, '$1"databases":[]')
        .replace(/("ref":"I\.7","code":)/, '$1"1.000001","code":'),
    'coverage/vehicle.yaml': () => 'database: vehicle\nsource: x\nscopes: [{ datasets: all, localities: ALL, validFrom: 2026-01-01 }]\n',
    [`${FOLDER}/notes.txt`]: () => 'x',
  });
  t.strictSame(places(inForm).sort(), [
    'coverage/vehicle.yaml:3 /scopes/0/localities schema',
    'coverage/vehicle.yaml:3 /scopes/0/localities schema',
    `${at('I.3')}/code schema`,
    `${at('I.5')}/databases schema`,
    `${at('I.7')} schema`,
    `${FOLDER}/notes.txt:undefined  file-name`,
  ]);
  const inMeaning = faultsOf({
    [ANNEX]: (text) =>
      text
        .replace('"ref":"I.4"', '"ref":"I.6"')
        .replace('"ref":"I.8"', '"ref":"II.80"')
        .replace('"codeRaw":"1.01417"', '"codeRaw":"1.0141"'),
    [EVIDENCE]: (text) =>
      text
        .replace('      - Căn cước\n', '      - Căn cứơc\n')
        .replace('[I.174, I.438]', '[I.174, I.999]')
        .replace('role: deceased, dataset: death', 'role: dead, dataset: death')
        .replace('value: /registration/number', 'value: /registration/nr')
        .replace('confirm: { value: /holders/*/personalId', 'confirm: { value: /holders/*/number'),
    'coverage/criminal_record.yaml': () =>
      'database: criminal_record\nsource: x\nscopes: [{ datasets: [deaths], localities: all, validFrom: 2026-02-01, validTo: 2026-01-01 }]\n',
  });
  t.strictSame(
    places(inMeaning)
      .map((place) => place.replace(/(evidence|record)\.yaml:[0-9]+/, '$1.yaml'))
      .sort(),
    [
      'coverage/criminal_record.yaml /database crime-prevention-only',
      'coverage/criminal_record.yaml /scopes/0/datasets/0 unknown-reference',
      'coverage/criminal_record.yaml /scopes/0/validTo validity',
      `${at('I.6')}/ref duplicate`,
      `${at('I.8')}/ref type-mismatch`,
      `${at('I.404')}/codeRaw type-mismatch`,
      // Once for each record that is confirmed by it.
      `${EVIDENCE} /roles/certificate/confirm/value unknown-value`,
      `${EVIDENCE} /roles/certificate/confirm/value unknown-value`,
      `${EVIDENCE} /rules/0/documents/0 unknown-value`,
      `${EVIDENCE} /rules/2/except/1 unknown-reference`,
      `${EVIDENCE} /rules/2/records/0/value unknown-value`,
      `${EVIDENCE} /rules/7/records/0/role unknown-reference`,
    ],
  );
  const broken = faultsOf({ [ANNEX]: (text) => text.replace('"ref":"I.9",', '"ref":"I.9"'), [EVIDENCE]: (text) => `${text}# x\n` });
  t.match(places(broken), [`${ANNEX}:${lineOf('I.9')}  unreadable`], 'and what cannot be read is said where');
  const source = faultsOf({ 'sources/land.yaml': (text) => text.replace('database: land', 'database: criminal_record') });
  t.match(
    source.filter(({ file }) => file === 'sources/land.yaml').map(({ rule }) => rule),
    ['crime-prevention-only'],
  );
});

const CODES = ['1.004222', '1.014178', '1.001088', '1.013226', '2.001263', '1.012892', '1.003204', '2.002093', '1.004251'];
/** An agency of a province, with a grant that outlasts the resolution. */
const agency = (file: Edited, id: string, locality: string): object => ({
  ...file,
  id,
  locality,
  grants: CODES.map((procedure, i) => ({
    id: `grant-${i}`,
    procedure,
    purpose: 'settle-dossier',
    fields: 'all',
    components: 'all',
    legalBasis: ['luat-68-2020#art-20-22'],
    validFrom: '2026-07-01',
    validTo: '2027-12-31',
  })),
});
const desk = (id: string, locality: string) => (): object =>
  agency({ name: { vi: 'a', en: 'a' }, sandbox: true, scopes: ['prefill'], keys: 'sandbox' } as unknown as Edited, id, locality);

t.test('over HTTP', async (t) => {
  const configDirectory = editedConfig({
    'agencies/X03.1.yaml': desk('X03.1', '01'),
    'agencies/X03.2.yaml': desk('X03.2', '24'),
  });
  t.teardown(() => rmSync(configDirectory, { recursive: true }));
  const main = await startGateway({ configDirectory });
  t.teardown(() => main.close());
  const get = async (path: string, agency = 'X03.1'): Promise<{ status: number; body: Record<string, never> }> => {
    const headers = { authorization: `Bearer ${await main.token(agency)}` };
    const reply = await main.gateway.server.inject({ url: path, headers });
    return { status: reply.statusCode, body: reply.json() };
  };
  const prefill = async (procedure: string, subject: string, related?: Record<string, string>, agency = 'X03.1'): Promise<Prefill> => {
    const reply = await main.gateway.server.inject({
      method: 'POST',
      url: '/v1/prefills',
      headers: { authorization: `Bearer ${await main.token(agency)}` },
      payload: { procedure, subject, dossier: `${agency}-261122-0001`, officer: `${agency}-0042`, ...(related && { related }) },
    });
    if (reply.statusCode !== 200) throw new Error(reply.payload);
    check('PrefillReply', reply.json());
    return reply.json().prefill;
  };

  await t.test('all procedures answer', async (t) => {
    for (const code of catalogue.rows.keys()) {
      const { status, body } = await get(`/v1/procedures/${code}`);
      const successor = catalogue.successors.get(code);
      if (successor !== undefined) {
        t.match([status, body], [404, { code: 'unknown-procedure', detail: new RegExp(successor) }], `${code} names what took its place`);
        continue;
      }
      if (status !== 200) t.fail(`${code} ${status}`);
      check('Procedure', body);
      const { law } = body as unknown as { law: { ref: string }[] };
      const expected = all.filter((record) => record.code === code).map(({ ref }) => `nq-66-7-2025#${ref}`);
      if (law.map(({ ref }) => ref).join() !== expected.join()) t.fail(code);
    }
    t.equal(catalogue.rows.size, 773);
  });

  await t.test('what is said of a paper', async (t) => {
    const law = async (code: string, agency?: string): Promise<unknown> => (await get(`/v1/procedures/${code}`, agency)).body.law;
    t.match(await law('1.014178'), [
      {
        ref: 'nq-66-7-2025#I.406',
        citation: 'NQ 66.7/2025/NQ-CP, annex I, row 406',
        document: 'Giấy chứng tử hoặc trích lục khai tử',
        databases: [{ database: 'civil', sources: ['civil-registry'] }],
        owner: 'Bộ Tư Pháp',
        instrument: /^Luật Bảo hiểm xã hội/,
        validTo: '2027-02-28',
        codeRaw: '1,014178',
        codeNormalised: true,
        fetchable: true,
      },
    ]);
    t.match(await law('1.003204'), [{ reason: 'no-source' }, { ref: /I\.764\.2$/, reason: 'crime-prevention-only', fetchable: false }]);
    t.match(await law('1.004251'), [{ effect: 'cut', fetchable: false, reason: 'cut' }]);
    t.match(await law('1.013226'), [{ fetchable: true }]);
    t.match(await law('1.013226', 'X03.2'), [{ fetchable: false, reason: 'not-covered' }]);
    const { sources } = (await get('/v1/sources', 'X03.2')).body as unknown as { sources: { id: string }[] };
    t.match(
      sources.find(({ id }) => id === 'land'),
      { datasets: [{ coverage: 'not-covered' }, { coverage: 'not-covered' }] },
    );
    t.match(await law('1.004222'), [{ fetchable: true }, { suspect: String, reason: 'suspect' }, { fetchable: true }, { fetchable: true }]);
  });

  await t.test('a code that lost its zero is not taken for another', async (t) => {
    t.match(await get('/v1/procedures/1.01417'), { status: 404, body: { code: 'unknown-procedure', detail: /there is 1\.014170/ } });
    t.match(await get('/v1/procedures/1,014170'), { status: 404, body: { detail: /there is 1\.014170/ } });
    t.match((await get('/v1/procedures/1.99')).body, { code: 'unknown-procedure', detail: undefined });
  });

  await t.test('the list is paged, and narrowed by what people ask', async (t) => {
    const codes = async (query: string, agency?: string): Promise<string[]> => {
      const { body } = await get(`/v1/procedures?limit=200&${query}`, agency);
      check('Procedures', body);
      return (body as unknown as { procedures: { code: string }[] }).procedures.map(({ code }) => code);
    };
    const pages: string[] = [];
    for (let offset: number | undefined = 0; offset !== undefined; ) {
      const { body } = (await get(`/v1/procedures?limit=200&offset=${offset}`)) as unknown as {
        body: { procedures: { code: string }[]; total: number; next?: number };
      };
      pages.push(...body.procedures.map(({ code }) => code));
      t.equal(body.total, catalogue.procedures.size);
      offset = body.next;
    }
    t.strictSame(pages, [...catalogue.procedures.keys()].sort());
    t.strictSame((await codes('granted=true')).sort(), [...CODES].sort());
    t.ok((await codes('withForm=true')).includes('1.004222'));
    t.notOk((await codes('withForm=false&search=thuong%20tru')).includes('1.004222'));
    t.equal((await codes('database=children')).length, 1);
    t.ok((await codes('sector=bo%20cong%20an')).length > 10);
    t.ok((await codes('database=land&fetchable=true')).includes('1.013226'));
    t.notOk((await codes('database=land&fetchable=true', 'X03.2')).includes('1.013226'));
    for (const query of [
      'search=',
      'search=003%20099-000017',
      'search=a&search=b',
      'limit=0',
      'limit=201',
      'offset=-1',
      'granted=1',
      'x=1',
    ]) {
      t.match(await get(`/v1/procedures?${query}`), { status: 400, body: { code: 'invalid-request' } }, query);
    }
    t.equal((await get(`/v1/procedures?search=${'a'.repeat(101)}`)).status, 400);
  });

  /** Paper → verdict, and the reason or what replaces it. */
  const verdicts = ({ components }: Prefill): string[] =>
    components.map(({ id, verdict, reason, by }) => `${id.replace('nq-66-7-2025-', '')} ${verdict} ${reason ?? by ?? ''}`.trim());

  await t.test('a verdict for a procedure without a form', async (t) => {
    for (const [rule, procedure, subject, related, expected, agency] of [
      ['the death is on record', '1.014178', '003155000061', { deceased: '003052000062' }, ['i-406 replaced civil-registry/death']],
      ['the dead are not guessed', '1.014178', '003155000061', undefined, ['i-406 ask role-not-given']],
      ['the living have no death record', '1.014178', '003155000061', { deceased: AN }, ['i-406 ask no-record']],
      ['the birth is on record', '1.001088', '003219000043', undefined, ['i-166 replaced civil-registry/birth']],
      ['nobody is nobody', '1.001088', NOBODY, undefined, ['i-166 ask no-record']],
      [
        'married people are known to be',
        '2.001263',
        '003085000041',
        undefined,
        ['i-498 replaced civil-registry/marriage', 'i-498-2 replaced population/person'],
      ],
      ['no marriage on record proves nothing', '2.001263', AN, undefined, ['i-498 ask no-record', 'i-498-2 replaced population/person']],
      ['who has no spouse has no marriage certificate', '1.012892', AN, undefined, ['i-578 ask not-recorded']],
      ['and who has, has', '1.012892', '003085000041', undefined, ['i-578 replaced population/person']],
      ['a certificate of residential land', '1.013226', AN, { certificate: 'ZZ 00000017' }, ['i-585 replaced land/land-certificate']],
      ['that is not named', '1.013226', AN, undefined, ['i-585 ask role-not-given']],
      ['that is another’s', '1.013226', AN, { certificate: 'ZZ 00000041' }, ['i-585 ask not-confirmed']],
      ['where none is published', '1.013226', AN, { certificate: 'ZZ 00000017' }, ['i-585 ask not-covered'], 'X03.2'],
      ['no registry of enterprises is connected', '2.002093', AN, undefined, ['i-1 ask no-source']],
      ['criminal records are never served', '1.003204', AN, undefined, ['i-764 ask no-source', 'i-764-2 ask crime-prevention-only']],
      ['what is struck is not asked for', '1.004251', NOBODY, undefined, ['ii-1 cut']],
    ] as const) {
      const reply = await prefill(procedure, subject, related, agency);
      t.strictSame(verdicts(reply), expected, rule);
      t.strictSame([reply.form, reply.fields], [{}, {}], `${rule}: and nothing of a record leaves`);
    }
    const form = await prefill('1.004222', AN, { householder: '003060000021' }, 'X03.2');
    t.match(
      verdicts(form),
      ['declaration ask', 'dwelling-ownership ask not-covered', 'kinship replaced'].map((text) => new RegExp(`^${text}`)),
    );
    t.equal(form.fields['/dwelling/certificateSerial']?.status, 'filled', 'coverage decides on papers, not on the values of a form');
    t.match((await get('/v1/procedures/1.004222', 'X03.2')).body.law, [{ reason: 'not-covered' }, {}, { fetchable: true }, {}]);
    const dead = await prefill('2.001263', '003052000062');
    t.match(dead.notices, [{ code: 'person-deceased', role: 'subject' }], 'that the person has died is said');
    const before = main.lookUps();
    await prefill('1.013226', AN, { certificate: 'ZZ 00000171' }, 'X03.2');
    t.equal(main.lookUps(), before, 'nobody is asked for what is not published');
  });

  await t.test('an agency asks under a grant, as ever', async (t) => {
    const refused = await main.gateway.server.inject({
      method: 'POST',
      url: '/v1/prefills',
      headers: { authorization: `Bearer ${await main.token('X03.1')}` },
      payload: { procedure: '1.014179', subject: AN, dossier: 'X03.1-261122-0001', officer: 'X03.1-0042' },
    });
    t.match(refused.json(), { status: 403, code: 'procedure-not-granted' });
  });

  await t.test('the resolution lapses at the end of 28 February 2027', async (t) => {
    const related = { deceased: '003052000062' };
    main.time.now = LAST_MOMENT;
    t.strictSame(verdicts(await prefill('1.014178', '003155000061', related)), ['i-406 replaced civil-registry/death']);
    t.strictSame(verdicts(await prefill('1.004251', AN)), ['ii-1 cut']);
    main.time.now = AFTER;
    const before = main.lookUps();
    t.strictSame(verdicts(await prefill('1.014178', '003155000061', related)), ['i-406 ask legal-basis-not-in-force']);
    t.strictSame(verdicts(await prefill('1.004251', AN)), ['ii-1 ask legal-basis-not-in-force'], 'struck papers are asked for again');
    t.equal(main.lookUps(), before, 'and nobody is asked');
    t.match((await get('/v1/procedures/1.014178')).body.law, [{ fetchable: false, reason: 'legal-basis-not-in-force' }]);
  });
});
