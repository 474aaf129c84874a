/** The command line: `oncegate serve | check | token | prefill | verify | audit | agency`. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Environment, openCatalogue } from './app.ts';
import { openCheckpoint, parseVerifierKey } from './audit/checkpoint.ts';
import { openSqliteLog } from './audit/sqlite.ts';
import { type SavedReply, verifyReply } from './audit/verify.ts';
import { checkLog } from './audit/whole.ts';
import { ConfigurationError, formatFault } from './catalogue/faults.ts';
import { Client, ClientError } from './client.ts';
import { dayInVietnam } from './domain.ts';
import { parseStrictJson } from './http/strict-json.ts';
import { agencyKeyPath, makeAgencyKey, writeSecret } from './keys.ts';
import { type Language, printReply } from './print.ts';

export interface CommandLine {
  readonly environment: Environment;
  readonly serve: (sandbox: boolean, line: CommandLine) => Promise<number>;
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
  readonly colour: boolean;
  readonly stdin: AsyncIterable<unknown>;
}

const USAGE = `oncegate serve [--sandbox]                     serve; with made-up registries and people
oncegate check [directory] [--production]      check a configuration, all faults at once
oncegate token <agency> [--scope "…"]          print an access token
oncegate prefill <procedure> <subject>         print a filled form and a judged dossier
    [--agency X01.1] [--related role=key]… [--dossier …] [--lang vi|en|fr] [--json]
oncegate verify <file|-> [--key <file>] [--request <file>]
                                               check a saved reply offline
oncegate audit verify [data directory] [--key <file>] [--seen <checkpoint file>]
                                               check a whole log, and that it continues a head that was kept
oncegate agency new <id>                       make a key pair and the agency's file`;

class UsageError extends Error {}

/** Runs one command; resolves with the exit code: 0 done, 1 not, 2 misused. */
export async function runCommand(argv: readonly string[], line: CommandLine): Promise<number> {
  const [name, ...rest] = argv;
  const command = Object.hasOwn(COMMANDS, name ?? '') ? COMMANDS[name ?? ''] : undefined;
  try {
    if (command === undefined) throw new UsageError(name === undefined ? 'which command?' : `there is no command ${name}`);
    return await command(rest, line);
  } catch (error) {
    if (error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS')) {
      line.error(`${(error as Error).message}\n\n${USAGE}`);
      return 2;
    }
    if (error instanceof ConfigurationError) {
      line.error(`${error.faults.map(formatFault).join('\n')}\n${error.message}`);
      return 1;
    }
    line.error(error instanceof ClientError ? error.message : `oncegate: ${(error as Error).message}`);
    return 1;
  }
}

type Command = (argv: string[], line: CommandLine) => Promise<number>;

