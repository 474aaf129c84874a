/** How a record is sealed: AES-256-GCM under a name, so that whoever reads or writes the cache can neither read nor make one. */
import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';
import { fewRandomBytes } from '../random.ts';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The name is bound into the seal, so a sealed record copied under another name does not open. */
export function seal(text: string, name: string, key: KeyObject): Buffer {
  const nonce = fewRandomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(name));
  // In this mode `final` gives nothing any more.
  const body = cipher.update(text, 'utf8');
  cipher.final();
  // A buffer of its own: a piece of the common pool would keep all of that in memory.
  const sealed = Buffer.allocUnsafeSlow(NONCE_BYTES + body.length + TAG_BYTES);
  nonce.copy(sealed);
  body.copy(sealed, NONCE_BYTES);
  cipher.getAuthTag().copy(sealed, NONCE_BYTES + body.length);
  return sealed;
}

/** Undefined for anything that was not sealed with this key under this name. */
export function open(sealed: Buffer, name: string, key: KeyObject): string | undefined {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(name)).setAuthTag(sealed.subarray(-TAG_BYTES));
  try {
    // Not as text at once, which Node would decode bit by bit.
    const bytes = decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES));
    decipher.final();
    return bytes.toString('utf8');
  } catch {
    return undefined;
  }
}
