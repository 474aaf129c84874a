/** `oncegate verify`: one saved reply, an auditor's entry or a citizen's receipt, offline. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type SavedReply, verifyLeaf, verifyReceipt, verifyReply } from '../audit/verify.ts';
import { ClientError, clean } from '../client.ts';
import { parseStrictJson } from '../http/strict-json.ts';
import { type Command, required, UsageError, verifierKeys } from './command.ts';

export const verify: Command = async (argv, line) => {
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
  if (isObject(saved) && 'leaf' in saved && !('prefill' in saved)) {
    const { index, size, origin } = verifyLeaf(saved, key);
    line.out(clean(`verified: an entry with this hash is entry ${index} of the log ${origin}, under its signed head of ${size} entries`));
    return 0;
  }
  const request = values.request === undefined ? undefined : parseStrictJson(readFileSync(values.request));
  const { index, size, origin, time, agency } = verifyReply(saved as SavedReply, key, request);
  line.out(
    clean(`verified: this answer to ${agency} of ${time} is entry ${index} of the log ${origin}, under its signed head of ${size} entries`),
  );
  return 0;
};

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

async function readAll(stream: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks);
}
