/** How names and dates of two registers compare: what is one name written twice, and what only an officer may decide; and when registries are maintained. */

import t from 'tap';
import { openCatalogue } from '../src/app.ts';
import type { Maintenance } from '../src/domain.ts';
import { Calendar } from '../src/stages/around/maintenance.ts';
import { codeOf } from '../src/vietnam/codes.ts';
import { compareDates, type DateComparison } from '../src/vietnam/dates.ts';
import { looksLegacy } from '../src/vietnam/encodings.ts';
import { compareNames, type NameComparison } from '../src/vietnam/names.ts';
import { unusualIn } from '../src/vietnam/numbers.ts';
import { windowsAround } from '../src/vietnam/windows.ts';
import { numbers, seedOf } from './support/chance.ts';

/** Pairs from official lists and old registers: of cards and birth certificates, of the catalogue of the statistics office and the resolutions, of civil-status books. */
const NAMES: [rule: string, a: string, b: string, expected: NameComparison][] = [
  ['case is no difference: cards and birth certificates print capitals', 'NGUYỄN VĂN AN', 'Nguyễn Văn An', 'same'],
  ['composition is no difference', 'Trần Thị Hồng'.normalize('NFD'), 'Trần Thị Hồng'.normalize('NFC'), 'same'],
  ['the old and the new place of the tone are one name: oa', 'Lê Thị Hòa', 'Lê Thị Hoà', 'tone-placement'],
  ['the old and the new place of the tone are one name: uy', 'Phạm Thúy', 'Phạm Thuý', 'tone-placement'],
  ['the u of qu carries no tone', 'Lê Qủa', 'Lê Quả', 'tone-placement'],
  ['Đ is Đ, whichever letter an old register took for it', 'Đỗ Đình Đức', '\u00d0ỗ \u00d0ình \u00d0ức', 'same'],
  ['double, trailing and no-break spaces are no difference', 'Nguyễn  Thị\u00a0Lan ', 'Nguyễn Thị Lan', 'same'],
  ['apostrophes are one apostrophe', "Phường B'Lao", 'Phường B’Lao', 'same'],
  ['i and y are different letters', 'Lý Thị Mỹ', 'Lí Thị Mĩ', 'different'],
  ['another tone is another name', 'Trần Văn Bình', 'Trần Văn Bính', 'diacritics'],
  ['a hyphen is not a space: an officer decides', 'Y Moan Êban', 'Y-Moan Êban', 'different'],
  ['apostrophes in the names of peoples too', "H'Hen Niê", 'H’Hen Niê', 'same'],
  ['a province stands both ways in official lists', 'Khánh Hoà', 'Khánh Hòa', 'tone-placement'],
  // And what follows from them.
  ['another vowel is another name', 'Lê Văn Ân', 'Lê Văn An', 'diacritics'],
  ['d and đ are different letters', 'Dung', 'Đung', 'diacritics'],
  ['a tone in another syllable is another name', 'Lê Hòa Hoa', 'Lê Hoa Hòa', 'diacritics'],
  ['another order is another name', 'An Văn Nguyễn', 'Nguyễn Văn An', 'different'],
  ['a name within a name is another name', 'Nguyễn Văn An', 'Nguyễn Văn Anh', 'different'],
  ['Đ is Đ, of Africa too', '\u0189ỗ \u0256ình', 'Đỗ đình', 'same'],
  ['an apostrophe by any of its signs', 'H´Bia Mlô', 'HʼBia Mlô', 'same'],
  ['a name without its middle name is another name', 'Nguyễn An', 'Nguyễn Văn An', 'different'],
  ['a misread name is not repaired', 'NguyÔn V¨n An', 'Nguyễn Văn An', 'different'],
  ['characters without width are no difference', 'Nguyễn\u200b Văn\ufeff An', 'Nguyễn Văn An', 'same'],
];

