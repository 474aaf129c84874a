/** How names and dates of two registers compare: what is one name written twice, and what only an officer may decide. */

import t from 'tap';
import { compareDates, type DateComparison } from '../src/vietnam/dates.ts';
import { compareNames, type NameComparison } from '../src/vietnam/names.ts';
import { numbers, seedOf } from './support/chance.ts';

/** Pairs from official lists and old registers. */
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
  ['characters without width are no difference', 'Nguyễn\u200b Văn\ufeff An', 'Nguyễn Văn An', 'same'],
];

/** Pairs from old registers, which know a year only or put 1 January for an unknown day. */
const DATES: [rule: string, a: string, b: string, expected: DateComparison][] = [
  ['a year alone agrees with a day in it', '1960', '1960-05-12', 'compatible'],
  ['a month agrees with a day in it', '1960-05', '1960-05-12', 'compatible'],
  ['1 January may stand for an unknown day', '1960-01-01', '1960-05-12', 'suspect-default'],
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
