/** What every command is given and uses. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JWK } from 'jose';
import { parseVerifierKey, type VerifierKey } from '../audit/checkpoint.ts';
import { Client, ClientError } from '../client.ts';
import type { Environment } from '../environment.ts';
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

/** The address of the running gateway, which wrote it into the data directory, and that for its operators where they have another. */
function addresses({ dataDirectory }: Environment): string[] {
  const address = join(dataDirectory, 'address');
  return existsSync(address) ? readFileSync(address, 'utf8').trim().split('\n') : [];
}

export const runningAt = (environment: Environment): string | undefined => addresses(environment)[0];

/** Where operators are answered, if they have an address of their own. */
export const doorOf = ({ operators }: Environment): string | undefined =>
  operators && `http://${operators.host.includes(':') ? `[${operators.host}]` : operators.host}:${operators.port}`;

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
  const [at, atDoor] = addresses(environment);
  const running = at !== undefined;
  const issuer = gateway ?? at ?? environment.issuer;
  const door = running ? atDoor : doorOf(environment);
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
  return new Client(issuer, agency, JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>, doubt, proofKey, door);
}
