/** Certificates for one run of the tests: a CA of its own, and good and bad ones of it, made by the machine's openssl. */
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** PEM. */
export interface Issued {
  readonly certificate: string;
  readonly key: string;
}

export interface Wanted {
  /** Subject alternative names, as openssl writes them. */
  readonly names?: string;
  /** Days that it is valid, from now; negative ones ended before. */
  readonly days?: number;
  /** Absent, it signs itself. */
  readonly by?: Issued;
  readonly ca?: true;
}

export interface Authority {
  readonly ca: Issued;
  issue(wanted: Wanted): Issued;
  /** A file with that content, until the tests end. */
  file(name: string, content: string): string;
  close(): void;
}

/** The reason where there is none. With `CI` set that is an error: a suite that skips there tests nothing. */
export function findAuthority(): Authority | string {
  if (spawnSync('openssl', ['version']).status === 0) return makeAuthority();
  const reason = 'certificates: no openssl on this machine';
  if (process.env.CI) throw new Error(reason);
  return reason;
}

function makeAuthority(): Authority {
  const directory = mkdtempSync(join(tmpdir(), 'oncegate-certificates-'));
  const file = (name: string, content: string): string => {
    const path = join(directory, name);
    writeFileSync(path, content);
    return path;
  };
  const openssl = (...argv: string[]): void => {
    const { status, stderr } = spawnSync('openssl', argv, { cwd: directory });
    if (status !== 0) throw new Error(`openssl ${argv.join(' ')}: ${stderr}`);
  };
  const issue = ({ names = 'IP:127.0.0.1', days = 2, by, ca }: Wanted): Issued => {
    const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    file('key', key);
    file('extensions', `subjectAltName=${names}\nbasicConstraints=critical,CA:${ca ? 'TRUE' : 'FALSE'}\n`);
    openssl('req', '-new', '-key', 'key', '-subj', `/CN=${ca ? 'the CA of this test' : 'a registry'}`, '-out', 'request');
    const signing =
      by === undefined ? ['-signkey', 'key'] : ['-CA', file('by', by.certificate), '-CAkey', file('by.key', by.key), '-CAcreateserial'];
    openssl(
      'x509',
      '-req',
      '-in',
      'request',
      '-days',
      String(days),
      '-sha256',
      '-extfile',
      'extensions',
      ...signing,
      '-out',
      'certificate',
    );
    return { certificate: readFileSync(join(directory, 'certificate'), 'utf8'), key };
  };
  return { ca: issue({ ca: true }), issue, file, close: () => rmSync(directory, { recursive: true }) };
}
