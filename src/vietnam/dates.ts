/** Comparing partial dates: YYYY, YYYY-MM or YYYY-MM-DD. Old books know a year only, and 1 January may stand for an unknown day (TT 04/2020/TT-BTP, article 32). */

/** `same`; `compatible` (one is the other, less exact); `suspect-default` (the same year, one of them 1 January); `different`. */
export type DateComparison = 'same' | 'compatible' | 'suspect-default' | 'different';

export function compareDates(a: string, b: string): DateComparison {
  if (a === b) return 'same';
  if (a.startsWith(`${b}-`) || b.startsWith(`${a}-`)) return 'compatible';
  const sameYear = a.slice(0, 4) === b.slice(0, 4);
  return sameYear && (a.endsWith('-01-01') || b.endsWith('-01-01')) ? 'suspect-default' : 'different';
}
