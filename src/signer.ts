/** What signs, wherever its key is: tokens (ES256), the log and cosignatures (Ed25519). */
import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto';

export interface Signer {
  readonly publicKey: KeyObject;
  /**
   * MUST resolve with nothing but a signature that the public key verifies, and MUST reject with `SignerUnavailable` after `patienceMs` at the
   * latest: a database is held for the log's. ES256 as RFC 7518 §3.4 has it, r ‖ s.
   */
  sign(bytes: Uint8Array, patienceMs?: number): Promise<Buffer>;
  close(): void;
}

/** Why there is no signature. `code` is for the operator alone. */
export class SignerUnavailable extends Error {
  readonly code: string;

  constructor(code: string) {
    super(`no signature: ${code}`);
    this.name = 'SignerUnavailable';
    this.code = code;
  }
}

const isEs256 = (key: KeyObject): boolean => key.asymmetricKeyType === 'ec';

export function signerInMemory(privateKey: KeyObject): Signer {
  const one = isEs256(privateKey)
    ? (bytes: Uint8Array) => sign('sha256', bytes, { key: privateKey, dsaEncoding: 'ieee-p1363' })
    : (bytes: Uint8Array) => sign(null, bytes, privateKey);
  return { publicKey: createPublicKey(privateKey), sign: async (bytes) => one(bytes), close: () => {} };
}

/** The signature in the one form that is used here, or undefined where it is none of these bytes by this key: a device may hold another. */
export function checkedSignature(publicKey: KeyObject, bytes: Uint8Array, answer: Buffer): Buffer | undefined {
  if (!isEs256(publicKey)) return verify(null, bytes, publicKey, answer) ? answer : undefined;
  const raw = answer.length === 2 * HALF_BYTES ? answer : fromDer(answer);
  return verify('sha256', bytes, { key: publicKey, dsaEncoding: 'ieee-p1363' }, raw) ? raw : undefined;
}

const HALF_BYTES = 32;

/** r ‖ s of `SEQUENCE { INTEGER r, INTEGER s }`, as key services give it. What is something else comes out as no signature. */
function fromDer(der: Buffer): Buffer {
  const r = der.subarray(4, 4 + (der[3] ?? 0));
  const s = der.subarray(6 + r.length);
  return Buffer.concat([r, s].map((half) => Buffer.concat([Buffer.alloc(HALF_BYTES), half]).subarray(-HALF_BYTES)));
}
