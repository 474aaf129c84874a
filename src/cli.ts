/** The command line: `oncegate serve | check | token | prefill | verify | audit | keys | agency | procedure`. */
import { parseArgs } from 'node:util';
import { ConfigurationError, formatFault } from './catalogue/faults.ts';
import { ClientError } from './client.ts';
import { agency } from './commands/agency.ts';
import { audit } from './commands/audit.ts';
import { check } from './commands/check.ts';
import { type Command, type CommandLine, UsageError } from './commands/command.ts';
import { keys } from './commands/keys.ts';
import { prefill } from './commands/prefill.ts';
import { procedure } from './commands/procedure.ts';
import { token } from './commands/token.ts';
import { verify } from './commands/verify.ts';

const USAGE = `oncegate serve [--sandbox]                     serve; with made-up registries and people
oncegate check [directory] [--production]      check a configuration, all faults at once
oncegate token <agency> [--scope "…"] [--key <file>]
                                               print an access token; --key is the agency's private key
oncegate token --citizen <number>              print the token of a citizen of the sandbox
oncegate prefill <procedure> <subject>         print a filled form and a judged dossier
    [--agency X01.1] [--key <file>] [--related role=key]… [--dossier …]
    [--max-age <seconds>] [--lang vi|en|fr] [--json]
                                               --max-age 0 asks every registry anew
oncegate verify <file|-> [--key <file>] [--request <file>]
                                               check a saved reply, or an auditor's entry, offline
oncegate audit verify [data directory | database URL | gateway URL --agency <auditor>]
    [--key <file>] [--seen <file>] [--agency-key <file>]
                                               check a whole log, and that it continues what was seen before
oncegate keys rotate log|pseudonym|cache [--from <time>]
                                               make a new key; --from lets several gateways change at once
oncegate agency new <id>                       make a key pair and the agency's file
oncegate procedure new <code>                  start a procedure's file from the legal table
oncegate help                                  print this`;

const COMMANDS: Readonly<Record<string, Command>> = {
  async serve(argv, line) {
    const { values } = parseArgs({ args: argv, options: { sandbox: { type: 'boolean', default: false } } });
    return line.serve(values.sandbox, line);
  },
  check,
  token,
  prefill,
  verify,
  audit,
  keys,
  agency,
  procedure,
};

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
