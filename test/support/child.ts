/** A gateway as a process of its own, `oncegate serve --sandbox`, that a test can stop or kill. */
import { type ChildProcess, spawn } from 'node:child_process';
import { NOW, tokenRequest } from './audit-gateway.ts';

export interface ChildGateway {
  readonly address: string;
  readonly process: ChildProcess;
  /** Resolves with how it ended: an exit code or a signal. */
  readonly ended: Promise<number | string>;
  readonly errors: () => string;
  /** What it wrote until it listened. */
  readonly welcome: string;
  /** All that it wrote so far. */
  readonly written: () => Buffer;
}

/** The grants of the sandbox end one day; the process is told that it is not that day yet. */
const shift = NOW - Date.now();
const SHIFTED_CLOCK = `data:text/javascript,${encodeURIComponent(`const now = Date.now; Date.now = () => now() + ${shift};`)}`;
export const shiftedNow = (): number => Date.now() + shift;

/** Resolves when the process listens. Whoever starts it ends it. */
export async function startChild(
  dataDirectory: string,
  port: number,
  environment: Readonly<Record<string, string>> = {},
): Promise<ChildGateway> {
  const child = spawn(process.execPath, ['--import', SHIFTED_CLOCK, 'src/main.ts', 'serve', '--sandbox'], {
    env: {
      ...process.env,
      HOST: '127.0.0.1',
      PORT: String(port),
      ONCEGATE_DATA: dataDirectory,
      ONCEGATE_CONFIG: 'config',
      ONCEGATE_ISSUER: `http://127.0.0.1:${port}`,
      LOG_LEVEL: 'fatal',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (chunk) => (errors += chunk));
  const written: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => written.push(chunk));
  const ended = new Promise<number | string>((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal ?? 'unknown')));
  const welcome = await new Promise<string>((resolve, reject) => {
    let said = '';
    child.stdout.on('data', (chunk) => {
      said += chunk;
      if (/Oncegate listens[\s\S]* registries [\s\S]*\n\n/.test(said)) resolve(said);
    });
    void ended.then((how) => reject(new Error(`the gateway ended before it listened: ${how}\n${errors}`)));
  });
  return {
    address: `http://127.0.0.1:${port}`,
    process: child,
    ended,
    errors: () => errors,
    welcome,
    written: () => Buffer.concat(written),
  };
}

export async function childToken(address: string, dataDirectory: string, agency: string, issuer = address): Promise<string> {
  const reply = await fetch(`${address}/oauth2/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: await tokenRequest(dataDirectory, agency, issuer, shiftedNow()),
  });
  if (!reply.ok) throw new Error(`no token: ${await reply.text()}`);
  return ((await reply.json()) as { access_token: string }).access_token;
}
