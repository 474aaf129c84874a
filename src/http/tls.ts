/** TLS where the gateway ends it itself: what is spoken, whose certificate is asked for, and a certificate of its own that changes while it runs. */
import { constants, createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, type Server, type TlsOptions } from 'node:tls';

/** Paths of PEM files. */
export interface TlsFiles {
  readonly certificate: string;
  readonly key: string;
  /** The CAs whose certificates of clients count; without it any certificate does whose key the client has. */
  readonly clientCa?: string | undefined;
}

export interface Tls {
  readonly files: TlsFiles;
  readonly options: TlsOptions;
  /** How often the files are looked at. Milliseconds. */
  readonly everyMs: number;
}

/** What the operator hears of. */
export interface Told {
  renewed(validTo: string): void;
  failed(reason: string): void;
}

/** RFC 9325 (BCP 195), section 4.2, and the ciphers of TLS 1.3: what the FAPI 2.0 Security Profile, section 5.2.2, leaves. */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
].join(':');
/** Nobody becomes somebody else on an open connection, and none begins as the continuation of another whose certificate it does not show. */
const NO_CHANGE_OF_FACE = constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_TICKET;
/** As long as a request may take to arrive. Milliseconds. */
const HANDSHAKE_MS = 10_000;
const LOOK_MS = 10_000;

/** Throws an Error where the files cannot be used. */
export function openTls(files: TlsFiles, everyMs = LOOK_MS): Tls {
  // RFC 8705, section 2.2: a certificate that signs itself will do, since a token is bound to it and not to a name.
  return { files, everyMs, options: { ...read(files), requestCert: true, rejectUnauthorized: false, handshakeTimeout: HANDSHAKE_MS } };
}

function read({ certificate, key, clientCa }: TlsFiles): TlsOptions {
  const [cert, secret] = [textOf('TLS_CERTIFICATE', certificate), textOf('TLS_KEY', key)];
  if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(secret))) throw new Error('TLS_KEY is not the key of TLS_CERTIFICATE');
  const context = {
    cert,
    key: secret,
    ...(clientCa === undefined ? {} : { ca: textOf('TLS_CLIENT_CA', clientCa) }),
    ciphers: CIPHERS,
    honorCipherOrder: true,
    minVersion: 'TLSv1.2',
    secureOptions: NO_CHANGE_OF_FACE,
  } as const;
  createSecureContext(context);
  return context;
}

function textOf(variable: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(`${variable} cannot be read: ${(error as Error).message}`);
  }
}

/**
 * Serves what the files hold by now: when told to, and every few seconds by itself. Connections that are there stay as they are, and files that cannot be
 * used leave everything as it was. The returned functions look now, and end it.
 */
export function keepRenewed(server: Server, { files, options, everyMs }: Tls, told: Told): { look(): void; end(): void } {
  const inWords = ({ cert, key, ca }: TlsOptions): string => [cert, key, ca].join('\n');
  let served = inWords(options);
  let reason: string | undefined;
  const look = (): void => {
    try {
      const found = read(files);
      reason = undefined;
      if (inWords(found) === served) return;
      server.setSecureContext(found);
      served = inWords(found);
      told.renewed(new X509Certificate(String(found.cert)).validTo);
    } catch (error) {
      const { message } = error as Error;
      // Half of it may be written: said once, and looked at again.
      if (message !== reason) told.failed(message);
      reason = message;
    }
  };
  const timer = setInterval(look, everyMs).unref();
  return { look, end: () => clearInterval(timer) };
}
