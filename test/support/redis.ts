/** A Redis to test with, at the end of a wire that a test can cut: the one of REDIS_URL, or a `redis-server` of this machine started for the test. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { freePort } from './ports.ts';
import { stretchWire, type Wire } from './wire.ts';

/** Its `url` is Redis as the gateway reaches it: through the wire. */
export interface TestRedis extends Wire {
  /** As the test reaches it, whatever becomes of the wire. */
  readonly direct: string;
  /** Whether it was started for the test. */
  readonly own: boolean;
  stop(): Promise<void>;
}

/** The reason where there is none. With `CI` set that is an error: a suite that skips there tests nothing. */
export async function findRedis(): Promise<TestRedis | string> {
  const { REDIS_URL, CI } = process.env;
  if (REDIS_URL) return wired(REDIS_URL, async () => {});
  if (spawnSync('redis-server', ['--version']).status === 0) return startServer();
  const reason = 'redis: no redis-server on this machine and no REDIS_URL';
  if (CI) throw new Error(reason);
  return reason;
}

async function startServer(): Promise<TestRedis> {
  const { port, stop } = await startRedis();
  return wired(`redis://127.0.0.1:${port}`, stop);
}

/** A `redis-server` with further settings, as its command line or, for a Sentinel, its file takes them. */
export async function startRedis(more: readonly string[] = [], sentinel?: string): Promise<{ port: number; stop(): Promise<void> }> {
  for (let tries = 1; ; tries++) {
    try {
      return await startOnce(more, sentinel);
    } catch (error) {
      // A node of a cluster takes a second port, which may be somebody's.
      if (tries === 3) throw error;
    }
  }
}

async function startOnce(more: readonly string[], sentinel: string | undefined): Promise<{ port: number; stop(): Promise<void> }> {
  const directory = mkdtempSync(join(tmpdir(), 'oncegate-redis-'));
  const port = await freePort();
  const tls = more.includes('--tls-cert-file');
  const listening = tls ? ['--port', '0', '--tls-port', String(port)] : ['--port', String(port)];
  const common = [...listening, '--bind', '127.0.0.1', '--dir', directory];
  const file = join(directory, 'sentinel.conf');
  if (sentinel !== undefined) writeFileSync(file, sentinel);
  const settings =
    sentinel === undefined ? [...common, '--save', '', '--appendonly', 'no', ...more] : [file, ...common, ...more, '--sentinel'];
  const server = spawn('redis-server', settings, { stdio: 'ignore' });
  for (const end = Date.now() + 5000; !(await answers(port, tls)); await after(10)) {
    if (Date.now() <= end && server.exitCode === null) continue;
    await ended(server);
    throw new Error('redis-server did not start');
  }
  return {
    port,
    async stop() {
      await ended(server);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

const ended = (server: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (server.exitCode !== null || server.signalCode !== null) resolve();
    server.once('exit', () => resolve());
    server.kill('SIGKILL');
  });

async function wired(address: string, stop: () => Promise<void>): Promise<TestRedis> {
  const direct = new URL(address);
  direct.port ||= '6379';
  const wire = await stretchWire(direct.href);
  return {
    ...wire,
    direct: address,
    own: address !== process.env.REDIS_URL,
    async stop() {
      await wire.cut();
      await stop();
    },
  };
}

/** One that speaks TLS is asked nothing. */
function answers(port: number, tls: boolean): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => (tls ? end(true) : socket.write('PING\r\n')));
    const end = (answered: boolean): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.once('data', () => end(true));
    socket.once('error', () => end(false));
    // One that ends as it begins takes the connection and says nothing.
    socket.once('close', () => end(false));
  });
}
