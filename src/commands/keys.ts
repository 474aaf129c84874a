/** `oncegate keys rotate`: a new key of the log, of its pseudonyms, of the cache, or of tokens. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { longestKept } from '../cache/ring.ts';
import type { StoredKey } from '../keys/stored.ts';
import { type Rotated, rotateKey } from '../keys.ts';
import { isReference } from '../references.ts';
import { type Command, required, UsageError } from './command.ts';

const NAMES: Readonly<Record<Rotated, string>> = { log: 'the log', pseudonym: 'the pseudonyms', cache: 'the cache', token: 'tokens' };
const isRotated = (word: string | undefined): word is Rotated => word !== undefined && Object.hasOwn(NAMES, word);

const OPTIONS = {
  from: { type: 'string' },
  key: { type: 'string' },
  program: { type: 'string', multiple: true },
  public: { type: 'string' },
} as const;

/** Where the new key is, unless it is to be made. */
function given(values: { key?: string; program?: string[]; public?: string }, which: Rotated): StoredKey | undefined {
  const { key, program } = values;
  if (key !== undefined && (program !== undefined || !isReference(key))) throw new UsageError('--key takes env:NAME or file:/path');
  if (key !== undefined && which === 'cache') throw new UsageError('the cache has two keys: say in keys.json where they are');
  if (program === undefined) return key;
  if (which !== 'log' && which !== 'token') throw new UsageError('a program holds keys of the log and of tokens alone');
  return { program, public: readFileSync(required(values.public, 'the file of the public key, --public,'), 'utf8') };
}

export const keys: Command = async (argv, { environment, out }) => {
  const { values, positionals } = parseArgs({ args: argv, allowPositionals: true, options: OPTIONS });
  const [verb, which] = positionals;
  if (verb !== 'rotate' || !isRotated(which)) throw new UsageError('keys rotate takes log, pseudonym, cache or token');
  const now = new Date();
  const from = values.from === undefined ? now : new Date(values.from);
  if (Number.isNaN(from.getTime()) || from < now) throw new UsageError('--from takes a time to come, such as 2027-01-01T00:00:00+07:00');
  const key = given(values, which);
  const { openCatalogue } = await import('../app.ts');
  const { gateway, sources } = openCatalogue(environment.configDirectory, true);
  const facts = { logOrigin: gateway.logOrigin, keptSeconds: longestKept(sources), ...(key === undefined ? {} : { key }) };
  await rotateKey(environment.dataDirectory, which, from, now, facts, { secret: environment.secret, left: () => {} });
  out(`a new key of ${NAMES[which]} is used from ${from.toISOString()} on, by every gateway that was started with this keys.json`);
  return 0;
};
