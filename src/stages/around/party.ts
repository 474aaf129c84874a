/** Who waits for a turn at a registry: an agency's callers, its batches, or what is completed for it later. Each waits behind its own. */

/** What an agency asks in other ways than by a caller who waits. */
export type Errand = 'batch' | 'completion';

/** Identifiers of agencies hold no such character. */
const MARK = '#';

/** However many batches an agency sends, together they take turns with what its officers wait for. */
export const partyOf = (agency: string, errand: Errand | undefined): string =>
  errand === undefined ? agency : `${agency}${MARK}${errand}`;

/** The agency, whose budget it is in any case. */
export const agencyOf = (party: string): string => party.split(MARK, 1)[0] as string;
