/** Reads keys as they are stored, wherever their references lead, and collects what is wrong with all of them. */
import { createPrivateKey, createPublicKey, createSecretKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { isReference, referredTo } from '../references.ts';
import { type Signer, signerInMemory } from '../signer.ts';
import { ProgramSigner } from './program.ts';
import { isOpenToOthers } from './secret-file.ts';
import type { StoredProgram } from './stored.ts';

export interface KeyTools {
  /** A text that is referred to as `env:NAME`. */
  readonly secret: (name: string) => string | undefined;
  /** Told why a program that signs was left. */
  readonly left: (key: string, reason: string) => void;
}

/** Without environment, and nobody to tell. */
export const ALONE: KeyTools = { secret: () => undefined, left: () => {} };

export type Kind = 'P-256' | 'Ed25519';
const SECRET_BYTES = 32;

/** Faults name a key and where it was looked for, and nothing of what was found there. */
export class KeyReading {
  readonly faults: string[] = [];
  readonly #tools: KeyTools;

  constructor(tools: KeyTools) {
    this.#tools = tools;
  }

  /** Keys that follow each other, newest first, each with the name it has in a fault and its time in milliseconds since the epoch. */
  ring<Key extends { readonly from: string }>(name: string, keys: readonly Key[]): (Omit<Key, 'from'> & { at: string; from: number })[] {
    if (!Array.isArray(keys) || keys.length === 0 || keys.some((key) => typeof key !== 'object' || key === null)) {
      this.faults.push(`${name}: is no list of keys`);
      return [];
    }
    const found = keys.map((key: Key, i) => ({ ...key, at: i === 0 ? name : `${name} ${i}`, from: Date.parse(key.from) }));
    for (const { at, from } of found) if (Number.isNaN(from)) this.faults.push(`${at}: from is no time`);
    if (found.some(({ from }, i) => from > (found[i - 1]?.from ?? from))) this.faults.push(`${name}: the newest key does not come first`);
    return found;
  }

  secret(at: string, stored: unknown): KeyObject {
    const text = this.#text(at, stored);
    const bytes = Buffer.from(text ?? '', 'base64');
    if (text !== undefined && bytes.length !== SECRET_BYTES) this.faults.push(`${at}: is not ${SECRET_BYTES} bytes in base64`);
    return createSecretKey(bytes.length === 0 ? Buffer.alloc(SECRET_BYTES) : bytes);
  }

  /** Of a key that may be over: its public half is enough. */
  verifying(at: string, stored: unknown, kind: Kind): { publicKey: KeyObject; signer: Signer | undefined } {
    if (isProgram(stored)) {
      const publicKey = this.#key(`${at}: public`, stored.public, kind, createPublicKey);
      const left = (reason: string): void => this.#tools.left(at, reason);
      return { publicKey, signer: new ProgramSigner({ command: stored.program, publicKey, left }) };
    }
    const text = this.#text(at, stored);
    if (text === undefined) return { publicKey: nothing, signer: undefined };
    const key = this.#key(at, text, kind, text.includes('PRIVATE') ? createPrivateKey : createPublicKey);
    if (key.type !== 'private') return { publicKey: key, signer: undefined };
    return { publicKey: createPublicKey(key), signer: signerInMemory(key) };
  }

  signing(at: string, stored: unknown, kind: Kind): Signer {
    const faults = this.faults.length;
    const { signer } = this.verifying(at, stored, kind);
    if (signer === undefined && this.faults.length === faults) this.faults.push(`${at}: is the public half alone`);
    return signer ?? signerInMemory(generateKeyPairSync('ed25519').privateKey);
  }

  #key(at: string, pem: string, kind: Kind, read: (pem: string) => KeyObject): KeyObject {
    const key = quietly(() => read(pem));
    if (key !== undefined && (key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType) === CURVES[kind]) return key;
    this.faults.push(`${at}: is not a key of ${kind} in PEM`);
    return nothing;
  }

  #text(at: string, stored: unknown): string | undefined {
    if (typeof stored !== 'string' || stored === '') {
      this.faults.push(`${at}: is no key and refers to none`);
      return undefined;
    }
    if (!isReference(stored)) return stored;
    const text = referredTo(stored, this.#tools.secret);
    if (text === undefined) this.faults.push(`${at}: ${stored} leads nowhere`);
    else if (stored.startsWith('file:') && isOpenToOthers(stored.slice('file:'.length))) {
      this.faults.push(`${at}: others than its owner may read ${stored}: chmod 600`);
    }
    return text;
  }
}

/** Stands where a key is at fault: nothing is used then. */
const nothing = generateKeyPairSync('ed25519').publicKey;

const CURVES: Record<Kind, string> = { 'P-256': 'prime256v1', Ed25519: 'ed25519' };

const isProgram = (stored: unknown): stored is StoredProgram => {
  const { program, public: half } = (stored ?? {}) as Partial<Record<keyof StoredProgram, unknown>>;
  return Array.isArray(program) && program.length > 0 && program.every((word) => typeof word === 'string') && typeof half === 'string';
};

/** What a parser says of a key may quote it. */
function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** Which of them a program holds need not be told, but that it can sign and does so with that key. */
const TRIED = Buffer.from('oncegate tries a key\n');
/** A program that reaches far, or starts slowly, is given time once. Milliseconds. */
const FIRST_MS = 10_000;

/** What hinders this key from signing; undefined where nothing does. */
export async function hindrance(signer: Signer): Promise<string | undefined> {
  try {
    await signer.sign(TRIED, FIRST_MS);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
