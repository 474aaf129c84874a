/** `oncegate token`: an access token. */
import { parseArgs } from 'node:util';
import { type Command, client, required } from './command.ts';

export const token: Command = async (argv, line) => {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: { scope: { type: 'string' }, key: { type: 'string' } },
  });
  const agency = required(positionals[0], 'the agency');
  line.out(await client(line, agency, values.key).token(values.scope));
  return 0;
};
