/** A connection to the PostgreSQL that keeps the log: what the server must promise first, how long anything waits, what an error may say. */
import pg from 'pg';

export interface Place {
  readonly url: string;
  /** Milliseconds for which a process may hold the log and do nothing. All other waits are multiples of it. */
  readonly patience: number;
}

export interface Session {
  /** Sends at once, though answers to others are still awaited; they come in order. */
  ask<Row extends pg.QueryResultRow>(query: string | pg.QueryConfig<unknown[]>): Promise<pg.QueryResult<Row>>;
  /** Ends the transaction with its last statement, in one round trip. Where it rejects, nobody knows whether it was kept. */
  commit(last: pg.QueryConfig<unknown[]> | undefined): Promise<void>;
  readonly alive: boolean;
  close(): Promise<void>;
}

export const clientConfig = ({ url, patience }: Place): pg.ClientConfig => ({
  connectionString: url,
  fallback_application_name: 'oncegate',
  connectionTimeoutMillis: 2 * patience,
  // The server's own limits come first; this one is for a server that does not answer at all.
  query_timeout: 4 * patience,
  keepAlive: true,
  keepAliveInitialDelayMillis: 10_000,
});

/** Each is set where the server knows it: some came with later versions. */
const settings = (patience: number): Record<string, string> => ({
  // Whatever the database or the role has as its default.
  synchronous_commit: 'on',
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  // A writer that is stopped within its transaction is cut off before those who wait for it give up.
  idle_in_transaction_session_timeout: `${patience}ms`,
  lock_timeout: `${2.5 * patience}ms`,
  statement_timeout: `${3 * patience}ms`,
  transaction_timeout: `${5 * patience}ms`,
  tcp_keepalives_idle: '5s',
  tcp_keepalives_interval: '2s',
  tcp_keepalives_count: '3',
  // Every question has its index. A plan made while the tables were small must not read them whole when they are not.
  enable_seqscan: 'off',
  jit: 'off',
});

/** Makes a new connection fit for the log, or throws an Error that says why the server is not. */
export async function prepare(client: pg.ClientBase, place: Place, more: Readonly<Record<string, string>> = {}): Promise<void> {
  const wanted = { ...settings(place.patience), ...more };
  const text = `SELECT set_config(name, value, false) FROM unnest($1::text[], $2::text[]) AS wanted (name, value) JOIN pg_settings USING (name)`;
  await client.query(text, [Object.keys(wanted), Object.values(wanted)]);
  const { rows } = await client.query<Record<'fsync' | 'pages' | 'standby' | 'encoding', string>>(
    `SELECT current_setting('fsync') AS fsync, current_setting('full_page_writes') AS pages,
       pg_is_in_recovery()::text AS standby, current_setting('server_encoding') AS encoding`,
  );
  const [server] = rows;
  if (server?.fsync !== 'on') throw new Error('it runs with fsync = off, and would forget entries in a power cut');
  if (server.pages !== 'on') throw new Error('it runs with full_page_writes = off, and could tear entries in a power cut');
  if (server.standby !== 'false') throw new Error('it is a standby, which takes no entries');
  if (server.encoding !== 'UTF8') throw new Error(`its encoding is ${server.encoding}, and entries are UTF-8`);
}

export async function connect(place: Place): Promise<Session> {
  let client: pg.Client;
  /** Why the connection is of no use any more. */
  let broken: Error | undefined;
  let doubt: string | undefined;
  try {
    client = new pg.Client({ ...clientConfig(place), pipeline: true });
    client.on('error', (error) => {
      broken ??= error;
    });
    // PostgreSQL warns, and reports success, where it stopped waiting for the standby that was to confirm a commit.
    client.on('notice', ({ code, message }) => {
      if (code === '01000') doubt = message;
    });
    await client.connect();
  } catch (error) {
    throw plain(error, place);
  }
  const close = async (): Promise<void> => {
    broken ??= new Error('the connection was closed');
    const ended = client.end();
    // A server that does not answer does not say goodbye either.
    const timer = setTimeout(() => client.connection.stream.destroy(), place.patience);
    await ended.finally(() => clearTimeout(timer));
  };
  try {
    // The same few statements all day, on tables whose form does not change: planning them each time costs more than running them.
    await prepare(client, place, { plan_cache_mode: 'force_generic_plan' });
  } catch (error) {
    await close();
    throw plain(error, place);
  }
  const ask: Session['ask'] = async (query) => {
    try {
      return await client.query(query);
    } catch (error) {
      throw plain(broken ?? error, place);
    }
  };
  return {
    ask,
    async commit(last) {
      doubt = undefined;
      await Promise.all([last && ask(last), ask('COMMIT')]);
      if (doubt !== undefined) throw new Error(`the log’s database is not sure of a commit: ${doubt}`);
    },
    get alive() {
      return broken === undefined;
    },
    close,
  };
}

/**
 * What the log may pass on of an error: what went wrong and its code. The rest of what PostgreSQL tells quotes rows and statements, and of
 * what a connection tells, the address with its password.
 */
export function plain(error: unknown, { url }: Place): Error {
  const { message = '', code } = error as { message?: string; code?: string };
  let said = message || 'it cannot be reached';
  const password = URL.parse(url)?.password;
  for (const secret of password ? [password, safeDecode(password)] : []) said = said.replaceAll(secret, '…');
  return new Error(`the log’s database: ${said}${code === undefined ? '' : ` (${code})`}`);
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
