/** The command line: `oncegate serve | check | token | proof | prefill | verify | audit | keys | agency | supplier | procedure | shut-out | let-in | shut-outs`. */
import { parseArgs } from 'node:util';
import { ConfigurationError, formatFault } from './catalogue/faults.ts';
import { ClientError } from './client.ts';
import { type Command, type CommandLine, UsageError } from './commands/command.ts';

const USAGE = `oncegate serve [--sandbox]                     serve; with made-up registries and people
oncegate check [directory] [--production]      check a configuration, all faults at once
oncegate token <agency> [--scope "…"] [--key <file>] [--proof-key <file>]
                                               print an access token; --key is the agency's private key,
                                               --proof-key that which the token is bound to, as production wants it
oncegate token <supplier> --for <agency> [--scope "…"] [--key <file>]
                                               the same for a supplier that acts for the agency
oncegate proof <method> <url> --proof-key <file> --token <token>
                                               print a proof for one request with a bound token
oncegate token --citizen <number>              print the token of a citizen of the sandbox
oncegate prefill <procedure> <subject>         print a filled form and a judged dossier
    [--agency X01.1] [--supplier S01] [--key <file>] [--related role=key]… [--dossier …]
    [--max-age <seconds>] [--lang vi|en|fr] [--json]
                                               --max-age 0 asks every registry anew
oncegate verify <file|-> [--key <file>] [--request <file>]
                                               check a saved reply, or an auditor's entry, offline
oncegate audit verify [data directory | database URL | gateway URL --agency <auditor>]
    [--key <file>] [--seen <file>] [--agency-key <file>]
                                               check a whole log, and that it continues what was seen before
oncegate keys rotate log|pseudonym|cache|token [--from <time>]
    [--key env:NAME|file:<path>] [--program <path> [--program <argument>]… --public <file>]
                                               make a new key, or take one that is kept elsewhere;
                                               --from lets several gateways change at once
oncegate agency new <id>                       make a key pair and the agency's file
oncegate supplier new <id>                     the same for a supplier
oncegate procedure new <code>                  start a procedure's file from the legal table
oncegate shut-out agency <id> | key <agency> <kid> | token <jti> | officer <officer> | supplier <id>
    --reason "…" --officer <official> [--until <time>] [--per-minute <number>]
    [--operator X00.1] [--key <file>]
                                               keep somebody out of every gateway; --per-minute slows an officer
oncegate let-in <id> --reason "…" --officer <official> [--operator X00.1] [--key <file>]
                                               let in again whom a shut-out keeps out
oncegate shut-outs [--all] [--operator X00.1] [--key <file>]
                                               list who is kept out; --all with those who were
oncegate help                                  print this`;

/** Each is loaded when it is called: what checks a receipt need not wait for what serves. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => async (argv, line) => {
    const { values } = parseArgs({ args: argv, options: { sandbox: { type: 'boolean', default: false } } });
    return line.serve(values.sandbox, line);
  },
  check: async () => (await import('./commands/check.ts')).check,
  token: async () => (await import('./commands/token.ts')).token,
  proof: async () => (await import('./commands/proof.ts')).proof,
  prefill: async () => (await import('./commands/prefill.ts')).prefill,
  verify: async () => (await import('./commands/verify.ts')).verify,
  audit: async () => (await import('./commands/audit.ts')).audit,
  keys: async () => (await import('./commands/keys.ts')).keys,
  agency: async () => (await import('./commands/agency.ts')).agency,
  supplier: async () => (await import('./commands/agency.ts')).supplier,
  'shut-out': async () => (await import('./commands/shut-out.ts')).shutOut,
  'let-in': async () => (await import('./commands/shut-out.ts')).letIn,
  'shut-outs': async () => (await import('./commands/shut-out.ts')).shutOuts,
  procedure: async () => (await import('./commands/procedure.ts')).procedure,
};

/** Runs one command; resolves with the exit code: 0 done, 1 not, 2 misused. */
export async function runCommand(argv: readonly string[], line: CommandLine): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === 'help' || argv.some((word) => word === '--help' || word === '-h')) {
    line.out(USAGE);
    return name === undefined ? 2 : 0;
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  try {
    if (load === undefined) throw new UsageError(`there is no command ${name}`);
    const command = await load();
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
