/** Comparing partial dates: YYYY, YYYY-MM or YYYY-MM-DD. Old books know a year only, and the first day of a year or month may stand for an unknown one (TT 04/2020/TT-BTP, article 32). */

/** `same`; `compatible` (one is the other, less exact); `suspect-default` (the same year or month, one of them its first day); `different`. */
export type DateComparison = 'same' | 'compatible' | 'suspect-default' | 'different';

export function compareDates(a: string, b: string): DateComparison {
  if (a === b) return 'same';
  if (a.startsWith(`${b}-`) || b.startsWith(`${a}-`)) return 'compatible';
  const fills = (day: string, other: string): boolean => day === `${other.slice(0, 4)}-01-01` || day === `${other.slice(0, 7)}-01`;
  return fills(a, b) || fills(b, a) ? 'suspect-default' : 'different';
}
