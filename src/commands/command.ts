/** What every command is given and uses. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JWK } from 'jose';
import type { Environment } from '../app.ts';
import { parseVerifierKey, type VerifierKey } from '../audit/checkpoint.ts';
import { Client, ClientError } from '../client.ts';
import { agencyKeyPath } from '../keys.ts';

export interface CommandLine {
  readonly environment: Environment;
  readonly serve: (sandbox: boolean, line: CommandLine) => Promise<number>;
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
  readonly colour: boolean;
  readonly stdin: AsyncIterable<unknown>;
}

/** Runs with the words after its name; resolves with the exit code: 0 done, 1 not. */
export type Command = (argv: string[], line: CommandLine) => Promise<number>;

/** The command was misused: exit code 2. */
export class UsageError extends Error {}

/** The keys of a log, one a line. */
export const verifierKeys = (file: string): VerifierKey[] =>
  readFileSync(file, 'utf8')
    .trim()
    .split(/\r?\n/)
    .map((text) => parseVerifierKey(text));

export function required(value: string | undefined, what: string): string {
  if (value === undefined) throw new UsageError(`${what} is missing`);
  return value;
}

/** The public address of the running gateway and that of its operators' door, a line each: the gateway wrote them into the data directory. */
const addresses = ({ dataDirectory }: Environment): string[] => {
  const file = join(dataDirectory, 'address');
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
};
export const runningAt = (environment: Environment): string | undefined => addresses(environment)[0];
/** Undefined where operators share the public address. */
export const doorAt = (environment: Environment): string | undefined => addresses(environment)[1];

/** What the gateway writes there. */
export function addressesOf({ issuer, operators }: Pick<Environment, 'issuer' | 'operators'>): string {
  if (operators === undefined) return `${issuer}\n`;
  const { host, port } = operators;
  return `${issuer}\nhttp://${host.includes(':') ? `[${host}]` : host}:${port}\n`;
}

/** A client of the gateway named, or of the one that runs here. */
export function client(
  { environment }: CommandLine,
  agency: string,
  keyFile: string | undefined,
  gateway?: string,
  proofKey?: JWK,
): Client {
  const { dataDirectory } = environment;
  const address = join(dataDirectory, 'address');
  const at = runningAt(environment);
  const running = at !== undefined;
  const issuer = gateway ?? at ?? environment.issuer;
  const doubt =
    running || gateway !== undefined
      ? ''
      : `no gateway runs on the data directory ${dataDirectory} (there is no ${address}), so ${issuer} was tried; ONCEGATE_DATA names another`;
  const path = keyFile ?? agencyKeyPath(dataDirectory, agency);
  if (!existsSync(path)) {
    const message = `there is no private key of ${agency} at ${path}; name one with --key, or start the sandbox first: npm start`;
    throw new ClientError(
      running
        ? message
        : `${message}\n  no gateway runs on the data directory ${dataDirectory} (there is no ${address}); ONCEGATE_DATA names another`,
    );
  }
  return new Client(issuer, agency, JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>, doubt, proofKey);
}
