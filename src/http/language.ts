/** Which of the languages of the catalogue's texts a reader wants. */
import type { OfficialText, Text } from '../domain.ts';

export type Language = keyof Text;

export const LANGUAGES = ['vi', 'en', 'fr'] as const satisfies readonly Language[];

/** By `Accept-Language` (RFC 9110 §12.5.4); Vietnamese, the text of record, where none of the languages is asked for. */
export function languageOf(accepted: string | undefined): Language {
  const ranges = (accepted ?? '').split(',').map((range) => {
    const [tag = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    return {
      language: LANGUAGES.find((one) => tag === one || tag.startsWith(`${one}-`)),
      weight: weight === undefined ? 1 : Number(weight),
    };
  });
  const wanted = ranges.filter(({ language, weight }) => language !== undefined && weight > 0);
  return wanted.sort((a, b) => b.weight - a.weight)[0]?.language ?? 'vi';
}

/** Where a text is not in that language, English; and Vietnamese where it has no translation at all. */
export const say = (text: OfficialText, language: Language): string => text[language] ?? text.en ?? text.vi;
