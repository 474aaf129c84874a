/** Views in databases as sources: the contract of `src/adapter.ts` against real servers, and what only databases can do to a look-up. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as after } from 'node:timers/promises';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import t, { type Test } from 'tap';
import { adapters } from '../adapters/index.ts';
import { type Adapter, type AdapterSettings, type JsonObject, SourceError } from '../src/adapter.ts';
import { makeWorld } from '../src/sandbox/people.ts';
import { findAuthority } from './support/certificates.ts';
import { makeRegisters, REGISTERS, TABLES, VIEWS } from './support/registers.ts';
import { type Kind, mysqlKind, PASSWORD, postgresKind } from './support/view-kinds.ts';

// A day that is shifted shows best where the process, the server and the country are in three different days.
process.env.TZ = 'Pacific/Pago_Pago';

const KEY = '003099000017';
const never = new AbortController().signal;
const world = makeWorld();
const authority = findAuthority();
const issue = (names: string) => (typeof authority === 'string' ? undefined : authority.issue({ names, by: authority.ca }));
t.teardown(() => typeof authority !== 'string' && authority.close());

const ajv = new Ajv2020({ strict: false });
(formats as unknown as (ajv: Ajv2020) => void)(ajv);
for (const file of readdirSync('schemas/datasets')) ajv.addSchema(JSON.parse(readFileSync(`schemas/datasets/${file}`, 'utf8')));

const HOLDS: Record<string, (key: string) => boolean> = {
  person: (key) => world.people.has(key),
  'birth-notice': (key) => world.notices.has(key),
  'land-holding': (key) => world.holdingsOf(key).length > 0,
  'land-certificate': (key) => world.certificates.has(key),
};
const UNKNOWN = { person: '003091000199', certificate: 'ZZ 99999999' };

const sockets = (): number => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
const quiet = sockets();

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 10_000; !(await holds()); await after(5)) {
    if (Date.now() > end) throw new Error('it did not come to hold');
  }
}

/** The failure, after checking that it tells nothing of the key or of what the database holds. */
async function failureOf(lookUp: Promise<unknown>, ...secrets: string[]): Promise<SourceError> {
  const error: unknown = await lookUp.then(
    (answer) => new Error(`it answered ${JSON.stringify(answer)}`),
    (thrown) => thrown,
  );
  if (!(error instanceof SourceError)) throw error;
  const told = `${error.stack} ${JSON.stringify(error)} ${error.cause instanceof Error ? error.cause.stack : ''} ${JSON.stringify(error.cause)}`;
  for (const secret of [...secrets, PASSWORD, world.person(KEY).name]) if (secret && told.includes(secret)) throw new Error('the error tells');
  return error;
}

type Make = (changed?: Partial<AdapterSettings>) => Adapter;

const kinds = {
  postgres: await postgresKind(),
  mysql: await mysqlKind(issue('DNS:localhost')),
};

for (const [name, kind] of Object.entries(kinds)) {
  if (typeof kind === 'string') {
    t.test(name, { skip: kind }, async () => {});
    continue;
  }
  t.teardown(() => kind.stop());
  const make: Make = (changed) => {
    const datasets = Object.fromEntries(Object.entries(REGISTERS).map(([dataset, { description }]) => [dataset, description]));
    const made = adapters[name]?.({ address: kind.address, credential: PASSWORD, datasets, ...changed });
    if (made === undefined) throw new Error(`there is no adapter ${name}`);
    return made;
  };
  t.test(name, async (t) => {
    await kind.run(...makeRegisters(world, kind.sql));
    await kind.admit(VIEWS);
    for (const dataset of Object.keys(REGISTERS)) await t.test(dataset, (t) => contract(t, kind, dataset, make));
  });
}

/** The dataset's description, of one of the odd views. */
function odd(dataset: string, how: string): Partial<AdapterSettings> {
  const { description, view } = REGISTERS[dataset] ?? {};
  const request = { ...(description?.request as JsonObject), view: `${how}_${view}`, where: 'asked' };
  return { datasets: { [dataset]: { ...description, request } } };
}

