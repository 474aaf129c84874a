/** A Redis to test with, at the end of a wire that a test can cut: the one of REDIS_URL, or a `redis-server` of this machine started for the test. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';

export interface TestRedis {
  /** As the gateway reaches it: through the wire. */
  readonly url: string;
  /** As the test reaches it, whatever becomes of the wire. */
  readonly direct: string;
  /** It is gone: connections break, and new ones are refused. */
  cut(): Promise<void>;
  /** It takes what it is sent and answers nothing. */
  freeze(): void;
  /** It is back at the same address. */
  mend(): Promise<void>;
  stop(): Promise<void>;
}

/** The reason where there is none. With `CI` set that is an error: a suite that skips there tests nothing. */
export async function findRedis(): Promise<TestRedis | string> {
  const { REDIS_URL, CI } = process.env;
  if (REDIS_URL) return wire(REDIS_URL, async () => {});
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
  return wire(`redis://127.0.0.1:${port}`, async () => {
    await ended(server);
    rmSync(directory, { recursive: true });
  });
}

const ended = (server: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    server.once('exit', () => resolve());
    server.kill('SIGKILL');
  });

async function wire(direct: string, stop: () => Promise<void>): Promise<TestRedis> {
  const { hostname, port } = new URL(direct);
  const sockets = new Set<Socket>();
  let frozen = false;
  const join = (near: Socket): void => {
    const far = connect(Number(port || 6379), hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('data', (bytes) => {
        if (!frozen) to.write(bytes);
      });
      from.on('error', () => {});
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  };
  let server = await listen(join, 0);
  const address = (server.address() as AddressInfo).port;
  const url = new URL(direct);
  url.hostname = '127.0.0.1';
  url.port = String(address);
  const cut = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return {
    url: url.href,
    direct,
    cut,
    freeze() {
      frozen = true;
    },
    async mend() {
      frozen = false;
      if (!server.listening) server = await listen(join, address);
    },
    async stop() {
      await cut();
      await stop();
    },
  };
}

function listen(join: (socket: Socket) => void, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(join);
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

async function freePort(): Promise<number> {
  const server = await listen(() => {}, 0);
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
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
