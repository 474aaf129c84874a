/** What is kept of a request that is to be completed, or of a report: sealed with AES-256-GCM, since it names a person and later holds the reply. */
import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto';
import type { CompletedBy, PrefillRequest, Receipt } from '../domain.ts';
import type { ProblemCode } from '../problems.ts';
import type { Due, Task } from './store.ts';

/** Personal data. */
export interface Kept {
  readonly by: CompletedBy;
  readonly client: string;
  /** The supplier that began it. */
  readonly actor?: string;
  readonly request: PrefillRequest;
  readonly withheldUntil?: string;
  /** What it was asked for; absent where it was kept before purposes were. */
  readonly purpose?: string;
  /** The sources that are waited for. */
  readonly waits: readonly string[];
  /** Attempts or deliveries that came to nothing, since the last that did. */
  readonly tries: number;
  /** Once it is complete; the prefill as canonical JSON. */
  readonly reply?: { readonly prefill: string; readonly receipt: Receipt };
}

/** What is kept when it is over, of no person. */
export interface Over {
  /** Why it was refused. */
  readonly code?: ProblemCode;
  readonly actor?: string;
}

type Whose = Pick<Due, 'id' | 'agency'>;

/** `Any` is all that is sealed so. */
export interface Seal<Any extends object = Kept | Over> {
  seal(task: Whose, content: Any): Buffer;
  /** Throws an Error for what was not sealed with this key for this task. */
  open<T extends Any>(task: Whose & Pick<Task, 'sealed'>): T;
}

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** `what` is bound into the seal, and whose it is: whoever can write to the database cannot give it to another agency, or make something else of it. */
export function sealWith<Any extends object = Kept | Over>(key: KeyObject, what = ''): Seal<Any> {
  const bound = ({ id, agency }: Whose): Buffer => Buffer.from(`${what}${id} ${agency}`);
  return {
    seal(task, content) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(bound(task));
      return Buffer.concat([nonce, cipher.update(JSON.stringify(content), 'utf8'), cipher.final(), cipher.getAuthTag()]);
    },
    open(task) {
      const { sealed } = task;
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
      decipher.setAAD(bound(task)).setAuthTag(sealed.subarray(-TAG_BYTES));
      return JSON.parse(decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8'));
    },
  };
}
