/** A whole gateway with its sandbox, listening on loopback, with its own data directory, clock and log lines: for tests of the HTTP edge. */
import { randomUUID } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { importJWK, type JWK, SignJWT } from 'jose';
import { pino } from 'pino';
import { parse, stringify } from 'yaml';
import { createGateway, type Gateway } from '../../src/app.ts';
import type { AuditEntry } from '../../src/audit/entry.ts';
import type { LogStore } from '../../src/audit/store.ts';
import type { Environment } from '../../src/environment.ts';
import { agencyKeyPath } from '../../src/keys.ts';
import type { Act } from '../../src/misuse/act.ts';
import { SANDBOX_SOURCES, type Sandbox, startSandbox } from '../../src/sandbox/index.ts';
import { temporaryDirectory } from './directories.ts';

export const ISSUER = 'https://oncegate.test';
/** A moment at which every sandbox grant is in force. */
export const NOON = Date.parse('2026-11-22T05:00:00Z');
export const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

export interface TestGateway {
  readonly gateway: Gateway;
  readonly sandbox: Sandbox;
  /** Where it listens; its issuer is `ISSUER`. */
  readonly address: string;
  readonly port: number;
  readonly dataDirectory: string;
  /** The gateway's clock: it stands still until a test moves it. */
  readonly time: { now: number };
  /** Every line of the process log so far. */
  readonly lines: string[];
  /** An access token of an agency; remembered until the clock moves. */
  token(agency?: string, scope?: string): Promise<string>;
  /** The audit log from an entry on, without alerts: those come when they come. */
  entries(from?: number): Promise<AuditEntry[]>;
  alerts(): Promise<AuditEntry[]>;
  /** Look-ups received by all registries together. */
  lookUps(): number;
  close(): Promise<void>;
}

export interface TestGatewayOptions {
  readonly configDirectory?: string;
  /** An existing data directory, kept on close; otherwise a new one, removed on close. */
  readonly dataDirectory?: string;
  /** A sandbox to share, kept on close; otherwise one of its own. */
  readonly sandbox?: Sandbox;
  readonly issuer?: string;
  /** Where it listens, for what has to know before; one of the kernel's choice unless said. */
  readonly port?: number;
  readonly redisUrl?: string;
  readonly now?: number;
  readonly databaseUrl?: string;
  readonly operators?: { readonly host: string; readonly port: number };
  /** What else the process is started with. */
  readonly environment?: Partial<Environment>;
  /** Numbers in [0, 1); 0 each time unless said: nothing is refreshed ahead, and nobody pauses longer than the others. */
  readonly random?: () => number;
  readonly act?: Act;
  /** Stands between the gateway and its log, to break it. */
  readonly breakLog?: (store: LogStore) => LogStore;
}

export async function startGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const { configDirectory = 'config', issuer = ISSUER, now = NOON, random = () => 0, databaseUrl, breakLog = (store) => store } = options;
  const sandbox = options.sandbox ?? (await startSandbox());
  const dataDirectory = options.dataDirectory ?? temporaryDirectory();
  const time = { now };
  const lines: string[] = [];
  const opened: LogStore[] = [];
  const gateway = await createGateway({
    environment: {
      host: '127.0.0.1',
      port: options.port ?? 0,
      configDirectory,
      dataDirectory,
      stateDirectory: dataDirectory,
      issuer,
      databaseUrl,
      redisUrl: options.redisUrl,
      logLevel: 'trace',
      operators: options.operators,
      secret: () => undefined,
      ...options.environment,
    },
    sandbox,
    logger: pino({ level: 'trace', base: null }, { write: (line: string) => void lines.push(line) }),
    clock: () => time.now,
    random,
    ...(options.act === undefined ? {} : { act: options.act }),
    aroundStore: (store) => {
      opened.push(store);
      return breakLog(store);
    },
  });
  await gateway.listen();
  const { port } = gateway.server.server.address() as AddressInfo;
  const address = `http://127.0.0.1:${port}`;
  const tokens = new Map<string, string>();
  const all = async (): Promise<AuditEntry[]> => {
    const [store] = opened;
    if (store === undefined) return [];
    return (await store.read(0, (await store.head()).size)).map((body) => JSON.parse(body ?? '') as AuditEntry);
  };

  return {
    gateway,
    sandbox,
    address,
    port,
    dataDirectory,
    time,
    lines,
    async token(agency = 'X01.1', scope) {
      const name = JSON.stringify([agency, scope, time.now]);
      const known = tokens.get(name);
      if (known !== undefined) return known;
      const reply = await requestToken(
        address,
        await assertion(agencyKey(dataDirectory, agency), agency, { issuer, now: time.now }),
        scope,
      );
      const { access_token: token } = (await reply.json()) as { access_token?: string };
      if (token === undefined) throw new Error(`${agency} gets no token: ${reply.status}`);
      tokens.set(name, token);
      return token;
    },
    entries: async (from = 0) => (await all()).filter(({ kind }) => kind !== 'alert').slice(from),
    alerts: async () => (await all()).filter(({ kind }) => kind === 'alert'),
    lookUps: () => SANDBOX_SOURCES.reduce((sum, source) => sum + sandbox.requests(source), 0),
    async close() {
      gateway.server.server.closeAllConnections();
      await gateway.close();
      if (options.sandbox === undefined) await sandbox.close();
      if (options.dataDirectory === undefined) rmSync(dataDirectory, { recursive: true });
    },
  };
}

export { temporaryDirectory };

/** The private key that the sandbox made for an agency. */
export const agencyKey = (dataDirectory: string, agency: string): JWK =>
  JSON.parse(readFileSync(agencyKeyPath(dataDirectory, agency), 'utf8')) as JWK;

/** A client assertion as RFC 7523 wants it; `claims` and `header` replace what is there, and undefined takes it away. */
export async function assertion(
  key: JWK,
  agency: string,
  { issuer = ISSUER, now = NOON, claims = {}, header = {} }: { issuer?: string; now?: number; claims?: object; header?: object } = {},
): Promise<string> {
  const seconds = Math.floor(now / 1000);
  return new SignJWT({ iss: agency, sub: agency, aud: issuer, iat: seconds, exp: seconds + 60, jti: randomUUID(), ...claims })
    .setProtectedHeader({ alg: key.alg ?? '', ...(key.kid === undefined ? {} : { kid: key.kid }), ...header })
    .sign(await importJWK(key));
}

/** Asks for an access token. */
export function requestToken(
  address: string,
  clientAssertion: string,
  scope?: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    client_assertion_type: ASSERTION_TYPE,
    client_assertion: clientAssertion,
    ...(scope === undefined ? {} : { scope }),
  });
  return fetch(`${address}/oauth2/token`, { method: 'POST', headers: { ...headers }, body });
}

/** A YAML file as it is parsed: members to be edited in place. */
export type Edited = Record<string, never> & { [member: string]: Edited & Edited[] & string & number };

/** A copy of `config/` in which some files are changed: path below it → what becomes of its content (undefined where there is none yet). */
export function editedConfig(edits: Record<string, (file: Edited) => unknown>): string {
  const directory = temporaryDirectory();
  cpSync('config', directory, { recursive: true });
  for (const [path, edit] of Object.entries(edits)) {
    const file = join(directory, path);
    let content: Edited = {};
    try {
      content = parse(readFileSync(file, 'utf8')) as Edited;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, stringify(edit(content)));
  }
  return directory;
}
