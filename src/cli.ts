/** The command line: `oncegate serve | check | token | prefill | verify | audit | agency`. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Environment, openCatalogue } from './app.ts';
import { parseVerifierKey, type VerifierKey } from './audit/checkpoint.ts';
import { openSqliteLog } from './audit/sqlite.ts';
import { type SavedReply, verifyReceipt, verifyReply } from './audit/verify.ts';
import { checkLog } from './audit/whole.ts';
import { ConfigurationError, formatFault } from './catalogue/faults.ts';
import { Client, ClientError, clean } from './client.ts';
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
oncegate token <agency> [--scope "…"] [--key <file>]
                                               print an access token; --key is the agency's private key
oncegate prefill <procedure> <subject>         print a filled form and a judged dossier
    [--agency X01.1] [--key <file>] [--related role=key]… [--dossier …]
    [--max-age <seconds>] [--lang vi|en|fr] [--json]
                                               --max-age 0 asks every registry anew
oncegate verify <file|-> [--key <file>] [--request <file>]
                                               check a saved reply, or an auditor's entry, offline
oncegate audit verify [data directory] [--key <file>] [--seen <checkpoint file>]
                                               check a whole log, and that it continues a head that was kept
oncegate agency new <id>                       make a key pair and the agency's file
oncegate help                                  print this`;

class UsageError extends Error {}

/** Runs one command; resolves with the exit code: 0 done, 1 not, 2 misused. */
export async function runCommand(argv: readonly string[], line: CommandLine): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === 'help' || argv.some((word) => word === '--help' || word === '-h')) {
    line.out(USAGE);
    return name === undefined ? 2 : 0;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  try {
    if (command === undefined) throw new UsageError(`there is no command ${name}`);
    return await command(rest, line);
  } catch (error) {
    if (error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS')) {
      line.error(`${(error as Error).message}\nsee: oncegate --help`);
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
        'max-age': { type: 'string' },
        lang: { type: 'string', default: 'en' },
        json: { type: 'boolean', default: false },
      },
    });
    const [procedure, subject] = [required(positionals[0], 'the procedure'), required(positionals[1], 'the subject')];
    if (!['vi', 'en', 'fr'].includes(values.lang)) throw new UsageError('--lang is vi, en or fr');
    const maxAge = values['max-age'];
    if (maxAge !== undefined && !/^[0-9]{1,8}$/.test(maxAge)) throw new UsageError('--max-age takes seconds; 0 asks every registry anew');
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
      ...(maxAge === undefined ? {} : { maxAgeSeconds: Number(maxAge) }),
    });
    line.out(
      values.json
        ? escapeUnseen(JSON.stringify(reply, null, 2))
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
    const key = verifierKeys(values.key ?? join(line.environment.dataDirectory, 'log.vkey'));
    // Strictly: of two equal members one reader takes the first and another the last.
    const saved = parseStrictJson(file === '-' ? await readAll(line.stdin) : readFileSync(file)) as unknown;
    const code = refusalCode(saved);
    if (code !== undefined) throw new ClientError(`this is a refusal (${clean(code)}), not a reply`);
    if (isBareReceipt(saved)) {
      if (values.request !== undefined) throw new UsageError('--request goes with a whole reply: an entry alone has not the salt');
      const { index, size, origin, time, agency } = verifyReceipt(saved, key);
      line.out(
        clean(`verified: entry ${index} of the log ${origin}, made for ${agency} at ${time}, under its signed head of ${size} entries`),
      );
      return 0;
    }
    const request = values.request === undefined ? undefined : parseStrictJson(readFileSync(values.request));
    const { index, size, origin, time, agency } = verifyReply(saved as SavedReply, key, request);
    line.out(
      clean(
        `verified: this answer to ${agency} of ${time} is entry ${index} of the log ${origin}, under its signed head of ${size} entries`,
      ),
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
    const key = verifierKeys(values.key ?? join(directory, 'log.vkey'));
    const seen = values.seen === undefined ? undefined : { checkpoint: readFileSync(values.seen, 'utf8'), blocks: Buffer.alloc(0) };
    const store = openSqliteLog(file);
    try {
      const { entries, signed } = await checkLog(store, key, seen);
      out(`verified: ${entries} entries of the log ${key[0]?.name}, of which ${signed} are under its signed head`);
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

/** The keys of a log, one a line. */
const verifierKeys = (file: string): VerifierKey[] => readFileSync(file, 'utf8').trim().split(/\r?\n/).map(parseVerifierKey);

function required(value: string | undefined, what: string): string {
  if (value === undefined) throw new UsageError(`${what} is missing`);
  return value;
}

/** Where the running gateway is: it wrote its address into the data directory. */
function client({ environment }: CommandLine, agency: string, keyFile: string | undefined): Client {
  const { dataDirectory } = environment;
  const address = join(dataDirectory, 'address');
  const running = existsSync(address);
  const issuer = running ? readFileSync(address, 'utf8').trim() : environment.issuer;
  const doubt = running
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
  return new Client(issuer, agency, JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>, doubt);
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The code of a problem document or of a refused token, saved in place of a reply. */
function refusalCode(saved: unknown): string | undefined {
  if (!isObject(saved) || 'prefill' in saved || 'entry' in saved) return undefined;
  const { code, status, error } = saved;
  if (typeof code === 'string' && typeof status === 'number') return code;
  return typeof error === 'string' ? error : undefined;
}

/** What an auditor gets of `/v1/audit/entries/{index}`: an entry and its proof, without an answer. */
function isBareReceipt(saved: unknown): boolean {
  return isObject(saved) && !('prefill' in saved) && 'entry' in saved && 'checkpoint' in saved;
}

/** The same JSON with the characters escaped that a terminal would obey; the line ends are those of the indentation. */
function escapeUnseen(json: string): string {
  const spell = (unseen: string): string =>
    unseen
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join('');
  return json.replaceAll(/(?!\n)[\p{Cc}\p{Cf}\u2028\u2029]/gu, spell);
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
