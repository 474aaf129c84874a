/**
 * Comparing Vietnamese names at three levels. The value shown and stored is always the register's own; these are keys for comparison.
 * Tone placement: Decision 1989/QĐ-BGDĐT (2018), article 8; both placements stand in official lists.
 */

/** `same`; `tone-placement` (Hòa and Hoà: one name); `diacritics` (Bình and Bính: another name until an officer decides); `different`. */
export type NameComparison = 'same' | 'tone-placement' | 'diacritics' | 'different';

export function compareNames(a: string, b: string): NameComparison {
  const [x, y] = [exact(a), exact(b)];
  if (x === y) return 'same';
  if (tone(x) === tone(y)) return 'tone-placement';
  return fold(x) === fold(y) ? 'diacritics' : 'different';
}

/** Equal for names that are one name: the same, or the same but for the place of a tone. For comparing and finding, never shown. */
export const nameKey = (name: string): string => tone(exact(name));

/** Case, composition, look-alike letters, apostrophes, dashes and spaces are no difference. The letters i and y are. */
function exact(name: string): string {
  return name
    .normalize('NFC')
    .replace(/[\u00d0\u0189]/g, 'Đ')
    .replace(/[\u00f0\u0256]/g, 'đ')
    .replace(/[\u2018\u2019\u02bc\u2032`\u00b4]/g, "'")
    .replace(/[\u2010-\u2015\u2212]/g, '-')
    .replace(/[\u00ad\u200b-\u200d\u2060\ufeff]/g, '')
    .replace(/\s+/gu, ' ')
    .trim()
    .toLowerCase();
}

const TONES = /[\u0300\u0301\u0303\u0309\u0323]/g;

/** Each syllable with its tone mark at its end, so that the vowel that carries it no longer matters. */
function tone(name: string): string {
  return name
    .normalize('NFD')
    .split(/([ '-])/)
    .map((syllable) => syllable.replace(TONES, '') + (syllable.match(TONES) ?? []).join(''))
    .join('');
}

/** Without any diacritic; NFD does not take the stroke of đ apart, so it is named. */
function fold(name: string): string {
  return name
    .normalize('NFD')
    .replace(/[\u0300-\u036f]/g, '')
    .replaceAll('đ', 'd');
}
