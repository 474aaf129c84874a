/**
 * Texts that an old register kept in an encoding of before Unicode (TCVN3, VNI) and that came out as other letters: NguyÔn V¨n, Nguyeãn Vaên.
 * They are told, never repaired: a wrong guess would make another name. Foreign names keep their letters, so only what no name has is taken for a sign. Pure.
 */

/** Signs within a word, or a capital with a mark between small letters. */
const TCVN3 =
  /\p{L}[\u00a1-\u00a9\u00ab\u00ac\u00ae\u00af\u00b5\u00b6\u00b8\u00bb-\u00bf\u00d7\u00f7]|[\u00a1-\u00a8\u00ae\u00b5\u00b6\u00b8]\p{L}|\p{Ll}[\u00c0-\u00d6\u00d8-\u00de](?!\p{Lu})/u;

/** A second letter that stood for the mark of the first. */
const VNI = /[ae][\u00e0\u00e2\u00e3-\u00e5\u00ea\u00f5\u00f8\u00f9\u00fb]|[AE][\u00c0\u00c2\u00c3-\u00c5\u00ca\u00d5\u00d8\u00d9\u00db]/;

export function looksLegacy(text: string): boolean {
  const composed = text.normalize('NFC');
  return TCVN3.test(composed) || VNI.test(composed);
}
