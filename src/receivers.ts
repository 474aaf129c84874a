/** Where agencies take deliveries: each address as its file says it or refers to it, and how an event is brought there. */
import { SourceError, type TlsSettings } from './adapter.ts';
import { deliveryFault } from './catalogue/connections.ts';
import { ConfigurationError, type Fault } from './catalogue/faults.ts';
import type { Agency, Deliveries } from './domain.ts';
import { addressOf, type References, readingOf } from './plug.ts';
import { readTls } from './secured.ts';

/** The part of an HTTP client that deliveries need. It follows nobody elsewhere, and what it takes as an answer is bounded. */
export interface Postman {
  exchange(
    call: {
      readonly method: 'POST';
      readonly path: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: string;
      readonly statuses: readonly number[];
      readonly form: { readonly type: RegExp; readonly name: string };
    },
    signal: AbortSignal,
  ): Promise<unknown>;
  close(): Promise<void>;
}

export type OpenPostman = (address: URL, tls: TlsSettings | undefined) => Postman;

export interface Receivers {
  /** Resolves when the agency acknowledged it; rejects with `SourceError` or the signal's reason. */
  post(agency: string, event: string, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** A receiver that takes longer has not taken it. Milliseconds. */
export const DELIVERY_MS = 10_000;
/** RFC 8935, section 2.2, has 202; whoever says another of these has it too. */
const ACKNOWLEDGED = [200, 201, 202, 204];
const ANYTHING = { type: /(?:)/, name: 'anything' };

/** Throws `ConfigurationError` with every reference that leads nowhere. */
export function openReceivers(
  agencies: ReadonlyMap<string, Agency>,
  references: References,
  open: OpenPostman,
  milliseconds = DELIVERY_MS,
): Receivers {
  const faults: Fault[] = [];
  const found = new Map<string, { readonly address: URL; readonly tls: TlsSettings | undefined }>();
  for (const agency of agencies.values()) {
    if (agency.deliveries === undefined) continue;
    const settings = settingsOf(agency, agency.deliveries, references, (pointer, rule, message) => {
      faults.push({ file: `agencies/${agency.id}.yaml`, pointer: `/deliveries${pointer}`, rule, message });
    });
    if (settings !== undefined) found.set(agency.id, settings);
  }
  if (faults.length > 0) throw new ConfigurationError(faults);
  const receivers = new Map(
    [...found].map(([id, { address, tls }]) => [id, { path: address.pathname + address.search, postman: open(address, tls) }]),
  );
  return {
    async post(agency, event, signal) {
      const receiver = receivers.get(agency);
      if (receiver === undefined) throw new SourceError('unreachable', 'the agency has no address for deliveries');
      const headers = { 'content-type': 'application/secevent+jwt', accept: 'application/json' };
      const call = { method: 'POST', path: receiver.path, headers, body: event, statuses: ACKNOWLEDGED, form: ANYTHING } as const;
      await receiver.postman.exchange(call, AbortSignal.any([signal, AbortSignal.timeout(milliseconds)]));
    },
    async close() {
      await Promise.all([...receivers.values()].map(({ postman }) => postman.close()));
    },
  };
}

function settingsOf(
  agency: Agency,
  { address: reference, tls }: Deliveries,
  references: References,
  report: Parameters<typeof readingOf>[1],
) {
  const reading = readingOf(references, report);
  const address = addressOf(reference, references);
  if (address === undefined) report('/address', 'missing-secret', `${reference} leads to no URL`);
  const unfit = deliveryFault(address, agency);
  if (unfit !== undefined) report('/address', 'connection', unfit);
  const secured = tls && readTls(tls, '/tls', reading);
  return address && { address, tls: secured };
}
