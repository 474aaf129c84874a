/** Plugs in the registries: each source with its adapter, its address and its secret, from where its file refers to. */
import { readFileSync } from 'node:fs';
import type { Adapter, AdapterFactory, JsonObject } from './adapter.ts';
import { ConfigurationError, type Fault } from './catalogue/faults.ts';
import type { Source } from './domain.ts';

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
    const fault = (member: string, message: string): void => {
      faults.push({ file: `sources/${source.id}.yaml`, pointer: `/${member}`, rule: 'missing-secret', message });
    };
    const address = addressOf(source.address, references);
    const credential = source.credential === undefined ? undefined : secretOf(source.credential, references);
    if (address === undefined) fault('address', `${source.address} leads to no URL`);
    if (source.credential !== undefined && credential === undefined) fault('credential', `${source.credential} leads nowhere`);
    const create = adapters[source.adapter];
    if (address === undefined || create === undefined) continue;
    const datasets = source.datasets as unknown as Record<string, JsonObject>;
    const adapter = create({ address, credential, connections: source.protection.atOnce, datasets });
    plugged.set(source.id, { source, adapter });
  }
  if (faults.length > 0) throw new ConfigurationError(faults);
  return plugged;
}

function addressOf(reference: string, references: References): URL | undefined {
  if (reference.startsWith('sandbox:')) return own(references.sandbox?.addresses, reference.slice('sandbox:'.length));
  const text = /^(env|file):/.test(reference) ? secretOf(reference, references) : reference;
  return text !== undefined && URL.canParse(text) && /^https?:/.test(text) ? new URL(text) : undefined;
}

function secretOf(reference: string, { sandbox, secret }: References): string | undefined {
  const name = reference.slice(reference.indexOf(':') + 1);
  if (reference.startsWith('sandbox:')) return own(sandbox?.credentials, name);
  if (reference.startsWith('env:')) return secret(name) || undefined;
  try {
    return readFileSync(name, 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}

const own = <T>(table: Readonly<Record<string, T>> | undefined, name: string): T | undefined =>
  table !== undefined && Object.hasOwn(table, name) ? table[name] : undefined;
