/** A database server of this machine, kept for a test: it starts, stops and dies as it is told, and goes with its directory when the test's process does. */
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chownSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './waiting.ts';

/** Whom a server runs as. */
export interface Who {
  readonly uid?: number;
  readonly gid?: number;
}

/** Databases refuse to run as root: there they run as whom the package made for them, or as nobody. */
export function whoRuns(user: string): Who {
  if (process.getuid?.() !== 0) return {};
  for (const name of [user, 'nobody']) {
    const [uid, gid] = ['-u', '-g'].map((flag) => Number(spawnSync('id', [flag, name]).stdout.toString() || Number.NaN));
    if (uid !== undefined && gid !== undefined && uid > 0) return { uid, gid };
  }
  return {};
}

export function give(path: string, { uid, gid }: Who): void {
  if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid);
}

export function newHome(name: string, who: Who): string {
  const directory = mkdtempSync(join(tmpdir(), `oncegate-${name}-`));
  give(directory, who);
  return directory;
}

/**
 * Starts the server and sends it signals as it is told. At the end of its input, which is that of the test even where it is killed, it ends
 * the server and removes the directory.
 */
const KEEPER = `
while read -r word; do
  if [ "$word" = start ]; then "$@" & continue; fi
  kill -s "$word" $!
  wait $!
  echo ended
done
kill -s QUIT $! 2>/dev/null
wait
rm -rf "$0"
`;

export interface KeptServer {
  /** What it wrote into its own log. */
  said(): string;
  /** Resolves when it answers. */
  start(): Promise<void>;
  /** Resolves when it has ended of it. */
  signal(name: 'INT' | 'QUIT' | 'TERM' | 'KILL'): Promise<void>;
  stop(): Promise<void>;
}

/** A server in `directory`, started. */
export async function keepServer(
  directory: string,
  command: readonly string[],
  who: Who,
  answers: () => Promise<unknown>,
): Promise<KeptServer> {
  const keeper = spawn('/bin/sh', ['-c', KEEPER, directory, ...command], { ...who, cwd: directory, detached: true });
  let said = '';
  keeper.stderr.on('data', (chunk) => (said += chunk));
  const answered = (): Promise<boolean> =>
    answers().then(
      () => true,
      () => false,
    );
  const start = async (): Promise<void> => {
    keeper.stdin.write('start\n');
    await eventually(answered, 20, command[0]).catch((error: Error) => Promise.reject(new Error(`${error.message}\n${said}`)));
  };
  await start();
  return {
    said: () => said,
    start,
    async signal(name) {
      const ended = once(keeper.stdout, 'data');
      keeper.stdin.write(`${name}\n`);
      await ended;
    },
    async stop() {
      const ended = once(keeper, 'exit');
      keeper.stdin.end();
      await ended;
    },
  };
}

/** New databases of a server, which are dropped where the server stays. */
export function databasesOf(address: string, run: (sql: string) => Promise<unknown>, drop: (name: string) => string, how = '') {
  const made: string[] = [];
  return {
    async fresh(): Promise<string> {
      const name = `oncegate_test_${randomBytes(6).toString('hex')}`;
      await run(`CREATE DATABASE ${name}${how}`);
      made.push(name);
      const url = new URL(address);
      url.pathname = `/${name}`;
      return url.href;
    },
    server: undefined,
    async stop(): Promise<void> {
      for (const name of made) await run(drop(name));
    },
  };
}
