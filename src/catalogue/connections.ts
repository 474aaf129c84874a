/** What is wrong with how a source says that its registry is reached: where it is, what is proven to whom, and what is given away on the way. */
import type { Source } from '../domain.ts';
import type { ConfigFile } from './files.ts';
import type { RawSource } from './raw.ts';
import type { AdapterFacts } from './sources.ts';

export function checkConnection(
  file: ConfigFile,
  source: RawSource,
  adapter: AdapterFacts | undefined,
  { sandbox }: { readonly sandbox: boolean },
): void {
  const { address, credential, oauth } = source;
  const sandboxed = (reference: string | undefined): boolean => !sandbox && reference?.startsWith('sandbox:') === true;
  if (sandboxed(address)) file.fault('/address', 'sandbox-in-production', 'a registry of the sandbox');
  if (sandboxed(credential)) file.fault('/credential', 'sandbox-in-production', 'a secret of the sandbox');
  if (sandboxed(oauth?.credential)) file.fault('/oauth/credential', 'sandbox-in-production', 'a secret of the sandbox');

  for (const { pointer, message } of connectionFaults(source, literal(address), literal(oauth?.token))) {
    file.fault(pointer, 'connection', message);
  }
  const fault = adapter && addressFault(source, adapter);
  if (fault !== undefined) file.fault('/address', 'connection', fault);
  if (source.tls !== undefined && address.startsWith('sandbox:')) file.fault('/tls', 'connection', NOTHING_TO_SECURE);
  if (oauth === undefined) return;
  for (const member of ['keyId', 'audience'] as const) {
    if (oauth[member] !== undefined && oauth.method !== 'private_key_jwt')
      file.fault(`/oauth/${member}`, 'connection', 'is for private_key_jwt only');
  }
  for (const [dataset, { request }] of Object.entries(source.datasets)) {
    if (Object.hasOwn(request?.headers ?? {}, 'authorization'))
      file.fault(`/datasets/${dataset}/request/headers/authorization`, 'connection', 'is where the token goes that oauth gets');
  }
}

/** What is wrong with where an agency's deliveries go: what goes there is of people, so nobody may read it on the way. */
export function deliveryFault(address: URL | undefined, { sandbox }: { readonly sandbox?: boolean }): string | undefined {
  if (address === undefined || address.protocol === 'https:') return undefined;
  return sandbox && address.protocol === 'http:' && !inTheOpen(address)
    ? undefined
    : 'must begin with https://: only an agency of the sandbox takes deliveries by http, and only on this machine';
}

/** An address that stands elsewhere is looked at when it is read. */
export const literal = (address: string | undefined): URL | undefined =>
  address !== undefined && /^(?:https?|postgres|mysql):/.test(address) && URL.canParse(address) ? new URL(address) : undefined;

function addressFault({ address, tls }: RawSource, adapter: AdapterFacts): string | undefined {
  if (/^(?:env|file|sandbox):/.test(address)) return undefined;
  const url = literal(address);
  return url === undefined ? 'is not a URL' : (adapter.addressFault ?? httpFault)(url, tls);
}

const httpFault = ({ protocol }: URL): string | undefined =>
  /^https?:$/.test(protocol) ? undefined : 'must begin with https:// or http://';

const NOTHING_TO_SECURE = 'secures nothing: the address is not of a connection by TLS';

/** Faults that only the addresses themselves show; undefined ones show none. */
export function connectionFaults(
  { tls, oauth }: Pick<Source, 'tls' | 'oauth'>,
  address: URL | undefined,
  token: URL | undefined,
): { readonly pointer: string; readonly message: string }[] {
  const faults: { pointer: string; message: string }[] = [];
  const fault = (pointer: string, message: string): void => {
    faults.push({ pointer, message });
  };
  if (tls !== undefined && isPlain(address)) fault('/tls', NOTHING_TO_SECURE);
  if (oauth?.tls !== undefined && token?.protocol === 'http:') fault('/oauth/tls', NOTHING_TO_SECURE);
  // RFC 6749, section 3.2, and RFC 6750, section 5.3: whoever reads a secret or a token on the way can use it.
  if (oauth !== undefined && inTheOpen(address)) fault('/address', 'a token goes by https, or to this machine');
  if (inTheOpen(token)) fault('/oauth/token', 'a secret goes by https, or to this machine');
  return faults;
}

/** By HTTP, or to a database whose address says so. */
const isPlain = (address: URL | undefined): boolean => address?.protocol === 'http:' || address?.searchParams.get('sslmode') === 'disable';

/** Whether whoever is on the way could read and change what goes there. */
export const inTheOpen = (address: URL | undefined): boolean =>
  address?.protocol === 'http:' && !/^(127(\.\d+){3}|\[::1\]|localhost)$/.test(address.hostname);
