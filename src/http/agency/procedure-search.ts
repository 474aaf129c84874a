/** Finds procedures by code or by words of their names, as people type them. */
import type { Catalogue } from '../../catalogue/load.ts';
import { plain } from './procedure-query.ts';

interface Indexed {
  readonly code: string;
  /** A space before each word, so that a word is found by its beginning. */
  readonly names: readonly string[];
  /** With diacritics, wherever in its syllable the tone stands. */
  readonly spelled: readonly string[];
}

/** Made once. Without a text all codes in their order; else those that match, the best first. */
export function procedureIndex({ procedures, rows }: Catalogue): (text: string | undefined) => readonly string[] {
  const index = [...procedures.keys()].sort().map((code): Indexed => {
    const own = (procedures.get(code) ?? []).flatMap(({ name }) => [name.vi, name.en ?? '', name.fr ?? '']);
    // A code may stand in several rows under several names.
    const named = (rows.get(code) ?? []).flatMap(({ name, suspect, codeRaw = '' }) => (suspect === undefined ? [name, codeRaw] : []));
    const all = [...new Set([...own, ...named])].filter((name) => name !== '');
    return { code, names: all.map((name) => ` ${plain(name)}`), spelled: all.map((name) => ` ${spelling(name)}`) };
  });
  const codes = index.map(({ code }) => code);
  return (text) => {
    if (text === undefined) return codes;
    const asked = plain(text.replace(/^\s*([1-3]),(?=[0-9])/, '$1.'));
    const exact = spelling(text);
    if (asked === '') return [];
    const ranked = index.map((one) => ({ code: one.code, rank: rankOf(one, asked, exact) })).filter(({ rank }) => rank < MISSED);
    // Stable: those of one rank stay in the order of their codes.
    return ranked.sort((a, b) => a.rank - b.rank).map(({ code }) => code);
  };
}

const MISSED = 7;

/** 0 the code itself, 1 its beginning; then names: the whole, its beginning or words in a row as they are spelled, the same without diacritics, all words somewhere. */
function rankOf({ code, names, spelled }: Indexed, asked: string, exact: string): number {
  if (code === asked) return 0;
  if (code.startsWith(asked)) return 1;
  if (spelled.includes(` ${exact}`)) return 2;
  if (spelled.some((name) => name.includes(` ${exact}`))) return 3;
  if (names.some((name) => name.startsWith(` ${asked}`))) return 4;
  if (names.some((name) => name.includes(` ${asked}`))) return 5;
  const words = new Set(asked.split(' '));
  return names.some((name) => [...words].every((word) => name.includes(` ${word}`))) ? 6 : MISSED;
}

const TONES = /[\u0300\u0301\u0303\u0309\u0323]/g;

/** As it is spelled, but for case and for the vowel that carries the tone: Hòa is Hoà. */
const spelling = (text: string): string =>
  text
    .normalize('NFD')
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{Nd}.]+/gu, ' ')
    .trim()
    .split(' ')
    .map((syllable) => syllable.replace(TONES, '') + (syllable.match(TONES) ?? []).join(''))
    .join(' ');