/** Pairs from old registers, which know a year only or put 1 January for an unknown day. */
const DATES: [rule: string, a: string, b: string, expected: DateComparison][] = [
  ['a year alone agrees with a day in it', '1960', '1960-05-12', 'compatible'],
  ['a month agrees with a day in it', '1960-05', '1960-05-12', 'compatible'],
  ['1 January may stand for an unknown day', '1960-01-01', '1960-05-12', 'suspect-default'],
  ['the first of a month may stand for an unknown day in it', '1960-05-01', '1960-05-12', 'suspect-default'],
  ['the first of another month does not', '1960-04-01', '1960-05-12', 'different'],
  ['1 January may stand for an unknown month', '1960-01-01', '1960-05', 'suspect-default'],
  ['a day is itself', '1960-05-12', '1960-05-12', 'same'],
  ['a year alone agrees with its 1 January, filler or not', '1960', '1960-01-01', 'compatible'],
  // And what follows from them.
  ['two days are two days', '1960-05-12', '1960-05-13', 'different'],
  ['two years are two years', '1960', '1961', 'different'],
  ['1 January excuses no other year', '1960-01-01', '1961-05-12', 'different'],
  ['a year alone does not agree with another year’s day', '1960', '1961-05-12', 'different'],
  ['a month does not agree with another month’s day', '1960-05', '1960-06-12', 'different'],
];

for (const [compare, rows] of [
  [compareNames, NAMES],
  [compareDates, DATES],
] as const) {
  t.test(compare.name, async (t) => {
    for (const [rule, a, b, expected] of rows) {
      t.equal(compare(a, b), expected, rule);
      t.equal(compare(b, a), expected, `${rule}, from the other side`);
    }
  });
}

/** A Sunday night, as its evening and the morning after, a whole Wednesday, and one night of December that meets the day before it. */
const MAINTENANCE: Maintenance = {
  weekly: [
    { days: ['sun'], from: '22:00', to: '04:00' },
    { days: ['wed'], from: '00:00', to: '24:00' },
    { days: ['thu'], from: '00:00', to: '01:00' },
  ],
  once: [
    { from: '2026-12-24T22:00', to: '2026-12-25T06:00' },
    { from: '2026-12-25T05:00', to: '2026-12-25T07:00' },
  ],
};

/** A moment → the window it lies in, in Viet Nam's time (UTC+7). 22 November 2026 is a Sunday. */
const MOMENTS: [rule: string, moment: string, window: [from: string, to: string] | undefined][] = [
  ['before it begins', '2026-11-22T21:59:59.999', undefined],
  ['at its beginning', '2026-11-22T22:00', ['2026-11-22T22:00', '2026-11-23T04:00']],
  ['after midnight', '2026-11-23T03:59:59.999', ['2026-11-22T22:00', '2026-11-23T04:00']],
  ['at its end it is over', '2026-11-23T04:00', undefined],
  ['on another day there is none', '2026-11-24T22:00', undefined],
  ['a whole day and the hour after it are one', '2026-11-25T00:00', ['2026-11-25T00:00', '2026-11-26T01:00']],
  ['until its end', '2026-11-26T00:59', ['2026-11-25T00:00', '2026-11-26T01:00']],
  ['over the turn of the year', '2027-01-04T01:00', ['2027-01-03T22:00', '2027-01-04T04:00']],
  ['on the 29th of February', '2032-02-29T23:00', ['2032-02-29T22:00', '2032-03-01T04:00']],
  ['once, two that overlap are one', '2026-12-25T06:30', ['2026-12-24T22:00', '2026-12-25T07:00']],
  ['a year later there is none', '2027-12-25T06:30', undefined],
];

t.test('windows of maintenance', async (t) => {
  const inVietnam = (text: string): number => Date.parse(`${text}+07:00`);
  for (const [rule, moment, window] of MOMENTS) {
    const now = inVietnam(moment.length === 16 ? `${moment}:00` : moment);
    const found = windowsAround(MAINTENANCE, now).filter(({ from, to }) => from <= now && now < to);
    t.strictSame(found, window === undefined ? [] : [{ from: inVietnam(`${window[0]}:00`), to: inVietnam(`${window[1]}:00`) }], rule);
  }
});

