/** (c) and (d) Oncegate as it is shipped, with its log on disk; beside the parent's questions only its commits are counted. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { pino } from 'pino';
import { nonces } from '../../src/access/nonces.ts';
import { onceInMemory } from '../../src/access/once.ts';
import { TokenKeys } from '../../src/access/token-keys.ts';
import { type Binding, Tokens } from '../../src/access/tokens.ts';
import type { JsonObject } from '../../src/adapter.ts';
import { createGateway } from '../../src/app.ts';
import { AuditLog } from '../../src/audit/log.ts';
import type { LogStore } from '../../src/audit/store.ts';
import { Client } from '../../src/client.ts';
import type { Agency } from '../../src/domain.ts';
import { agencyKeyPath, loadKeys } from '../../src/keys.ts';
import { handed, serve } from '../child.ts';
import { profiling } from '../profiling.ts';
import type { Registries } from '../registries.ts';

const {
  registries,
  dataDirectory,
  configDirectory = join(import.meta.dirname, '../../config'),
  redisUrl,
  log = true,
} = handed<{ registries: Registries; dataDirectory: string; configDirectory?: string; redisUrl?: string; log?: boolean }>();
const AGENCY = 'X01.1';

let commits = 0;
const counting = (store: LogStore): LogStore => ({
  ...store,
  append: (compose) => {
    commits++;
    return store.append(compose);
  },
});
// What the log costs is what a gateway without one does not pay. Only here is there such a gateway.
if (!log) {
  AuditLog.prototype.append = async (entry) => ({ entry: { ...entry } as unknown as JsonObject, index: 0, proof: [], checkpoint: '' });
}

const port = await freePort();
const issuer = `http://127.0.0.1:${port}`;
const gateway = await createGateway({
  environment: {
    host: '127.0.0.1',
    port,
    configDirectory,
    dataDirectory,
    stateDirectory: dataDirectory,
    issuer,
    databaseUrl: undefined,
    redisUrl,
    logLevel: 'info',
    secret: () => undefined,
  },
  sandbox: {
    addresses: Object.fromEntries(Object.entries(registries.addresses).map(([name, address]) => [name, new URL(address)])),
    credentials: registries.credentials,
  },
  logger: pino({ level: 'info', base: null }),
  aroundStore: counting,
});
await gateway.server.listen({ host: '127.0.0.1', port });

const key = JSON.parse(readFileSync(agencyKeyPath(dataDirectory, AGENCY), 'utf8')) as Record<string, string>;
const token = (): Promise<string> => new Client(issuer, AGENCY, key).bearerToken('prefill');

const { agencies } = gateway.catalogue;
const keys = loadKeys(dataDirectory, true);
const issuing = {
  issuer,
  keys: new TokenKeys(keys.token, Date.now),
  lifetimeSeconds: 600,
  agencies,
  once: onceInMemory(Date.now),
  shutOut: () => false,
  clock: Date.now,
};
const tokens = new Tokens(issuing);
const issue = async (binding?: Binding): Promise<string> =>
  (await tokens.issue({ agency: agencies.get(AGENCY) as Agency, key: '' }, 'prefill', binding)).access_token;
/** So many tokens that nobody has shown yet, signed with the gateway's own key. */
const freshTokens = (count: unknown): Promise<string[]> => Promise.all(Array.from({ length: Number(count) }, () => issue()));
/** A token that is bound to a key, and a nonce for its proofs. */
const boundToken = async (jwk: unknown): Promise<object> => ({
  token: await issue({ jkt: await calculateJwkThumbprint(jwk as JWK) }),
  nonce: nonces(keys.nonce, Date.now).current(),
});
serve({ address: issuer, token: await token() }, { commits: () => commits, token, freshTokens, boundToken, memory, ...profiling });

/** MiB, the heap after a collection; and what keeps the process alive. */
function memory(): object {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, rss } = process.memoryUsage();
  return { heap: heapUsed / 2 ** 20, rss: rss / 2 ** 20, handles: process.getActiveResourcesInfo().length };
}

/** The issuer is the address, and has to be known before there is one. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port: free } = probe.address() as AddressInfo;
      probe.close(() => resolve(free));
    });
  });
}
