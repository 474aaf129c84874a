/** How a connection to a registry is made: whom the gateway trusts, what it shows of itself, and what is said where it fails. */

import { isIP, type Socket } from 'node:net';
import { createSecureContext, getCACertificates } from 'node:tls';
import { buildConnector } from 'undici';
import { SourceError, type TlsSettings } from '../src/adapter.ts';

export interface Connector {
  readonly connect: buildConnector.connector;
  /** Ends the connections that are still being made. */
  giveUp(): void;
}

/** How connections to an address are made. What is to be proven is fixed here: neither a header nor an answer can change it. */
export function connectorTo(address: URL, tls: TlsSettings | undefined): Connector {
  const secure = address.protocol === 'https:' ? security(tls) : {};
  const connect = buildConnector({ allowH2: false, ...secure });
  const host = address.hostname.replace(/^\[|\]$/g, '');
  const servername = tls?.serverName ?? (isIP(host) === 0 ? host : '');
  const making = new Set<Socket>();
  return {
    connect: (options, callback) => {
      const socket = connect({ ...options, servername }, (...outcome) => {
        making.delete(socket);
        callback(...outcome);
      }) as unknown as Socket;
      making.add(socket);
    },
    giveUp: () => {
      for (const socket of making) socket.destroy(new Error('given up'));
    },
  };
}

function security(tls: TlsSettings = {}) {
  const secureContext = createSecureContext(securedBy(tls));
  // Said although it is the default: NODE_TLS_REJECT_UNAUTHORIZED would change that.
  return { secureContext, rejectUnauthorized: true };
}

/** Whom to trust and what to show, as Node and the drivers of databases take it. */
export const securedBy = (tls: TlsSettings) => ({
  ca: tls.ca ?? trusted(),
  ...(tls.certificate === undefined ? {} : { cert: tls.certificate }),
  ...(tls.key === undefined ? {} : { key: tls.key }),
  minVersion: 'TLSv1.2' as const,
});

/** A small image has no CAs of the system; then those that Node brings. */
function trusted(): string[] {
  const system = getCACertificates('system');
  return system.length === 0 ? getCACertificates('default') : [...system, ...getCACertificates('extra')];
}

const UNTRUSTED = 'its certificate is of a CA that is not trusted';

/** What OpenSSL and Node say of a certificate, for people. */
const CERTIFICATE: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  CERT_REVOKED: 'its certificate was revoked',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
};

/** Only the code of what was thrown: its message may quote the request. The cause is for the operator's log, which tells the code. */
export function unreachable(error: unknown): SourceError {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown';
  const why = Object.hasOwn(CERTIFICATE, code) ? `: ${CERTIFICATE[code]}` : '';
  const detail = `no connection${why} (${code})`;
  return new SourceError('unreachable', detail, undefined, Object.assign(new Error(detail), { name: 'ConnectionError', code }));
}
