/** A PKCS#11 token without a device: SoftHSM, with a key of tokens and one of the log on it, and the program of the documents that signs with them. */
import { execFileSync } from 'node:child_process';
import { createPublicKey, type KeyObject } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export interface SoftToken {
  readonly environment: Readonly<Record<string, string>>;
  /** By mechanism: the program with its arguments, and the public key. */
  readonly keys: Readonly<Record<'ECDSA' | 'EDDSA', { readonly command: string[]; readonly publicKey: KeyObject }>>;
}

const MODULES = ['/usr/lib/softhsm/libsofthsm2.so', '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so'];

/** A new token in `directory`, or why there is none. */
export function softToken(directory: string): SoftToken | string {
  const module = MODULES.find((path) => existsSync(path));
  const tools = ['softhsm2-util', 'pkcs11-tool'].every((name) => existsSync(`/usr/bin/${name}`));
  if (module === undefined || !tools) return 'there is no SoftHSM and no pkcs11-tool here: apt-get install softhsm2 opensc';
  const conf = join(directory, 'softhsm2.conf');
  const pin = join(directory, 'pin');
  mkdirSync(join(directory, 'tokens'));
  writeFileSync(conf, `directories.tokendir = ${join(directory, 'tokens')}\nobjectstore.backend = file\n`);
  writeFileSync(pin, '1234\n', { mode: 0o600 });
  const environment = { SOFTHSM2_CONF: conf, PIN: '1234' };
  const run = (tool: string, ...words: string[]): unknown =>
    execFileSync(tool, words, { env: { ...process.env, ...environment }, stdio: ['ignore', 'ignore', 'pipe'] });
  run('softhsm2-util', '--init-token', '--free', '--label', 'oncegate', '--pin', '1234', '--so-pin', '5678');
  const make = (mechanism: string, type: string, id: string): { command: string[]; publicKey: KeyObject } => {
    const common = ['--module', module, '--token-label', 'oncegate', '--login', '--pin', 'env:PIN'];
    const file = join(directory, `${mechanism}.pub`);
    run('pkcs11-tool', ...common, '--keypairgen', '--key-type', type, '--id', id, '--label', mechanism);
    run('pkcs11-tool', ...common, '--read-object', '--type', 'pubkey', '--id', id, '--output-file', file);
    const bytes = readFileSync(file);
    const publicKey = createPublicKey(bytes.includes('BEGIN') ? bytes.toString() : { key: bytes, format: 'der', type: 'spki' });
    return { command: [resolve('docs/examples/sign-with-pkcs11.sh'), mechanism, id, 'oncegate', module, pin], publicKey };
  };
  return { environment, keys: { ECDSA: make('ECDSA', 'EC:prime256v1', '01'), EDDSA: make('EDDSA', 'EC:edwards25519', '02') } };
}
