/** `oncegate audit verify`: checks a whole log, in a data directory, a database, or over HTTP. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openPostgresReader } from '../audit/postgres.ts';
import { remoteLog } from '../audit/remote.ts';
import { keepSeen, readSeen } from '../audit/seen.ts';
import { openSqliteReader } from '../audit/sqlite.ts';
import type { LogReader } from '../audit/store.ts';
import { checkLog } from '../audit/whole.ts';
import { clean } from '../client.ts';
import { logPath } from '../logbook.ts';
import { type Command, type CommandLine, client, UsageError, verifierKeys } from './command.ts';

interface Options {
  readonly agency?: string | undefined;
  readonly 'agency-key'?: string | undefined;
}

export const audit: Command = async (argv, line) => {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: { key: { type: 'string' }, seen: { type: 'string' }, agency: { type: 'string' }, 'agency-key': { type: 'string' } },
  });
  const [verb, where = line.environment.databaseUrl ?? line.environment.dataDirectory] = positionals;
  if (verb !== 'verify') throw new UsageError('audit takes verify');
  const elsewhere = /^(postgres(ql)?|https?):\/\//.test(where);
  if (!elsewhere && !existsSync(logPath(where))) throw new Error(`there is no log at ${logPath(where)}`);
  const place = elsewhere ? line.environment.dataDirectory : where;
  const keyFile = values.key ?? join(place, 'log.vkey');
  if (!existsSync(keyFile)) throw new Error(`there is no ${keyFile}: name the file with the key of the log by --key`);
  const keys = verifierKeys(keyFile);
  const origin = keys[0]?.name ?? '';
  // By its first key too: two logs may bear one name, as those of two sandboxes do.
  const name = `${origin.replaceAll(/[^A-Za-z0-9.-]/g, '_')}-${keys.at(-1)?.id.toString('hex')}.seen`;
  const file = values.seen ?? join(line.environment.stateDirectory, name);
  const seen = readSeen(file);
  await using opened = new AsyncDisposableStack();
  const checked = await checkLog(await open(where, line, values, opened), keys, seen);
  if (checked.seen !== undefined) keepSeen(file, checked.seen);
  const newKeys = checked.keys.length - keys.length;
  line.out(
    clean(
      [
        `verified: ${checked.entries} entries of the log ${origin}, of which ${checked.signed} are under its signed head`,
        ...(checked.pruned === 0 ? [] : [`${checked.pruned} have lost their bodies, as the log says they should`]),
        ...(seen === undefined ? ['seen for the first time'] : ['it continues what was seen of it before']),
        ...(newKeys === 0 ? [] : [`${newKeys} newer keys sign it, each vouched for by the one before`]),
      ].join('; '),
    ),
  );
  return 0;
};

async function open(where: string, line: CommandLine, options: Options, opened: AsyncDisposableStack): Promise<LogReader> {
  if (/^postgres(ql)?:\/\//.test(where)) {
    const reader = openPostgresReader(where);
    opened.defer(() => reader.close());
    return reader;
  }
  if (/^https?:\/\//.test(where)) {
    if (options.agency === undefined) throw new UsageError('a log over HTTP shows its entries to auditors alone: name one with --agency');
    const auditor = client(line, options.agency, options['agency-key'], where.replace(/\/(v1\/log\/?)?$/, ''));
    return remoteLog((path) => auditor.log(path));
  }
  const reader = openSqliteReader(logPath(where), true);
  opened.defer(() => reader.close());
  return reader;
}
