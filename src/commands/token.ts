/** `oncegate token`: an access token of an agency, of a supplier for one, or of a citizen of the sandbox. */
import { parseArgs } from 'node:util';
import { sandboxCitizenToken } from '../citizen-keys.ts';
import { ClientError } from '../client.ts';
import { type Command, type CommandLine, client, required, runningAt, UsageError } from './command.ts';

export const token: Command = async (argv, line) => {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: { scope: { type: 'string' }, key: { type: 'string' }, citizen: { type: 'string' }, for: { type: 'string' } },
  });
  if (values.citizen !== undefined) {
    if (positionals.length > 0 || values.scope !== undefined || values.key !== undefined || values.for !== undefined)
      throw new UsageError('--citizen takes a number and nothing beside it');
    line.out(await citizenToken(line, values.citizen));
    return 0;
  }
  const agency = required(positionals[0], 'the agency');
  line.out(await client(line, agency, values.key).token(values.scope, values.for));
  return 0;
};

async function citizenToken({ environment }: CommandLine, number: string): Promise<string> {
  if (!/^[0-9]{12}$/.test(number)) throw new UsageError('--citizen takes a number of 12 digits');
  const { openCatalogue } = await import('../app.ts');
  const { citizens } = openCatalogue(environment.configDirectory, true).gateway;
  if (citizens === undefined) throw new ClientError('gateway.yaml names nobody who vouches for citizens');
  if (citizens.keys !== 'sandbox') throw new ClientError(`only ${citizens.issuer} can make the tokens of citizens`);
  return sandboxCitizenToken(environment.dataDirectory, citizens, runningAt(environment) ?? environment.issuer, number, Date.now());
}
