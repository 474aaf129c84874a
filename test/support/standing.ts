/** Nobody is shut out, and no token is bound to anything: for tests of other things. */
import type { Bindings } from '../../src/access/binding.ts';
import { Problem } from '../../src/problems.ts';
import type { Standing } from '../../src/stages/authenticate.ts';

export const everybodyStands: Standing = { shutOut: () => false, checkOfficer: () => {}, pace: () => undefined };
export const nothingBound: Bindings = { check: async () => {}, refusal: (code) => new Problem(code) };
