/** How the token endpoint and the checks of proofs refuse, before the edge makes a reply of it. */

/** A token request that is refused, with its code of RFC 6749 §5.2 or RFC 9449. Says nothing about which agencies there are. */
export class TokenRefusal extends Error {
  readonly code:
    | 'invalid_request'
    | 'invalid_client'
    | 'unsupported_grant_type'
    | 'invalid_scope'
    | 'invalid_dpop_proof'
    | 'use_dpop_nonce';
  /** What is wrong, for the operator alone. */
  readonly reason: string | undefined;

  constructor(code: TokenRefusal['code'], description: string, reason?: string) {
    super(description);
    this.code = code;
    this.reason = reason;
  }
}

/** A proof that proves nothing. Its message is for the caller, whose own proof it is about; it repeats nothing of it. */
export class ProofRefusal extends TokenRefusal {
  declare readonly code: 'invalid_dpop_proof' | 'use_dpop_nonce';
}

export const invalidProof = (what: string): ProofRefusal => new ProofRefusal('invalid_dpop_proof', `the DPoP proof is not valid: ${what}`);
export const nonceNeeded = (): ProofRefusal =>
  new ProofRefusal('use_dpop_nonce', 'the DPoP proof must hold the nonce of the DPoP-Nonce header');
