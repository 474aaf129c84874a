/** Reads what a source's `tls` and `oauth` refer to, and sees to it that certificates are certificates and keys are theirs. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { ClientProof, OauthSettings, TlsSettings } from './adapter.ts';
import type { SourceOauth, SourceTls } from './domain.ts';

/** Where references lead, and who hears of those that lead nowhere or to the wrong thing; `at` is a pointer into the source's file. */
export interface Reading {
  read(reference: string): string | undefined;
  missing(at: string, reference: string): void;
  fault(at: string, message: string): void;
}

export function readTls(tls: SourceTls, at: string, reading: Reading): TlsSettings {
  const given = <Name extends 'ca' | 'certificate' | 'key'>(name: Name): { [Member in Name]?: string } => {
    const reference = tls[name];
    const text = reference === undefined ? undefined : reading.read(reference);
    if (reference !== undefined && text === undefined) reading.missing(`${at}/${name}`, reference);
    return text === undefined ? {} : ({ [name]: text } as { [Member in Name]: string });
  };
  const { serverName } = tls;
  const settings = { ...given('ca'), ...given('certificate'), ...given('key'), ...(serverName === undefined ? {} : { serverName }) };
  checkPem(settings, tls, at, reading);
  return settings;
}

function checkPem(settings: TlsSettings, references: SourceTls, at: string, { fault }: Reading): void {
  const { ca, certificate, key } = settings;
  for (const name of ['ca', 'certificate'] as const) {
    const text = settings[name];
    if (text !== undefined && certificatesIn(text) === undefined) fault(`${at}/${name}`, `${references[name]} is not certificates in PEM`);
  }
  const own = certificate === undefined ? undefined : certificatesIn(certificate)?.[0];
  const secret = key === undefined ? undefined : privateKeyIn(key);
  if (key !== undefined && secret === undefined) fault(`${at}/key`, `${references.key} is no private key in PEM without a passphrase`);
  if (own !== undefined && secret !== undefined && !own.checkPrivateKey(secret)) fault(`${at}/key`, 'is not the key of the certificate');
  if (ca?.includes('PRIVATE KEY')) fault(`${at}/ca`, 'holds a private key, which has no business there');
}

function certificatesIn(text: string): X509Certificate[] | undefined {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  try {
    return blocks.length === 0 ? undefined : blocks.map((block) => new X509Certificate(block));
  } catch {
    return undefined;
  }
}

function privateKeyIn(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}

/** Undefined where something is missing, which has then been said. */
export function readOauth(oauth: SourceOauth, token: URL | undefined, reading: Reading): OauthSettings | undefined {
  const secret = reading.read(oauth.credential);
  if (secret === undefined) reading.missing('/oauth/credential', oauth.credential);
  if (token === undefined) reading.fault('/oauth/token', `${oauth.token} leads to no URL`);
  const tls = oauth.tls === undefined ? {} : { tls: readTls(oauth.tls, '/oauth/tls', reading) };
  if (secret === undefined || token === undefined) return undefined;
  const proof = proofFrom(oauth, secret, token);
  if (proof === undefined) {
    reading.fault(
      '/oauth/credential',
      `${oauth.credential} is no private key that can sign: RSA of 2048 bits or more, P-256, P-384, P-521 or Ed25519, as PEM or JWK`,
    );
    return undefined;
  }
  const { clientId, scope } = oauth;
  return { token, clientId, proof, ...tls, ...(scope === undefined ? {} : { scope }) };
}

function proofFrom({ method, keyId, audience }: SourceOauth, secret: string, token: URL): ClientProof | undefined {
  if (method !== 'private_key_jwt') return { method, secret };
  const jwk = jwkIn(secret);
  const key = jwk === undefined ? privateKeyIn(secret) : keyFrom(jwk);
  const algorithm = key && algorithmOf(key, textOf(jwk?.alg));
  if (key === undefined || algorithm === undefined) return undefined;
  const id = keyId ?? textOf(jwk?.kid);
  return { method, key, algorithm, audience: audience ?? token.href, ...(id === undefined ? {} : { keyId: id }) };
}

type Jwk = Readonly<Record<string, unknown>>;

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

function jwkIn(text: string): Jwk | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Jwk) : undefined;
  } catch {
    return undefined;
  }
}

function keyFrom(jwk: Jwk): KeyObject | undefined {
  try {
    return createPrivateKey({ key: jwk, format: 'jwk' });
  } catch {
    return undefined;
  }
}

/** By type or curve of the key (RFC 7518, RFC 8037): the first is what any endpoint knows for it, the others a JWK may name by `alg`. */
const ALGORITHMS: Readonly<Record<string, readonly string[]>> = {
  rsa: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  prime256v1: ['ES256'],
  secp384r1: ['ES384'],
  secp521r1: ['ES512'],
  ed25519: ['EdDSA', 'Ed25519'],
};

function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject, named: string | undefined): string | undefined {
  const { namedCurve, modulusLength = 2048 } = asymmetricKeyDetails ?? {};
  const known = ALGORITHMS[namedCurve ?? asymmetricKeyType ?? ''] ?? [];
  if (modulusLength < 2048) return undefined;
  return named === undefined ? known[0] : known.find((algorithm) => algorithm === named);
}
