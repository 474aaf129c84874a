/** The command line without a process of its own: the same words, replies and exit codes in a hundredth of the time. */
import { Readable } from 'node:stream';
import { runCommand } from '../../src/cli.ts';
import type { Environment } from '../../src/environment.ts';

export interface Done {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

/** Runs one command; it has nothing but what `environment` says, and serves nothing. */
export async function runHere(argv: readonly string[], environment: Partial<Environment> = {}, input = ''): Promise<Done> {
  const said = { out: '', error: '' };
  const code = await runCommand(argv, {
    environment: {
      ...{ host: '127.0.0.1', port: 0, configDirectory: 'config', dataDirectory: 'nowhere', stateDirectory: 'nowhere', logLevel: 'fatal' },
      ...{ issuer: 'http://127.0.0.1:0', databaseUrl: undefined, redisUrl: undefined, secret: () => undefined },
      ...environment,
    },
    serve: async () => 1,
    out: (text) => void (said.out += `${text}\n`),
    error: (text) => void (said.error += `${text}\n`),
    colour: false,
    stdin: Readable.from([Buffer.from(input)]),
  });
  return { code, ...said };
}