const COMMANDS: Readonly<Record<string, Command>> = {
  async serve(argv, line) {
    const { values } = parseArgs({ args: argv, options: { sandbox: { type: 'boolean', default: false } } });
    return line.serve(values.sandbox, line);
  },

  async check(argv, { environment, out }) {
    const { values, positionals } = parseArgs({
      args: argv,
      allowPositionals: true,
      options: { production: { type: 'boolean', default: false } },
    });
    const catalogue = openCatalogue(positionals[0] ?? environment.configDirectory, !values.production);
    const { procedures, agencies, sources, digest } = catalogue;
    const grants = [...agencies.values()].reduce((sum, agency) => sum + agency.grants.length, 0);
    out(`ok: ${procedures.size} procedures, ${sources.size} sources, ${agencies.size} agencies with ${grants} grants; digest ${digest}`);
    return 0;
  },

  async token(argv, line) {
    const { values, positionals } = parseArgs({
      args: argv,
      allowPositionals: true,
      options: { scope: { type: 'string' }, key: { type: 'string' } },
    });
    const agency = required(positionals[0], 'the agency');
    line.out(await client(line, agency, values.key).token(values.scope));
    return 0;
  },

  async prefill(argv, line) {
    const { values, positionals } = parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        agency: { type: 'string' },
        related: { type: 'string', multiple: true, default: [] },
        dossier: { type: 'string' },
        key: { type: 'string' },
        lang: { type: 'string', default: 'en' },
        json: { type: 'boolean', default: false },
      },
    });
    const [procedure, subject] = [required(positionals[0], 'the procedure'), required(positionals[1], 'the subject')];
    if (!['vi', 'en', 'fr'].includes(values.lang)) throw new UsageError('--lang is vi, en or fr');
    const agency = values.agency ?? agencyFor(procedure, line.environment);
    const related = Object.fromEntries(
      values.related.map((pair) => {
        const [role, ...key] = pair.split('=');
        if (!role || key.length === 0) throw new UsageError('--related takes role=key');
        return [role, key.join('=')];
      }),
    );
    const dossier = values.dossier ?? `${agency}-${dayInVietnam(Date.now()).slice(2).replaceAll('-', '')}-0001`;
    const gateway = client(line, agency, values.key);
    const token = await gateway.token('prefill');
    const reply = await gateway.prefill(token, {
      procedure,
      dossier,
      officer: `${agency}-0001`,
      subject,
      ...(values.related.length > 0 ? { related } : {}),
    });
    line.out(
      values.json
        ? JSON.stringify(reply, null, 2)
        : printReply(reply, await gateway.procedure(token, procedure), values.lang as Language, line.colour),
    );
    return 0;
  },

  async verify(argv, line) {
    const { values, positionals } = parseArgs({
      args: argv,
      allowPositionals: true,
      options: { key: { type: 'string' }, request: { type: 'string' } },
    });
    const file = required(positionals[0], 'the file with the reply, or - for standard input');
    const key = parseVerifierKey(readFileSync(values.key ?? join(line.environment.dataDirectory, 'log.vkey'), 'utf8'));
    // Strictly: of two equal members one reader takes the first and another the last.
    const saved = parseStrictJson(file === '-' ? await readAll(line.stdin) : readFileSync(file)) as SavedReply;
    const request = values.request === undefined ? undefined : parseStrictJson(readFileSync(values.request));
    const { index, size, origin, time, agency } = verifyReply(saved, key, request);
    line.out(
      `verified: this answer to ${agency} of ${time} is entry ${index} of the log ${origin}, under its signed head of ${size} entries`,
    );
    return 0;
  },

  async audit(argv, { environment, out }) {
    const { values, positionals } = parseArgs({
      args: argv,
      allowPositionals: true,
      options: { key: { type: 'string' }, seen: { type: 'string' } },
    });
    const [verb, directory = environment.dataDirectory] = positionals;
    if (verb !== 'verify') throw new UsageError('audit takes verify');
    const file = join(directory, 'log.db');
    if (!existsSync(file)) throw new Error(`there is no log at ${file}`);
    const key = parseVerifierKey(readFileSync(values.key ?? join(directory, 'log.vkey'), 'utf8'));
    const seen = values.seen === undefined ? undefined : openCheckpoint(readFileSync(values.seen, 'utf8'), key);
    const store = openSqliteLog(file);
    try {
      const { entries, signed } = await checkLog(store, key, seen);
      out(`verified: ${entries} entries of the log ${key.name}, of which ${signed} are under its signed head`);
      return 0;
    } finally {
      await store.close();
    }
  },

  async agency(argv, { environment, out }) {
    const [verb, id] = argv;
    if (verb !== 'new' || !/^[A-Y][0-9]{2}(\.[0-9A-Z]+)*$/.test(id ?? ''))
      throw new UsageError('agency new takes an agency identifier such as H26.15');
    const agency = id as string;
    const file = join(environment.configDirectory, 'agencies', `${agency}.yaml`);
    const path = agencyKeyPath(environment.dataDirectory, agency);
    if (existsSync(file)) throw new Error(`${file} is there already`);
    if (existsSync(path)) throw new Error(`${path} is there already`);
    const { privateJwk, publicJwk } = makeAgencyKey(`${agency}-1`);
    writeSecret(path, `${JSON.stringify(privateJwk, null, 2)}\n`);
    writeFileSync(file, agencyFile(agency, publicJwk), { flag: 'wx' });
    out(
      `${file}\n    the agency's file: give it a name and its grants, then run oncegate check\n${path}\n    its private key: hand it to the agency and delete it here`,
    );
    return 0;
  },
};

function required(value: string | undefined, what: string): string {
  if (value === undefined) throw new UsageError(`${what} is missing`);
  return value;
}

/** Where the running gateway is: it wrote its address into the data directory. */
function client({ environment }: CommandLine, agency: string, keyFile: string | undefined): Client {
  const address = join(environment.dataDirectory, 'address');
  const issuer = existsSync(address) ? readFileSync(address, 'utf8').trim() : environment.issuer;
  const path = keyFile ?? agencyKeyPath(environment.dataDirectory, agency);
  if (!existsSync(path))
    throw new ClientError(`there is no private key of ${agency} at ${path}; name one with --key, or start the sandbox first: npm start`);
  return new Client(issuer, agency, JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>);
}

/** The sandbox agency that may ask for a procedure. */
function agencyFor(procedure: string, environment: Environment): string {
  const agencies = [...openCatalogue(environment.configDirectory, true).agencies.values()].filter((agency) => agency.sandbox);
  const found = agencies.find((agency) => agency.grants.some((grant) => grant.procedure === procedure)) ?? agencies[0];
  if (found === undefined) throw new UsageError('name the agency with --agency');
  return found.id;
}

async function readAll(stream: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks);
}

function agencyFile(id: string, { kid, kty, crv, x, alg, use }: Record<'kid' | 'kty' | 'crv' | 'x' | 'alg' | 'use', string>): string {
  return `# yaml-language-server: $schema=../../schemas/config/agency.json
id: ${id}
name: { vi: ${id}, en: ${id} }
scopes: [prefill]
keys:
  - { kid: ${kid}, kty: ${kty}, crv: ${crv}, x: ${x}, alg: ${alg}, use: ${use} }
grants: []
`;
}
