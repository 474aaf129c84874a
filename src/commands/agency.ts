/** `oncegate agency new` and `oncegate supplier new`: a key pair and the file of a new agency, or of a supplier. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { agencyKeyPath, makeAgencyKey, writeSecret } from '../keys.ts';
import { type Command, UsageError } from './command.ts';

const KINDS = {
  agency: {
    directory: 'agencies',
    form: /^[A-Y][0-9]{2}(\.[0-9A-Z]+)*$/,
    like: 'agency new takes an agency identifier such as H26.15',
    next: 'give it a name and its grants',
  },
  supplier: {
    directory: 'suppliers',
    form: /^[A-Z][0-9A-Z]*(-[0-9A-Z]+)*$/,
    like: 'supplier new takes an identifier of capital letters, digits and hyphens, such as SOFT1',
    next: "give it a name, and the agencies' files what it may do for them",
  },
} as const;

const made =
  (kind: keyof typeof KINDS): Command =>
  async (argv, { environment: { configDirectory, dataDirectory }, out }) => {
    const { directory, form, like, next } = KINDS[kind];
    const [verb, id = ''] = argv;
    if (verb !== 'new' || !form.test(id)) throw new UsageError(like);
    const file = join(configDirectory, directory, `${id}.yaml`);
    const path = agencyKeyPath(dataDirectory, id);
    if (existsSync(file)) throw new Error(`${file} is there already`);
    if (existsSync(path)) throw new Error(`${path} is there already`);
    const { privateJwk, publicJwk } = makeAgencyKey(`${id}-1`);
    writeSecret(path, `${JSON.stringify(privateJwk, null, 2)}\n`);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, fileOf(kind, id, publicJwk), { flag: 'wx' });
    out(
      `${file}\n    the ${kind}'s file: ${next}, then run oncegate check\n${path}\n    its private key: hand it to the ${kind} and delete it here`,
    );
    return 0;
  };

export const agency = made('agency');
export const supplier = made('supplier');

type PublicJwk = ReturnType<typeof makeAgencyKey>['publicJwk'];

function fileOf(kind: keyof typeof KINDS, id: string, { kid, kty, crv, x, alg, use }: PublicJwk): string {
  return `# yaml-language-server: $schema=../../schemas/config/${kind}.json
id: ${id}
name: { vi: ${id}, en: ${id} }
${kind === 'agency' ? 'scopes: [prefill]\n' : ''}keys:
  - { kid: ${kid}, kty: ${kty}, crv: ${crv}, x: ${x}, alg: ${alg}, use: ${use} }
${kind === 'agency' ? 'grants: []\n' : ''}`;
}
