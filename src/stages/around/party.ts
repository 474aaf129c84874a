/** Who waits for a turn at a registry: an agency, or its batches, which are a party of their own. */

/** Identifiers of agencies hold no space. */
const BATCHES = ' batches';

/** All batches of an agency together: however many it sends, they take turns with what its officers wait for. */
export const batchesOf = (agency: string): string => `${agency}${BATCHES}`;

/** The agency, whose budget it is in any case. */
export const agencyOf = (party: string): string => party.replace(BATCHES, '');
