/** `oncegate token`: an access token of an agency, of a supplier for one, or of a citizen of the sandbox. */
import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { JWK } from 'jose';
import { sandboxCitizenToken } from '../citizen-keys.ts';
import { ClientError } from '../client.ts';
import { writeSecret } from '../keys.ts';
import { makeProofKey } from '../proof.ts';
import { type Command, type CommandLine, client, required, runningAt, UsageError } from './command.ts';

export const token: Command = async (argv, line) => {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      scope: { type: 'string' },
      key: { type: 'string' },
      'proof-key': { type: 'string' },
      for: { type: 'string' },
      citizen: { type: 'string' },
    },
  });
  if (values.citizen !== undefined) {
    if (positionals.length > 0 || Object.keys(values).length > 1) throw new UsageError('--citizen takes a number and nothing beside it');
    line.out(await citizenToken(line, values.citizen));
    return 0;
  }
  const agency = required(positionals[0], 'the agency');
  const file = values['proof-key'];
  try {
    line.out(
      file === undefined
        ? await client(line, agency, values.key).bearerToken(values.scope, values.for)
        : await client(line, agency, values.key, undefined, proofKeyIn(file)).token(values.scope, values.for),
    );
  } catch (error) {
    if (!(error instanceof ClientError && error.code === 'invalid_dpop_proof')) throw error;
    throw new ClientError(`${error.message}\n  name a file for that key with --proof-key; it is made there if need be`);
  }
  return 0;
};

/** The key in a file, made where there is none. */
function proofKeyIn(file: string): JWK {
  if (!existsSync(file)) writeSecret(file, `${JSON.stringify(makeProofKey(), null, 2)}\n`);
  return JSON.parse(readFileSync(file, 'utf8')) as JWK;
}

async function citizenToken({ environment }: CommandLine, number: string): Promise<string> {
  if (!/^[0-9]{12}$/.test(number)) throw new UsageError('--citizen takes a number of 12 digits');
  const { openCatalogue } = await import('../app.ts');
  const { citizens } = openCatalogue(environment.configDirectory, true).gateway;
  if (citizens === undefined) throw new ClientError('gateway.yaml names nobody who vouches for citizens');
  if (citizens.keys !== 'sandbox') throw new ClientError(`only ${citizens.issuer} can make the tokens of citizens`);
  return sandboxCitizenToken(environment.dataDirectory, citizens, runningAt(environment) ?? environment.issuer, number, Date.now());
}
