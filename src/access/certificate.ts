/** Tokens that are bound to a client's certificate (RFC 8705): whoever steals one cannot use it without the certificate's private key. */
import { hash, X509Certificate } from 'node:crypto';
import type { Binding } from './tokens.ts';

/** SHA-256 of a certificate's DER, in base64url. */
export const thumbprintOf = (der: Uint8Array): string => hash('sha256', der, 'base64url');

/** What a token is bound to that is got with this certificate. */
export const bindingTo = (certificate: string | undefined): Binding | undefined =>
  certificate === undefined ? undefined : { 'x5t#S256': certificate };

/** More than any certificate of a client takes, in base64. */
const MAX_HEADER_LENGTH = 8192;

/** The thumbprint of the certificate in a `Client-Cert` header (RFC 9440): one byte sequence (RFC 8941), in it one certificate and nothing after it. */
export function certificateIn(header: string): string | undefined {
  const encoded = header.length > MAX_HEADER_LENGTH ? undefined : /^:([A-Za-z0-9+/]+={0,2}):$/.exec(header)?.[1];
  if (encoded === undefined) return undefined;
  const der = Buffer.from(encoded, 'base64');
  try {
    const { raw } = new X509Certificate(der);
    return raw.equals(der) ? thumbprintOf(der) : undefined;
  } catch {
    return undefined;
  }
}
