/** The sandbox: four registries as real HTTP servers on loopback, with people who do not exist. */

import { birthNotices } from './birth-notices.ts';
import { civilRegistry } from './civil-registry.ts';
import type { Behaviour } from './control.ts';
import { land } from './land.ts';
import { makeWorld } from './people.ts';
import { population } from './population.ts';
import { startRegistry } from './registry.ts';

export type { Behaviour, Mode } from './control.ts';
export { type Persona, personas } from './personas.ts';

const DIALECTS = { population, 'civil-registry': civilRegistry, land, 'birth-notices': birthNotices } as const;

export type SandboxSource = keyof typeof DIALECTS;

export const SANDBOX_SOURCES = Object.keys(DIALECTS) as readonly SandboxSource[];

export interface Sandbox {
  readonly addresses: Readonly<Record<SandboxSource, URL>>;
  /** Made up on each start; the registries answer nobody without them. */
  readonly credentials: Readonly<Record<SandboxSource, string>>;
  /** Makes a registry slow, broken or dishonest until told otherwise. */
  tell(source: SandboxSource, behaviour: Behaviour): void;
  /** How many look-ups a registry has received since its start. */
  requests(source: SandboxSource): number;
  /** Ends at once, cutting whatever hangs. */
  close(): Promise<void>;
}

export async function startSandbox(): Promise<Sandbox> {
  const world = makeWorld();
  const started = await Promise.all(SANDBOX_SOURCES.map(async (source) => [source, await startRegistry(DIALECTS[source](world))] as const));
  const registries = new Map(started);
  const get = (source: SandboxSource) => {
    const registry = registries.get(source);
    if (registry === undefined) throw new Error(`the sandbox has no registry ${source}`);
    return registry;
  };
  const each = <T>(read: (source: SandboxSource) => T) =>
    Object.fromEntries(SANDBOX_SOURCES.map((source) => [source, read(source)])) as Record<SandboxSource, T>;
  return {
    addresses: each((source) => get(source).address),
    credentials: each((source) => get(source).credential),
    tell: (source, behaviour) => get(source).tell(behaviour),
    requests: (source) => get(source).requests,
    close: async () => {
      await Promise.all([...registries.values()].map((registry) => registry.close()));
    },
  };
}
