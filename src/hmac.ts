/** HMAC-SHA-256 (RFC 2104) of short texts, by whole hashes: Node's `Hmac` is a stream, and making one costs more than the two hashes. */
import { hash, type KeyObject } from 'node:crypto';

const BLOCK_BYTES = 64;

/** The function that gives the HMAC of a text in base64url. The key has at most 64 bytes, as all keys of the gateway do. */
export function hmacOf(key: KeyObject): (text: string) => string {
  const secret = key.export();
  if (secret.length > BLOCK_BYTES) throw new RangeError('a key of HMAC is longer than a block');
  const padded = (pad: number): Buffer => Buffer.alloc(BLOCK_BYTES, pad).map((byte, i) => byte ^ (secret[i] ?? 0)) as Buffer;
  const [inner, outer] = [padded(0x36), padded(0x5c)];
  return (text) => {
    const digest = hash('sha256', Buffer.concat([inner, Buffer.from(text)]), 'buffer');
    return hash('sha256', Buffer.concat([outer, digest]), 'base64url');
  };
}
