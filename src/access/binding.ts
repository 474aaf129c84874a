/** Whether a request shows what its token is bound to: the one place where the two are compared. */
import { Problem, type ProblemCode } from '../problems.ts';
import type { Proofs } from './dpop.ts';
import { PROOF_ALGORITHMS } from './proof-key.ts';
import { invalidProof, ProofRefusal } from './refusal.ts';
import type { Binding } from './tokens.ts';

export type Scheme = 'bearer' | 'dpop';

/** What a request shows, with its token taken out. */
export interface ShownToken {
  readonly scheme: Scheme;
  readonly token: string;
  readonly method: string;
  readonly path: string;
  readonly proof?: string | undefined;
  readonly certificate?: string | undefined;
}

export interface Bindings {
  /** Throws a `Problem` where the request does not show all that its token is bound to. */
  check(binding: Binding | undefined, shown: ShownToken): Promise<void>;
  /** A refusal that says how to come back (RFC 9449 §7.1, RFC 6750 §3), for whoever came by a scheme, or by none. */
  refusal(code: ProblemCode, why?: { readonly error?: string; readonly scheme?: Scheme; readonly detail?: string }): Problem;
}

export interface BindingTools {
  readonly proofs: Proofs;
  /** Whether only tokens that are bound to something are taken. */
  readonly demanded: boolean;
}

export function bindings({ proofs, demanded }: BindingTools): Bindings {
  /** How each kind of binding (RFC 7800) is shown. A token that is bound by a kind which is not here is of no use here. */
  const kinds = new Map<string, (bound: string, shown: ShownToken) => Promise<void>>([
    [
      'jkt',
      async (jkt, { scheme, token, method, path, proof }) => {
        // A thief who strips the proof must gain nothing by it.
        if (scheme !== 'dpop') throw new Unshown('the token is bound to a key: send it with the scheme DPoP and a proof');
        if (proof === undefined) throw invalidProof('not one DPoP header');
        await proofs.use(await proofs.check(proof, { method, path, token: { value: token, jkt } }));
      },
    ],
    [
      'x5t#S256',
      async (thumbprint, { certificate }) => {
        if (certificate !== thumbprint) throw new Unshown('the token is bound to a certificate that the connection does not show');
      },
    ],
  ]);

  const compare = async (binding: Binding | undefined, shown: ShownToken): Promise<void> => {
    if (binding === undefined && demanded) throw new Unshown('the token is bound to no key: get one with a DPoP proof');
    const bound = Object.entries(binding ?? {});
    if (shown.scheme === 'dpop' && !bound.some(([kind]) => kind === 'jkt'))
      throw new Unshown('the token is not bound to the key of a proof');
    if (binding !== undefined && bound.length === 0) throw new Unshown('the token is bound to nothing that is known');
    for (const [kind, value] of bound) {
      const show = kinds.get(kind);
      if (show === undefined || typeof value !== 'string') throw new Unshown('the token is bound to what is not known here');
      await show(value, shown);
    }
  };

  const refusal: Bindings['refusal'] = (code, { error, scheme = 'bearer', detail } = {}) => {
    // The error stands with the scheme that was used, where that is taken at all.
    const said = demanded ? 'dpop' : scheme;
    const told = (one: Scheme): string[] => (error !== undefined && one === said ? [`error="${error}"`] : []);
    const dpop = `DPoP ${[...told('dpop'), `algs="${PROOF_ALGORITHMS.join(' ')}"`].join(', ')}`;
    const bearer = ['Bearer', ...told('bearer')].join(' ');
    return new Problem(code, { challenge: demanded ? dpop : `${bearer}, ${dpop}`, ...(detail === undefined ? {} : { detail }) });
  };

  return {
    refusal,
    async check(binding, shown) {
      try {
        await compare(binding, shown);
      } catch (error) {
        const { scheme } = shown;
        if (error instanceof ProofRefusal) throw refusal('unauthenticated', { error: error.code, scheme, detail: error.message });
        if (error instanceof Unshown) throw refusal('unauthenticated', { error: 'invalid_token', scheme, detail: error.message });
        throw error;
      }
    },
  };
}

/** Why a token is of no use in this request. */
class Unshown extends Error {}