t.test('windows of maintenance, minute by minute against the words', async (t) => {
  const said = (now: number): boolean => {
    const local = new Date(now + 7 * 3_600_000).toISOString();
    const [day, time] = [new Date(now + 7 * 3_600_000).getUTCDay(), local.slice(11, 16)];
    const weekly = (day === 0 && time >= '22:00') || (day === 1 && time < '04:00') || day === 3 || (day === 4 && time < '01:00');
    return weekly || (local.slice(0, 16) >= '2026-12-24T22:00' && local.slice(0, 16) < '2026-12-25T07:00');
  };
  const wrong: string[] = [];
  const clock = { now: 0 };
  const calendar = new Calendar(MAINTENANCE, () => clock.now);
  for (clock.now = Date.parse('2026-12-14T17:00:00Z'); clock.now < Date.parse('2027-01-05T17:00:00Z'); clock.now += 60_000) {
    let free = true;
    try {
      calendar.check();
    } catch {
      free = false;
    }
    if (free === said(clock.now)) wrong.push(new Date(clock.now).toISOString());
    const next = calendar.next();
    if (next === undefined || next.from <= clock.now || !said(next.from) || said(next.from - 60_000))
      wrong.push(`next ${new Date(clock.now).toISOString()}`);
  }
  t.strictSame(wrong.slice(0, 5), []);
});

t.test('a misread encoding is told, and a foreign name is none', async (t) => {
  for (const text of ['NguyÔn V¨n An', 'TrÇn ThÞ Hång', '§Æng Quèc TuÊn', 'Lª ThÞ Hoµ', 'Nguyeãn Vaên An', 'Traàn Thò Hoàng'])
    t.ok(looksLegacy(text), text);
  const good = [
    'Nguyễn Văn An',
    'ĐẶNG QUỐC TUẤN',
    "H'Hen Niê",
    'Y-Thiên Mlô',
    'Ksor H´Ñuăl',
    'Gaël Müller',
    'Raúl Nuñez',
    'François Noël',
    'João',
    '96 m²',
    '§ 5',
  ];
  for (const text of [...good, 'Søren Åse', 'Thửa số 5, tờ bản đồ 12 · Vỹ Dạ', 'Lê Thị Thuý']) t.notOk(looksLegacy(text), text);
  t.notOk(looksLegacy('Trần Thị Hồng'.normalize('NFD')), 'however it is composed');
});

const { places, codes, schemas, procedures } = openCatalogue('config', true);

t.test('a number that does not fit its record is a hint', async (t) => {
  const rows: [rule: string, number: string, person: object, expected: string | undefined][] = [
    ['a man of the last century', '003099000017', { gender: 'male', dateOfBirth: '1999-05-17' }, undefined],
    ['a woman of this one', '003301000034', { gender: 'female', dateOfBirth: '2001' }, undefined],
    ['a woman with a man’s digit', '003099000017', { gender: 'female', dateOfBirth: '1999-05-17' }, 'sex'],
    ['a sex that is not determined', '003099000017', { gender: 'undetermined', dateOfBirth: '1999' }, undefined],
    ['another year', '003099000017', { gender: 'male', dateOfBirth: '1998-12-31' }, 'year'],
    ['another century', '003099000017', { gender: 'male', dateOfBirth: '2099' }, 'year'],
    ['nothing known of either', '003099000017', {}, undefined],
  ];
  for (const [rule, number, person, expected] of rows) {
    const record = { personalId: number, ...person };
    t.equal(unusualIn(record, number, places), expected, rule);
    t.equal(unusualIn({ child: record }, number, places), expected, `${rule}, in a birth record`);
  }
  const placed = (prefix: string) => unusualIn({ personalId: `${prefix}099000017` }, `${prefix}099000017`, places);
  for (const prefix of ['000', '003', '099']) t.equal(placed(prefix), undefined, `${prefix} is of made-up people`);
  const provinces = Array.from({ length: 100 }, (_, i) => `0${String(i).padStart(2, '0')}`).filter(
    (prefix) => placed(prefix) === undefined,
  );
  t.equal(provinces.length, 63 + 3, 'the provinces of before 1 July 2025 and nothing else');
  t.equal(placed('523'), undefined, 'of the codes of countries nothing is known');
  t.equal(
    unusualIn({ personalId: '003099000017', gender: 'female' }, '003099000018', places),
    undefined,
    'a record of somebody else says nothing',
  );
});

