/** `oncegate keys rotate`: a new key of the log, of its pseudonyms, or of the cache. */
import { parseArgs } from 'node:util';
import { longestKept } from '../cache/ring.ts';
import { type Rotated, rotateKey } from '../keys.ts';
import { type Command, UsageError } from './command.ts';

const NAMES: Readonly<Record<Rotated, string>> = { log: 'the log', pseudonym: 'the pseudonyms', cache: 'the cache' };
const isRotated = (word: string | undefined): word is Rotated => word !== undefined && Object.hasOwn(NAMES, word);

export const keys: Command = async (argv, { environment, out }) => {
  const { values, positionals } = parseArgs({ args: argv, allowPositionals: true, options: { from: { type: 'string' } } });
  const [verb, which] = positionals;
  if (verb !== 'rotate' || !isRotated(which)) throw new UsageError('keys rotate takes log, pseudonym or cache');
  const now = new Date();
  const from = values.from === undefined ? now : new Date(values.from);
  if (Number.isNaN(from.getTime()) || from < now) throw new UsageError('--from takes a time to come, such as 2027-01-01T00:00:00+07:00');
  const { openCatalogue } = await import('../app.ts');
  const { gateway, sources } = openCatalogue(environment.configDirectory, true);
  const facts = { logOrigin: gateway.logOrigin, keptSeconds: longestKept(sources) };
  rotateKey(environment.dataDirectory, which, from, now, facts);
  out(`a new key of ${NAMES[which]} is used from ${from.toISOString()} on, by every gateway that was started with this keys.json`);
  return 0;
};
