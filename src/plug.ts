/** Plugs in the registries: each source with its adapter, its address and its secret, from where its file refers to. */
import type { Adapter, AdapterFactory, AdapterSettings, JsonObject } from './adapter.ts';
import { connectionFaults } from './catalogue/connections.ts';
import { ConfigurationError, type Fault } from './catalogue/faults.ts';
import type { Source } from './domain.ts';
import { isReference, referredTo } from './references.ts';
import { type Reading, readOauth, readTls } from './secured.ts';

/** Where the sandbox's registries listen and the secrets they know the gateway by; absent in production. */
export interface SandboxRegistries {
  readonly addresses: Readonly<Record<string, URL>>;
  readonly credentials: Readonly<Record<string, string>>;
}

/** Where references lead. */
export interface References {
  readonly sandbox: SandboxRegistries | undefined;
  readonly secret: (name: string) => string | undefined;
}

export interface Plugged {
  readonly source: Source;
  readonly adapter: Adapter;
}

/** By source. Throws `ConfigurationError` with every reference that leads nowhere. */
export function plugSources(
  sources: ReadonlyMap<string, Source>,
  adapters: Readonly<Record<string, AdapterFactory>>,
  references: References,
): Map<string, Plugged> {
  const faults: Fault[] = [];
  const plugged = new Map<string, Plugged>();
  for (const source of sources.values()) {
    const found = faults.length;
    const settings = settingsOf(source, references, (pointer, rule, message) => {
      faults.push({ file: `sources/${source.id}.yaml`, pointer, rule, message });
    });
    const create = adapters[source.adapter];
    if (settings === undefined || create === undefined || faults.length > found) continue;
    try {
      plugged.set(source.id, { source, adapter: create(settings) });
    } catch (error) {
      // The file by itself is without fault by now: it is what the address turned out to be.
      const message = `${source.address} is of no use to the adapter ${source.adapter}: ${(error as Error).message}`;
      faults.push({ file: `sources/${source.id}.yaml`, pointer: '/address', rule: 'connection', message });
    }
  }
  if (faults.length > 0) throw new ConfigurationError(faults);
  return plugged;
}

type Report = (pointer: string, rule: Fault['rule'], message: string) => void;

/** Reads what a file refers to, and reports what leads nowhere. */
export const readingOf = (references: References, report: Report): Reading => ({
  read: (reference) => secretOf(reference, references),
  missing: (at, reference) => report(at, 'missing-secret', `${reference} leads nowhere`),
  fault: (at, message) => report(at, 'connection', message),
});

function settingsOf(source: Source, references: References, report: Report): AdapterSettings | undefined {
  const reading = readingOf(references, report);
  const address = addressOf(source.address, references);
  if (address === undefined) report('/address', 'missing-secret', `${source.address} leads to no URL`);
  const credential = source.credential === undefined ? undefined : reading.read(source.credential);
  if (source.credential !== undefined && credential === undefined) reading.missing('/credential', source.credential);
  const tls = source.tls && readTls(source.tls, '/tls', reading);
  const token = source.oauth && addressOf(source.oauth.token, references);
  const oauth = source.oauth && readOauth(source.oauth, token, reading);
  for (const { pointer, message } of connectionFaults(source, address, token)) reading.fault(pointer, message);
  if (address === undefined) return undefined;
  const datasets = source.datasets as unknown as Record<string, JsonObject>;
  const { timeoutMs, protection } = source;
  const common = { address, credential, datasets, timeoutMs, connections: protection.atOnce };
  return { ...common, ...(tls === undefined ? {} : { tls }), ...(oauth === undefined ? {} : { oauth }) };
}

/** Undefined where there is no URL. */
export function addressOf(reference: string, references: References): URL | undefined {
  if (reference.startsWith('sandbox:')) return own(references.sandbox?.addresses, reference.slice('sandbox:'.length));
  const text = isReference(reference) ? secretOf(reference, references) : reference;
  return text !== undefined && URL.canParse(text) && /^(?:https?|postgres|mysql):/.test(text) ? new URL(text) : undefined;
}

function secretOf(reference: string, { sandbox, secret }: References): string | undefined {
  if (!reference.startsWith('sandbox:')) return referredTo(reference, secret);
  return own(sandbox?.credentials, reference.slice('sandbox:'.length));
}

const own = <T>(table: Readonly<Record<string, T>> | undefined, name: string): T | undefined =>
  table !== undefined && Object.hasOwn(table, name) ? table[name] : undefined;
