/** A key that a program holds, or reaches: it is kept running and asked by lines, so that any device or service can sign without a module of ours. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { KeyObject } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import { checkedSignature, type Signer, SignerUnavailable } from '../signer.ts';

export interface ProgramOptions {
  /** The program and its arguments. No secret may be in them: every user of the machine sees them. */
  readonly command: readonly string[];
  readonly publicKey: KeyObject;
  /** Told why the program was left, or left of itself. It is started again when it is asked next. */
  readonly left: (reason: string) => void;
  /** How long whoever asks waits. Milliseconds. */
  readonly patienceMs?: number;
  /** After how long an answer that is due is not waited for any more, and the program ended. */
  readonly hangMs?: number;
  /** Between one start and the next. */
  readonly pauseMs?: number;
}

/** Shorter than a writer may hold the log's database. */
const PATIENCE_MS = 1500;
const HANG_MS = 10_000;
const PAUSE_MS = 1000;
/** How long a program is given to end itself. */
const LAST_MS = 2000;
/** Questions that wait for their answer. */
const MOST = 64;
/** Longer than any signature in base64. Bytes. */
const LONGEST_LINE = 1024;

type Child = ChildProcessByStdio<Writable, Readable, null>;

interface Waiting {
  readonly bytes: Uint8Array;
  readonly resolve: (signature: Buffer) => void;
  readonly reject: (error: Error) => void;
  /** Nobody waits for it any more; its answer comes all the same. */
  readonly abandoned: () => boolean;
}

export class ProgramSigner implements Signer {
  readonly publicKey: KeyObject;
  readonly #options: Required<ProgramOptions>;
  #child: Child | undefined;
  #begun = Number.NEGATIVE_INFINITY;
  #waiting: Waiting[] = [];
  #heard = '';
  #hanging: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: ProgramOptions) {
    this.publicKey = options.publicKey;
    this.#options = { patienceMs: PATIENCE_MS, hangMs: HANG_MS, pauseMs: PAUSE_MS, ...options };
  }

  async sign(bytes: Uint8Array, patienceMs = this.#options.patienceMs): Promise<Buffer> {
    if (this.#closed) throw new SignerUnavailable('closed');
    // Whoever signs holds others up: while one waited in vain, nobody waits after him.
    if (this.#waiting[0]?.abandoned()) throw new SignerUnavailable('hangs');
    if (this.#waiting.length >= MOST) throw new SignerUnavailable('busy');
    const child = this.#child ?? this.#start();
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      reject(new SignerUnavailable('late'));
    }, patienceMs);
    this.#waiting.push({ bytes, resolve, reject, abandoned: () => late });
    child.stdin.write(`${Buffer.from(bytes).toString('base64')}\n`);
    if (this.#waiting.length === 1) this.#expect(child);
    return promise.finally(() => clearTimeout(timer));
  }

  close(): void {
    this.#closed = true;
    const child = this.#child;
    if (child === undefined) return;
    // One that waits for the next question ends itself when there is none; one that is at work may hang.
    if (this.#waiting.length > 0) {
      this.#leave(child, undefined);
      return;
    }
    this.#child = undefined;
    child.stdin.end();
    child.stdout.destroy();
    const timer = setTimeout(() => kill(child), LAST_MS).unref();
    child.once('exit', () => clearTimeout(timer)).unref();
  }

  #start(): Child {
    const { command, pauseMs } = this.#options;
    const now = performance.now();
    if (now < this.#begun + pauseMs) throw new SignerUnavailable('ended');
    this.#begun = now;
    // A group of its own: what a terminal sends to stop the gateway must not end the program before the last was signed. What it complains of may hold what it was asked.
    const child = spawn(command[0] ?? '', command.slice(1), { stdio: ['pipe', 'pipe', 'ignore'], detached: process.platform !== 'win32' });
    this.#child = child;
    this.#heard = '';
    child.on('error', ({ code }: NodeJS.ErrnoException) => this.#leave(child, code ?? 'not started'));
    child.on('exit', () => this.#leave(child, 'ended'));
    child.stdin.on('error', () => this.#leave(child, 'ended'));
    child.stdout.on('error', () => this.#leave(child, 'ended'));
    child.stdout.on('data', (chunk: Buffer) => this.#hear(child, chunk));
    return child;
  }

  /** The clock runs for the answer that is due, not for those behind it. */
  #expect(child: Child): void {
    clearTimeout(this.#hanging);
    if (this.#waiting.length > 0) this.#hanging = setTimeout(() => this.#leave(child, 'hangs'), this.#options.hangMs).unref();
  }

  #hear(child: Child, chunk: Buffer): void {
    const lines = `${this.#heard}${chunk.toString('latin1')}`.split('\n');
    this.#heard = lines.pop() ?? '';
    for (const line of lines) if (this.#child === child) this.#answer(child, line);
    if (this.#child === child && this.#heard.length > LONGEST_LINE) this.#leave(child, 'too long an answer');
  }

  #answer(child: Child, line: string): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) {
      this.#leave(child, 'answers unasked');
      return;
    }
    this.#expect(child);
    const refused = line.startsWith('error');
    const signature = refused ? undefined : checkedSignature(this.publicKey, waiting.bytes, Buffer.from(line, 'base64'));
    if (signature !== undefined) waiting.resolve(signature);
    else waiting.reject(new SignerUnavailable(refused ? 'refused' : 'wrong signature'));
    // Whoever answers one question wrongly may answer all that follow by one too late.
    if (signature === undefined && !refused) this.#leave(child, 'wrong signature');
  }

  #leave(child: Child, reason: string | undefined): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    clearTimeout(this.#hanging);
    child.stdout.destroy();
    child.stdin.destroy();
    kill(child);
    for (const { reject } of this.#waiting.splice(0)) reject(new SignerUnavailable(reason ?? 'closed'));
    if (reason !== undefined) this.#options.left(reason);
  }
}

/** With all that it started: a script is ended with the tool that it waits for. */
function kill(child: Child): void {
  try {
    if (process.platform === 'win32' || child.pid === undefined) child.kill('SIGKILL');
    else process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It is gone already.
  }
}
