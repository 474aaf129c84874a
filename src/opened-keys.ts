/** The gateway's own keys as it starts with them: of the right kind, beside the log that they signed, and each able to sign. */
import { existsSync } from 'node:fs';
import type { GatewayOptions } from './environment.ts';
import { closeKeys, type GatewayKeys, loadKeys, tryKeys } from './keys.ts';
import { logPath } from './logbook.ts';

/** They are put on the stack. Rejects where they cannot be had, are those of a sandbox in production, or lost their log. */
export async function openKeys(
  { environment, sandbox, logger, clock = Date.now }: GatewayOptions,
  opened: AsyncDisposableStack,
): Promise<GatewayKeys> {
  const { dataDirectory, secret } = environment;
  const left = (key: string, reason: string): void =>
    logger.error({ key, reason }, 'the program that signs was left, and is started again');
  const keys = loadKeys(dataDirectory, sandbox !== undefined, { secret, left });
  opened.defer(() => closeKeys(keys));
  if (keys.sandbox !== (sandbox !== undefined)) {
    const [made, wanted] = keys.sandbox ? ['a sandbox', 'production'] : ['production', 'a sandbox'];
    throw new Error(`the keys in the data directory were made for ${made}: ${wanted} takes a data directory of its own`);
  }
  if (!keys.made && environment.databaseUrl === undefined && !existsSync(logPath(environment.dataDirectory))) {
    throw new Error('log.db is missing beside the keys that signed it: put it back from its backup, or take a new data directory');
  }
  await tryKeys(dataDirectory, keys, clock());
  if (keys.made) logger.info({ sandbox: keys.sandbox }, 'keys made');
  return keys;
}
