/** What a proof with every request costs the gateway (RFC 9449), beside the same requests with a remembered token that is bound to nothing. */
import { generateKeyPairSync, hash, type KeyObject, randomUUID, sign } from 'node:crypto';
import { load, type Target } from './load.ts';
import { median } from './measure.ts';
import type { Child } from './process.ts';
import { markdown } from './report.ts';
import { type Bench, TITLES } from './variants.ts';

const CALLERS = 64;
const KINDS = { ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }), EdDSA: () => generateKeyPairSync('ed25519') };

interface Bound {
  readonly token: string;
  readonly nonce: string;
}

/** Proofs are made beforehand, in this process: making them is the callers' work. */
export async function bound({ variants }: Bench, quick: boolean): Promise<string> {
  const { rounds, requests } = quick ? { rounds: 1, requests: 200 } : { rounds: 5, requests: 1500 };
  const costs = new Map<string, number[]>();
  const gateways = variants.filter(({ name }) => name === 'c' || name === 'd');
  for (let round = 0; round < rounds; round++) {
    for (const { name, target, child } of gateways) {
      for (const kind of ['plain', ...Object.keys(KINDS)]) {
        const headers = kind === 'plain' ? target.headers : await proving(child, target, kind as keyof typeof KINDS, requests);
        await load(target, CALLERS, 0.1);
        const before = await child.ask<number>('cpu');
        const done = await load({ ...target, headers }, CALLERS, Number.POSITIVE_INFINITY, requests);
        const key = `${name} ${kind}`;
        costs.set(key, [...(costs.get(key) ?? []), ((await child.ask<number>('cpu')) - before) / done.requests]);
      }
    }
  }
  const of = (name: string, kind: string): number => median(costs.get(`${name} ${kind}`) ?? []);
  const rows = gateways.map(({ name }) => {
    const plain = of(name, 'plain');
    const added = Object.keys(KINDS).flatMap((kind) => [of(name, kind).toFixed(0), (of(name, kind) - plain).toFixed(0)]);
    return [TITLES[name], plain.toFixed(0), ...added];
  });
  const head = [`${CALLERS} callers, CPU µs`, 'unbound token', 'proof, ES256', 'added', 'proof, EdDSA', 'added'];
  return markdown(head, rows);
}

async function proving(
  child: Child<unknown>,
  { address, path }: Target,
  alg: keyof typeof KINDS,
  count: number,
): Promise<Target['headers']> {
  const { privateKey, publicKey } = KINDS[alg]();
  const jwk = publicKey.export({ format: 'jwk' });
  const { token, nonce } = await child.ask<Bound>('boundToken', jwk);
  const header = { typ: 'dpop+jwt', alg, jwk };
  const ath = hash('sha256', token, 'base64url');
  const proofs = Array.from({ length: count }, () =>
    compact(header, { htm: 'POST', htu: address + path, iat: Math.floor(Date.now() / 1000), jti: randomUUID(), nonce, ath }, privateKey),
  );
  const shared = { authorization: `DPoP ${token}`, 'content-type': 'application/json' };
  return () => ({ ...shared, dpop: proofs.pop() ?? '' });
}

function compact(header: object, payload: object, key: KeyObject): string {
  const input = [header, payload].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  const digest = key.asymmetricKeyType === 'ed25519' ? null : 'sha256';
  return `${input}.${sign(digest, Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}
