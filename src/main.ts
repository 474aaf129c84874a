#!/usr/bin/env node
/** The process: environment in, listen, signals, drain. The only reader of `process.env`. */
import { rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from './cli.ts';
import { type CommandLine, doorOf } from './commands/command.ts';
import type { Environment } from './environment.ts';
import type { Sandbox } from './sandbox/index.ts';

/** How long what is in flight is given when the process is told to stop. Milliseconds. */
const DRAIN_MS = 15_000;

// Whatever is written is for this process's owner alone.
process.umask(0o077);

const env = process.env;
const host = env.HOST ?? '127.0.0.1';
const port = Number(env.PORT ?? 8080);
const dataDirectory = env.ONCEGATE_DATA ?? 'var';
const environment: Environment = {
  host,
  port,
  configDirectory: env.ONCEGATE_CONFIG ?? 'config',
  dataDirectory,
  stateDirectory: join(env.XDG_STATE_HOME || homeState(), 'oncegate'),
  issuer: (env.ONCEGATE_ISSUER ?? `${env.TLS_CERTIFICATE ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`).replace(
    /\/$/,
    '',
  ),
  databaseUrl: env.DATABASE_URL || undefined,
  redisUrl: env.REDIS_URL || undefined,
  redisCa: env.REDIS_CA || undefined,
  logLevel: env.LOG_LEVEL ?? 'info',
  operators: addressOf(env.ONCEGATE_OPERATORS || undefined),
  tls:
    env.TLS_CERTIFICATE || env.TLS_KEY || env.TLS_CLIENT_CA
      ? { certificate: env.TLS_CERTIFICATE ?? '', key: env.TLS_KEY ?? '', clientCa: env.TLS_CLIENT_CA || undefined }
      : undefined,
  proxies: env.ONCEGATE_PROXIES || undefined,
  secret: (name) => env[name],
};

/** In a container the user may be a number that no home belongs to. */
function homeState(): string {
  try {
    return join(homedir(), '.local', 'state');
  } catch {
    return dataDirectory;
  }
}

/** `host:port`, an IPv6 address in brackets. */
function addressOf(text: string | undefined): Environment['operators'] {
  if (text === undefined) return undefined;
  const [, host = '', at = ''] = /^(?:\[([0-9a-fA-F:.]+)\]|[^:[\]]+):([0-9]{1,5})$/.exec(text) ?? [];
  return { host: host || text.slice(0, text.lastIndexOf(':')), port: Number(at) };
}

/** Serves until told to stop. Resolves with the exit code. */
async function serve(sandboxed: boolean, line: CommandLine): Promise<number> {
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw new Error('PORT must be a number from 1 to 65535');
  checkTls();
  if (environment.operators && !(environment.operators.port >= 1 && environment.operators.port <= 65535))
    throw new Error('ONCEGATE_OPERATORS must be host:port');
  const [{ pino }, { createGateway }, { whereItArose }] = await Promise.all([import('pino'), import('./app.ts'), import('./problems.ts')]);
  const logger = pino({ level: environment.logLevel, base: null });
  // What nobody waited for may quote a person: where it arose is said, and no more.
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      logger.fatal({ cause: whereItArose(error) }, 'crashed');
      process.exit(1);
    });
  }
  const sandbox = sandboxed ? await (await import('./sandbox/index.ts')).startSandbox() : undefined;
  try {
    const gateway = await createGateway({ environment, sandbox, logger });
    try {
      await gateway.listen();
    } catch (error) {
      await gateway.close();
      const { code, port: taken } = error as NodeJS.ErrnoException & { port?: number };
      if (code === 'EADDRINUSE')
        throw new Error(`port ${taken} is taken: set ${taken === environment.operators?.port ? 'ONCEGATE_OPERATORS' : 'PORT'} to another`);
      throw error;
    }
    const address = join(environment.dataDirectory, 'address');
    const door = doorOf(environment);
    writeFileSync(address, `${environment.issuer}\n${door ?? ''}`);
    if (sandbox !== undefined) line.out(welcome(environment.issuer, door, sandbox));
    else logger.info({ address: environment.issuer, operators: door, config: gateway.catalogue.digest }, 'listening');

    // The daemon's signal to read anew; without TLS it ends the process, as it does when a terminal is closed.
    if (environment.tls !== undefined) process.on('SIGHUP', () => gateway.renewCertificate());
    const signal = await new Promise<string>((resolve) => {
      for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => resolve(name));
    });
    logger.info({ signal }, 'stopping');
    rmSync(address, { force: true });
    const late = setTimeout(() => {
      logger.error('not everything finished in time');
      process.exit(1);
    }, DRAIN_MS);
    await gateway.close();
    clearTimeout(late);
    logger.info('stopped');
    return 0;
  } finally {
    await sandbox?.close();
  }
}

function checkTls(): void {
  if (environment.tls === undefined) return;
  if (environment.tls.certificate === '' || environment.tls.key === '') throw new Error('TLS_CERTIFICATE and TLS_KEY belong together');
  // That may be two addresses, of which only one would have the certificate renewed.
  if (host === 'localhost') throw new Error('with TLS, HOST must be an address');
}

function welcome(issuer: string, door: string | undefined, { addresses }: Sandbox): string {
  const registries = Object.entries(addresses).map(([name, address]) => `              ${address.origin}  ${name}`);
  return `
Oncegate listens at ${issuer}, with a sandbox of four registries and people who do not exist.

  docs        ${door ?? issuer}/docs
  try         npx oncegate prefill 1.004222 003099000017 --related householder=003060000021
  registries${registries.join('\n').slice(12)}
`;
}

process.exitCode = await runCommand(process.argv.slice(2), {
  environment,
  serve,
  out: (text) => process.stdout.write(`${text}\n`),
  error: (text) => process.stderr.write(`${text}\n`),
  colour: process.stdout.isTTY === true && env.NO_COLOR === undefined,
  stdin: process.stdin,
});
