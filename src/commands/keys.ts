/** `oncegate keys rotate`: a new key of the log, or of its pseudonyms. */
import { parseArgs } from 'node:util';
import { openCatalogue } from '../app.ts';
import { rotateKey } from '../keys.ts';
import { type Command, UsageError } from './command.ts';

export const keys: Command = async (argv, { environment, out }) => {
  const { values, positionals } = parseArgs({ args: argv, allowPositionals: true, options: { from: { type: 'string' } } });
  const [verb, which] = positionals;
  if (verb !== 'rotate' || (which !== 'log' && which !== 'pseudonym')) throw new UsageError('keys rotate takes log or pseudonym');
  const now = new Date();
  const from = values.from === undefined ? now : new Date(values.from);
  if (Number.isNaN(from.getTime()) || from < now) throw new UsageError('--from takes a time to come, such as 2027-01-01T00:00:00+07:00');
  const { logOrigin } = openCatalogue(environment.configDirectory, true).gateway;
  rotateKey(environment.dataDirectory, which, from, now, logOrigin);
  out(
    `a new key of the ${which === 'log' ? 'log' : 'pseudonyms'} is used from ${from.toISOString()} on, by every gateway that was started with this keys.json`,
  );
  return 0;
};