t.test('a code, its label and its aliases are one value', async (t) => {
  const list = (id: string) => codes.get(id)?.[0] ?? { items: [] };
  for (const [id, text, expected] of [
    ['ethnicity', '08', '08'],
    ['ethnicity', 'Mông (Hmông)', '08'],
    ['ethnicity', "H'Mông", '08'],
    ['ethnicity', 'ê đê', '12'],
    ['ethnicity', 'Co', '30'],
    ['ethnicity', 'Cờ Ho', '16'],
    ['ethnicity', 'Tay', undefined],
    ['gender', 'NỮ', 'female'],
    ['nationality', 'Vietnam', 'VNM'],
    ['maritalStatus', 'Goá vợ/chồng', 'widowed'],
  ] as const)
    t.equal(codeOf(list(id), text), expected, `${id} ${text}`);
  t.equal(list('ethnicity').items.length, 54);
  const compare = procedures.get('1.004222')?.[0]?.fields.find(({ type }) => type === 'gender')?.compare;
  t.equal(compare?.('female', 'Nữ', '2026-11-22'), undefined, 'compared by meaning');
  t.equal(compare?.('female', 'male', '2026-11-22'), 'different');
});

t.test('a code list that is named after a type lists values of that type, all of them where it says so', async (t) => {
  const fits = schemas.datasets.get('person')?.validate;
  const member = {
    ethnicity: 'ethnicity',
    gender: 'gender',
    nationality: 'nationality',
    maritalStatus: 'maritalStatus',
    relation: 'relationToHead',
  } as const;
  for (const [id, name] of Object.entries(member))
    for (const { code } of codes.get(id)?.[0]?.items ?? [])
      t.ok(fits?.({ personalId: '003099000017', fullName: 'AN', [name]: code }), `${id} ${code}`);
  for (const { code } of codes.get('identityDocumentType')?.[0]?.items ?? [])
    t.ok(fits?.({ personalId: '003099000017', fullName: 'AN', identityDocument: { type: code, number: '1' } }), code);
});

const seed = seedOf();

const TONES = ['', '\u0300', '\u0301', '\u0303', '\u0309', '\u0323'];
const ONSETS = [
  '',
  'b',
  'c',
  'ch',
  'd',
  'đ',
  'gi',
  'h',
  'kh',
  'l',
  'm',
  'ng',
  'ngh',
  'nh',
  'ph',
  'qu',
  'r',
  's',
  't',
  'th',
  'tr',
  'v',
  'x',
];
const RHYMES = ['a', 'ă', 'â', 'e', 'ê', 'i', 'o', 'ô', 'ơ', 'u', 'ư', 'y', 'oa', 'oe', 'uy', 'iê', 'yê', 'uô', 'ươ', 'uyê', 'oai', 'ươi'];
const ENDS = ['', 'n', 'ng', 'nh', 'm', 't', 'c', 'ch', 'p'];

