/** A Redis to test with, at the end of a wire that a test can cut: the one of REDIS_URL, or a `redis-server` of this machine started for the test. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
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
  const directory = mkdtempSync(join(tmpdir(), 'oncegate-redis-'));
  const port = await freePort();
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', directory];
  const server = spawn('redis-server', settings, { stdio: 'ignore' });
  for (const end = Date.now() + 5000; !(await answers(port)); await after(10)) {
    if (Date.now() > end || server.exitCode !== null) throw new Error('redis-server did not start');
  }
  return wired(`redis://127.0.0.1:${port}`, async () => {
    await ended(server);
    rmSync(directory, { recursive: true });
  });
}

const ended = (server: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
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
    async stop() {
      await wire.cut();
      await stop();
    },
  };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    const end = (answered: boolean): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.once('data', () => end(true));
    socket.once('error', () => end(false));
  });
}
