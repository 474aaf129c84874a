/** `oncegate proof`: a proof for one request with a token that is bound to a key, to try a call by hand. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { JWK } from 'jose';
import { ClientError, distrust } from '../client.ts';
import { makeProof } from '../proof.ts';
import { type Command, required, UsageError } from './command.ts';

export const proof: Command = async (argv, line) => {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: { 'proof-key': { type: 'string' }, token: { type: 'string' } },
  });
  const method = required(positionals[0], 'the method').toUpperCase();
  const url = required(positionals[1], 'the URL');
  if (!URL.canParse(url)) throw new UsageError('proof takes a method and a whole URL');
  const key = JSON.parse(readFileSync(required(values['proof-key'], '--proof-key'), 'utf8')) as JWK;
  const proved = { method, url, token: required(values.token, '--token') };
  line.out(await makeProof(key, { ...proved, nonce: await nonceOf(proved, await makeProof(key, proved)) }));
  return 0;
};

/** What the gateway says to a proof without a nonce. It does nothing else then, whatever the method. */
async function nonceOf({ method, url, token }: { method: string; url: string; token: string }, without: string): Promise<string> {
  const headers = { authorization: `DPoP ${token}`, dpop: without };
  const { origin } = new URL(url);
  const reply = await fetch(url, { method, headers, signal: AbortSignal.timeout(30_000) }).catch((error: unknown) => {
    throw new ClientError(distrust(error, origin) ?? `no gateway answers at ${origin}`);
  });
  const nonce = reply.headers.get('dpop-nonce');
  if (!nonce) throw new ClientError(`what answers at ${origin} hands out no nonce (${reply.status})`);
  return nonce;
}
