/** Which certificate of the client a request shows: that of its connection, or the one that a proxy which ended TLS for us says it saw. */
import { type BlockList, isIPv6 } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { certificateIn, thumbprintOf } from '../access/certificate.ts';
import { Problem } from '../problems.ts';

export interface Shown {
  /** The proxies that are believed. */
  readonly proxies: BlockList | undefined;
  /** Whether a certificate counts only where it is of a CA that is trusted with clients. */
  readonly trustedOnly: boolean;
}

const shown = new WeakMap<FastifyRequest, string>();

/** SHA-256 of the certificate in base64url. */
export const certificateOf = (request: FastifyRequest): string | undefined => shown.get(request);

/** For each request, before its route hears of it. */
export function lookAtCertificates(server: FastifyInstance, { proxies, trustedOnly }: Shown): void {
  /** A connection shows what it shows for as long as it lives: renegotiation is off. */
  const ofConnection = new WeakMap<TLSSocket, string | undefined>();
  const connected = (socket: TLSSocket): string | undefined => {
    if (ofConnection.has(socket)) return ofConnection.get(socket);
    const certificate = trustedOnly && !socket.authorized ? undefined : socket.getPeerX509Certificate();
    const thumbprint = certificate && thumbprintOf(certificate.raw);
    ofConnection.set(socket, thumbprint);
    return thumbprint;
  };
  server.addHook('onRequest', async (request) => {
    const { socket, headers } = request.raw;
    const forwarded = headers['client-cert'] !== undefined;
    // From anybody else it is a forgery, or a proxy that nobody named: neither is to be served as though nothing were the matter.
    const trusted = (forwarded || proxies !== undefined) && isOneOf(proxies, socket.remoteAddress);
    if (forwarded && !trusted) throw refused('is taken from the proxies alone that the gateway was told of');
    // What a proxy shows on its own connection is the proxy's, whoever the client is.
    const certificate = trusted ? forwardedIn(headers['client-cert']) : socket instanceof TLSSocket ? connected(socket) : undefined;
    if (certificate !== undefined) shown.set(request, certificate);
  });
}

/** Of two header fields Node makes one with a comma, which is no certificate. */
function forwardedIn(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  const certificate = certificateIn(String(header));
  if (certificate === undefined) throw refused('must stand there once and be one certificate, as RFC 9440 writes it');
  return certificate;
}

const refused = (why: string): Problem => new Problem('invalid-request', { detail: `the Client-Cert header ${why}` });

function isOneOf(proxies: BlockList | undefined, address: string | undefined): boolean {
  return address !== undefined && proxies?.check(address, isIPv6(address) ? 'ipv6' : 'ipv4') === true;
}
