/** A process with the sandbox's four registries over the benchmark's people: what they cost is nobody's cost here. */
import { birthNotices } from '../src/sandbox/birth-notices.ts';
import { civilRegistry } from '../src/sandbox/civil-registry.ts';
import type { Behaviour } from '../src/sandbox/control.ts';
import { land } from '../src/sandbox/land.ts';
import { population } from '../src/sandbox/population.ts';
import { startRegistry } from '../src/sandbox/registry.ts';
import { serve } from './child.ts';
import { makeFamilies } from './people.ts';

/** Addresses and credentials by source. */
export interface Registries {
  readonly addresses: Readonly<Record<string, string>>;
  readonly credentials: Readonly<Record<string, string>>;
}

const world = makeFamilies();
const dialects = { population, 'civil-registry': civilRegistry, land, 'birth-notices': birthNotices };
const started = await Promise.all(
  Object.entries(dialects).map(async ([name, dialect]) => [name, await startRegistry(dialect(world))] as const),
);

serve(
  {
    addresses: Object.fromEntries(started.map(([name, { address }]) => [name, address.href])),
    credentials: Object.fromEntries(started.map(([name, { credential }]) => [name, credential])),
  } satisfies Registries,
  {
    /** Look-ups received by all of them since their start. */
    lookUps: () => started.reduce((sum, [, { requests }]) => sum + requests, 0),
    /** Makes one of them behave so. */
    tell: (told) => {
      const { source, behaviour } = told as { source: string; behaviour: Behaviour };
      started.find(([name]) => name === source)?.[1].tell(behaviour);
    },
    /** Makes the civil registry answer after so many milliseconds. */
    delay: (milliseconds) => started.find(([name]) => name === 'civil-registry')?.[1].tell({ mode: 'ok', delayMs: Number(milliseconds) }),
    /** Makes all of them do so. */
    delayAll: (milliseconds) => {
      for (const [, registry] of started) registry.tell({ mode: 'ok', delayMs: Number(milliseconds) });
    },
  },
);
