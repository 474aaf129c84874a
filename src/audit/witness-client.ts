/** Brings a head of this log to a witness and takes back its cosignature (C2SP tlog-witness, the side of the log). */
import { type Checkpoint, verifiedSignatures } from './checkpoint.ts';
import { consistencyPath } from './consistency.ts';
import { parseSignatures, type SignedNote } from './note.ts';
import type { LogReader } from './store.ts';
import { withTiles } from './stored.ts';
import type { VerifierKey } from './vkey.ts';

/** A witness as it is configured: the key it cosigns with, and its submission prefix. */
export interface WitnessAddress {
  readonly key: VerifierKey;
  readonly address: string;
}

export interface SignedHead {
  /** As it stands in the log. */
  readonly text: string;
  readonly note: SignedNote;
  readonly checkpoint: Checkpoint;
}

export interface ClientTools {
  readonly reader: LogReader;
  readonly fetch: typeof globalThis.fetch;
  readonly signal: AbortSignal;
}

/** The witness cosigned a longer log than the one whose head it was brought. */
export class CosignedLonger extends Error {
  readonly size: number;

  constructor(size: number) {
    super(`it cosigned a log of ${size} entries already`);
    this.size = size;
  }
}

/** A witness that is asked again and again from where it says it stands could keep us for ever. */
const TRIES = 3;
/** Sixteen signatures of 5 kB. */
const REPLY_BYTES = 128 * 1024;

/**
 * The line of the witness's cosignature. `from` is the size of the head that it is believed to have cosigned last; where it says another, it is
 * asked again from there. Rejects with `CosignedLonger`, or an Error that says what went wrong and repeats nothing of what the witness wrote.
 */
export async function askWitness(
  { key, address }: WitnessAddress,
  from: number,
  head: SignedHead,
  { reader, fetch, signal }: ClientTools,
): Promise<string> {
  const { size } = head.checkpoint;
  for (let old = from, tries = 0; tries < TRIES; tries++) {
    if (old > size) throw new CosignedLonger(old);
    const path = await withTiles(reader, (node) => consistencyPath(old, size, node));
    const proof = path.map((hash) => `${hash.toString('base64')}\n`).join('');
    const reply = await fetch(`${address.replace(/\/$/, '')}/add-checkpoint`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain; charset=utf-8' },
      body: `old ${old}\n${proof}\n${head.text}`,
      // Who was configured is asked, and nobody that he names.
      redirect: 'manual',
      signal,
    });
    const text = await bounded(reply);
    if (reply.status === 200) return cosignatureIn(text, key, head.note.body);
    if (reply.status !== 409) throw new Error(`it answered with status ${reply.status}`);
    const told = reply.headers.get('content-type')?.startsWith('text/x.tlog.size') ? /^(0|[1-9][0-9]{0,15})\n$/.exec(text)?.[1] : undefined;
    if (told === undefined || !Number.isSafeInteger(Number(told))) throw new Error('it refused the size and did not say which it has');
    old = Number(told);
  }
  throw new Error('it refused the size that it said it has');
}

/** The line among those of the reply that is by the witness and holds; lines of others are no concern of ours. */
function cosignatureIn(reply: string, key: VerifierKey, body: string): string {
  const found = verifiedSignatures({ body, signatures: parseSignatures(reply) }, [key]).find(({ time = 0 }) => time > 0);
  if (found === undefined) throw new Error('its reply bears no cosignature by its key');
  return `${found.line}\n`;
}

async function bounded(reply: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of reply.body ?? []) {
    bytes += chunk.length;
    if (bytes > REPLY_BYTES) throw new Error('its reply is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
