/** Nobody is shut out: for tests of other things. */
import type { Standing } from '../../src/stages/authenticate.ts';

export const everybodyStands: Standing = { shutOut: () => false, checkOfficer: () => {}, pace: () => undefined };