t.test('names', async (t) => {
  t.comment(`SEED=${seed}`);
  const next = numbers(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T;
  interface Syllable {
    onset: string;
    rhyme: string;
    end: string;
    tone: string;
  }
  const syllable = (): Syllable => ({ onset: pick(ONSETS), rhyme: pick(RHYMES), end: pick(ENDS), tone: pick(TONES) });
  /** The tone on the vowel of this place in the rhyme. */
  const write = ({ onset, rhyme, end, tone }: Syllable, place: number): string => {
    const vowels = [...rhyme];
    const at = place % vowels.length;
    return (onset + vowels.map((vowel, i) => (i === at ? vowel + tone : vowel)).join('') + end).normalize('NFC');
  };
  const name = (): Syllable[] => Array.from({ length: 1 + Math.floor(next() * 4) }, syllable);
  const text = (syllables: readonly Syllable[], place = () => 0): string =>
    syllables.map((one) => write(one, place())).join(pick([' ', ' ', '-']));
  /** The same name as another clerk typed it. */
  const retyped = (name: string): string => {
    const cased = [...name].map((letter) => (next() < 0.5 ? letter.toUpperCase() : letter)).join('');
    const spaced = pick(['', ' ', '\u00a0']) + cased.replaceAll(' ', () => pick([' ', '  ', '\u00a0', '\t'])) + pick(['', ' ']);
    return spaced.normalize(pick(['NFC', 'NFD']));
  };
  const RANK: NameComparison[] = ['same', 'tone-placement', 'diacritics', 'different'];
  const wrong: unknown[] = [];
  for (let round = 0; round < 5000; round++) {
    const one = name();
    const a = text(one);
    const b = next() < 0.5 ? text(name()) : text(one.map((syllable) => ({ ...syllable, tone: pick(TONES) })));
    if (compareNames(a, retyped(a)) !== 'same') wrong.push(['composition, case and spacing are no difference', a]);
    if (compareNames(a, b) !== compareNames(b, a)) wrong.push(['symmetric', a, b]);
    if (compareNames(a, b) !== compareNames(retyped(a), retyped(b))) wrong.push(['however they are typed', a, b]);
    const separator = a.includes('-') ? '-' : ' ';
    const moved = one.map((syllable) => write(syllable, Math.floor(next() * 3))).join(separator);
    if (RANK.indexOf(compareNames(a, moved)) > RANK.indexOf('tone-placement')) wrong.push(['a moved tone is the same name', a, moved]);
    const at = Math.floor(next() * one.length);
    const other = one.map((syllable, i) =>
      i === at ? { ...syllable, tone: pick(TONES.filter((tone) => tone !== syllable.tone)) } : syllable,
    );
    const changed = other.map((syllable) => write(syllable, 0)).join(separator);
    if (compareNames(a, changed) !== 'diacritics') wrong.push(['another tone is another name', a, changed]);
  }
  t.strictSame(wrong.slice(0, 5), []);
});

t.test('dates', async (t) => {
  t.comment(`SEED=${seed}`);
  const next = numbers(seed);
  const between = (from: number, to: number): number => from + Math.floor(next() * (to - from + 1));
  const day = (): string =>
    new Date(Date.UTC(between(1920, 2026), between(0, 11), next() < 0.3 ? 1 : between(1, 28))).toISOString().slice(0, 10);
  const cut = (date: string): string => date.slice(0, [4, 7, 10][between(0, 2)]);
  const wrong: unknown[] = [];
  for (let round = 0; round < 5000; round++) {
    const [a, b] = [cut(day()), cut(day())];
    if (compareDates(a, a) !== 'same') wrong.push(['reflexive', a]);
    if (compareDates(a, b) !== compareDates(b, a)) wrong.push(['symmetric', a, b]);
    const shorter = cut(a.padEnd(10, '-'));
    if (shorter.length < a.length && compareDates(a, shorter) !== 'compatible') wrong.push(['less exact is compatible', a, shorter]);
    if (a.slice(0, 4) !== b.slice(0, 4) && compareDates(a, b) !== 'different') wrong.push(['another year is another date', a, b]);
  }
  t.strictSame(wrong.slice(0, 5), []);
});
