/** Views in PostgreSQL: read-only sessions, values as the database writes them, and failures named by the contract. */

import { connect } from 'node:net';
import { type ConnectionOptions, checkServerIdentity } from 'node:tls';
import pg from 'pg';
import { type AdapterSettings, SourceError, type TlsSettings } from '../src/adapter.ts';
import { rowOf } from './columns.ts';
import { type Meanings, serverFailure } from './failures.ts';
import { addressFaultOf, type Place, placeOf } from './place.ts';
import { AS_WRITTEN, jsonOf } from './postgres-values.ts';
import type { Session } from './sessions.ts';
import { WatchedSocket } from './socket.ts';
import { securedBy, unreachable } from './tls.ts';
import { viewIn } from './view.ts';

export const postgresAddressFault = addressFaultOf('postgres');

export const postgres = viewIn({
  quote: '"',
  placeholder: '$1',
  addressFault: postgresAddressFault,
  connect: (settings) => () => open(settings),
});

function open({ address, credential, timeoutMs, tls }: AdapterSettings): Session {
  const place = placeOf(address, 5432);
  const line: WatchedSocket = new WatchedSocket(() => client.connection.stream);
  // What is not said here, the driver takes from the environment of the process.
  const client: pg.Client = new pg.Client({
    ...place,
    // A function, or without a password the driver would look for one in the files of the user.
    password: () => credential ?? '',
    ssl: place.secure && secured(place, tls),
    sslnegotiation: 'postgres',
    stream: () => line.socket,
    application_name: 'oncegate',
  });
  // Of a session that nobody asks anything just now: it is seen to be no longer alive.
  client.on('error', () => {});
  let secret: Secret | undefined;
  client.connection.on('backendKeyData', (told: Secret) => {
    secret = told;
  });
  // Heard before the driver hears it, which would answer: whoever is between could ask for it too.
  client.connection.on('authenticationCleartextPassword', () => {
    if (!place.secure) line.fail('refused', 'the server asks for the password in the clear');
  });
  let asking = false;
  const prepare = async (): Promise<void> => {
    await client.connect();
    await client.query(settings(timeoutMs));
  };
  const failed = (error: unknown): never => {
    throw line.fault ?? failureOf(error);
  };

  return {
    ready: prepare().catch(failed),
    get alive() {
      return line.alive;
    },
    async ask(question) {
      line.ask();
      asking = true;
      const { rows, fields } = await client
        .query<(string | null)[]>({ text: question.statement, values: [question.key], rowMode: 'array', types: AS_WRITTEN })
        .catch(failed)
        .finally(() => {
          asking = false;
        });
      return rows.map((row) => rowOf(question, (place, name) => jsonOf(row[place], fields[place]?.dataTypeID, name)));
    },
    leave() {
      line.leave(() => void client.end());
    },
    cut() {
      if (asking && line.alive && secret !== undefined) cancel(place, secret);
      line.cut();
    },
  };
}

/**
 * Not given with the start of the connection, where a pooler may drop them unsaid. `TimeZone`: an instant is read as the day that it was in
 * Viet Nam. `extra_float_digits`: until version 12, the server rounded doubles unless it was told not to.
 */
const settings = (timeoutMs: number | undefined): string => `
  SET default_transaction_read_only = on;
  SET TimeZone = 'Asia/Ho_Chi_Minh';
  SET DateStyle = 'ISO';
  SET extra_float_digits = 3;
  ${timeoutMs === undefined ? '' : `SET statement_timeout = ${timeoutMs}`}`;

/** The driver tells Node the name in the address, which is not always the one that is to be proven. */
const secured = ({ host }: Place, tls: TlsSettings = {}): ConnectionOptions => ({
  ...securedBy(tls),
  rejectUnauthorized: true,
  checkServerIdentity: (_, certificate) => checkServerIdentity(tls.serverName ?? host, certificate),
});

/** What the server knows a session by. */
interface Secret {
  readonly processID: number;
  readonly secretKey: number;
}

const CANCEL = 80_877_102;
const CANCEL_MS = 5000;

/** The server notices a lost connection only when it has something to say on it; until then the query runs on. It takes this on any connection. */
function cancel({ host, port }: Place, { processID, secretKey }: Secret): void {
  const request = Buffer.alloc(16);
  for (const [i, part] of [16, CANCEL, processID, secretKey].entries()) request.writeInt32BE(part, 4 * i);
  const socket = connect(port, host, () => socket.end(request));
  socket.setTimeout(CANCEL_MS, () => socket.destroy());
  socket.on('error', () => {});
  socket.resume();
}

/** Classes and codes of SQLSTATE, PostgreSQL's appendix A. */
const MEANINGS: Meanings = [
  [/^28|^42501$/, 'refused'],
  [/^57014$|^55P03$/, 'timeout'],
  [/^08|^53300$|^57P/, 'unreachable'],
];

function failureOf(error: unknown): SourceError {
  if (error instanceof pg.DatabaseError) {
    if (error.code !== undefined && /^[0-9A-Z]{5}$/.test(error.code)) return serverFailure(error.code, MEANINGS);
    return new SourceError('malformed', 'the server does not speak the protocol of its kind');
  }
  // The driver gives no code where the two sides do not agree about the password.
  if (error instanceof Error && error.message.startsWith('SASL'))
    return new SourceError('refused', 'the server and the gateway do not agree about the password');
  return unreachable(error);
}
