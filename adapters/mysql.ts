/** Views in MySQL and MariaDB: read-only sessions, prepared statements alone, and failures named by the contract. */

import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import mysql, { type RowDataPacket } from 'mysql2';
import { type AdapterSettings, SourceError } from '../src/adapter.ts';
import { rowOf } from './columns.ts';
import { type Meanings, serverFailure } from './failures.ts';
import { jsonOf } from './mysql-values.ts';
import { addressFaultOf, placeOf } from './place.ts';
import type { Session } from './sessions.ts';
import { MOST_BYTES, WatchedSocket } from './socket.ts';
import { securedBy, unreachable } from './tls.ts';
import { type Database, viewIn } from './view.ts';

const formFault = addressFaultOf('mysql');

export const mysqlAddressFault: Database['addressFault'] = (address, tls) => {
  const fault = formFault(address);
  if (fault !== undefined || tls?.serverName !== undefined) return fault;
  const { host, secure } = placeOf(address, 0);
  // The driver leaves the name out then, and Node would take a certificate for `localhost`.
  return secure && isIP(host) !== 0 ? 'must name the server, or tls.serverName must: a certificate is compared with a name' : undefined;
};

export const mysqlViews = viewIn({
  quote: '`',
  placeholder: '?',
  addressFault: mysqlAddressFault,
  connect: (settings) => () => open(settings),
});

function open({ address, credential, timeoutMs, tls = {} }: AdapterSettings): Session {
  const { host, port, secure, ...who } = placeOf(address, 3306);
  const line: WatchedSocket = new WatchedSocket(() => (connection as unknown as { stream?: Duplex }).stream);
  const connection: mysql.Connection = mysql.createConnection({
    ...who,
    stream: () => line.socket.connect(port, host),
    // No time limit here: the caller's signal is the only clock.
    connectTimeout: 0,
    ...(credential === undefined ? {} : { password: credential }),
    // The name that is to be proven, at which the driver does not look unless it is told to.
    host: tls.serverName ?? host,
    ...(secure ? { ssl: { ...securedBy(tls), rejectUnauthorized: true, verifyIdentity: true } } : {}),
    // A server must not be able to ask for files of this machine.
    flags: ['-LOCAL_FILES'],
    // Nor to have its names of columns compiled to code.
    disableEval: true,
    dateStrings: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
    jsonStrings: true,
  });
  // Of a session that nobody asks anything just now: it is seen to be no longer alive.
  connection.on('error', () => {});
  const asked = connection.promise();
  const failed = (error: unknown): never => {
    throw line.fault ?? failureOf(line.broken ?? error);
  };
  const prepare = async (): Promise<void> => {
    await asked.connect();
    await asked.query('SET SESSION TRANSACTION READ ONLY');
    await asked.query(settings(timeoutMs));
  };

  return {
    ready: prepare().catch(failed),
    get alive() {
      return line.alive;
    },
    async ask(question) {
      line.ask();
      const query = { sql: question.statement, rowsAsArray: true };
      const [rows, fields] = await asked.execute<RowDataPacket[][]>(query, [question.key]).catch(failed);
      return rows.map((row) => rowOf(question, (place, name) => jsonOf(row[place], fields[place], name)));
    },
    leave() {
      line.leave(() => connection.end());
    },
    cut() {
      line.cut();
    },
  };
}

/**
 * `time_zone`: an instant is read as the day that it was in Viet Nam. `sql_mode`: in some, CHAR is filled up with spaces.
 * `group_concat_max_len`: views that make JSON of rows would be cut after a thousand bytes. The limit of time has a name and a unit of its
 * own in either of the two databases, each of which takes what stands between its marks for a comment of the other.
 */
function settings(timeoutMs: number | undefined): string {
  const limit =
    timeoutMs === undefined
      ? ''
      : ` /*!50708 , max_execution_time = ${timeoutMs} */ /*M!100101 , max_statement_time = ${timeoutMs / 1000} */`;
  return `SET NAMES utf8mb4, time_zone = '+07:00', sql_mode = '', group_concat_max_len = ${MOST_BYTES}${limit}`;
}

/** Numbers of errors, as both databases count them. */
const MEANINGS: Meanings = [
  [/^(?:1044|1045|1129|1130|1142|1143|1698|1862|3118|3955|4151)$/, 'refused'],
  [/^(?:1205|1969|3024)$/, 'timeout'],
  [/^(?:1040|1053|1152|1184|1203|1226|1927|4031)$/, 'unreachable'],
];

function failureOf(error: unknown): SourceError {
  if (!(error instanceof Error)) return unreachable(error);
  const { errno, code = '' }: NodeJS.ErrnoException = error;
  // Those of the system are below zero.
  if (errno !== undefined && errno > 0) return serverFailure(String(errno), MEANINGS);
  if (/^(?:AUTH_SWITCH|MYSQL_CLEAR_PASSWORD)/.test(code))
    return new SourceError('refused', 'the server asks for the password in a way that is not taken');
  // The driver itself catches what it stumbles over in most places.
  if (error instanceof RangeError || error instanceof TypeError || /^(?:HANDSHAKE_UNKNOWN|PROTOCOL_(?!CONNECTION_LOST))/.test(code))
    return new SourceError('malformed', 'the server does not speak the protocol of its kind');
  return unreachable(error);
}
