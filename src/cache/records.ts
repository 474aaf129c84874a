/** Answers of sources as the cache keeps them: sealed with AES-256-GCM, under keyed pseudonyms, each with the time it was observed. */
import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';
import type { Answer, KeyKind } from '../adapter.ts';
import { hmacOf } from '../hmac.ts';
import { fewRandomBytes } from '../random.ts';
import type { Cache } from './cache.ts';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** An answer and when the gateway had it from the source (milliseconds since the epoch). */
export interface Observed {
  readonly answer: Answer;
  readonly observedAt: number;
}

/** What an answer is the answer to. */
export interface RecordName {
  readonly source: string;
  readonly dataset: string;
  readonly kind: KeyKind;
  readonly key: string;
}

export interface RecordCache {
  get(name: RecordName): Promise<Observed | undefined>;
  set(name: RecordName, observed: Observed, seconds: number): void;
}

/** `sealKey` and `nameKey` are 32-byte secrets; whoever reads the cache without them reads noise. */
export function recordCache(cache: Cache, sealKey: KeyObject, nameKey: KeyObject): RecordCache {
  // A look-up reads and then writes under the same name: its pseudonym is made once.
  const keys = new WeakMap<RecordName, string>();
  const pseudonymOf = hmacOf(nameKey);
  const keyOf = (name: RecordName): string => {
    let key = keys.get(name);
    if (key === undefined) {
      const told = `${name.source}|${name.dataset}|${name.kind}|${name.key}`;
      key = pseudonymOf(told);
      keys.set(name, key);
    }
    return key;
  };
  return {
    async get(name) {
      const key = keyOf(name);
      const sealed = await cache.get(key);
      const opened = sealed && open(sealed, key, sealKey);
      return opened === undefined ? undefined : (JSON.parse(opened) as Observed);
    },
    set(name, observed, seconds) {
      const key = keyOf(name);
      cache.set(key, seal(JSON.stringify(observed), key, sealKey), seconds);
    },
  };
}

/** The name is bound into the seal, so a sealed record copied under another name does not open. */
function seal(text: string, name: string, key: KeyObject): Buffer {
  const nonce = fewRandomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(name));
  // In this mode `final` gives nothing any more.
  const body = cipher.update(text, 'utf8');
  cipher.final();
  return Buffer.concat([nonce, body, cipher.getAuthTag()]);
}

/** Undefined for anything that was not sealed with this key under this name. */
function open(sealed: Buffer, name: string, key: KeyObject): string | undefined {
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
