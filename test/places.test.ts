/** Places in time: every code of both lists, what each unit became and was made of, addresses of two times compared, and what others may ask. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { parse } from 'yaml';
import type { JsonObject } from '../src/adapter.ts';
import { openCatalogue } from '../src/app.ts';
import type { Field, Outcome, Prefill, Resolved } from '../src/domain.ts';
import { assembleField } from '../src/stages/fields.ts';
import { compareNames } from '../src/vietnam/names.ts';
import { asOfToday, compareAddresses, placeOf } from '../src/vietnam/places/address.ts';
import { Places } from '../src/vietnam/places/places.ts';
import { type PlacesFile, readTables, TABLES, type TableName } from '../src/vietnam/places/read.ts';
import { findPlaces } from '../src/vietnam/places/search.ts';
import { FIRST_DAY, LAST_DAY } from '../src/vietnam/places/tables.ts';
import type { Unit } from '../src/vietnam/places/unit.ts';
import { chance, seedOf } from './support/chance.ts';
import { editedConfig, startGateway } from './support/gateway.ts';
import { schemaCheck } from './support/schemas.ts';

const TODAY = '2026-11-22';
const FILE = parse(readFileSync('config/places/places.yaml', 'utf8')) as PlacesFile;
const TEXTS = Object.fromEntries(Object.keys(TABLES).map((table) => [table, readFileSync(`config/places/${table}`, 'utf8')])) as Record<
  TableName,
  string
>;

const told: unknown[] = [];
const began = { cpu: process.cpuUsage(), heap: process.memoryUsage().heapUsed };
const tables = readTables(TEXTS, FILE, (...fault) => told.push(fault));
t.comment(
  `read in ${process.cpuUsage(began.cpu).user / 1000} ms of CPU, ${((process.memoryUsage().heapUsed - began.heap) / 1e6).toFixed(1)} MB before collection`,
);
const places = new Places(tables);

const counts = (values: Iterable<string>): Record<string, number> => {
  const result: Record<string, number> = {};
  for (const value of values) result[value] = (result[value] ?? 0) + 1;
  return result;
};
const old = [...tables.oldCommunes.values()].filter(({ verified }) => verified);
const current = [...tables.newCommunes.values()];

t.test('the lists are as long as the law made them', async (t) => {
  t.strictSame(told, []);
  const { newProvinces, oldProvinces, districts } = tables;
  t.strictSame([newProvinces.size, oldProvinces.size, districts.size, current.length, old.length], [34, 63, 696, 3321, 10_035]);
  t.equal(
    old.reduce((sum, { became }) => sum + became.length, 0),
    10_566,
    'rows of the conversion table',
  );
  t.equal(old.filter(({ became }) => became.length > 1).length, 441, 'units that were split');
  const types = (day: string) => counts(current.map(({ code }) => places.unit(code, day)?.type ?? 'none'));
  t.strictSame(types(FIRST_DAY), { xa: 2621, phuong: 687, 'dac-khu': 13 });
  t.strictSame(types(TODAY), { xa: 2599, phuong: 709, 'dac-khu': 13 });
  const provinces = (day: string) => counts([...newProvinces.keys()].map((code) => places.unit(code, day)?.type ?? 'none'));
  t.strictSame(provinces(FIRST_DAY), { city: 6, province: 28 });
  t.strictSame(provinces(TODAY), { city: 9, province: 25 });
  t.ok(
    current.every(({ code }) => places.madeOf(places.unit(code, TODAY) as Unit).length > 0),
    'every commune was made of something',
  );
});

t.test('every old commune is one of today, or said to be ambiguous with all that it may be', async (t) => {
  const wrong: unknown[] = [];
  const found = old.map(({ code, province, became }) => {
    const { recorded, standing } = places.trace(code, LAST_DAY, TODAY) ?? {};
    const { unit, candidates = [], certainty = 'none' } = standing ?? {};
    if (recorded?.code !== code || recorded.province?.code !== province) wrong.push([code, 'is not itself']);
    const could = became.map((target) => target.code);
    if (certainty === 'ambiguous' ? unit !== undefined || candidates.length < 2 : !could.includes(unit?.code ?? ''))
      wrong.push([code, standing]);
    if (could.length > 1 && candidates.map((one) => one.code).join() !== could.join()) wrong.push([code, candidates]);
    const now = tables.oldProvinces.get(province)?.became;
    if ([...(unit ? [unit] : []), ...candidates].some((one) => one.province?.code !== now)) wrong.push([code, 'is in another province']);
    if (standing?.rule !== 'unchanged' && !/^16[5-8][0-9]\/NQ-UBTVQH15$|^(237|388)\/NQ-UBTVQH16$/.test(standing?.act ?? ''))
      wrong.push([code, standing?.act]);
    return certainty;
  });
  t.strictSame(counts(found), { certain: 9594, residents: 60, inferred: 1, ambiguous: 380 });
  t.strictSame(wrong.slice(0, 5), []);
});

t.test('a code means one unit before 1 July 2025 and mostly another one after it', async (t) => {
  const both = old.filter(({ code }) => tables.newCommunes.has(code));
  t.equal(both.length, 3316);
  const compared = counts(both.map(({ code, name }) => compareNames(name, tables.newCommunes.get(code)?.name ?? '')));
  t.strictSame(compared, { different: 1788, diacritics: 2, 'tone-placement': 71, same: 1455 }, 'mostly with another base name');
  const confused = both.filter(({ code, type, name }) => {
    const [before, after] = [places.unit(code, LAST_DAY), places.unit(code, FIRST_DAY)];
    return (
      before?.type !== type ||
      !before.name.vi.endsWith(name) ||
      before.listed !== LAST_DAY ||
      after?.listed !== FIRST_DAY ||
      'district' in after
    );
  });
  t.strictSame(confused, []);
});

const seed = seedOf();

t.test('there and back through both dates', async (t) => {
  t.comment(`SEED=${seed}`);
  const below = chance(seed);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;
  const day = (from: string, to: string): string => {
    const [a, b] = [Date.parse(from), Date.parse(to)];
    return new Date(a + below((b - a) / 86_400_000 + 1) * 86_400_000).toISOString().slice(0, 10);
  };
  const wrong: unknown[] = [];
  for (let round = 0; round < 20_000; round++) {
    const [listed, on] = [day('2004-07-08', LAST_DAY), day(FIRST_DAY, TODAY)];
    const { code } = pick(old);
    const there = places.trace(code, listed, on)?.standing;
    const targets = there?.unit ? [there.unit] : (there?.candidates ?? []);
    for (const target of targets) {
      const back = places.trace(target.code, on, listed)?.standing;
      const origins = back?.unit ? [back.unit] : (back?.candidates ?? []);
      if (!origins.some((origin) => origin.code === code && origin.listed === LAST_DAY))
        wrong.push(['back', code, listed, on, target.code]);
      if (back?.unit !== undefined && back.unit.code !== code) wrong.push(['another', code, target.code]);
      if (!places.madeOf(target).some((origin) => 'unit' in origin && origin.unit.code === code))
        wrong.push(['made of', code, target.code]);
      const later = day(on, TODAY);
      const onward = places.trace(target.code, on, later)?.standing.unit;
      const direct = places.trace(code, listed, later)?.standing;
      const reached = [...(direct?.unit ? [direct.unit] : []), ...(direct?.candidates ?? [])].find((one) => one.code === target.code);
      if (onward?.type !== reached?.type || onward?.name.vi !== reached?.name.vi) wrong.push(['by another way', code, listed, on, later]);
    }
    if (targets.length === 0) wrong.push(['nowhere', code]);
    const same = places.trace(code, listed, day('2004-07-08', LAST_DAY))?.standing;
    if (same?.rule !== 'unchanged' || same.unit?.code !== code) wrong.push(['within the old list', code]);
  }
  t.strictSame(wrong.slice(0, 5), []);
});

const STANDINGS: [rule: string, code: string, listed: string, on: string, expected: object][] = [
  [
    'whole into one',
    '25747',
    '2020-01-01',
    TODAY,
    { rule: 'merged', since: FIRST_DAY, act: '1685/NQ-UBTVQH15', unit: { name: { vi: 'Phường Thủ Dầu Một' }, province: { code: '79' } } },
  ],
  ['the same code after the date is the new unit, unchanged', '25747', '2025-07-01', TODAY, { rule: 'unchanged', unit: { code: '25747' } }],
  ['unchanged, in a province that is another', '22207', LAST_DAY, TODAY, { certainty: 'certain' }],
  ['retyped on the day', '14845', LAST_DAY, TODAY, { rule: 'retyped', unit: { type: 'xa' } }],
  ['renamed on the day', '24235', LAST_DAY, FIRST_DAY, { rule: 'renamed', unit: { name: { vi: 'Xã Buôn Đôn' } } }],
  [
    'nothing was added, so it is the unit itself',
    '31105',
    LAST_DAY,
    TODAY,
    { rule: 'retyped', unit: { type: 'dac-khu', name: { en: 'Tho Chau Special Zone' } } },
  ],
  [
    'residents all went to one',
    '00112',
    LAST_DAY,
    TODAY,
    {
      rule: 'split',
      certainty: 'residents',
      unit: { code: '00103' },
      candidates: [
        { code: '00004', takes: 'area' },
        { code: '00103', takes: 'all-residents' },
      ],
    },
  ],
  [
    'upgraded in 2026',
    '07294',
    FIRST_DAY,
    TODAY,
    {
      rule: 'retyped',
      since: '2026-09-20',
      act: '388/NQ-UBTVQH16',
      unit: { name: { vi: 'Phường Bố Hạ' }, province: { name: { vi: 'Thành phố Bắc Ninh' } } },
    },
  ],
  [
    'not yet upgraded',
    '07294',
    FIRST_DAY,
    '2026-09-19',
    { rule: 'unchanged', unit: { name: { vi: 'Xã Bố Hạ' }, province: { name: { vi: 'Tỉnh Bắc Ninh' } } } },
  ],
  [
    'merged first and upgraded later',
    '07294',
    LAST_DAY,
    TODAY,
    { rule: 'merged', later: [{ rule: 'retyped', since: '2026-09-20' }], unit: { type: 'phuong' } },
  ],
  ['a district is no more', '001', LAST_DAY, TODAY, { rule: 'abolished', certainty: 'ambiguous', candidates: [{ code: '00004' }] }],
  [
    'a district without communes became a special zone',
    '498',
    LAST_DAY,
    TODAY,
    { rule: 'retyped', unit: { code: '20333', name: { vi: 'Đặc khu Hoàng Sa', en: 'Hoang Sa Special Zone' } } },
  ],
  ['and the way back', '20333', TODAY, '2020-01-01', { certainty: 'certain', unit: { code: '498', name: { vi: 'Huyện Hoàng Sa' } } }],
  [
    'a province that was merged under another’s code',
    '64',
    LAST_DAY,
    TODAY,
    { rule: 'merged', act: '202/2025/QH15', unit: { code: '52', name: { vi: 'Tỉnh Gia Lai' } } },
  ],
  ['whose code was another province', '52', LAST_DAY, TODAY, { rule: 'merged', unit: { code: '52', name: { vi: 'Tỉnh Gia Lai' } } }],
  ['a province as it was', '01', LAST_DAY, TODAY, { rule: 'unchanged', unit: { name: { en: 'Hanoi City' } } }],
  [
    'a province that became a city',
    '22',
    LAST_DAY,
    TODAY,
    { rule: 'retyped', since: '2026-09-01', act: '36/2026/QH16', unit: { type: 'city' } },
  ],
  [
    'a province before it was merged',
    '52',
    TODAY,
    LAST_DAY,
    { rule: 'merged', certainty: 'ambiguous', candidates: [{ code: '52', name: { vi: 'Tỉnh Bình Định' } }, { code: '64' }] },
  ],
  ['a second code of today', '06978', TODAY, TODAY, { unit: { code: '06970', name: { vi: 'Xã Ba Chẽ' } } }],
  ['a second code of today that meant another unit before', '23737', TODAY, TODAY, { unit: { code: '23938' } }],
  ['before it is that other unit', '23737', LAST_DAY, TODAY, { unit: { code: '23734' } }],
  ['one public list alone', '07693', '2024-01-01', TODAY, { rule: 'merged', verified: false, unit: { code: '07682' } }],
];

t.test('what a unit is on another day', async (t) => {
  for (const [rule, code, listed, on, expected] of STANDINGS) t.match(places.trace(code, listed, on)?.standing, { on, ...expected }, rule);
  for (const [rule, code, day] of [
    ['a code that the new list has not', '00001', TODAY],
    ['a second code that the old list has not', '06978', LAST_DAY],
    ['a district after there were any', '001', FIRST_DAY],
    ['a province that was merged', '74', FIRST_DAY],
    ['a day before there were codes', '00004', '2004-07-07'],
    ['no code', 'constructor', TODAY],
  ] as const)
    t.equal(places.unit(code, day), undefined, rule);
  const zone = places.unit('14698', TODAY) as Unit;
  t.match(
    places.madeOf(zone).find((origin) => 'area' in origin),
    { area: /bãi bồi/ },
    'land that belonged to no commune',
  );
});

t.test('marks find, and never make two communes one', async (t) => {
  const found = (name: string, province: string, on = TODAY) =>
    findPlaces(places, name, province, on).map(({ unit, match }) => `${unit.code} ${match}`);
  t.strictSame(found('xã ba tơ', '51'), ['21484 same', '21523 diacritics']);
  t.strictSame(found('Ba To', '51'), ['21484 diacritics', '21523 diacritics']);
  t.strictSame(
    found('Hòa Tiến', '48'),
    found('Hoà Tiến', '48').map((one) => one.replace('same', 'tone-placement')),
    'either place of the tone',
  );
  t.strictSame(found('Phú Cường', '74', LAST_DAY), ['25747 same'], 'in the list of the day');
  t.strictSame(found('Xa Ea Kly', '66'), ['24496 same']);
  t.strictSame(found('Ba Tơ', '01'), []);
  const pairs = new Set<string>();
  for (const { code, province, name } of current)
    for (const { unit, match } of findPlaces(places, name, province, TODAY)) {
      if (unit.code !== code && match !== 'diacritics') t.fail(`${code} is taken for ${unit.code}`);
      if (unit.code !== code) pairs.add([code, unit.code].sort().join(' '));
    }
  t.equal(pairs.size, 10, 'pairs that differ in marks alone');
});

const address = (text: string, provinceCode: string, communeCode: string, codeListDate: string, detail?: string): JsonObject => ({
  text,
  provinceCode,
  communeCode,
  codeListDate,
  ...(detail === undefined ? {} : { detail }),
});
const PHU_CUONG = address('Số 5, Phường Phú Cường, Thành phố Thủ Dầu Một, Tỉnh Bình Dương', '74', '25747', LAST_DAY, 'Số 5');
const THU_DAU_MOT = address('Số 5, Phường Thủ Dầu Một, Thành phố Hồ Chí Minh', '79', '25747', TODAY, 'Số 5');
const CONG_VI = address('Số 5, Phường Cống Vị, Quận Ba Đình, Hà Nội', '01', '00007', LAST_DAY, 'Số 5');
const GIANG_VO = address('Số 5, Phường Giảng Võ, Hà Nội', '01', '00025', FIRST_DAY, 'Số 5');

t.test('two addresses are one where their units are today, and what is said within them', async (t) => {
  const rows: [rule: string, a: JsonObject, b: JsonObject, expected: string][] = [
    ['old and new unit of one house', PHU_CUONG, THU_DAU_MOT, 'same'],
    ['one code, two units', { ...PHU_CUONG, communeCode: '25760' }, THU_DAU_MOT, 'different'],
    [
      'two units that were put together, of which each had such a house',
      address('Số 5, Phường Phúc Xá', '01', '00001', LAST_DAY, 'Số 5'),
      address('Số 5, Phường Phúc Tân', '01', '00037', LAST_DAY, 'Số 5'),
      'different',
    ],
    ['another house', PHU_CUONG, { ...THU_DAU_MOT, detail: 'Số 6' }, 'different'],
    ['a house written otherwise', { ...PHU_CUONG, detail: 'SỐ 5 ' }, THU_DAU_MOT, 'same'],
    ['a unit that was split may be the other', CONG_VI, GIANG_VO, 'old-unit'],
    ['a unit that was split is itself', CONG_VI, { ...CONG_VI, text: 'số 5, P. Cống Vị', codeListDate: '2020-01-01' }, 'same'],
    ['a unit that was split and another house', CONG_VI, { ...GIANG_VO, detail: 'Số 6' }, 'different'],
    ['a unit that was split and one that it is no part of', CONG_VI, { ...GIANG_VO, communeCode: '00097' }, 'different'],
    [
      'a unit alone, without a house',
      address('Phường Phú Cường, Bình Dương', '74', '25747', LAST_DAY),
      address('Phường Thủ Dầu Một', '79', '25747', FIRST_DAY),
      'same',
    ],
    [
      'a text that says more than the unit',
      address('Số 5 Phú Cường', '74', '25747', LAST_DAY),
      address('Phường Thủ Dầu Một', '79', '25747', FIRST_DAY),
      'different',
    ],
    ['one without a code', { text: 'Số 5, Phường Phú Cường' }, PHU_CUONG, 'different'],
  ];
  for (const [rule, a, b, expected] of rows) {
    t.equal(compareAddresses(places, a, b, TODAY), expected, rule);
    t.equal(compareAddresses(places, b, a, TODAY), expected, `${rule}, from the other side`);
  }
});

t.test('an address that cannot be placed is flagged, not guessed', async (t) => {
  const rows: [rule: string, place: JsonObject, flag: string | undefined][] = [
    ['no code', { text: 'Số 5' }, 'no-code'],
    ['a list of the future', { ...PHU_CUONG, codeListDate: '2026-11-23' }, 'impossible-date'],
    ['a list before there were codes', { ...PHU_CUONG, codeListDate: '1999-01-01' }, 'impossible-date'],
    ['a code that is not in the list', { ...PHU_CUONG, communeCode: '99999' }, 'unknown-code'],
    ['the date is of the other list', { ...PHU_CUONG, codeListDate: TODAY }, 'other-province'],
  ];
  for (const [rule, place, flag] of rows) {
    t.strictSame(placeOf(places, place, TODAY), { flag }, rule);
    t.equal(asOfToday(place, placeOf(places, place, TODAY)), place, `${rule}: the form has it as recorded`);
  }
  t.equal(placeOf(places, { text: 'Paris', country: 'FRA' }, TODAY), undefined, 'abroad');
  t.strictSame(asOfToday(PHU_CUONG, placeOf(places, PHU_CUONG, TODAY)), THU_DAU_MOT, 'as of today where it is certain');
  t.equal(asOfToday(CONG_VI, placeOf(places, CONG_VI, TODAY)), CONG_VI, 'as recorded where it is ambiguous');
});

t.test('registers that know one house under its old and its new unit agree', async (t) => {
  const { procedures } = openCatalogue('config', true);
  const residence = procedures.get('1.001456')?.[0]?.fields.find(({ at }) => at === '/applicant/residence') as Field;
  const lookUps = ['civil-registry', 'population'].map((source) => ({ role: 'subject', source, dataset: 'person', stage: 1 }));
  const from = [0, 1].map((lookUp) => ({ lookUp, values: [['home']] }));
  const assembled = (...homes: JsonObject[]) => {
    const found = homes.map((home): Outcome => ({ kind: 'found', record: { home }, recordedAt: null, observedAt: '', freshness: 'live' }));
    const resolved = { outcomes: new Map(found.entries()), keys: new Map() } as unknown as Resolved;
    return assembleField({ ...residence, from }, lookUps, resolved, TODAY);
  };
  t.match(assembled(THU_DAU_MOT, PHU_CUONG), {
    result: { status: 'filled', confirmedBy: ['population'] },
    value: THU_DAU_MOT,
    conflict: undefined,
  });
  t.match(assembled(CONG_VI, GIANG_VO), { result: { status: 'conflict' }, conflict: { difference: 'old-unit' } });
});

t.test('a list that cannot be right is told with its line', async (t) => {
  const faults = (table: TableName, from: string, to: string): unknown[] => {
    t.ok(TEXTS[table].includes(from), from);
    const found: unknown[] = [];
    readTables({ ...TEXTS, [table]: TEXTS[table].replace(from, to) }, FILE, (at, rule) =>
      found.push([rule, 'line' in at ? at.line : at.pointer]),
    );
    return found;
  };
  const lineOf = (table: TableName, text: string): number => TEXTS[table].slice(0, TEXTS[table].indexOf(text)).split('\n').length;
  const [before, after] = ['until-2025-06-30/communes.csv', 'since-2025-07-01/communes.csv'] as const;
  const at = lineOf(before, '00001,001');
  t.strictSame(faults(before, '00001,001', '00001,999'), [['unknown-reference', at]], 'a district that is not there');
  t.strictSame(faults(before, 'Phúc Xá,00097', 'Phúc Xá,00098'), [['unknown-reference', at]], 'a target that is not there');
  t.strictSame(faults(before, 'Phúc Xá,00097', 'Phúc Xá,00097:half'), [['schema', at]], 'a word that means nothing');
  t.strictSame(faults(before, 'Phúc Xá', 'Phúc Xá'.normalize('NFD')), [['schema', at]], 'a name that is not in NFC');
  t.strictSame(faults(before, 'code,district', 'code,quận'), [['schema', lineOf(before, 'code,district')]], 'a column under another name');
  t.strictSame(faults(after, '00008,01', '00004,01').slice(0, 1), [['duplicate', lineOf(after, '00008,01')]], 'a code twice');
  const found: unknown[] = [];
  const odd = {
    ...FILE,
    changes: [{ code: '01', on: TODAY, to: 'xa' as const, act: '-' }],
    aliases: { '00004': '00008' },
    names: { '99999': 'X' },
  };
  readTables(TEXTS, odd, (at, rule) => found.push([rule, 'pointer' in at ? at.pointer : at.line]));
  t.strictSame(found, [
    ['schema', '/changes/0/to'],
    ['duplicate', '/aliases/00004'],
    ['unknown-reference', '/names/99999'],
  ]);
});

t.test('over HTTP', async (t) => {
  const check = schemaCheck();
  const directory = editedConfig({
    'procedures/1.001456.yaml': (file) => {
      const fields = file.fields as unknown as { at: string; asOfToday?: boolean }[];
      for (const field of fields) if (field.at === '/applicant/residence') field.asOfToday = true;
      return file;
    },
  });
  const on = await startGateway({ configDirectory: directory });
  const plain = await startGateway({ sandbox: on.sandbox });
  t.teardown(async () => {
    await plain.close();
    await on.close();
  });
  const get = async (path: string): Promise<Response> =>
    fetch(`${on.address}${path}`, { headers: { authorization: `Bearer ${await on.token('X09.1')}` } });

  await t.test('a code of a day, today and on another day', async (t) => {
    const reply = await (await get('/v1/places/00004?listed=2026-01-01')).json();
    check('Place', reply);
    t.match(reply, {
      recorded: { name: { vi: 'Phường Ba Đình' } },
      standing: { rule: 'unchanged', on: TODAY },
      madeOf: [{ unit: { name: { vi: 'Phường Trúc Bạch' } } }],
    });
    t.match(await (await get('/v1/places/00004?listed=2026-01-01&on=2020-01-01')).json(), { standing: { certainty: 'ambiguous' } });
  });

  await t.test('a code without its day is refused with all that it could mean', async (t) => {
    const reply = await get('/v1/places/00004');
    t.match(
      [reply.status, await reply.json()],
      [
        400,
        {
          code: 'place-date-needed',
          errors: [{ detail: /^until 2025-06-30: Phường Trúc Bạch, Quận Ba Đình/ }, { detail: /^since 2025-07-01: Phường Ba Đình/ }],
        },
      ],
    );
    for (const [path, status, code] of [
      ['/v1/places/00004?listed=2026-11-23', 400, 'invalid-request'],
      ['/v1/places/00004?listed=2026-02-30', 400, 'invalid-request'],
      ['/v1/places/00004?listed=2020-01-01&listed=2026-01-01', 400, 'invalid-request'],
      ['/v1/places/00004?listed=2020-01-01&on=1999-01-01', 400, 'invalid-request'],
      ['/v1/places/0004', 400, 'invalid-request'],
      ['/v1/places/00001?listed=2026-01-01', 404, 'unknown-place'],
      ['/v1/places?name=Ba&province=74', 404, 'unknown-place'],
    ] as const) {
      const refused = await get(path);
      t.match([refused.status, await refused.json()], [status, { code }], path);
    }
  });

  await t.test('an address in a prefill is shown as recorded and as of today', async (t) => {
    const ask = async (gateway: typeof on): Promise<Prefill> => {
      const reply = await fetch(`${gateway.address}/v1/prefills`, {
        method: 'POST',
        headers: { authorization: `Bearer ${await gateway.token()}`, 'content-type': 'application/json' },
        body: JSON.stringify({ procedure: '1.001456', dossier: 'X01.1-261122-0001', officer: 'X01.1-0042', subject: '003090000121' }),
      });
      const body = (await reply.json()) as { prefill: Prefill };
      check('PrefillReply', body);
      return body.prefill;
    };
    const place = {
      recorded: { name: { vi: 'Phường Phú Cường' } },
      today: { rule: 'merged', unit: { name: { vi: 'Phường Thủ Dầu Một' } } },
    };
    const [recorded, renewed] = [await ask(plain), await ask(on)];
    t.match(recorded.fields['/applicant/residence'], { status: 'filled', place });
    t.match(recorded.form, { applicant: { residence: { communeCode: '25747', provinceCode: '74', codeListDate: LAST_DAY } } });
    t.match(renewed.fields['/applicant/residence'], { status: 'filled', place });
    t.match(renewed.form, {
      applicant: {
        residence: { text: 'Số 121, Khu phố 3, Phường Thủ Dầu Một, Thành phố Hồ Chí Minh', provinceCode: '79', codeListDate: TODAY },
      },
    });
  });
});
