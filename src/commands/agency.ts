/** `oncegate agency new`: a key pair and the file of a new agency. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { agencyKeyPath, makeAgencyKey, writeSecret } from '../keys.ts';
import { type Command, UsageError } from './command.ts';

export const agency: Command = async (argv, { environment, out }) => {
  const [verb, id] = argv;
  if (verb !== 'new' || !/^[A-Y][0-9]{2}(\.[0-9A-Z]+)*$/.test(id ?? ''))
    throw new UsageError('agency new takes an agency identifier such as H26.15');
  const agency = id as string;
  const file = join(environment.configDirectory, 'agencies', `${agency}.yaml`);
  const path = agencyKeyPath(environment.dataDirectory, agency);
  if (existsSync(file)) throw new Error(`${file} is there already`);
  if (existsSync(path)) throw new Error(`${path} is there already`);
  const { privateJwk, publicJwk } = makeAgencyKey(`${agency}-1`);
  writeSecret(path, `${JSON.stringify(privateJwk, null, 2)}\n`);
  writeFileSync(file, agencyFile(agency, publicJwk), { flag: 'wx' });
  out(
    `${file}\n    the agency's file: give it a name and its grants, then run oncegate check\n${path}\n    its private key: hand it to the agency and delete it here`,
  );
  return 0;
};

function agencyFile(id: string, { kid, kty, crv, x, alg, use }: Record<'kid' | 'kty' | 'crv' | 'x' | 'alg' | 'use', string>): string {
  return `# yaml-language-server: $schema=../../schemas/config/agency.json
id: ${id}
name: { vi: ${id}, en: ${id} }
scopes: [prefill]
keys:
  - { kid: ${kid}, kty: ${kty}, crv: ${crv}, x: ${x}, alg: ${alg}, use: ${use} }
grants: []
`;
}