async function contract(t: Test, kind: Kind, dataset: string, make: Make): Promise<void> {
  const adapter = make();
  const of = adapter.datasets[dataset] ?? 'person';
  const keys = of === 'person' ? [...world.people.keys()] : [...world.certificates.keys()];
  const one = keys.find((key) => HOLDS[dataset]?.(key)) ?? '';

  await t.test('every record of the sandbox fits its dataset, asked for all at once', async (t) => {
    const validate = ajv.getSchema(`oncegate:datasets/${dataset}`);
    const faults: unknown[] = [];
    const check = async (key: string) => {
      const answer = await adapter.lookUp({ dataset, key }, never);
      if (answer.found !== HOLDS[dataset]?.(key)) faults.push([key, 'found', answer.found]);
      if (!answer.found) return;
      if (!validate?.(answer.record)) faults.push([key, validate?.errors]);
      if (answer.about !== key || !/^\d{4}-\d\d-\d\d/.test(answer.recordedAt ?? '')) faults.push([key, answer.about, answer.recordedAt]);
    };
    await Promise.all(keys.map(check));
    t.strictSame(faults, []);
    t.ok((await kind.connected()) <= 8, 'with no more than a few connections');
  });

  await t.test('no record is an answer', async (t) => {
    t.strictSame(await adapter.lookUp({ dataset, key: UNKNOWN[of] }, never), { found: false });
  });

  await t.test('an answer is about whom it says, not about whom was asked', async (t) => {
    const lying = make(odd(dataset, 'lying'));
    const answer = await lying.lookUp({ dataset, key: one }, never);
    t.ok(answer.found && answer.about !== one);
    await lying.close();
  });

  await t.test('each failure has its reason', async (t) => {
    const view = (name: string): Partial<AdapterSettings> => {
      const { description } = REGISTERS[dataset] ?? {};
      return { datasets: { [dataset]: { ...description, request: { ...(description?.request as JsonObject), view: name } } } };
    };
    const at = (change: (address: URL) => void): Partial<AdapterSettings> => {
      const address = new URL(kind.address);
      change(address);
      return { address };
    };
    // MySQL does not tell what is not there from what may not be seen.
    const hidden = kind.adapter === 'mysql' ? 'refused' : 'error';
    const failures: [string, Partial<AdapterSettings>, string, RegExp?][] = [
      ['a view that fails', odd(dataset, 'failing'), 'error'],
      ['a flood', odd(dataset, 'flooding'), 'malformed', /longer than 1048576 bytes/],
      ['no such view', view('nowhere'), hidden],
      ['no such schema', view('nowhere.citizen'), hidden],
      ['a view that may not be read', odd(dataset, 'private'), 'refused'],
      ['a stranger', at((address) => (address.username = 'stranger')), 'refused'],
      ['no such database', at((address) => (address.pathname = '/nowhere')), hidden],
      ['nobody there', at((address) => (address.port = '1')), 'unreachable'],
      ['no such host', at((address) => (address.hostname = 'nowhere.invalid')), 'unreachable'],
    ];
    if (kind.server !== undefined) {
      failures.push(['a wrong secret', { credential: 'wrong' }, 'refused'], ['no secret', { credential: undefined }, 'refused']);
    }
    for (const [name, changed, reason, says = /./] of failures) {
      const made = make(changed);
      t.match(await failureOf(made.lookUp({ dataset, key: one }, never), one), { reason, message: says }, name);
      await made.close();
    }
    const slow = make(odd(dataset, 'slow'));
    const began = performance.now();
    t.ok((await slow.lookUp({ dataset, key: one }, never)).found, 'slow is not a failure');
    t.ok(performance.now() - began >= 50);
    await slow.close();
  });

  await adapter.close();

  await t.test('an abort ends it with the signal’s reason, at the server too, and leaves no socket', async (t) => {
    await until(() => sockets() === quiet);
    const own = make();
    const unlock = await kind.lock(TABLES);
    const abort = new AbortController();
    const reason = new Error('enough');
    const waiting = Array.from({ length: 20 }, () => own.lookUp({ dataset, key: one }, abort.signal).catch((error: unknown) => error));
    await until(async () => (await kind.busy()) === 8);
    abort.abort(reason);
    t.strictSame(new Set(await Promise.all(waiting)), new Set([reason]));
    await until(async () => (await kind.connected()) === 0);
    t.equal(await own.lookUp({ dataset, key: one }, abort.signal).catch((error: unknown) => error), reason, 'aborted before it began');
    await unlock();
    await until(() => sockets() === quiet);
    t.ok((await own.lookUp({ dataset, key: one }, never)).found, 'and the next is answered');
    await own.close();
  });

  await t.test('closing releases the connections', async (t) => {
    await until(() => sockets() === quiet);
    const own = make();
    await own.lookUp({ dataset, key: one }, never);
    t.ok(sockets() > quiet, 'kept for the next question');
    await own.close();
    await until(() => sockets() === quiet);
  });
}

