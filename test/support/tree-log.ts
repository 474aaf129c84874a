/** A log in memory whose tree is the oracle's: for readers, witnesses and routes that must not depend on how a log is kept. */
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { Head, LogReader } from '../../src/audit/store.ts';
import { formatVerifierKey, parseVerifierKey, type VerifierKey } from '../../src/audit/vkey.ts';
import { Oracle } from './oracle.ts';
import { checkpointSigner } from './signing.ts';

export class TreeLog implements LogReader {
  readonly origin: string;
  readonly key: VerifierKey;
  readonly verifierKey: string;
  readonly privateKey: KeyObject;
  oracle = new Oracle();
  bodies: (string | undefined)[] = [];
  checkpoint: string | undefined;
  cosigned: string | undefined;
  retention: number | undefined;

  constructor(origin: string, privateKey: KeyObject = generateKeyPairSync('ed25519').privateKey) {
    this.origin = origin;
    this.privateKey = privateKey;
    this.verifierKey = formatVerifierKey(origin, createPublicKey(privateKey));
    this.key = parseVerifierKey(this.verifierKey);
  }

  /** So many entries more, called after `name`: another name makes another history. Returns the signed head. */
  grow(entries: number, name = 'entry'): string {
    for (let i = 0; i < entries; i++) {
      const body = JSON.stringify({ [name]: this.bodies.length });
      this.bodies.push(body);
      this.oracle.push(Buffer.from(body));
    }
    this.checkpoint = this.signed(this.bodies.length);
    return this.checkpoint;
  }

  /** The signed head of the first `size` entries. */
  signed(size: number): string {
    return checkpointSigner(this.origin, this.privateKey)({ origin: this.origin, size, root: this.oracle.root(0, size) });
  }

  async head(): Promise<Head> {
    const { checkpoint, cosigned, retention } = this;
    return { size: this.bodies.length, checkpoint, cosigned, retention };
  }

  async read(from: number, to: number): Promise<(string | undefined)[]> {
    return this.bodies.slice(from, to);
  }

  async tile(level: number, index: number): Promise<Buffer> {
    const span = 256 ** level;
    const nodes = Math.min(256, Math.floor(this.bodies.length / span) - index * 256);
    if (nodes <= 0) throw new Error(`there is no tile ${level}/${index}`);
    return Buffer.concat(Array.from({ length: nodes }, (_, i) => this.oracle.root((index * 256 + i) * span, (index * 256 + i + 1) * span)));
  }

  publish = async (cosigned: string): Promise<void> => {
    this.cosigned = cosigned;
  };
}
